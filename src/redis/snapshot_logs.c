/* SPDX-License-Identifier: BSD-2-Clause */
#include "redis/snapshot_logs.h"

#include <math.h>
#include <string.h>

#include "redis/replies.h"
#include "redis/slowlog.h"

/* A reply waits in the server's memory until we have read it. What one may take beside the
 * 16 KB buffer every client has: */
#define REPLY_BYTES	  24000
#define REPLY_BYTES_TIGHT 4000
#define SLOWLOG_FIRST	  4 /* an entry has up to 32 arguments of 128 bytes: 4.4 KB */
/* A log as long as that (the default is 128) may take much: what an entry takes is looked up at
 * so many of others than redmem, some at a time behind those of redmem's own first commands. */
#define SLOWLOG_LONG  1024
#define SLOWLOG_SIZED 32
#define SIZED_BYTES   (4 * REPLY_BYTES) /* a reply once in a watch */
#define SLOWLOG_STEP  8

static const struct {
	const char *label; /* for reasons */
	const char *command, *which;
	const char *length; /* asks how many entries it has */
	const char *held; /* struct record_held */
} logs[LOGS] = {
	[LOG_SLOW] = { "SLOWLOG", "SLOWLOG", "", "SLOWLOG LEN", "slowlog" },
	[LOG_REQUESTS] = { "COMMANDLOG large-request", "COMMANDLOG", " large-request",
			   "COMMANDLOG LEN large-request", "large-request" },
	[LOG_REPLIES] = { "COMMANDLOG large-reply", "COMMANDLOG", " large-reply",
			  "COMMANDLOG LEN large-reply", "large-reply" },
};

void snapshot_logs_init(struct snapshot *snapshot)
{
	for (int log = 0; log < LOGS; log++) {
		snapshot->logged_id[log] = RECORD_UNKNOWN;
		snapshot->held[log] =
			(struct record_held){ NAN, logs[log].held, RECORD_UNKNOWN, 0, 0 };
	}
	snapshot->before.id = RECORD_UNKNOWN;
}

static int64_t slowlog_id_at(const redisReply *reply, size_t i)
{
	const redisReply *entry = reply->element[i];

	return entry->type == REDIS_REPLY_ARRAY && entry->elements &&
			       entry->element[0]->type == REDIS_REPLY_INTEGER ?
		       entry->element[0]->integer :
		       RECORD_UNKNOWN;
}

/* What the log has as a watch begins is not of that watch. */
static void note_before(struct question *q, const redisReply *reply)
{
	struct snapshot *snapshot = q->snapshot;
	const redisReply *newest;

	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements ||
	    snapshot->before.id != RECORD_UNKNOWN)
		return;
	newest = reply->element[0];
	if (newest->elements < 2 || newest->element[1]->type != REDIS_REPLY_INTEGER)
		return;
	snapshot->before.id = slowlog_id_at(reply, 0);
	snapshot->before.unix_seconds = newest->element[1]->integer;
	snapshot->before.t_seconds = q->t_seconds;
}

/* Had it ended as the watch began? The log may have been told late, behind a slow command: what may
 * have been half within the watch counts. A server that has restarted begins its ids anew. */
static bool was_before(const struct snapshot *snapshot, const struct record_slowlog *entry)
{
	return entry->id <= snapshot->before.id &&
	       entry->unix_seconds <= snapshot->before.unix_seconds &&
	       entry->seconds > 2 * snapshot->before.t_seconds;
}

static void emit_of_watch(void *ctx, const struct record *record)
{
	const struct snapshot *snapshot = ctx;

	if (!was_before(snapshot, &record->slowlog))
		record_emit(&snapshot->sink, record);
}

static bool take_slowlog(struct question *q, redisReply *reply)
{
	int64_t *newest = &q->snapshot->logged_id[q->log];
	const char *own = conn_address(q->conn);
	const struct record_sink of_watch = { emit_of_watch, q->snapshot };

	/* The newest comes first. */
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements &&
	    slowlog_id_at(reply, 0) > *newest)
		*newest = slowlog_id_at(reply, 0);
	return q->log == LOG_SLOW ?
		       !slowlog_emit(reply, own, &of_watch) :
		       !large_emit(reply, q->log == LOG_REPLIES, own, &q->snapshot->sink);
}

static void emit_held(const struct question *q)
{
	struct record_held *held = &q->snapshot->held[q->log];
	struct record record = { .kind = RECORD_HELD };

	held->t_seconds = q->t_seconds;
	record.held = *held;
	record_emit(&q->snapshot->sink, &record);
}

static bool take_slowlog_length(struct question *q, redisReply *reply)
{
	struct record_held *held = &q->snapshot->held[q->log];
	bool had = held->objects_total > 0;

	if (reply->type != REDIS_REPLY_INTEGER)
		return false;
	held->objects_total = reply->integer;
	if (q->log == LOG_SLOW || reply->integer || had) /* the others are mostly empty */
		emit_held(q);
	return true;
}

