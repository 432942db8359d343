/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket: credit is earned at a rate, up to a depth, and spent by what is done.
 * Here the tokens are seconds of somebody's time. The clock is handed in, so that it can
 * be tested without one. A price that is known only afterwards may overdraw it; what is
 * overdrawn has to be earned like the rest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	double rate; /* tokens a second */
	double depth; /* most that is kept */
	double level; /* what there is now; < 0 = overdrawn */
	int64_t at_ns; /* up to when it was filled */
};

/* A bucket that holds @level at @now_ns. */
void bucket_start(struct bucket *b, double rate, double depth, double level, int64_t now_ns);
/* What there is to spend at @now_ns. */
double bucket_level(struct bucket *b, int64_t now_ns);
/* Take @price, whatever there is. A price that is no number, or below 0, is none. */
void bucket_spend(struct bucket *b, double price);
