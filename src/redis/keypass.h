/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over the keys of a database: SCAN, and for each key what it is and how
 * big, in deep pipelines small enough not to be felt (redis/throttle.h).
 *
 * It leaves no trace in LRU and LFU: MEMORY USAGE, OBJECT ENCODING, TYPE and PTTL
 * look keys up without touching them. Commands for the number of elements do touch
 * (LOOKUP_NONE, src/db.c), so they are asked only where CLIENT NO-TOUCH works (7.2,
 * Valkey) or where the caller accepts it. All but MEMORY USAGE count in
 * keyspace_hits; the result says how often. None takes longer the bigger a key or
 * the keyspace is.
 *
 * A question takes the server about a microsecond whatever it is, so that what a pass costs is
 * the number of questions: one of nearly every small key (keyshape.h), and one more where keys
 * may expire.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hist.h"
#include "record/record.h"
#include "redis/conn.h"

#define KEYPASS_CURSOR 24 /* room for a cursor: 64 bits in decimal */

enum keypass_elements {
	ELEMENTS_NO_TOUCH, /* of every key where that touches none, else of no key */
	ELEMENTS_BIG, /* and where it does touch, of keys of at least big_bytes */
	ELEMENTS_ALL, /* of every key, whatever it touches */
};

struct keypass_options {
	const char *cursor; /* where to begin; NULL = the beginning */
	const char *match; /* glob pattern, NULL = all keys; any bytes but NUL */
	bool exact; /* ask every key for its type and encoding: none is inferred (keyshape.h) */
	int samples; /* elements MEMORY USAGE looks at; -1 = the server's default (5) */
	enum keypass_elements elements;
	int64_t big_bytes;
	double max_seconds; /* bound for the replies' latency; see redis/throttle.h */
	double interval_seconds; /* rest after each 1,000 keys, as redis-cli -i */
};

enum keypass_end {
	PASS_COMPLETE,
	PASS_INTERRUPTED, /* by the caller */
	PASS_LATENCY, /* the server has been too slow for too long */
	PASS_MEMORY, /* used_memory has run to maxmemory meanwhile */
	PASS_LOST, /* the connection */
};

/* Numbers add up over several passes; end and cursor are of the last. */
struct keypass_result {
	enum keypass_end end;
	char cursor[KEYPASS_CURSOR]; /* to go on from, "0" when complete: may repeat some keys */
	int64_t scanned_total; /* keys handed out, each once */
	int64_t repeats_total; /* handed out again by SCAN, and dropped */
	int64_t gone_total; /* deleted or expired before they could be looked at */
	int64_t inferred_total; /* whose type and encoding were not asked */
	int64_t refused_total; /* error replies */
	int64_t commands_total;
	int64_t hits_total; /* what the pass added to keyspace_hits and keyspace_misses */
	int64_t misses_total;
	double seconds;
	double rested_seconds; /* part of it: not to disturb */
	struct hist latency; /* of chunks, in nanoseconds */
	bool no_touch; /* the server promised not to touch */
	char refused[160]; /* the first error reply, "" */
};

/* Called about every 100 ms; true ends the pass. */
typedef bool (*keypass_tick_fn)(void *ctx, const struct keypass_result *so_far);

/*
 * Pass over the connection's database; a RECORD_KEY for each key that is there. @sink
 * and @tick are called from inside. Returns 0 also when it ended early (see
 * @result->end); a negative errno when the connection was lost (PASS_LOST, with
 * what came until then), or the server refuses SCAN or MEMORY USAGE (-EACCES, -ENOTSUP).
 */
int keypass_run(struct conn *conn, const struct keypass_options *options,
		const struct record_sink *sink, keypass_tick_fn tick, void *ctx,
		struct keypass_result *result, struct err *err);
