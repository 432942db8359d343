/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * By how much side B differs from side A, and how sure that is.
 *
 * What is estimated is the ratio B to A of pairs, as its logarithm, so that twice and half are
 * equally far off; of a metric that is zero on a side at times it is the difference. The two
 * slices of a pair lie next to each other in time, in random order: what drifts slower than that
 * is in both. Of slices the estimate is the mean without the lowest and the highest fifth, for a
 * slow second is in one of the two and says nothing of either; of runs and of differences, where
 * all that happens happens at times, it is the mean.
 *
 * The groups of lab/paired.h are restarts: in one of them both servers keep the layout of their
 * heap and their addresses.
 *
 * Of fewer than LAB_RESTARTS_MIN restarts nothing is said: five that all differ to the same side
 * do so by chance in 1 of 16 (2 / 2^5), whatever the noise is like; six in 1 of 32.
 */
#pragma once

#include "lab/result.h"

#define LAB_RESTARTS_MIN 6
/* Of the check of A against itself, which only asks how wide the interval is. */
#define LAB_RESTARTS_AA_MIN 4
#define LAB_CONFIDENCE	    0.95
#define LAB_PRECISION	    0.01 /* where none is wanted */

struct lab_estimate {
	bool ratio; /* center and error are of ln(b / a); else of b - a */
	size_t pairs, restarts; /* those that have it on both sides */
	size_t known[LAB_SIDES]; /* samples that have it */
	double side[LAB_SIDES]; /* the median of each, without a ratio the mean; NAN */
	bool same; /* in each pair both sides are equal */
	double center, error; /* NAN when unknown: with less than 2 restarts */
};

/* Has it no zero on either side, in either phase? A share of the time has no ratio in any case: how
 * much of the time it is counts, and a few stalls in a watch make ratios of anything. */
bool lab_has_ratio(const struct lab_result *result, enum lab_metric_id id);
/* Of the phase @aa; the same of the same result, each time. */
void lab_estimate(struct lab_estimate *e, const struct lab_result *result, enum lab_metric_id id,
		  bool aa, bool ratio);
/* By how much center may be off; NAN when unknown. */
double lab_estimate_half(const struct lab_estimate *e, double confidence);
/* How likely a center as far from none is, where there is no difference. */
double lab_estimate_p(const struct lab_estimate *e);

/* The half-width that is wanted: a share, 0.01 is 1 %; in the metric's unit without @ratio. */
double lab_wanted(const struct lab_result *result, enum lab_metric_id id, bool ratio);
/*
 * Who ends a lab when its interval is narrow enough ends it a little too often where it is narrow
 * by luck (Chow and Robbins, Annals of Mathematical Statistics 36, 1965): up to 6 of 100 intervals
 * do not hold the truth then, in place of 5 (simulated, from 6 restarts on).
 *
 * Are those metrics that are wanted to the full precision (coarseness 1), and known on both
 * sides, as precise as that in the phase @aa? False while there are none. */
bool lab_precise(const struct lab_result *result, bool aa);
