/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts; see verdict.h. */
#include "lab/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "base/sum.h"
#include "record/record.h"

#define FALSE_SHARE (1 - LAB_CONFIDENCE)
/* A difference that surely is smaller is none that matters. Where there is no ratio, that is the
 * metric's own. */
#define LEAST_CHANGE 0.005

static const char *const judgement_names[LAB_JUDGEMENTS] = {
	[LAB_BETTER] = "better",
	[LAB_WORSE] = "worse",
	[LAB_NO_DIFFERENCE] = "no_difference",
	[LAB_NOT_JUDGED] = "not_judged",
};

static const char *const reason_names[LAB_REASONS] = {
	[LAB_JUDGED] = "",
	[LAB_UNKNOWN] = "unknown",
	[LAB_UNKNOWN_A] = "unknown_of_a",
	[LAB_UNKNOWN_B] = "unknown_of_b",
	[LAB_FEW_RESTARTS] = "too_few_restarts",
	[LAB_NO_AA] = "not_checked_against_itself",
	[LAB_AA_WIDE] = "aa_too_wide",
	[LAB_AA_DIFFERS] = "aa_differs",
};

const char *lab_judgement_name(enum lab_judgement judgement)
{
	return judgement_names[judgement];
}

const char *lab_reason_name(enum lab_reason reason)
{
	return reason_names[reason];
}

/* --- many at once --------------------------------------------------------------------------- */

double lab_named_p(const double *p, size_t count, double share, size_t *named)
{
	double *sorted = xcalloc(count + 1, sizeof(*sorted)), largest = -1;

	*named = 0;
	for (size_t i = 0; i < count; i++)
		sorted[i] = p[i];
	qsort(sorted, count, sizeof(*sorted), sort_rising);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] > share * (double)(i + 1) / (double)count)
			continue;
		largest = sorted[i];
		*named = i + 1;
	}
	free(sorted);
	return largest;
}

/* --- a row ---------------------------------------------------------------------------------- */

double lab_least_change(enum lab_metric_id id, bool ratio)
{
	return ratio ? LEAST_CHANGE : lab_metrics[id].least;
}

bool lab_is_better(enum lab_metric_id id, double change)
{
	return (change > 0) == (lab_metrics[id].better == LAB_MORE_IS_BETTER);
}

/* A difference as it is told. */
static double told(bool ratio, double center)
{
	return ratio ? expm1(center) : center;
}

void lab_interval(bool ratio, double center, double half, double *change, double *low, double *high)
{
	*change = told(ratio, center);
	*low = told(ratio, center - half);
	*high = told(ratio, center + half);
}

static void set_interval(struct lab_row *row, const struct lab_estimate *e, double confidence)
{
	double half = lab_estimate_half(e, confidence);

	lab_interval(row->ratio, e->center, half, &row->change, &row->low, &row->high);
	row->confidence = confidence;
	row->bound = fmax(fabs(row->low), fabs(row->high));
}

static void refuse(struct lab_row *row, enum lab_reason reason)
{
	row->judgement = LAB_NOT_JUDGED;
	row->reason = reason;
}

/* What can be said without the other metrics. */
static void begin_row(struct lab_row *row, const struct lab_estimate *ab,
		      const struct lab_estimate *aa)
{
	row->same = ab->same;
	row->pairs = ab->pairs;
	row->restarts = ab->restarts;
	row->center = ab->center;
	row->error = ab->error;
	for (int side = 0; side < LAB_SIDES; side++)
		row->side[side] = ab->side[side];
	row->aa_change = told(row->ratio, aa->center);
	row->aa_half = told(row->ratio, lab_estimate_half(aa, LAB_CONFIDENCE));
	row->p = lab_estimate_p(ab);
	set_interval(row, ab, LAB_CONFIDENCE);
	if (!ab->known[LAB_A] && !ab->known[LAB_B])
		refuse(row, LAB_UNKNOWN);
	else if (!ab->known[LAB_A])
		refuse(row, LAB_UNKNOWN_A);
	else if (!ab->known[LAB_B])
		refuse(row, LAB_UNKNOWN_B);
	else if (ab->restarts < LAB_RESTARTS_MIN)
		refuse(row, LAB_FEW_RESTARTS);
	else if (aa->restarts < LAB_RESTARTS_AA_MIN)
		refuse(row, LAB_NO_AA);
	else if (!(row->aa_half <= row->wanted))
		refuse(row, LAB_AA_WIDE);
}

