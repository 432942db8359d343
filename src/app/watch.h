/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A watch: find the server, calibrate, attach the sensors, tick for some seconds,
 * and hand every record to a sink. Whatever part is not to be had is left out and
 * said so in the records; only the absence of a server ends it with an error.
 */
#pragma once

#include "app/options.h"
#include "base/err.h"
#include "record/record.h"

/* Defaults of -d, --threshold and --budget. */
#define WATCH_SECONDS	     10.0
#define WATCH_THRESHOLD_MS   5.0
#define WATCH_BUDGET_PERCENT 1.0
/* Of a watch that is looked at: between two looks at the server's busiest keys and clients. */
#define CLOSER_SECONDS 5.0

struct chunker;
struct conn;
struct engine;
struct snapshot;
struct stall;
struct windows;

/* What a watch is for. */
struct watch_plan {
	double seconds; /* INFINITY = until SIGINT */
	bool stalls; /* nothing but stalls: finer samples where the load allows, no ledger */
	/*
	 * Called some ten times a second, of a watch into chunks at least once, and at the end
	 * until nothing is pending. @conn is NULL while there is no connection or the server does
	 * not answer. True ends the watch. May be NULL.
	 */
	bool (*turn)(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds);
	/* Called as often, with the stall that goes on; NULL: none does. May be NULL. */
	void (*stall)(void *ctx, const struct stall *stall);
	void *ctx; /* of both */
	/* Where one of these ends, the server and the host are asked what its report needs. The
	 * sink is or hands on to windows_sink(). NULL = none ends before the watch does. */
	const struct windows *windows;
	/* Somebody looks at these windows as they come, for as long as he likes: what is said below
	 * of chunks holds, the busiest are asked for each CLOSER_SECONDS, the caller heeds signals
	 * and has the terminal, and at the end nothing is asked. */
	bool looked_at;
	/* For a watch without end, whose records go into these chunks, in the same way: where one
	 * ends the server is asked, and for its busiest keys (just before that, too) and its
	 * clients, the last one included; what could not be found out is tried again then; nothing
	 * is kept that grows. NULL = not so. */
	const struct chunker *chunks;
	/* The caller hides names himself: he asks for keys by them. */
	bool names;
	/* One of several watches at once, each in a thread of its own: with the engine of
	 * all, and without a line of progress. NULL = alone, with an engine of its own. */
	struct engine *engine;
};

/* watch_run() for a plan of the caller's. */
int watch_plan_run(const struct options *o, const struct watch_plan *plan,
		   const struct record_sink *sink, struct err *err);
/*
 * Watch the server @o names. Returns when the time is over, on SIGINT or SIGTERM,
 * or when the server has ended; all of these are success. Progress goes to stderr
 * when it is a terminal.
 */
int watch_run(const struct options *o, const struct record_sink *sink, struct err *err);
