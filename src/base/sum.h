/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums of numbers that come from a server or a recording: any number may come, and the
 * sum of two is then the largest there is, not one that wrapped round.
 */
#pragma once

#include <math.h>
#include <stdint.h>

/* Add @value to *@sum, which stays within int64_t. */
static inline void sum_add(int64_t *sum, int64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = value < 0 ? INT64_MIN : INT64_MAX;
}

/* @a and @b, and @a less @b, likewise. */
static inline int64_t sum_of(int64_t a, int64_t b)
{
	sum_add(&a, b);
	return a;
}

static inline int64_t sum_less(int64_t a, int64_t b)
{
	int64_t difference;

	if (__builtin_sub_overflow(a, b, &difference))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return difference;
}

/* The larger one; INT64_MIN, which is what is not known, is below all others. */
static inline int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* @value without its fraction, the nearest there is; 0 for what is no number. */
static inline int64_t sum_whole(double value)
{
	if (isnan(value))
		return 0;
	if (fabs(value) < 0x1p63) /* the first that does not fit */
		return (int64_t)value;
	return value < 0 ? INT64_MIN : INT64_MAX;
}
