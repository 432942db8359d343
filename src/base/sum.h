/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums of numbers that come from a server or a recording: any number may come, and the
 * sum of two is then the largest there is, not one that wrapped round.
 */
#pragma once

#include <stdint.h>

/* Add @value to *@sum, which stays within int64_t. */
static inline void sum_add(int64_t *sum, int64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = value < 0 ? INT64_MIN : INT64_MAX;
}