/* --- all of them ---------------------------------------------------------------------------- */

struct judging {
	struct lab_verdict *verdict;
	struct lab_estimate ab[LAB_METRICS], aa[LAB_METRICS];
};

/* Is there anything to be told apart? What is equal in each pair is not, whatever is drawn. */
static bool is_tested(const struct judging *j, enum lab_metric_id id, bool aa)
{
	const struct lab_row *row = &j->verdict->rows[id];

	return row->reason == LAB_JUDGED && !(aa ? j->aa : j->ab)[id].same;
}

/* The p up to which they are named, of the phase @aa. */
static double named_p(const struct judging *j, bool aa, size_t *named, size_t *tested)
{
	double p[LAB_METRICS];

	*tested = 0;
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++)
		if (is_tested(j, id, aa))
			p[(*tested)++] = lab_estimate_p(aa ? &j->aa[id] : &j->ab[id]);
	return lab_named_p(p, *tested, FALSE_SHARE, named);
}

/* Where A differs from itself, by more than what matters. */
static void refuse_differing(struct judging *j)
{
	struct lab_row *rows = j->verdict->rows;
	size_t named, tested;
	double largest = named_p(j, true, &named, &tested);

	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++)
		if (is_tested(j, id, true) && lab_estimate_p(&j->aa[id]) <= largest &&
		    fabs(rows[id].aa_change) > lab_least_change(id, rows[id].ratio))
			refuse(&rows[id], LAB_AA_DIFFERS);
}

static void name_differing(struct judging *j)
{
	size_t named, tested;
	double largest = named_p(j, false, &named, &tested);

	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		struct lab_row *row = &j->verdict->rows[id];

		if (!is_tested(j, id, false) || row->p > largest)
			continue;
		set_interval(row, &j->ab[id], 1 - FALSE_SHARE * (double)named / (double)tested);
		if (row->bound <= lab_least_change(id, row->ratio))
			continue;
		row->judgement = lab_is_better(id, row->change) ? LAB_BETTER : LAB_WORSE;
	}
}

static void count_errors(struct lab_verdict *verdict, const struct lab_result *result)
{
	for (size_t i = 0; i < result->count; i++) {
		const struct lab_sample *sample = &result->samples[i];

		if (!sample->aa && sample->errors != RECORD_UNKNOWN)
			sum_add(&verdict->errors[sample->side], sample->errors);
	}
}

void lab_judge(struct lab_verdict *verdict, const struct lab_result *result)
{
	struct judging j = { .verdict = verdict };

	*verdict = (struct lab_verdict){ 0 };
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		struct lab_row *row = &verdict->rows[id];

		*row = (struct lab_row){ .id = id,
					 .judgement = LAB_NO_DIFFERENCE,
					 .ratio = lab_has_ratio(result, id) };
		row->wanted = lab_wanted(result, id, row->ratio);
		lab_estimate(&j.ab[id], result, id, false, row->ratio);
		lab_estimate(&j.aa[id], result, id, true, row->ratio);
		begin_row(row, &j.ab[id], &j.aa[id]);
	}
	refuse_differing(&j);
	name_differing(&j);
	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		const struct lab_row *row = &verdict->rows[id];

		verdict->counts[row->judgement]++;
		verdict->judged += row->judgement != LAB_NOT_JUDGED;
		verdict->unknown += row->reason == LAB_UNKNOWN;
	}
	count_errors(verdict, result);
}

/* How far to the worse; more than any share where A has none. */
static double regress_of(const struct lab_row *row)
{
	double change = row->change;

	if (!row->ratio)
		change = row->side[LAB_A] > 0 ? change / row->side[LAB_A] : INFINITY;
	return fabs(change);
}

double lab_regress(const struct lab_verdict *verdict, enum lab_metric_id *worst)
{
	double most = 0;

	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		const struct lab_row *row = &verdict->rows[id];

		if (row->judgement != LAB_WORSE || regress_of(row) <= most)
			continue;
		most = regress_of(row);
		*worst = id;
	}
	return most;
}
