/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When what a stream of records tells was so: what windows (window.h) and chunks (chunk.h) go by,
 * so that both cut alike.
 */
#pragma once

#include <math.h>
#include <stdbool.h>

#include "record/record.h"

struct state;

/* Entries of a log of commands that may come again; more than are ever asked for at once. */
#define MOMENTS_SLOWLOG 1024
#define MOMENTS_LOGS	3

struct moments {
	struct state *state; /* the newest of each, in the terms of moments_read() */
	double now; /* the newest time in the stream */
	double mark; /* the last boundary; 0 before the first */
	double wall_start; /* of t = 0, since 1970; NAN */
	/* ids of the newest entries, each at its remainder: of the slow log, and of those of large
	 * requests and of large replies */
	int64_t logged[MOMENTS_LOGS][MOMENTS_SLOWLOG];
};

/* One record of it. */
struct moment {
	struct record record; /* in its terms: what was asked for at a boundary is of that time */
	double t; /* when it happened, seconds since t = 0; NAN = it does not say: of now */
	bool again; /* it was told before */
	bool old; /* it happened before the stream began */
};

void moments_init(struct moments *s);
void moments_clear(struct moments *s);
/* False of a mark that goes back, which is to be left out; other marks become s->mark. The
 * caller gives what is no mark to moments_keep() when it is done with it. */
bool moments_read(struct moments *s, const struct record *record, struct moment *out);
void moments_keep(struct moments *s, const struct moment *moment);

/* A piece of @seconds that begins at a mark ends at the first mark at which it is due: at a whole
 * second, for which a mark may come a little early. */
#define MOMENTS_EARLY_SECONDS 0.25

static inline double moments_due(double start, double seconds)
{
	return round(start) + seconds;
}

static inline bool moments_is_due(double due, double start, double t)
{
	return t >= due - MOMENTS_EARLY_SECONDS && t > start;
}

/* A state that a later piece begins with. What the latency monitor told is told once. */
bool moments_lasts(const struct record *record);
