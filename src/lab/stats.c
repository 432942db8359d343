/* SPDX-License-Identifier: BSD-2-Clause */
/* Paired estimates and their errors; see stats.h. */
#include "lab/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sort.h"
#include "base/student.h"
#include "lab/draw.h"

#define RESAMPLES  1000
#define TRIM_SHARE 0.2
/* Numbers that come out the same each time: no error is below a share of 1e-4, nor below a
 * hundredth of what matters, whatever they say. */
#define LEAST_ERROR 1e-4
#define LEAST_SHARE 0.01

/* Of one metric and phase. Sorted by restart and pair. */
struct pairs {
	double *difference; /* as it is estimated */
	size_t *restart; /* of each, counted from 0 */
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
	pairs->difference[pairs->count] = e->ratio ? log(of_b / of_a) : of_b - of_a;
	pairs->restart[pairs->count++] = pairs->restarts - 1;
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

	*pairs = (struct pairs){
		.difference = xcalloc(count + 1, sizeof(*pairs->difference)),
		.restart = xcalloc(count + 1, sizeof(*pairs->restart)),
	};
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

static void free_pairs(struct pairs *pairs)
{
	free(pairs->difference);
	free(pairs->restart);
}

/* --- the estimate --------------------------------------------------------------------------- */

struct row {
	double value;
	size_t restart;
};

/*
 * The mean of @rows, which are sorted, each counted as often as its restart was drawn, without
 * the lowest and the highest @trim of them.
 */
static double trimmed_mean(const struct row *rows, size_t count, const unsigned int *drawn,
			   double trim)
{
	size_t all = 0, seen = 0, cut, kept = 0;
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		all += drawn[rows[i].restart];
	cut = (size_t)((double)all * trim);
	for (size_t i = 0; i < count; i++) {
		size_t from = seen, to = seen + drawn[rows[i].restart];

		seen = to;
		from = from < cut ? cut : from;
		to = to > all - cut ? all - cut : to;
		if (to <= from)
			continue;
		sum += rows[i].value * (double)(to - from);
		kept += to - from;
	}
	return kept ? sum / (double)kept : NAN;
}

/* The standard deviation of the estimate over draws of restarts. */
static double bootstrap_error(const struct row *rows, size_t count, size_t restarts, double trim,
			      uint64_t seed)
{
	unsigned int *drawn = xcalloc(restarts, sizeof(*drawn));
	double mean = 0, squares = 0;
	struct lab_random random;

	lab_random_seed(&random, seed);
	for (int i = 1; i <= RESAMPLES; i++) {
		double value, before;

		memset(drawn, 0, restarts * sizeof(*drawn));
		for (size_t j = 0; j < restarts; j++)
			drawn[lab_random_below(&random, restarts)]++;
		value = trimmed_mean(rows, count, drawn, trim);
		before = value - mean;
		mean += before / i;
		squares += before * (value - mean);
	}
	free(drawn);
	return sqrt(squares / RESAMPLES);
}

/* The same without a draw, where each restart has one row and nothing is cut: that of a mean. */
static double plain_error(const struct row *rows, size_t count, double mean)
{
	double squares = 0;

	for (size_t i = 0; i < count; i++)
		squares += (rows[i].value - mean) * (rows[i].value - mean);
	return sqrt(squares) / (double)count;
}

static int by_row(const void *a, const void *b)
{
	return sort_rising(&((const struct row *)a)->value, &((const struct row *)b)->value);
}

static void settle(struct lab_estimate *e, const struct pairs *pairs, enum lab_metric_id id,
		   uint64_t seed)
{
	bool runs = lab_metrics[id].often == LAB_EACH_RUN;
	double trim = runs || !e->ratio ? 0 : TRIM_SHARE, n = (double)pairs->restarts;
	double least = e->ratio ? LEAST_ERROR : lab_metrics[id].least * LEAST_SHARE;
	struct row *rows = xcalloc(pairs->count, sizeof(*rows));
	unsigned int *once = xcalloc(pairs->restarts, sizeof(*once));

	for (size_t i = 0; i < pairs->count; i++)
		rows[i] = (struct row){ pairs->difference[i], pairs->restart[i] };
	for (size_t i = 0; i < pairs->restarts; i++)
		once[i] = 1;
	qsort(rows, pairs->count, sizeof(*rows), by_row);
	e->center = trimmed_mean(rows, pairs->count, once, trim);
	if (pairs->restarts > 1) {
		e->error = runs ? plain_error(rows, pairs->count, e->center) :
				  bootstrap_error(rows, pairs->count, pairs->restarts, trim, seed);
		e->error = fmax(e->error * sqrt(n / (n - 1)), least);
	}
	free(once);
	free(rows);
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
	free_pairs(&pairs);
}

double lab_estimate_half(const struct lab_estimate *e, double confidence)
{
	if (!isfinite(e->center) || !isfinite(e->error) || e->restarts < 2)
		return NAN;
	return e->error * student_t(confidence, (double)e->restarts - 1);
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

	if (!ratio)
		return lab_metrics[id].least;
	if (!(precision > 0))
		precision = LAB_PRECISION;
	return precision * lab_metrics[id].coarseness;
}

double lab_half_width(const struct lab_result *result, enum lab_metric_id id, bool aa)
{
	bool ratio = lab_has_ratio(result, id);
	struct lab_estimate e;
	double half;

	lab_estimate(&e, result, id, aa, ratio);
	if (e.restarts < (aa ? LAB_RESTARTS_AA_MIN : LAB_RESTARTS_MIN))
		return NAN;
	half = lab_estimate_half(&e, LAB_CONFIDENCE);
	return ratio ? expm1(half) : half;
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
		if (!(lab_half_width(result, id, aa) <= lab_wanted(result, id, ratio)))
			return false;
		any = true;
	}
	return any;
}
