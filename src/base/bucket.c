/* SPDX-License-Identifier: BSD-2-Clause */
/* A token bucket; see bucket.h. */
#include <math.h>

#include "base/bucket.h"

void bucket_start(struct bucket *b, double rate, double depth, double level, int64_t now_ns)
{
	*b = (struct bucket){ .rate = rate, .depth = depth, .level = level, .at_ns = now_ns };
}

double bucket_level(struct bucket *b, int64_t now_ns)
{
	/* A clock that went back earns nothing, and nothing twice. */
	if (now_ns > b->at_ns) {
		b->level += b->rate * (double)(now_ns - b->at_ns) / 1e9;
		b->at_ns = now_ns;
	}
	b->level = fmin(b->level, b->depth);
	return b->level;
}

void bucket_spend(struct bucket *b, double price)
{
	if (isfinite(price) && price > 0)
		b->level -= price;
}
