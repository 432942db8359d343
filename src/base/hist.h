/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram with 16 linear steps in each power of two: at most 6 % relative
 * error over the whole range of a u64, in 8 KiB.
 */
#pragma once

#include <stdint.h>

#define HIST_SUB     16
#define HIST_BUCKETS (64 * HIST_SUB)

struct hist {
	uint64_t bucket[HIST_BUCKETS];
	uint64_t count;
	uint64_t sum;
	uint64_t max;
};

void hist_add(struct hist *h, uint64_t value, uint64_t weight);
/* The largest value that counts in @bucket, at most the largest there was: adding it as often
 * as the bucket says makes the same quantiles. */
uint64_t hist_value(const struct hist *h, unsigned int bucket);
/* Value below which @fraction (0..1) of the weight lies; 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double fraction);
/* The same, and inside its bucket as far as the weight there goes, as if it lay there evenly: for
 * what is compared with another and may differ by less than a bucket's width. NAN when empty. */
double hist_quantile_between(const struct hist *h, double fraction);
/* Share of the sum that the largest @fraction (0..1) of the weight holds, within the few per cent
 * of a bucket's width; NAN when the sum is 0. */
double hist_top_share(const struct hist *h, double fraction);
