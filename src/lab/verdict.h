/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be said of each metric: B is better, worse, or not different by more than so much; or
 * nothing, and why.
 *
 * First A is held against itself. Where that interval is wider than the precision that is wanted,
 * this machine cannot tell; where A differs from itself, something other than the sides does. Of
 * neither a verdict is given.
 *
 * Many metrics are judged at once, and some of forty differ by chance. Those that are named are
 * chosen by the procedure of Benjamini and Hochberg (Controlling the False Discovery Rate, JRSS B
 * 57, 1995), which keeps the share of false ones among the named at 5 % on average, and where
 * nothing differs is wrong at all in 5 % of labs. It is valid for metrics that move together, as
 * these do (Benjamini and Yekutieli, Annals of Statistics 29, 2001), and it finds more than
 * Holm's, which asks of the tenth difference as much as of the first. The intervals of the named
 * are those of Benjamini and Yekutieli (False Discovery Rate-Adjusted Multiple Confidence
 * Intervals for Selected Parameters, JASA 100, 2005): at 1 - 5 % R / m for R named of m, so that
 * of all that are claimed 95 % hold the truth, and none of them has zero in it. The others have
 * 95 % each.
 */
#pragma once

#include "lab/stats.h"

enum lab_judgement { LAB_BETTER, LAB_WORSE, LAB_NO_DIFFERENCE, LAB_NOT_JUDGED, LAB_JUDGEMENTS };

/* Why it is not judged. */
enum lab_reason {
	LAB_JUDGED,
	LAB_UNKNOWN, /* on both sides: it was not measured */
	LAB_UNKNOWN_A, /* on that side only */
	LAB_UNKNOWN_B,
	LAB_FEW_RESTARTS,
	LAB_NO_AA, /* A was not held against itself, or too briefly */
	LAB_AA_WIDE,
	LAB_AA_DIFFERS,
	LAB_REASONS
};

/* Changes are from A to B. With a ratio they are shares (0.03: B has 3 % more), else in the unit
 * of the metric. NAN = not known. */
struct lab_row {
	enum lab_metric_id id;
	enum lab_judgement judgement;
	enum lab_reason reason;
	bool ratio;
	bool same; /* both sides are equal in each pair */
	size_t pairs, restarts;
	double side[LAB_SIDES]; /* a typical value, as in struct lab_estimate */
	double center, error; /* of struct lab_estimate */
	double change, low, high; /* the interval */
	double confidence; /* of it */
	double bound; /* it is not larger than this, either way */
	double p; /* of this metric alone */
	double wanted; /* half-width */
	double aa_change, aa_half; /* of A against itself, at 95 % */
};

struct lab_verdict {
	struct lab_row rows[LAB_METRICS]; /* by enum lab_metric_id */
	size_t counts[LAB_JUDGEMENTS];
	size_t judged;
	size_t unknown; /* of those not judged: not measured */
	int64_t errors[LAB_SIDES]; /* of the load */
};

/* "better", "worse", "no_difference", "not_judged" */
const char *lab_judgement_name(enum lab_judgement judgement);
/* "aa_too_wide"...; "" for what is judged */
const char *lab_reason_name(enum lab_reason reason);

void lab_judge(struct lab_verdict *verdict, const struct lab_result *result);
/*
 * How far the worst of the metrics that are worse moved to the worse, as a share, and which it is;
 * INFINITY where A has none of it, 0 where none is worse.
 */
double lab_regress(const struct lab_verdict *verdict, enum lab_metric_id *worst);

/* A difference that surely is no larger is none that matters: a share, or in the unit. */
double lab_least_change(enum lab_metric_id id, bool ratio);
bool lab_is_better(enum lab_metric_id id, double change);
/* What is told of a center and its half-width: shares with @ratio, where they are logarithms. */
void lab_interval(bool ratio, double center, double half, double *change, double *low,
		  double *high);

/* --- many at once --------------------------------------------------------------------------- */

/*
 * The largest p of those @count that are named by Benjamini and Hochberg at @share, and in @named
 * how many that are: each p up to it. -1 and 0 for none.
 */
double lab_named_p(const double *p, size_t count, double share, size_t *named);
