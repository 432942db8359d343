/* SPDX-License-Identifier: BSD-2-Clause */
/* Orders for qsort(3). */
#pragma once

/* Of doubles, the least first; there must be no NAN among them. */
static inline int sort_rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}
