/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of a watch and the records from their replies; see snapshot.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "redis/clientsearch.h"
#include "redis/info.h"
#include "redis/replies.h"
#include "redis/snapshot.h"

#define REASONS_MAX    16
#define REASON_COLUMNS 200
/* A reply waits in the server's memory until we have read it. What one may take beside the
 * 16 KB buffer every client has: */
#define REPLY_BYTES	  24000
#define REPLY_BYTES_TIGHT 4000
/* Between two MALLOC-STATS of a watch: one takes the server most of a millisecond and has 23 KB.
 * Windows end at ticks, each a little late: ten seconds apart but for that. */
#define MALLOC_STATS_REST 10.0
#define TICK_LATE	  0.1
#define CONFIG_REST	  60.0 /* of a watch without end */
#define SLOWLOG_FIRST	  4 /* an entry has up to 32 arguments of 128 bytes: 4.4 KB */
#define SLOWLOG_MOST	  128
#define SLOWLOG_EVENTS	  32
/* A log as long as that (the default is 128) may take much: what an entry takes is looked up at
 * so many of others than redmem, some at a time behind those of redmem's own first commands. */
#define SLOWLOG_LONG  1024
#define SLOWLOG_SIZED 32
#define SIZED_BYTES   (4 * REPLY_BYTES) /* a reply once in a watch */
#define SLOWLOG_STEP  8

/* What the server remembers of commands: Valkey 8.1 has them as one, COMMANDLOG. */
enum log { LOG_SLOW, LOG_REQUESTS, LOG_REPLIES, LOGS };

static const struct {
	const char *label; /* for reasons */
	const char *command, *which;
} logs[LOGS] = {
	[LOG_SLOW] = { "SLOWLOG", "SLOWLOG", "" },
	[LOG_REQUESTS] = { "COMMANDLOG large-request", "COMMANDLOG", " large-request" },
	[LOG_REPLIES] = { "COMMANDLOG large-reply", "COMMANDLOG", " large-reply" },
};

struct snapshot {
	struct record_sink sink;
	size_t pending;
	double seconds; /* how long the watch is to be */
	double malloc_stats_at; /* when they were asked for last; -INFINITY = never */
	int64_t logged_id[LOGS]; /* the newest entry read of each; RECORD_UNKNOWN */
	bool has_large_logs;
	struct record_held slowlog; /* entries there are, and what some of them take */
	bool config_known;
	double config_at; /* when it was asked for last */
	int64_t clients; /* connected, by the last INFO; RECORD_UNKNOWN */
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
	const char *phase; /* "start", "tick", "window", "end"; static */
	double t_seconds; /* when it was asked */
	struct sections *sections; /* of an INFO asked part by part; NULL */
	enum log log;
	long slowlog_asked, slowlog_most; /* entries */
	int64_t slowlog_known; /* id of the newest that was read before */
	/* Makes records of a reply that is no error; false when it is not understood. */
	bool (*take)(struct question *q, redisReply *reply, double seconds);
	/* What is asked next, whatever the reply was (NULL: it was not asked); NULL = nothing. */
	void (*next)(struct question *q, const redisReply *reply, double t_seconds);
};

/* INFO as several small replies: "everything" at once takes the server a fifth of a
 * millisecond and more, and a long reply takes its memory. */
struct sections {
	const char *const *next; /* to be asked; ends with NULL */
	struct buf text; /* of those answered */
};

struct snapshot *snapshot_new(const struct record_sink *sink, double seconds)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));

	snapshot->sink = *sink;
	snapshot->seconds = seconds;
	snapshot->tick_seconds = NAN;
	snapshot->clients = RECORD_UNKNOWN;
	snapshot->malloc_stats_at = -INFINITY;
	for (int log = 0; log < LOGS; log++)
		snapshot->logged_id[log] = RECORD_UNKNOWN;
	snapshot->slowlog = (struct record_held){ NAN, "slowlog", RECORD_UNKNOWN, 0, 0 };
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

static void sections_free(struct sections *sections)
{
	if (!sections)
		return;
	buf_free(&sections->text);
	free(sections);
}

