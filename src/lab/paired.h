/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The centre of differences that were measured in pairs, and how far off it may be: what
 * `redmem lab` and the benches of tests/bench judge by.
 *
 * Pairs of one group (a restart of both servers, a round) were measured under the same heap and the
 * same addresses, and are not independent of each other. What is independent are groups. So the
 * standard error is that of a bootstrap that draws whole groups (Davison and Hinkley, Bootstrap
 * Methods and their Application, 1997, 3.8). Groups are few, and a bootstrap's percentiles are too
 * narrow then, over three of them nothing but a lie (Hesterberg, What Teachers Should Know About
 * the Bootstrap, The American Statistician 69, 2015: 1.5 and 4.3): its error is widened by
 * sqrt(n / (n - 1)), and the interval is Student's with n - 1 degrees of freedom. Where each group
 * is one pair and nothing is cut, that is Student's interval as it is, without a draw.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The lowest and the highest part that is cut from slices of time: a slow second is in one side of
 * its pair and says nothing of either. */
#define LAB_TRIM_SLICES 0.2

struct lab_pair {
	double difference; /* of ratios their logarithm */
	size_t group; /* counted from 0 without a gap */
};

struct lab_center {
	double value; /* the mean of what is not cut */
	double error; /* its standard error; NAN of less than 2 groups */
	size_t groups;
};

/* Sorts @pairs, of which there is at least one. The same of the same pairs and @seed, each time. */
struct lab_center lab_center_of(struct lab_pair *pairs, size_t count, size_t groups, double trim,
				uint64_t seed);
/* By how much a centre may be off; NAN when unknown. */
double lab_half_width(double error, size_t groups, double confidence);
