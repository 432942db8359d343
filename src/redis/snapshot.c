/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of a watch and the facts from their replies; see snapshot.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "redis/config.h"
#include "redis/latency.h"
#include "redis/memory_stats.h"
#include "redis/slowlog.h"
#include "redis/snapshot.h"

#define REASONS_MAX    16
#define REASON_COLUMNS 200

struct snapshot {
	struct fact_sink sink;
	size_t pending;
	bool config_known;
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
	const char *phase; /* "start", "tick", "end"; static */
	double t_seconds; /* when it was asked */
	/* Makes facts of a reply that is no error; false when it is not understood. */
	bool (*take)(struct question *q, redisReply *reply, double seconds);
	/* What is asked next, whatever the reply was; NULL = nothing. */
	void (*next)(struct question *q, const redisReply *reply, double t_seconds);
};

struct snapshot *snapshot_new(const struct fact_sink *sink)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));

	snapshot->sink = *sink;
	snapshot->tick_seconds = NAN;
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->reasons_count; i++)
		free(snapshot->reasons[i]);
	free(snapshot);
}

/* --- reasons ------------------------------------------------------------- */

/* Forget the reason of @label: it has answered, or has a newer reason. */
static void reason_drop(struct snapshot *snapshot, const char *label)
{
	size_t len = strlen(label);

	for (size_t i = 0; i < snapshot->reasons_count; i++) {
		char *reason = snapshot->reasons[i];

		if (strncmp(reason, label, len) != 0 || reason[len] != ':')
			continue;
		free(reason);
		snapshot->reasons[i] = snapshot->reasons[--snapshot->reasons_count];
		return;
	}
}

static void reason_keep(struct snapshot *snapshot, const char *label, const char *text)
{
	struct buf reason = { 0 };

	reason_drop(snapshot, label);
	if (snapshot->reasons_count == REASONS_MAX)
		return;
	buf_printf(&reason, "%s: ", label);
	escape_terminal(&reason, text, strlen(text), REASON_COLUMNS);
	snapshot->reasons[snapshot->reasons_count++] = xstrdup(buf_str(&reason));
	buf_free(&reason);
}

const char *snapshot_reason_at(const struct snapshot *snapshot, size_t i)
{
	return i < snapshot->reasons_count ? snapshot->reasons[i] : NULL;
}

/* --- asking -------------------------------------------------------------- */

static void replied(void *ctx, redisReply *reply, double seconds)
{
	struct question *q = ctx;
	struct snapshot *snapshot = q->snapshot;
	double t_seconds = q->t_seconds + seconds;

	if (!strcmp(q->phase, "tick")) {
		snapshot->tick_pending = false;
		snapshot->tick_seconds = reply ? seconds : NAN;
	}
	if (reply && reply->type == REDIS_REPLY_ERROR)
		reason_keep(snapshot, q->label, reply->str);
	else if (reply && !q->take(q, reply, seconds))
		reason_keep(snapshot, q->label, "the reply was not understood");
	else if (reply)
		reason_drop(snapshot, q->label);
	if (reply && q->next)
		q->next(q, reply, t_seconds);
	snapshot->pending--;
	freeReplyObject(reply);
	free(q);
}

/* Send @line for a question like @like. */
static int ask(const struct question *like, const char *line)
{
	struct question *q = xcalloc(1, sizeof(*q));
	int rc;

	*q = *like;
	rc = conn_send_line(q->conn, replied, q, line);
	if (rc)
		free(q);
	else
		like->snapshot->pending++;
	return rc;
}

/* --- taking -------------------------------------------------------------- */

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

/* Does this commandstats tell subcommands apart, as 7.0 and later do? */
static bool has_subcommands(const char *info)
{
	const char *at = info;

	while ((at = strstr(at, "\ncmdstat_"))) {
		at += strlen("\ncmdstat_");
		if (at[strcspn(at, ":|\r\n")] == '|')
			return true;
	}
	return false;
}

static bool take_info(struct question *q, redisReply *reply, double seconds)
{
	struct own_calls *calls = conn_calls(q->conn);
	struct fact fact = { .kind = FACT_INFO };

	if (!is_text(reply))
		return false;
	fact.info.t_seconds = q->t_seconds + seconds;
	fact.info.phase = q->phase;
	fact.info.text = reply->str;
	fact_emit(&q->snapshot->sink, &fact);
	if (calls && !strcmp(q->phase, "start"))
		own_calls_mark(calls);
	else if (calls && !strcmp(q->phase, "end"))
		own_calls_emit(calls, has_subcommands(reply->str), &q->snapshot->sink);
	return true;
}

static bool take_memory_stats(struct question *q, redisReply *reply, double seconds)
{
	struct fact fact = { .kind = FACT_MEMORY_STATS };
	struct buf text = { 0 };
	int rc = memory_stats_flatten(&text, reply);

	if (!rc) {
		fact.memory_stats.t_seconds = q->t_seconds + seconds;
		fact.memory_stats.phase = q->phase;
		fact.memory_stats.text = buf_str(&text);
		fact_emit(&q->snapshot->sink, &fact);
	}
	buf_free(&text);
	return !rc;
}

