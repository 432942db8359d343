/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads pairs "WITHOUT WITH [ROUND]", one a line, from stdin and prints "MEDIAN LOW HIGH":
 * the median of the ratios with/without and its 95 % interval by the percentile bootstrap
 * (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Pairs of one
 * round were measured close together and are not independent of each other: what is drawn
 * are whole rounds. Without a third column each pair is a round of its own. The same pairs
 * give the same numbers: the random numbers are always the same ones.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAIRS_MAX 10000
#define RESAMPLES 4000

struct pair {
	double ratio;
	long round;
};

/* Pairs in the order of their rounds; where each round begins. */
static struct pair pairs[PAIRS_MAX];
static size_t starts[PAIRS_MAX + 1], pair_count, round_count;

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare_rounds(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return (x->round > y->round) - (x->round < y->round);
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

static int read_pairs(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		double without, with;
		long round = (long)pair_count;

		if (pair_count == PAIRS_MAX ||
		    sscanf(line, "%lf %lf %ld", &without, &with, &round) < 2)
			return -1;
		if (!(without > 0)) {
			fputs("ratio: a slice without is not above 0\n", stderr);
			return -1;
		}
		pairs[pair_count++] = (struct pair){ with / without, round };
	}
	return pair_count ? 0 : -1;
}

static void find_rounds(void)
{
	qsort(pairs, pair_count, sizeof(pairs[0]), compare_rounds);
	for (size_t i = 0; i < pair_count; i++)
		if (!i || pairs[i].round != pairs[i - 1].round)
			starts[round_count++] = i;
	starts[round_count] = pair_count;
}

/* The median of as many rounds as there are, drawn with replacement. */
static double resample(double *sample, size_t room)
{
	size_t count = 0;

	for (size_t n = 0; n < round_count; n++) {
		size_t round = random_below(round_count);

		for (size_t i = starts[round]; i < starts[round + 1] && count < room; i++)
			sample[count++] = pairs[i].ratio;
	}
	return median(sample, count);
}

int main(void)
{
	static double sample[2 * PAIRS_MAX], medians[RESAMPLES];

	if (read_pairs()) {
		fputs("ratio: no pairs, too many, or not numbers\n", stderr);
		return 1;
	}
	find_rounds();
	for (size_t i = 0; i < RESAMPLES; i++)
		medians[i] = resample(sample, 2 * PAIRS_MAX);
	for (size_t i = 0; i < pair_count; i++)
		sample[i] = pairs[i].ratio;
	qsort(medians, RESAMPLES, sizeof(*medians), compare);
	printf("%.4f %.4f %.4f\n", median(sample, pair_count), medians[RESAMPLES * 25 / 1000],
	       medians[RESAMPLES * 975 / 1000]);
	return 0;
}
