/* SPDX-License-Identifier: BSD-2-Clause */
/* Two results; see compare.h. */
#include "lab/compare.h"

#include <math.h>

#include "base/student.h"

/* Welch and Satterthwaite. */
static double freedom(const struct lab_row *x, const struct lab_row *y)
{
	double a = x->error * x->error, b = y->error * y->error;

	return (a + b) * (a + b) /
	       (a * a / (double)(x->restarts - 1) + b * b / (double)(y->restarts - 1));
}

static double center_of(const struct lab_compare_row *row)
{
	return row->after->center - row->before->center;
}

static double error_of(const struct lab_compare_row *row)
{
	return hypot(row->before->error, row->after->error);
}

static void set_interval(struct lab_compare_row *row, double confidence)
{
	double half = error_of(row) * student_t(confidence, freedom(row->before, row->after));

	row->confidence = confidence;
	lab_interval(row->ratio, center_of(row), half, &row->change, &row->low, &row->high);
	row->bound = fmax(fabs(row->low), fabs(row->high));
}

static void begin_row(struct lab_compare_row *row, const struct lab_row *before,
		      const struct lab_row *after)
{
	*row = (struct lab_compare_row){
		.id = before->id,
		.judgement = LAB_NO_DIFFERENCE,
		.before = before,
		.after = after,
		.ratio = before->ratio,
		.change = NAN,
		.low = NAN,
		.high = NAN,
		.bound = NAN,
		.confidence = LAB_CONFIDENCE,
		.p = 1,
	};
	if (before->reason != LAB_JUDGED || after->reason != LAB_JUDGED ||
	    before->ratio != after->ratio) {
		row->judgement = LAB_NOT_JUDGED;
		return;
	}
	row->p = student_p(center_of(row) / error_of(row), freedom(before, after));
	set_interval(row, LAB_CONFIDENCE);
}

/* What is equal on both sides of both is not tested. */
static bool is_tested(const struct lab_compare_row *row)
{
	return row->judgement != LAB_NOT_JUDGED && !(row->before->same && row->after->same);
}

static void name_differing(struct lab_compare *compare)
{
	double p[LAB_METRICS], largest;
	size_t named, tested = 0;

	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++)
		if (is_tested(&compare->rows[id]))
			p[tested++] = compare->rows[id].p;
	largest = lab_named_p(p, tested, 1 - LAB_CONFIDENCE, &named);
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		struct lab_compare_row *row = &compare->rows[id];

		if (!is_tested(row) || row->p > largest)
			continue;
		set_interval(row, 1 - (1 - LAB_CONFIDENCE) * (double)named / (double)tested);
		if (row->bound > lab_least_change(id, row->ratio))
			row->judgement = lab_is_better(id, row->change) ? LAB_BETTER : LAB_WORSE;
	}
}

void lab_compare(struct lab_compare *compare, const struct lab_verdict *before,
		 const struct lab_verdict *after)
{
	*compare = (struct lab_compare){ 0 };
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++)
		begin_row(&compare->rows[id], &before->rows[id], &after->rows[id]);
	name_differing(compare);
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		compare->counts[compare->rows[id].judgement]++;
		compare->judged += compare->rows[id].judgement != LAB_NOT_JUDGED;
	}
}
