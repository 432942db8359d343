/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot from within, for its files: question.c sends a request and hands its reply on,
 * snapshot_logs.c has what is asked of the server's logs, snapshot.c all else, and in which order.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "record/record.h"
#include "redis/clientsearch.h"
#include "redis/conn.h"

#define REASONS_MAX 16

/* What the server remembers of commands: Valkey 8.1 has them as one, COMMANDLOG. */
enum log { LOG_SLOW, LOG_REQUESTS, LOG_REPLIES, LOGS };

struct snapshot {
	struct record_sink sink;
	size_t pending;
	double seconds; /* how long the watch is to be */
	double malloc_stats_at; /* when they were asked for last; -INFINITY = never */
	int64_t logged_id[LOGS]; /* the newest entry read of each; RECORD_UNKNOWN */
	struct {
		int64_t id, unix_seconds; /* the newest entry of the slow log; RECORD_UNKNOWN */
		double t_seconds; /* when that was told */
	} before; /* what was there as the watch began */
	bool has_large_logs;
	struct record_held held[LOGS]; /* entries there are, and what some of them take */
	bool config_known;
	double config_at; /* when it was asked for last */
	struct client_counts clients; /* by the last INFO */
	bool tick_pending;
	double tick_seconds; /* NAN: not answered */
	char *reasons[REASONS_MAX];
	size_t reasons_count;
};

/* One request on its way. */
struct question {
	struct snapshot *snapshot;
	struct conn *conn;
	const char *label; /* for reasons; static */
	const char *phase; /* "start", "tick", "window", "event", "end"; static */
	double t_seconds; /* when it was asked; for take() and next() when it was answered, */
	double reply_seconds; /* so much later */
	struct sections *sections; /* of an INFO asked part by part; NULL */
	enum log log;
	long slowlog_asked, slowlog_most; /* entries */
	int64_t slowlog_known; /* id of the newest that was read before */
	/* Makes records of a reply that is no error; false when it is not understood. */
	bool (*take)(struct question *q, redisReply *reply);
	/* What is asked next, whatever the reply was (NULL: it was not asked); NULL = nothing. @q
	 * is over, and may become the next one. */
	void (*next)(struct question *q, const redisReply *reply);
};

/* INFO as several small replies: "everything" at once takes the server a fifth of a
 * millisecond and more, and a long reply takes its memory. */
struct sections {
	const char *const *next; /* to be asked; ends with NULL */
	struct buf text; /* of those answered */
};

/* Is nothing but INFO asked? */
bool question_is_info_alone(const struct question *q);
/* Send @line for a question like @like. What would cost a server near its limit memory is
 * not asked, and what comes next is. 0, or -ENOTCONN. */
int question_ask(const struct question *like, const char *line);
/* May be NULL. */
void sections_free(struct sections *sections);
