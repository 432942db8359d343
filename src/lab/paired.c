/* SPDX-License-Identifier: BSD-2-Clause */
/* Centres of paired differences; see paired.h. */
#include "lab/paired.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sort.h"
#include "base/student.h"
#include "lab/draw.h"

#define RESAMPLES 1000

/*
 * The mean of @pairs, which are sorted, each counted as often as its group was drawn, without the
 * lowest and the highest @trim of them.
 */
static double trimmed_mean(const struct lab_pair *pairs, size_t count, const unsigned int *drawn,
			   double trim)
{
	size_t all = 0, seen = 0, cut, kept = 0;
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		all += drawn[pairs[i].group];
	cut = (size_t)((double)all * trim);
	for (size_t i = 0; i < count; i++) {
		size_t from = seen, to = seen + drawn[pairs[i].group];

		seen = to;
		from = from < cut ? cut : from;
		to = to > all - cut ? all - cut : to;
		if (to <= from)
			continue;
		sum += pairs[i].difference * (double)(to - from);
		kept += to - from;
	}
	return kept ? sum / (double)kept : NAN;
}

/* The standard deviation of the centre over draws of groups. */
static double bootstrap_error(const struct lab_pair *pairs, size_t count, size_t groups,
			      double trim, uint64_t seed)
{
	unsigned int *drawn = xcalloc(groups, sizeof(*drawn));
	double mean = 0, squares = 0;
	struct lab_random random;

	lab_random_seed(&random, seed);
	for (int i = 1; i <= RESAMPLES; i++) {
		double value, before;

		memset(drawn, 0, groups * sizeof(*drawn));
		for (size_t j = 0; j < groups; j++)
			drawn[lab_random_below(&random, groups)]++;
		value = trimmed_mean(pairs, count, drawn, trim);
		before = value - mean;
		mean += before / i;
		squares += before * (value - mean);
	}
	free(drawn);
	return sqrt(squares / RESAMPLES);
}

/* The same without a draw, where each group has one pair and nothing is cut: that of a mean. */
static double plain_error(const struct lab_pair *pairs, size_t count, double mean)
{
	double squares = 0;

	for (size_t i = 0; i < count; i++)
		squares += (pairs[i].difference - mean) * (pairs[i].difference - mean);
	return sqrt(squares) / (double)count;
}

static int by_difference(const void *a, const void *b)
{
	return sort_rising(&((const struct lab_pair *)a)->difference,
			   &((const struct lab_pair *)b)->difference);
}

struct lab_center lab_center_of(struct lab_pair *pairs, size_t count, size_t groups, double trim,
				uint64_t seed)
{
	struct lab_center center = { .error = NAN, .groups = groups };
	unsigned int *once = xcalloc(groups, sizeof(*once));
	double n = (double)groups;

	for (size_t i = 0; i < groups; i++)
		once[i] = 1;
	qsort(pairs, count, sizeof(*pairs), by_difference);
	center.value = trimmed_mean(pairs, count, once, trim);
	free(once);
	if (groups < 2)
		return center;
	center.error = count == groups && !(trim > 0) ?
			       plain_error(pairs, count, center.value) :
			       bootstrap_error(pairs, count, groups, trim, seed);
	center.error *= sqrt(n / (n - 1));
	return center;
}

double lab_half_width(double error, size_t groups, double confidence)
{
	if (!isfinite(error) || groups < 2)
		return NAN;
	return error * student_t(confidence, (double)groups - 1);
}
