/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Metrics for Prometheus: what finished windows of servers add up to, written as its text format
 * or as OpenMetrics. What there is stands in one table (metrics_table.c), of which the names,
 * both formats and the man page redmem-metrics(7) are made.
 *
 * The contract of what is there, and how much of it:
 *
 * - A counter (..._total, the numbers of a histogram) goes back only when redmem restarts, or when
 *   its series begins anew. The redis_* counters are the server's own, and go back when it
 *   restarts.
 * - What is not known is absent, never 0: a sensor is off, the server did not answer. A counter
 *   that was known once stays.
 * - Prefixes: at most metrics_options.prefixes series a server for each metric, and "other" for
 *   all the rest and for what belongs to no key. A prefix gets its series while there is room,
 *   those with most bytes first. When there is none, it takes that of the prefix with least in
 *   the last ten minutes, if it moved more in one window than that one did in all of these; once
 *   a minute at most, and who has its series for less than ten minutes keeps it. The series that
 *   goes vanishes, and its bytes are in redmem_prefix_gone_allocated_bytes_total and
 *   redmem_prefix_gone_freed_bytes_total. So at any time
 *	prefix series + "other" + gone = redmem_allocated_bytes_total,
 *   to the byte; and over any span the first two grow by what the last one does.
 * - Commands: at most METRICS_COMMANDS and "other"; who has a series keeps it. "(event loop)" is
 *   what the server does for no command, "(unseen)" what nobody looked at, as the budget did not
 *   allow it. Errors and threads likewise, METRICS_NAMES of each.
 * - A name that comes later than its server begins at 0 in the window that shows it, whose bytes
 *   are "other"'s: so rate() loses nothing, which does not see what a series begins with.
 * - Findings: every id that a server ever had stays, as 0. One is 1 for a minute after the last
 *   window that had it, so that no scrape misses it, also where the server is gone.
 * - Lines of the ledger, actions, limits, causes, kinds of faults, sensors, states, size classes:
 *   sets that redmem or the allocator fixes. Stalls are there by every cause from the start, as 0.
 * - By prefix of the newest scheduled pass over the keys: its largest, at most 100; they stay until
 *   the next pass, and those that it has not vanish then.
 * - What a server is and where it runs (pod, container) is one series a server, for a join by the
 *   label server: no other series has more labels where there are pods.
 * - A server that is forgotten (metrics_forget()) vanishes with all of its series.
 * - Never a name of a key: prefixes are what is the same in many ("user:*"). Labels are valid
 *   UTF-8 of at most METRICS_LABEL_BYTES, bytes that are none are written as redis-cli shows
 *   them; names that are the same then are one series, and so is one that is "other".
 */
#pragma once

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "diagnose/outlook.h"
#include "model/model.h"

#define METRICS_PREFIXES    100 /* by default */
#define METRICS_COMMANDS    50
#define METRICS_NAMES	    32
#define METRICS_LABEL_BYTES 120

struct metrics_options {
	int prefixes; /* series a server, beside "other"; 0 = only that */
	bool redis; /* also the names of redis_exporter */
};

/* One thread's, as everything here. */
struct metrics;

struct metrics *metrics_new(const struct metrics_options *options);
void metrics_free(struct metrics *metrics); /* NULL is fine */

/* Add a finished window. @server is the label of its series, and copied. */
void metrics_take(struct metrics *metrics, const char *server, const struct model *window,
		  const struct findings *findings);
/* How it goes with a server, also with one that had no window yet: @state is a word of a fixed
 * set; @up: it is watched. */
void metrics_state(struct metrics *metrics, const char *server, const char *state, bool up);
/* One of this name came again when it was gone; its state is told next. */
void metrics_restarted(struct metrics *metrics, const char *server);
/* It is not there any more: what was found of it is over. */
void metrics_end_findings(struct metrics *metrics, const char *server);
/* The server's, for whoever knows what was before. It belongs to @metrics. */
struct outlook *metrics_outlook(struct metrics *metrics, const char *server);
void metrics_forget(struct metrics *metrics, const char *server);
/* Write the names of redis_exporter from now on, or not; they have values from the next window. */
void metrics_redis(struct metrics *metrics, bool on);

/* A process of redmem since its start; NAN and RECORD_UNKNOWN for what is not known. */
struct metrics_process {
	double cpu_seconds;
	int64_t resident_bytes;
};

/* What is of no one server. The last one counts. */
struct metrics_self {
	struct metrics_process watcher, keeper;
	double bpf_elsewhere_seconds; /* in redmem's programs, of other processes' time; NAN */
	int64_t lost_windows; /* that did not reach the keeper */
	bool history; /* one is kept; else what follows is absent */
	bool history_ok; /* the last window is in it */
	int64_t history_bytes;
	double history_write_seconds;
};
void metrics_self(struct metrics *metrics, const struct metrics_self *self);

/* Of all servers, or of one and without what is of none; no series of one that is not known. */
void metrics_write(const struct metrics *metrics, struct buf *out, bool openmetrics,
		   const char *only_server);
/* The page redmem-metrics(7), in roff from .SH NAME on. */
void metrics_manual(struct buf *out);