static bool take_malloc_stats(struct question *q, redisReply *reply, double seconds)
{
	struct fact fact = { .kind = FACT_MALLOC_STATS };

	if (!is_text(reply))
		return false;
	fact.malloc_stats.t_seconds = q->t_seconds + seconds;
	fact.malloc_stats.phase = q->phase;
	fact.malloc_stats.text = reply->str;
	fact.malloc_stats.reply_seconds = seconds;
	fact_emit(&q->snapshot->sink, &fact);
	return true;
}

static bool take_config(struct question *q, redisReply *reply, double seconds)
{
	(void)seconds;
	if (config_emit(reply, &q->snapshot->sink))
		return false;
	q->snapshot->config_known = true;
	return true;
}

static bool take_slowlog(struct question *q, redisReply *reply, double seconds)
{
	(void)seconds;
	return !slowlog_emit(reply, &q->snapshot->sink);
}

static bool take_latency(struct question *q, redisReply *reply, double seconds)
{
	(void)seconds;
	return !latency_emit(reply, &q->snapshot->sink);
}

/* --- the plan ------------------------------------------------------------ */

/* A Valkey whose SLOWLOG is gone (renamed, or removed one day) has COMMANDLOG. */
static void after_slowlog(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;

	if (reply->type != REDIS_REPLY_ERROR || !strstr(reply->str, "unknown command"))
		return;
	next.next = NULL;
	next.label = "COMMANDLOG";
	next.t_seconds = t_seconds;
	ask(&next, "COMMANDLOG GET 128 slow");
}

/* What the server remembers of slow commands and other latencies. */
static int ask_events(const struct question *like, const char *slowlog)
{
	struct question q = *like;

	q.next = NULL;
	q.label = "LATENCY LATEST";
	q.take = take_latency;
	ask(&q, "LATENCY LATEST");
	q.label = "SLOWLOG";
	q.take = take_slowlog;
	q.next = after_slowlog;
	return ask(&q, slowlog);
}

static void ask_rest(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;

	(void)reply;
	next.next = NULL;
	next.t_seconds = t_seconds;
	next.label = "CONFIG GET";
	next.take = take_config;
	for (size_t i = 0; config_patterns[i] && !q->snapshot->config_known; i++) {
		struct buf line = { 0 };

		buf_printf(&line, "CONFIG GET %s", config_patterns[i]);
		ask(&next, buf_str(&line));
		buf_free(&line);
	}
	if (strcmp(q->phase, "end") == 0)
		ask_events(&next, "SLOWLOG GET 128");
}

/* Alone on its way, so that the time until its reply is its own. */
static void ask_malloc_stats(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;

	(void)reply;
	next.t_seconds = t_seconds;
	next.label = "MEMORY MALLOC-STATS";
	next.take = take_malloc_stats;
	next.next = ask_rest;
	ask(&next, "MEMORY MALLOC-STATS");
}

int snapshot_begin(struct snapshot *snapshot, struct conn *conn, enum snapshot_phase phase,
		   double t_seconds)
{
	struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.label = "INFO",
		.phase = phase == SNAPSHOT_START ? "start" : "end",
		.t_seconds = t_seconds,
		.take = take_info,
	};
	int rc;

	/* "all" has commandstats; "everything" (7.0) would only add modules' own. */
	rc = ask(&q, "INFO all");
	q.label = "MEMORY STATS";
	q.take = take_memory_stats;
	q.next = ask_malloc_stats;
	if (!rc)
		rc = ask(&q, "MEMORY STATS");
	return rc;
}

int snapshot_tick(struct snapshot *snapshot, struct conn *conn, double t_seconds)
{
	struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.label = "INFO",
		.phase = "tick",
		.t_seconds = t_seconds,
		.take = take_info,
	};
	int rc;

	if (snapshot->tick_pending)
		return -EBUSY;
	snapshot->tick_seconds = NAN;
	rc = ask(&q, "INFO");
	if (!rc)
		snapshot->tick_pending = true;
	return rc;
}

int snapshot_events(struct snapshot *snapshot, struct conn *conn, double t_seconds)
{
	struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.phase = "event",
		.t_seconds = t_seconds,
		.label = "INFO",
		.take = take_info,
	};

	ask(&q, "INFO memory");
	return ask_events(&q, "SLOWLOG GET 32");
}

bool snapshot_tick_answered(const struct snapshot *snapshot, double *seconds)
{
	if (seconds)
		*seconds = snapshot->tick_seconds;
	return !isnan(snapshot->tick_seconds);
}

size_t snapshot_pending(const struct snapshot *snapshot)
{
	return snapshot->pending;
}