/* Is nothing but INFO asked? */
static bool is_info_alone(const struct question *q)
{
	return !strcmp(q->phase, "tick") || !strcmp(q->phase, "event");
}

/* Is it (a part of) the INFO of a tick? */
static bool is_tick(const struct question *q)
{
	return !strcmp(q->phase, "tick") || (!strcmp(q->phase, "window") && q->sections);
}

/* The last part of what a tick asks is in, or lost. */
static void tick_done(struct snapshot *snapshot, bool answered, double seconds)
{
	snapshot->tick_pending = false;
	snapshot->tick_seconds = answered ? seconds : NAN;
}

static void replied(void *ctx, redisReply *reply, double seconds)
{
	struct question *q = ctx;
	struct snapshot *snapshot = q->snapshot;

	if (is_tick(q) &&
	    (!reply || reply->type == REDIS_REPLY_ERROR || !q->sections || !*q->sections->next))
		tick_done(snapshot, reply, seconds);
	if (reply && reply->type == REDIS_REPLY_ERROR)
		reason_keep(snapshot, q->label, reply->str);
	else if (reply && !q->take(q, reply, seconds))
		reason_keep(snapshot, q->label, "the reply was not understood");
	else if (reply)
		reason_drop(snapshot, q->label);
	if (reply && q->next)
		q->next(q, reply, q->t_seconds + seconds);
	sections_free(q->sections);
	snapshot->pending--;
	freeReplyObject(reply);
	free(q);
}

/* Send @line for a question like @like. What would cost a server near its limit memory is
 * not asked, and what comes next is. */
