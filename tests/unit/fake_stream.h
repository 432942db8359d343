/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of a watch as they come, of anything and by chance, but always the same. */
#pragma once

#include "record/record.h"

#define FAKE_STREAM_WALL 1767225600LL /* when it begins, seconds since 1970 */

struct fake_stream {
	const struct record_sink *sink;
	uint64_t seed;
	double mark; /* the last boundary, and the one before */
	double drained;
	int64_t total; /* of any counter */
	int64_t expired; /* keys, as the server counts them */
};

/* The next by chance; @seed is where it goes on. */
uint64_t fake_random(uint64_t *seed);
/* A second of it, from @i on. As a watch does it: the rows of a map come at the tick after the
 * one that left it; the answer to a tick's INFO comes in the next second. */
void fake_stream_second(struct fake_stream *s, int i);
/* All of a watch, with its start and its end. */
void fake_stream_emit(const struct record_sink *sink, int seconds);
