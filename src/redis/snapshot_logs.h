/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server remembers of commands: its slow log, COMMANDLOG, LATENCY. */
#pragma once

#include "redis/question.h"

#define SLOWLOG_MOST   128 /* entries */
#define SLOWLOG_EVENTS 32

/* Nothing is known of any log. */
void snapshot_logs_init(struct snapshot *snapshot);
/* How long the logs are; at the start the newest entry of the slow log, and, before much of it is
 * of redmem, what a long one takes. */
void snapshot_ask_log_lengths(const struct question *like);
/* Of slow commands the @entries newest at most, and of other latencies. 0, or -ENOTCONN. */
int snapshot_ask_events(const struct question *like, long entries);
