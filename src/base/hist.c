/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log-linear histogram. A value below HIST_SUB is its own bucket; above, the
 * four bits that follow the leading one choose among HIST_SUB steps, as in
 * HdrHistogram with a fixed precision.
 */
#include <math.h>

#include "base/hist.h"

#define HIST_SUB_BITS 4

_Static_assert(1 << HIST_SUB_BITS == HIST_SUB, "HIST_SUB is a power of two");

static unsigned int bucket_of(uint64_t value)
{
	unsigned int exponent;

	if (value < HIST_SUB)
		return (unsigned int)value;
	exponent = 63 - (unsigned int)__builtin_clzll(value);
	return (exponent - HIST_SUB_BITS + 1) * HIST_SUB +
	       (unsigned int)((value >> (exponent - HIST_SUB_BITS)) & (HIST_SUB - 1));
}

/* The largest value that falls into @bucket. */
static uint64_t bucket_last(unsigned int bucket)
{
	unsigned int shift, step;

	if (bucket < HIST_SUB)
		return bucket;
	shift = bucket / HIST_SUB - 1;
	step = bucket % HIST_SUB;
	/* Unsigned wrap gives UINT64_MAX for the very last bucket, as it should. */
	return ((uint64_t)(HIST_SUB + step + 1) << shift) - 1;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void hist_add(struct hist *h, uint64_t value, uint64_t weight)
{
	uint64_t product;

	if (!weight)
		return;
	if (__builtin_mul_overflow(value, weight, &product))
		product = UINT64_MAX;
	h->bucket[bucket_of(value)] += weight;
	h->count += weight;
	h->sum = add_saturated(h->sum, product);
	if (value > h->max)
		h->max = value;
}

uint64_t hist_value(const struct hist *h, unsigned int bucket)
{
	return bucket_last(bucket) < h->max ? bucket_last(bucket) : h->max;
}

uint64_t hist_quantile(const struct hist *h, double fraction)
{
	uint64_t seen = 0;
	double rank;

	if (!h->count)
		return 0;
	/* Written so that a NAN gives the maximum too, never a number that looks good. */
	if (!(fraction < 1.0))
		return h->max;
	/* A hair less, so that 0.29 x 100, which is 29.000000000000004, stays rank 29. */
	rank = fmax(ceil(fraction * (double)h->count * (1 - 1e-12)), 1.0);
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if ((double)seen >= rank)
			return hist_value(h, i);
	}
	return h->max;
}

static double bucket_first(unsigned int bucket)
{
	return bucket ? (double)bucket_last(bucket - 1) + 1 : 0;
}

double hist_quantile_between(const struct hist *h, double fraction)
{
	double rank = fraction * (double)h->count, seen = 0;

	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		double weight = (double)h->bucket[i], first = bucket_first(i);

		if (weight > 0 && seen + weight >= rank)
			return first + ((double)hist_value(h, i) - first) * (rank - seen) / weight;
		seen += weight;
	}
	return h->count ? (double)h->max : NAN;
}

/* The middle of what counts in @bucket. */
static double bucket_middle(const struct hist *h, unsigned int bucket)
{
	return (bucket_first(bucket) + (double)hist_value(h, bucket)) / 2;
}

double hist_top_share(const struct hist *h, double fraction)
{
	double left = fraction * (double)h->count, top = 0, all = 0;

	for (unsigned int i = HIST_BUCKETS; i-- > 0;) {
		double weight = (double)h->bucket[i];
		double part = fmin(weight, left);

		left -= part;
		top += part * bucket_middle(h, i);
		all += weight * bucket_middle(h, i);
	}
	return all > 0 ? top / all : NAN;
}
