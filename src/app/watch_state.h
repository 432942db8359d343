/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A watch from within, for its files: watch.c begins and ends it, watch_loop.c has what goes on
 * meanwhile and what it tells, watch_clients.c who the clients are, watch_end.c what is asked when
 * it is over.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/attribution.h"
#include "app/server.h"
#include "app/watch.h"
#include "base/clock.h"

struct clientsearch;
struct info;
struct keysample;
struct progress;
struct redact;
struct seen_keys;
struct writers;

/* The end of a window, seen from the watch: the server is asked, then the host. */
enum border { BORDER_NONE, BORDER_REACHED, BORDER_ASKED };

struct watch {
	const struct options *options;
	const struct watch_plan *plan;
	struct seen_keys *seen;
	struct record_sink sink; /* remembers keys, then on to the caller's */
	struct redact *redact, *redact_stalls; /* of records, and of the stall that goes on; NULL */
	struct server server;
	struct engine *engine;
	struct sensors *sensors;
	size_t ticks; /* seconds that are over and were not looked at */
	struct snapshot *snapshot;
	struct keysample *sample;
	struct writers *writers; /* NULL at a border at which the server has no AOF */
	struct clientsearch *clients; /* under way, or over with the watch; NULL */
	bool clients_looked_at; /* since they were suspected, in this window */
	int64_t connections; /* total_connections_received, when it was told first */
	int tls_port; /* 0 = none */
	int64_t purgeable; /* by the last MALLOC-STATS, for --try purge */
	struct attribution attribution;
	struct progress *progress;
	struct info *info; /* the newest INFO, for the target record; NULL */
	bool uncalibrated; /* since the connection was made, or the server hung */
	double calibrate_at, calibrate_rest; /* when that is tried next, which did not work */
	enum border border;
	double looked_at, look_seconds; /* the host's side of the last one; what CPU it took */
	double closer_at; /* the last look at the busiest */
	bool longest_ends; /* at the border: where windows are looked at, only then is the host */
	bool hanging;
	bool stopped; /* SIGSTOP seen */
	bool came_back; /* in this tick, behind a connection that was lost */
	double hang_start;
	double smaps_seconds;
	int64_t start_ns;
	double setup_cpu_seconds;
	int64_t kernel_bytes; /* that programs and maps take */
	uint64_t server_starttime;
};

static inline double watch_budget(const struct options *o)
{
	return (isnan(o->budget_percent) ? WATCH_BUDGET_PERCENT : o->budget_percent) / 100;
}

static inline double watch_seconds(const struct watch *w)
{
	return (clock_mono_ns() - w->start_ns) / 1e9;
}

/* Is it without end, and nothing may grow? */
static inline bool watch_goes_on(const struct watch *w)
{
	return w->plan->chunks || w->plan->looked_at;
}

/* --- watch_loop.c --- */

/* @event began @seconds ago; NAN = it is a moment. */
void watch_emit_life(struct watch *w, const char *event, double seconds);
/* The host's side of a tick. False when the server has ended. */
bool watch_emit_tick(struct watch *w, bool answered, double reply_seconds);
void watch_emit_self(struct watch *w);
/* What can be seen, and why the rest cannot. */
void watch_emit_sensors(struct watch *w);
void watch_emit_mappings(struct watch *w, const char *phase);
/* May the host's side be read again, by the budget? */
bool watch_look_is_due(const struct watch *w);
/* True when the server was there until the end. */
bool watch_loop(struct watch *w);
/* A mark is on its way to the windows: does one end with it? Then it is told what it needs. */
void watch_mark(struct watch *w, double t_seconds);
/* Drive the connection until nothing is pending or @seconds have passed. */
void watch_drain(struct watch *w, double seconds);
/* Between ticks: the live line, and what the plan does. False when it has enough. */
bool watch_look_on(struct watch *w);

/* --- watch_clients.c --- */

/* How many speak TLS: the server does not tell, and the kernel does. */
void watch_count_tls(struct watch *w);
/* A window has begun, of a watch that goes on: look at them anew. */
void watch_look_at_clients(struct watch *w);
/* Each second: a search that is over is told, and one begins that has a reason. */
void watch_follow_clients(struct watch *w);
/* When the watch is over: those with most of very many are asked for; false when none is. */
bool watch_search_clients(struct watch *w);
/* As far as a search has got. */
void watch_found_clients(struct watch *w);

/* --- watch_end.c --- */

/* What is asked and told last. @alive: the server is there. */
void watch_finish(struct watch *w, bool alive);
