/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two results: has what B is to A changed from one to the other? Both were measured against an A
 * beside them at the same time, so that the machine, and what it did that day, is in both sides
 * of each; what is compared are the two ratios (or differences). Their errors are independent:
 * Welch's interval, with his degrees of freedom (The generalization of "Student's" problem when
 * several different population variances are involved, Biometrika 34, 1947). Of many metrics
 * those are named as in verdict.h.
 */
#pragma once

#include "lab/verdict.h"

struct lab_compare_row {
	enum lab_metric_id id;
	enum lab_judgement
		judgement; /* of the change: better, worse; not judged where one is not */
	const struct lab_row *before, *after;
	bool ratio; /* of both; else in the unit */
	double change, low, high, bound, confidence, p; /* as in struct lab_row */
};

struct lab_compare {
	struct lab_compare_row rows[LAB_METRICS];
	size_t counts[LAB_JUDGEMENTS];
	size_t judged;
};

/* Rows point into both verdicts, which must outlive it. */
void lab_compare(struct lab_compare *compare, const struct lab_verdict *before,
		 const struct lab_verdict *after);
