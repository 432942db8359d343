/* SPDX-License-Identifier: BSD-2-Clause */
/* A line on stderr that says how far the watch is; only on a terminal. */
#pragma once

#include <stdbool.h>
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