static int ask(const struct question *like, const char *line)
{
	struct question *q = xcalloc(1, sizeof(*q));
	int rc;

	*q = *like;
	rc = conn_send_line(q->conn, replied, q, line);
	if (!rc)
		like->snapshot->pending++;
	else if (rc == CONN_WITHHELD && q->next)
		q->next(q, NULL, q->t_seconds);
	if (rc)
		free(q);
	return rc == CONN_WITHHELD ? 0 : rc;
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

/* What may be asked: how near is the server to its limit, and what does it know? */
static void learn(const struct question *q, const char *text)
{
	struct info *info = info_parse(text);

	conn_learn(q->conn, info);
	if (!strcmp(info_server(info), "valkey"))
		q->snapshot->has_large_logs = version_at_least(info_server_version(info), 8, 1);
	if (info_int(info, "connected_clients") != RECORD_UNKNOWN)
		q->snapshot->clients = info_int(info, "connected_clients");
	info_free(info);
}

/* What redmem's own commands did up to now is known at the very reply that has it in. */
static void mark_own(struct question *q, const char *text, double t_seconds)
{
	const struct record_own_calls like = { .t_seconds = t_seconds, .phase = q->phase };
	struct own_calls *calls = conn_calls(q->conn);
	bool start = !strcmp(q->phase, "start");

	if (!calls || is_info_alone(q))
		return;
	for (int kind = 0; kind < OWN_KINDS; kind++) {
		if (!own_calls_told(kind, text))
			continue;
		if (start)
			own_calls_mark(calls, kind);
		else
			own_calls_emit(calls, kind, has_subcommands(text), &like,
				       &q->snapshot->sink);
	}
}

static void emit_info(const struct question *q, const char *text, double t_seconds)
{
	struct record record = { .kind = RECORD_INFO };

	record.info.t_seconds = t_seconds;
	record.info.phase = q->phase;
	record.info.text = text;
	record_emit(&q->snapshot->sink, &record);
}

static bool take_info(struct question *q, redisReply *reply, double seconds)
{
	if (!is_text(reply))
		return false;
	learn(q, reply->str);
	emit_info(q, reply->str, q->t_seconds + seconds);
	return true;
}

static bool take_section(struct question *q, redisReply *reply, double seconds)
{
	struct sections *sections = q->sections;

	if (!is_text(reply))
		return false;
	learn(q, reply->str);
	buf_puts(&sections->text, reply->str);
	mark_own(q, reply->str, q->t_seconds + seconds);
	if (!*sections->next)
		emit_info(q, buf_str(&sections->text), q->t_seconds + seconds);
	return true;
}

static bool take_memory_stats(struct question *q, redisReply *reply, double seconds)
{
	struct record record = { .kind = RECORD_MEMORY_STATS };
	struct buf text = { 0 };
	int rc = memory_stats_flatten(&text, reply);

	if (!rc) {
		record.memory_stats.t_seconds = q->t_seconds + seconds;
		record.memory_stats.phase = q->phase;
		record.memory_stats.text = buf_str(&text);
		record_emit(&q->snapshot->sink, &record);
	}
	buf_free(&text);
	return !rc;
}

static bool take_malloc_stats(struct question *q, redisReply *reply, double seconds)
{
	struct record record = { .kind = RECORD_MALLOC_STATS };

	if (!is_text(reply))
		return false;
	record.malloc_stats.t_seconds = q->t_seconds + seconds;
	record.malloc_stats.phase = q->phase;
	record.malloc_stats.text = reply->str;
	record.malloc_stats.reply_seconds = seconds;
	record_emit(&q->snapshot->sink, &record);
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

static int64_t slowlog_id_at(const redisReply *reply, size_t i)
{
	const redisReply *entry = reply->element[i];

	return entry->type == REDIS_REPLY_ARRAY && entry->elements &&
			       entry->element[0]->type == REDIS_REPLY_INTEGER ?
		       entry->element[0]->integer :
		       RECORD_UNKNOWN;
}

static bool take_slowlog(struct question *q, redisReply *reply, double seconds)
{
	int64_t *newest = &q->snapshot->logged_id[q->log];
	const char *own = conn_address(q->conn);

	(void)seconds;
	/* The newest comes first. */
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements &&
	    slowlog_id_at(reply, 0) > *newest)
		*newest = slowlog_id_at(reply, 0);
	return q->log == LOG_SLOW ?
		       !slowlog_emit(reply, own, &q->snapshot->sink) :
		       !large_emit(reply, q->log == LOG_REPLIES, own, &q->snapshot->sink);
}

static void emit_slowlog(struct snapshot *snapshot, double t_seconds)
{
	struct record record = { .kind = RECORD_HELD };

	snapshot->slowlog.t_seconds = t_seconds;
	record.held = snapshot->slowlog;
	record_emit(&snapshot->sink, &record);
}

static bool take_slowlog_length(struct question *q, redisReply *reply, double seconds)
{
	if (reply->type != REDIS_REPLY_INTEGER)
		return false;
	q->snapshot->slowlog.objects_total = reply->integer;
	emit_slowlog(q->snapshot, q->t_seconds + seconds);
	return true;
}

static bool take_slowlog_sizes(struct question *q, redisReply *reply, double seconds)
{
	struct record_held *slowlog = &q->snapshot->slowlog;

	if (slowlog_measure(reply, conn_address(q->conn), &slowlog->looked_total,
			    &slowlog->looked_bytes))
		return false;
	emit_slowlog(q->snapshot, q->t_seconds + seconds);
	return true;
}

static bool take_latency(struct question *q, redisReply *reply, double seconds)
{
	(void)seconds;
	return !latency_emit(reply, &q->snapshot->sink);
}

static bool take_clients(struct question *q, redisReply *reply, double seconds)
{
	(void)seconds;
	return !client_list_emit(reply, conn_address(q->conn), &q->snapshot->sink);
}

/* --- the plan ------------------------------------------------------------ */

/* Without latencystats, which computes percentiles of each command. */
static const char *const all_sections[] = {
	"server",  "clients",	   "memory",	 "persistence", "stats",   "replication", "cpu",
	"modules", "commandstats", "errorstats", "keyspace",	"cluster", NULL,
};
static const char *const tick_sections[] = { "memory", "stats", "clients", NULL };
static const char *const event_sections[] = { "memory", "stats", NULL };

static void next_section(struct question *q, const redisReply *reply, double t_seconds);

/* Takes @sections over. What comes after the last is @q's own business. */
static int ask_section(struct question *q, struct sections *sections)
{
	struct question next = *q;
	struct buf line = { 0 };
	int rc;

	next.sections = sections;
	next.label = "INFO";
	next.take = take_section;
	next.next = next_section;
	buf_printf(&line, "INFO %s", *sections->next++);
	rc = ask(&next, buf_str(&line));
	buf_free(&line);
	if (rc)
		sections_free(sections);
	return rc;
}

static int ask_info(struct question *q, const char *const *list)
{
	struct sections *sections = xcalloc(1, sizeof(*sections));

	sections->next = list;
	return ask_section(q, sections);
}

static void ask_memory_stats(struct question *q, const redisReply *reply, double t_seconds);

static void next_section(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;
	struct sections *sections = q->sections;

	next.t_seconds = t_seconds;
	if (reply->type != REDIS_REPLY_ERROR && *sections->next) {
		q->sections = NULL; /* it is the next one's */
		ask_section(&next, sections);
	} else if (!is_info_alone(q)) {
		ask_memory_stats(&next, reply, t_seconds);
	}
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
	ask(&next, buf_str(&line));
	buf_free(&line);
}

static void after_slowlog(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;
	size_t room = conn_tight(q->conn) ? REPLY_BYTES_TIGHT : REPLY_BYTES;

	next.t_seconds = t_seconds;
	if (!reply)
		return; /* it was not asked */
	if (reply->type == REDIS_REPLY_ERROR) {
		next.label = "COMMANDLOG";
		if (!strcmp(q->label, "SLOWLOG") && strstr(reply->str, "unknown command"))
			ask_slowlog(&next, SLOWLOG_FIRST);
	} else if (reply->elements && (long)reply->elements == q->slowlog_asked &&
		   q->slowlog_asked < q->slowlog_most && 2 * reply_bytes(reply) < room &&
		   slowlog_id_at(reply, reply->elements - 1) > q->slowlog_known + 1) {
		ask_slowlog(&next, 2 * q->slowlog_asked); /* there are more that are new */
	}
}

/* Until enough entries are seen that are not redmem's: of those it began with come first. */
static void after_slowlog_sizes(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;
	long entries = q->slowlog_asked;

	next.t_seconds = t_seconds;
	if (reply && reply->type == REDIS_REPLY_ARRAY && (long)reply->elements == entries &&
	    q->snapshot->slowlog.looked_total < SLOWLOG_SIZED && entries < q->slowlog_most &&
	    reply_bytes(reply) < SIZED_BYTES)
		ask_slowlog(&next, entries + SLOWLOG_STEP);
}

static void after_slowlog_length(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;

	next.t_seconds = t_seconds;
	next.label = "SLOWLOG";
	next.take = take_slowlog_sizes;
	next.next = after_slowlog_sizes;
	next.slowlog_most = 2 * SLOWLOG_MOST;
	if (!strcmp(q->phase, "start") && reply && reply->type == REDIS_REPLY_INTEGER &&
	    reply->integer >= SLOWLOG_LONG)
		ask_slowlog(&next, SLOWLOG_STEP);
}

/* How long the slow log is; at the start, before much of it is of redmem, what it takes. */
static void ask_slowlog_length(const struct question *like)
{
	struct question q = *like;

	q.label = "SLOWLOG LEN";
	q.take = take_slowlog_length;
	q.next = after_slowlog_length;
	if (strcmp(q.phase, "window") != 0 && !conn_tight(q.conn))
		ask(&q, "SLOWLOG LEN");
}

/* What the server remembers of slow commands and other latencies. */
static int ask_events(const struct question *like, long entries)
{
	struct question q = *like;
	int logs_asked, rc;

	/* When something has just happened only how long it took matters. */
	logs_asked = q.snapshot->has_large_logs && strcmp(q.phase, "event") != 0 ? LOGS : 1;
	q.next = NULL;
	q.label = "LATENCY LATEST";
	q.take = take_latency;
	rc = ask(&q, "LATENCY LATEST");
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

/* Who is there, where that is a reply like the others. */
static int ask_clients(const struct question *like)
{
	struct question q = *like;

	q.label = "CLIENT LIST";
	q.take = take_clients;
	if (like->snapshot->clients == RECORD_UNKNOWN || like->snapshot->clients > CLIENTS_LISTED ||
	    conn_tight(q.conn))
		return -E2BIG;
	return ask(&q, "CLIENT LIST");
}

static void ask_rest(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;

	(void)reply;
	next.sections = NULL;
	next.next = NULL;
	next.t_seconds = t_seconds;
	ask_slowlog_length(&next);
	next.label = "CONFIG GET";
	next.take = take_config;
	if (isinf(q->snapshot->seconds) && t_seconds >= q->snapshot->config_at + CONFIG_REST)
		q->snapshot->config_known = false;
	if (!q->snapshot->config_known)
		q->snapshot->config_at = t_seconds;
	for (size_t i = 0; config_patterns[i] && !q->snapshot->config_known; i++) {
		struct buf line = { 0 };

		buf_printf(&line, "CONFIG GET %s", config_patterns[i]);
		ask(&next, buf_str(&line));
		buf_free(&line);
	}
	if (strcmp(q->phase, "end") == 0)
		ask_clients(&next);
	if (strcmp(q->phase, "start") != 0)
		ask_events(&next, SLOWLOG_MOST);
}

/* One at the end, always: it must fit the mappings read then, also when a long watch was
 * broken off early. One at the start of a watch that is long enough, in case that the
 * server hangs at the end; and one for each window that ends long enough after one and
 * before the end's. */
static bool malloc_stats_due(const struct snapshot *snapshot, const struct question *q)
{
	double rest = MALLOC_STATS_REST - TICK_LATE;

	if (!strcmp(q->phase, "end"))
		return true;
	if (!strcmp(q->phase, "start"))
		return snapshot->seconds >= 2 * MALLOC_STATS_REST;
	return q->t_seconds >= snapshot->malloc_stats_at + rest &&
	       snapshot->seconds - q->t_seconds >= rest;
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
	if (!malloc_stats_due(q->snapshot, q)) {
		ask_rest(q, reply, t_seconds);
		return;
	}
	q->snapshot->malloc_stats_at = q->t_seconds;
	ask(&next, "MEMORY MALLOC-STATS");
}

static void ask_memory_stats(struct question *q, const redisReply *reply, double t_seconds)
{
	struct question next = *q;

	(void)reply;
	next.sections = NULL;
	next.t_seconds = t_seconds;
	next.label = "MEMORY STATS";
	next.take = take_memory_stats;
	next.next = ask_malloc_stats;
	ask(&next, "MEMORY STATS");
}

/* A tick's INFO was sent, or not: @rc. */
static int tick_begin(struct snapshot *snapshot, int rc)
{
	snapshot->tick_seconds = NAN;
	if (!rc)
		snapshot->tick_pending = true;
	return rc;
}

int snapshot_begin(struct snapshot *snapshot, struct conn *conn, enum snapshot_phase phase,
		   double t_seconds)
{
	static const char *const names[] = {
		[SNAPSHOT_START] = "start",
		[SNAPSHOT_WINDOW] = "window",
		[SNAPSHOT_END] = "end",
	};
	struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.phase = names[phase],
		.t_seconds = t_seconds,
	};

	if (phase != SNAPSHOT_WINDOW)
		return ask_info(&q, all_sections);
	if (snapshot->pending)
		return -EBUSY;
	return tick_begin(snapshot, ask_info(&q, all_sections));
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

	if (snapshot->tick_pending)
		return -EBUSY;
	return tick_begin(snapshot,
			  conn_tight(conn) ? ask_info(&q, tick_sections) : ask(&q, "INFO"));
}

int snapshot_events(struct snapshot *snapshot, struct conn *conn, double t_seconds)
{
	struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.phase = "event",
		.t_seconds = t_seconds,
	};

	ask_info(&q, event_sections);
	return ask_events(&q, SLOWLOG_EVENTS);
}

int snapshot_clients(struct snapshot *snapshot, struct conn *conn, double t_seconds)
{
	const struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.phase = "window",
		.t_seconds = t_seconds,
	};

	if (snapshot->clients == RECORD_UNKNOWN)
		return -EAGAIN;
	return ask_clients(&q);
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
