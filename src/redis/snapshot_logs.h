/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server remembers of commands: its slow log, COMMANDLOG, LATENCY. */
#pragma once

#include "redis/question.h"

#define SLOWLOG_MOST   128 /* entries */
#define SLOWLOG_EVENTS 32

/* How long the slow log is; at the start its newest entry, and, before much of it is of redmem,
 * what a long one takes. */
void snapshot_ask_slowlog_length(const struct question *like);
/* Of slow commands the @entries newest at most, and of other latencies. 0, or -ENOTCONN. */
int snapshot_ask_events(const struct question *like, long entries);
