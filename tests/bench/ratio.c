/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads pairs "WITHOUT WITH" from stdin and prints "MEDIAN LOW HIGH": the median of
 * the ratios with/without and its 95 % interval by the percentile bootstrap (Efron
 * and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). The same
 * pairs give the same numbers: the random numbers are always the same ones.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAIRS_MAX 10000
#define RESAMPLES 10000

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts @values. */
static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* xorshift64*: Marsaglia 2003, Vigna 2014. */
static size_t random_below(size_t limit)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return (x * 0x2545f4914f6cdd1d >> 11) % limit;
}

int main(void)
{
	static double ratios[PAIRS_MAX], sample[PAIRS_MAX], medians[RESAMPLES];
	double without, with, middle;
	size_t count = 0;

	while (count < PAIRS_MAX && scanf("%lf %lf", &without, &with) == 2) {
		if (!(without > 0)) {
			fputs("ratio: a slice without is not above 0\n", stderr);
			return 1;
		}
		ratios[count++] = with / without;
	}
	if (!count || !feof(stdin)) {
		fputs("ratio: no pairs, too many, or not numbers\n", stderr);
		return 1;
	}
	for (size_t i = 0; i < RESAMPLES; i++) {
		for (size_t n = 0; n < count; n++)
			sample[n] = ratios[random_below(count)];
		medians[i] = median(sample, count);
	}
	middle = median(ratios, count);
	qsort(medians, RESAMPLES, sizeof(*medians), compare);
	printf("%.4f %.4f %.4f\n", middle, medians[RESAMPLES * 25 / 1000],
	       medians[RESAMPLES * 975 / 1000]);
	return 0;
}
