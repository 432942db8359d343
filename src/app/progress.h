/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal while something goes on: a line on stderr that says how far it is, only on a
 * terminal; and Ctrl-C, which ends it and still gives a report (a second one kills as usual).
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "model/stalls.h"

struct progress;

/* @seconds: length of the watch, INFINITY = until Ctrl-C. @quiet: no line, it is one of many. */
struct progress *progress_new(pid_t pid, double seconds, bool quiet);
void progress_tick(struct progress *progress, double t_seconds);
/* Show @text in place of what the line showed, cut to the terminal's width. */
void progress_line(struct buf *text);
/* Wipe the line of whatever progress there is. */
void progress_clear(void);
/* A stall that goes on now: "1.9 s so far: DEL leaderboard:global"; NULL = none does. */
void progress_stall(struct progress *progress, const struct stall *stall);
/* Wipes the line and frees. @progress may be NULL. */
void progress_end(struct progress *progress);

/* --- a pass over the keys ---------------------------------------------------- */

/* A bar on stderr: how far a pass is, how fast, and how long it will still take; only on
 * a terminal. */

struct keys_progress;

/* @keys_total: of all databases and nodes; 0 = not known. */
struct keys_progress *keys_progress_new(int64_t keys_total);
void keys_progress_show(struct keys_progress *progress, int64_t keys_done);
/* Wipes the line and frees. May be NULL. */
void keys_progress_end(struct keys_progress *progress);

/* --- Ctrl-C ------------------------------------------------------------------ */

/* From now on; forgets an earlier one. SIGTERM does the same, SIGPIPE nothing. */
void interrupt_catch(void);
bool interrupted(void);
/* The same for those that look at a flag: 0 until then. */
const volatile sig_atomic_t *interrupted_flag(void);
