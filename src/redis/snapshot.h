/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What redmem asks the server for in a watch, and the records it makes of the
 * replies. All asking is asynchronous: records come out of conn_dispatch() when
 * the server answers, however late that is.
 *
 * A request the server refuses gives no record; the reason is kept for the report.
 * Only reading commands are used, none of them O(keys).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"
#include "redis/conn.h"

enum snapshot_phase { SNAPSHOT_START, SNAPSHOT_WINDOW, SNAPSHOT_END };

struct client_counts;
struct snapshot;

/* @sink is copied. @seconds: how long the watch is to be (INFINITY = no end). */
struct snapshot *snapshot_new(const struct record_sink *sink, double seconds);
/* Close the connections it was used with first: their requests point here. */
void snapshot_free(struct snapshot *snapshot);

/*
 * Ask for everything: INFO, section by section and told as one; MEMORY STATS; MEMORY
 * MALLOC-STATS, at most once in 10 s (and at the end) and not from a server within 4 MB of
 * its maxmemory; CONFIG GET once in a watch, in one without end each minute; at the start the
 * newest entry of SLOWLOG, which was there before, as those below it; where a window
 * ends, and at the end, SLOWLOG GET and LATENCY LATEST, too (both remember, so asking them more
 * often would tell nothing more); at the end CLIENT LIST of a server with few clients. Of a
 * server within 4 MB only what headroom.h allows. With these INFO come RECORD_OWN_CALLS for what
 * redmem itself has added since the start's. Where a window ends it is asked in place of
 * snapshot_tick().
 *
 * @t_seconds is now, from the start of the watch; records carry the time of their
 * reply. 0, -ENOTCONN; of a window also -EBUSY while anything asked before is unanswered.
 */
int snapshot_begin(struct snapshot *snapshot, struct conn *conn, enum snapshot_phase phase,
		   double t_seconds);

/* Ask for INFO. -EBUSY while the tick before is not answered, -ENOTCONN. */
int snapshot_tick(struct snapshot *snapshot, struct conn *conn, double t_seconds);
/* Ask for LATENCY LATEST, the newest of SLOWLOG and, as phase "event", INFO memory and stats, when
 * something has just happened.
 * 0, or -ENOTCONN. */
int snapshot_events(struct snapshot *snapshot, struct conn *conn, double t_seconds);
/* Ask for CLIENT LIST. -E2BIG where there are more clients than are listed at once, or the server
 * is near its maxmemory, -EAGAIN while their number is not known, -ENOTCONN. */
int snapshot_clients(struct snapshot *snapshot, struct conn *conn, double t_seconds);
/* By the last INFO, also of a tick. */
const struct client_counts *snapshot_client_counts(const struct snapshot *snapshot);
/* Is the last tick asked for answered, and how long did it take? @seconds may be
 * NULL, and is NAN when it is not. */
bool snapshot_tick_answered(const struct snapshot *snapshot, double *seconds);

/* Requests still unanswered. */
size_t snapshot_pending(const struct snapshot *snapshot);

/* Why something is missing: "MEMORY STATS: NOPERM ...", escaped for a terminal;
 * NULL beyond the last. Valid until the next reply. */
const char *snapshot_reason_at(const struct snapshot *snapshot, size_t i);
