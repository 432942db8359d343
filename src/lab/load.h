/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load of redmem lab: connections to one server, in a thread of their own that can be
 * pinned. Two ways to ask:
 *
 * LAB_FULL: a connection sends its next commands when it has the replies of the last (closed
 * loop). It tells how much the server can do; its latencies say nothing to a user, because a
 * server that stands still is not asked.
 *
 * LAB_OPEN: commands have times at which they are due, whatever the server does; latency counts
 * from those times, so that each command that a stall kept from being sent counts too
 * (coordinated omission is avoided).
 *
 * The same seed gives the same commands in the same order. Nothing is allocated while a slice
 * runs. Of one lab_load one call at a time; begin and end from the same thread.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/hist.h"
#include "lab/scenario.h"

struct lab_load;

struct lab_load_options {
	const struct lab_scenario *scenario; /* borrowed until lab_load_close() */
	const char *socket; /* unix socket of the server */
	pid_t pid; /* of the server: another process at that socket is an error (-EPERM); 0 = any */
	uint64_t seed;
	int cpu; /* that the thread is pinned to; -1 = none */
	/* Ends what runs as lab_load_stop() does, once it is not 0: for a handler of signals.
	 * Borrowed; NULL = none. */
	const volatile sig_atomic_t *stop;
};

enum lab_loop { LAB_FULL, LAB_OPEN };

/* What to do in a slice: until @ops commands or @seconds, whichever comes first; 0 = no bound
 * (then until lab_load_stop()). */
struct lab_order {
	enum lab_loop loop;
	double rate; /* of LAB_OPEN: commands a second */
	double seconds;
	uint64_t ops;
};

struct lab_load_counts {
	uint64_t sent, replies; /* commands; equal once a slice is over without an error */
	uint64_t refused; /* replies that are errors the scenario expects */
	uint64_t late; /* LAB_OPEN: commands sent over a millisecond after they were due */
	/* LAB_OPEN: commands that were due and not sent, because the server was behind by more
	 * than the slice again or the load was stopped. How late they are by then is in
	 * @latency, so that no quantile looks better than it was. */
	uint64_t unsent;
	int64_t start_ns, end_ns; /* CLOCK_MONOTONIC, of the first command and the last reply */
	int64_t cpu_ns; /* of the load's thread: near the wall time the load is what was measured */
	struct hist latency; /* ns, a command: hist_quantile_between() */
};

/* Connect all clients. 0 or a negative errno with one line. */
int lab_load_open(struct lab_load **out, const struct lab_load_options *options, struct err *err);
/* Stops what runs and closes the connections. @load may be NULL. */
void lab_load_close(struct lab_load *load);

/* Everything the scenario fills in, exactly and in order, at full speed. An error reply ends it,
 * -EIO with one line: what the server answered to which command. -EINTR when it was stopped. */
int lab_load_fill(struct lab_load *load, struct err *err);

/* Begin a slice; the counts are zeroed. A scenario with a `load` has that program run in LAB_FULL;
 * its commands are those that the server counts, without latencies. */
int lab_load_begin(struct lab_load *load, const struct lab_order *order, struct err *err);
/* Have it end soon: no further command is sent. May be called from any thread. */
void lab_load_stop(struct lab_load *load);
/* Wait for its end. 0; -EIO (the server's error), -ECONNRESET (it is gone), -ETIMEDOUT (it has
 * said nothing for a minute). @out is filled in any case. */
int lab_load_end(struct lab_load *load, struct lab_load_counts *out, struct err *err);
/* begin and end in one. */
int lab_load_slice(struct lab_load *load, const struct lab_order *order,
		   struct lab_load_counts *out, struct err *err);

/* A step of those that come once a run, whole: @rate is that of LAB_OPEN, for the steps beside
 * which the ops go on. @out: of those ops, or of the commands of LAB_STEP_DO. */
int lab_load_step(struct lab_load *load, const struct lab_step *step, double rate,
		  struct lab_load_counts *out, struct err *err);