static bool take_slowlog_before(struct question *q, redisReply *reply)
{
	note_before(q, reply);
	return reply->type == REDIS_REPLY_ARRAY;
}

static bool take_slowlog_sizes(struct question *q, redisReply *reply)
{
	struct record_held *held = &q->snapshot->held[q->log];

	if (q->log == LOG_SLOW)
		note_before(q, reply);
	if (slowlog_measure(reply, conn_address(q->conn), &held->looked_total, &held->looked_bytes))
		return false;
	emit_held(q);
	return true;
}

static bool take_latency(struct question *q, redisReply *reply)
{
	return !latency_emit(reply, &q->snapshot->sink);
}

static size_t reply_bytes(const redisReply *reply)
{
	size_t bytes = 16 + (reply->str ? (size_t)reply->len : 0);

	for (size_t i = 0; i < reply->elements; i++)
		bytes += reply_bytes(reply->element[i]);
	return bytes;
}

/* The log is asked in steps, each twice the one before as long as that many will fit: how
 * long its entries are only it knows. A Valkey whose SLOWLOG is gone (renamed, or removed
 * one day) has COMMANDLOG. */
static void ask_slowlog(const struct question *like, long entries)
{
	struct question next = *like;
	struct buf line = { 0 };

	next.slowlog_asked = entries;
	if (strcmp(next.label, "COMMANDLOG") != 0)
		buf_printf(&line, "%s GET %ld%s", logs[next.log].command, entries,
			   logs[next.log].which);
	else
		buf_printf(&line, "COMMANDLOG GET %ld slow", entries);
	question_ask(&next, buf_str(&line));
	buf_free(&line);
}

static void after_slowlog(struct question *q, const redisReply *reply)
{
	size_t room = conn_tight(q->conn) ? REPLY_BYTES_TIGHT : REPLY_BYTES;
	bool first = !strcmp(q->label, "SLOWLOG");

	if (!reply)
		return; /* it was not asked */
	if (reply->type == REDIS_REPLY_ERROR) {
		q->label = "COMMANDLOG";
		if (first && strstr(reply->str, "unknown command"))
			ask_slowlog(q, SLOWLOG_FIRST);
	} else if (reply->elements && (long)reply->elements == q->slowlog_asked &&
		   q->slowlog_asked < q->slowlog_most && 2 * reply_bytes(reply) < room &&
		   slowlog_id_at(reply, reply->elements - 1) > q->slowlog_known + 1) {
		ask_slowlog(q, 2 * q->slowlog_asked); /* there are more that are new */
	}
}

/* Until enough entries are seen that are not redmem's: of those it began with come first. */
static void after_slowlog_sizes(struct question *q, const redisReply *reply)
{
	long entries = q->slowlog_asked;

	if (reply && reply->type == REDIS_REPLY_ARRAY && (long)reply->elements == entries &&
	    q->snapshot->held[q->log].looked_total < SLOWLOG_SIZED && entries < q->slowlog_most &&
	    reply_bytes(reply) < SIZED_BYTES)
		ask_slowlog(q, entries + SLOWLOG_STEP);
}

static void after_slowlog_length(struct question *q, const redisReply *reply)
{
	bool is_long;

	if (strcmp(q->phase, "start") != 0 || !reply || reply->type != REDIS_REPLY_INTEGER ||
	    !reply->integer)
		return;
	is_long = reply->integer >= SLOWLOG_LONG;
	if (q->log != LOG_SLOW && !is_long)
		return;
	q->label = logs[q->log].label;
	q->take = is_long ? take_slowlog_sizes : take_slowlog_before;
	q->next = is_long ? after_slowlog_sizes : NULL;
	q->slowlog_most = 2 * SLOWLOG_MOST;
	ask_slowlog(q, is_long ? SLOWLOG_STEP : 1);
}

void snapshot_ask_log_lengths(const struct question *like)
{
	struct question q = *like;
	int asked = q.snapshot->has_large_logs ? LOGS : 1;

	q.take = take_slowlog_length;
	q.next = after_slowlog_length;
	if (!strcmp(q.phase, "window") || conn_tight(q.conn))
		return;
	for (int log = 0; log < asked; log++) {
		q.log = (enum log)log;
		q.label = logs[log].length;
		question_ask(&q, logs[log].length);
	}
}

int snapshot_ask_events(const struct question *like, long entries)
{
	struct question q = *like;
	int logs_asked, rc;

	/* When something has just happened only how long it took matters. */
	logs_asked = q.snapshot->has_large_logs && strcmp(q.phase, "event") != 0 ? LOGS : 1;
	q.next = NULL;
	q.label = "LATENCY LATEST";
	q.take = take_latency;
	rc = question_ask(&q, "LATENCY LATEST");
	q.take = take_slowlog;
	q.next = after_slowlog;
	q.slowlog_most = entries;
	for (int log = 0; log < logs_asked && !rc; log++) {
		q.log = (enum log)log;
		q.label = logs[log].label;
		q.slowlog_known = q.snapshot->logged_id[log];
		ask_slowlog(&q, SLOWLOG_FIRST);
	}
	return rc;
}
