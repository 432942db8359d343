/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads pairs "WITHOUT WITH [ROUND]", one a line, from stdin and prints "RATIO LOW HIGH": with to
 * without, and its 95 % interval, as `redmem lab` has them (lab/paired.h). Pairs of one round are
 * its groups; without a third column each pair is a round of its own. Of a single round nothing can
 * be said, and the exit status is 1. The same pairs give the same numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab/paired.h"
#include "lab/stats.h"

#define PAIRS_MAX 10000
#define SEED	  1

static struct lab_pair pairs[PAIRS_MAX];
static long rounds[PAIRS_MAX]; /* by group: as they are called */
static size_t pair_count, round_count;

/* Rounds come in any order. */
static size_t group_of(long round)
{
	size_t i = 0;

	while (i < round_count && rounds[i] != round)
		i++;
	if (i == round_count)
		rounds[round_count++] = round;
	return i;
}

static int read_pairs(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		double without, with;
		long round = (long)pair_count;

		if (pair_count == PAIRS_MAX ||
		    sscanf(line, "%lf %lf %ld", &without, &with, &round) < 2 ||
		    !(without > 0 && with > 0))
			return -1;
		pairs[pair_count++] = (struct lab_pair){ log(with / without), group_of(round) };
	}
	return round_count > 1 ? 0 : -1;
}

int main(void)
{
	struct lab_center center;
	double half;

	if (read_pairs()) {
		fputs("ratio: a single round, too many pairs, or not numbers above 0\n", stderr);
		return 1;
	}
	center = lab_center_of(pairs, pair_count, round_count, LAB_TRIM_SLICES, SEED);
	half = lab_half_width(center.error, center.groups, LAB_CONFIDENCE);
	printf("%.4f %.4f %.4f\n", exp(center.value), exp(center.value - half),
	       exp(center.value + half));
	return 0;
}
