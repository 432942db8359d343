/* SPDX-License-Identifier: BSD-2-Clause */
/* Orders for qsort(3). */
#pragma once

#include <stdint.h>

/* Of doubles, the least first; there must be no NAN among them. */
static inline int sort_rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of uint64_t likewise. */
static inline int sort_rising_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}
