/* SPDX-License-Identifier: BSD-2-Clause */
/* Paired estimates and their errors; see stats.h. */
#include "lab/stats.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/sort.h"
#include "base/student.h"
#include "lab/paired.h"

/* Numbers that come out the same each time: no error is below a share of 1e-4, nor below a
 * hundredth of what matters, whatever they say. */
#define LEAST_ERROR 1e-4
#define LEAST_SHARE 0.01

/* Of one metric and phase. Sorted by restart and pair. */
struct pairs {
	struct lab_pair *rows; /* their groups are restarts */
	size_t count, restarts;
};

/* --- finding the pairs ---------------------------------------------------------------------- */

static bool counts(const struct lab_sample *sample, enum lab_metric_id id, bool aa)
{
	return sample->aa == aa && sample->per_run == (lab_metrics[id].often == LAB_EACH_RUN) &&
	       isfinite(sample->value[id]);
}

bool lab_has_ratio(const struct lab_result *result, enum lab_metric_id id)
{
	if (lab_metrics[id].unit == LAB_SHARE)
		return false;
	for (size_t i = 0; i < result->count; i++) {
		const struct lab_sample *sample = &result->samples[i];

		if ((counts(sample, id, false) || counts(sample, id, true)) &&
		    !(sample->value[id] > 0))
			return false;
	}
	return true;
}

static int by_pair(const void *a, const void *b)
{
	const struct lab_sample *x = *(const struct lab_sample *const *)a;
	const struct lab_sample *y = *(const struct lab_sample *const *)b;

	if (x->restart != y->restart)
		return x->restart < y->restart ? -1 : 1;
	if (x->pair != y->pair)
		return x->pair < y->pair ? -1 : 1;
	return x->side - y->side;
}

/* Those that count; to be freed. */
static const struct lab_sample **sorted_samples(const struct lab_result *result,
						enum lab_metric_id id, bool aa, size_t *count)
{
	const struct lab_sample **samples = xcalloc(result->count + 1, sizeof(*samples));

	*count = 0;
	for (size_t i = 0; i < result->count; i++)
		if (counts(&result->samples[i], id, aa))
			samples[(*count)++] = &result->samples[i];
	qsort(samples, *count, sizeof(*samples), by_pair);
	return samples;
}

static bool is_pair(const struct lab_sample *a, const struct lab_sample *b)
{
	return a->restart == b->restart && a->pair == b->pair && a->side == LAB_A &&
	       b->side == LAB_B;
}

static void add_pair(struct pairs *pairs, struct lab_estimate *e, enum lab_metric_id id,
		     const struct lab_sample *a, const struct lab_sample *b, bool first)
{
	double of_a = a->value[id], of_b = b->value[id];

	pairs->restarts += first;
	pairs->rows[pairs->count++] = (struct lab_pair){
		.difference = e->ratio ? log(of_b / of_a) : of_b - of_a,
		.group = pairs->restarts - 1,
	};
	e->same = e->same && of_a == of_b;
}

/* The median; of what happens at times only, where there is no @ratio, the mean. */
static double typical(const struct lab_sample *const *samples, size_t count, enum lab_metric_id id,
		      int side, bool ratio)
{
	double *values = xcalloc(count + 1, sizeof(*values)), sum = 0, middle = NAN;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (samples[i]->side != side)
			continue;
		values[n++] = samples[i]->value[id];
		sum += samples[i]->value[id];
	}
	qsort(values, n, sizeof(*values), sort_rising);
	if (n)
		middle = ratio ? (values[(n - 1) / 2] + values[n / 2]) / 2 : sum / (double)n;
	free(values);
	return middle;
}

static void find_pairs(struct pairs *pairs, struct lab_estimate *e, const struct lab_result *result,
		       enum lab_metric_id id, bool aa)
{
	size_t count;
	const struct lab_sample **samples = sorted_samples(result, id, aa, &count);
	const struct lab_sample *last = NULL;

	*pairs = (struct pairs){ .rows = xcalloc(count + 1, sizeof(*pairs->rows)) };
	for (size_t i = 0; i < count; i++)
		e->known[samples[i]->side]++;
	for (size_t i = 0; i + 1 < count; i++) {
		if (!is_pair(samples[i], samples[i + 1]))
			continue;
		add_pair(pairs, e, id, samples[i], samples[i + 1],
			 !last || last->restart != samples[i]->restart);
		last = samples[i];
	}
	for (int side = 0; side < LAB_SIDES; side++)
		e->side[side] = typical(samples, count, id, side, e->ratio);
	free(samples);
}

/* --- the estimate --------------------------------------------------------------------------- */

static void settle(struct lab_estimate *e, const struct pairs *pairs, enum lab_metric_id id,
		   uint64_t seed)
{
	bool slices = lab_metrics[id].often == LAB_EACH_SLICE;
	double least = e->ratio ? LEAST_ERROR : lab_metrics[id].least * LEAST_SHARE;
	struct lab_center center = lab_center_of(pairs->rows, pairs->count, pairs->restarts,
						 slices && e->ratio ? LAB_TRIM_SLICES : 0, seed);

	e->center = center.value;
	if (pairs->restarts > 1)
		e->error = fmax(center.error, least);
}

void lab_estimate(struct lab_estimate *e, const struct lab_result *result, enum lab_metric_id id,
		  bool aa, bool ratio)
{
	struct pairs pairs;

	*e = (struct lab_estimate){ .ratio = ratio, .same = true, .center = NAN, .error = NAN };
	find_pairs(&pairs, e, result, id, aa);
	e->pairs = pairs.count;
	e->restarts = pairs.restarts;
	e->same = e->same && pairs.count;
	if (pairs.count)
		settle(e, &pairs, id, result->about.seed + (uint64_t)id * 2 + aa);
	free(pairs.rows);
}

double lab_estimate_half(const struct lab_estimate *e, double confidence)
{
	return isfinite(e->center) ? lab_half_width(e->error, e->restarts, confidence) : NAN;
}

double lab_estimate_p(const struct lab_estimate *e)
{
	if (!isfinite(e->center) || !isfinite(e->error) || e->restarts < 2)
		return 1;
	return student_p(e->center / e->error, (double)e->restarts - 1);
}

/* --- precision ------------------------------------------------------------------------------ */

double lab_wanted(const struct lab_result *result, enum lab_metric_id id, bool ratio)
{
	double precision = result->about.precision;

	if (!(precision > 0))
		precision = LAB_PRECISION;
	if (!ratio)
		precision *= lab_metrics[id].least / LAB_PRECISION;
	return precision * lab_metrics[id].coarseness;
}

/* As it is told; NAN where there are too few restarts. */
static double half_of(const struct lab_estimate *e, bool aa)
{
	double half;

	if (e->restarts < (aa ? LAB_RESTARTS_AA_MIN : LAB_RESTARTS_MIN))
		return NAN;
	half = lab_estimate_half(e, LAB_CONFIDENCE);
	return e->ratio ? expm1(half) : half;
}

bool lab_precise(const struct lab_result *result, bool aa)
{
	bool any = false;

	for (enum lab_metric_id id = 0; id < LAB_METRICS; id++) {
		bool ratio = lab_has_ratio(result, id);
		struct lab_estimate e;

		if (lab_metrics[id].coarseness > 1 || !ratio)
			continue;
		lab_estimate(&e, result, id, aa, ratio);
		if (!e.known[LAB_A] || !e.known[LAB_B])
			continue;
		if (!(half_of(&e, aa) <= lab_wanted(result, id, ratio)))
			return false;
		any = true;
	}
	return any;
}
