/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of a watch and the records from their replies; see snapshot.h. */
#include "redis/snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "redis/clientsearch.h"
#include "redis/info.h"
#include "redis/replies.h"
#include "redis/snapshot_logs.h"

/* Between two MALLOC-STATS of a watch: one takes the server most of a millisecond and has 23 KB.
 * Windows end at ticks, each a little late: ten seconds apart but for that. */
#define MALLOC_STATS_REST 10.0
#define TICK_LATE	  0.1
#define CONFIG_REST	  60.0 /* of a watch without end */
struct snapshot *snapshot_new(const struct record_sink *sink, double seconds)
{
	struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));

	snapshot->sink = *sink;
	snapshot->seconds = seconds;
	snapshot->tick_seconds = NAN;
	snapshot->clients =
		(struct client_counts){ RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN };
	snapshot->malloc_stats_at = -INFINITY;
	snapshot_logs_init(snapshot);
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

const char *snapshot_reason_at(const struct snapshot *snapshot, size_t i)
{
	return i < snapshot->reasons_count ? snapshot->reasons[i] : NULL;
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
	client_counts_take(&q->snapshot->clients, info);
	info_free(info);
}

/* What redmem's own commands did up to now is known at the very reply that has it in. */
static void mark_own(struct question *q, const char *text, double t_seconds)
{
	const struct record_own_calls like = { .t_seconds = t_seconds, .phase = q->phase };
	struct own_calls *calls = conn_calls(q->conn);
	bool start = !strcmp(q->phase, "start");

	if (!calls || question_is_info_alone(q))
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

static bool take_info(struct question *q, redisReply *reply)
{
	if (!is_text(reply))
		return false;
	learn(q, reply->str);
	emit_info(q, reply->str, q->t_seconds);
	return true;
}

static bool take_section(struct question *q, redisReply *reply)
{
	struct sections *sections = q->sections;

	if (!is_text(reply))
		return false;
	learn(q, reply->str);
	buf_puts(&sections->text, reply->str);
	mark_own(q, reply->str, q->t_seconds);
	if (!*sections->next)
		emit_info(q, buf_str(&sections->text), q->t_seconds);
	return true;
}

static bool take_memory_stats(struct question *q, redisReply *reply)
{
	struct record record = { .kind = RECORD_MEMORY_STATS };
	struct buf text = { 0 };
	int rc = memory_stats_flatten(&text, reply);

	if (!rc) {
		record.memory_stats.t_seconds = q->t_seconds;
		record.memory_stats.phase = q->phase;
		record.memory_stats.text = buf_str(&text);
		record_emit(&q->snapshot->sink, &record);
	}
	buf_free(&text);
	return !rc;
}

static bool take_malloc_stats(struct question *q, redisReply *reply)
{
	struct record record = { .kind = RECORD_MALLOC_STATS };

	if (!is_text(reply))
		return false;
	record.malloc_stats.t_seconds = q->t_seconds;
	record.malloc_stats.phase = q->phase;
	record.malloc_stats.text = reply->str;
	record.malloc_stats.reply_seconds = q->reply_seconds;
	record_emit(&q->snapshot->sink, &record);
	return true;
}

static bool take_config(struct question *q, redisReply *reply)
{
	if (config_emit(reply, &q->snapshot->sink))
		return false;
	q->snapshot->config_known = true;
	return true;
}

static bool take_clients(struct question *q, redisReply *reply)
{
	return !client_list_emit(reply, conn_address(q->conn), &q->snapshot->sink);
}

/* --- the plan ------------------------------------------------------------ */

/* Without latencystats, which computes percentiles of each command. */
static const char *const all_sections[] = {
	"server",  "clients",	   "memory",	 "persistence", "stats",   "replication", "cpu",
	"modules", "commandstats", "errorstats", "keyspace",	"cluster", NULL,
};
static const char *const tick_sections[] = { "memory", "stats", "clients", "errorstats", NULL };
static const char *const event_sections[] = { "memory", "stats", NULL };

static void next_section(struct question *q, const redisReply *reply);

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
	rc = question_ask(&next, buf_str(&line));
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

static void ask_memory_stats(struct question *q, const redisReply *reply);

static void next_section(struct question *q, const redisReply *reply)
{
	struct sections *sections = q->sections;

	q->sections = NULL; /* it is the next one's, or done */
	if (reply->type != REDIS_REPLY_ERROR && *sections->next) {
		ask_section(q, sections);
		return;
	}
	sections_free(sections);
	if (!question_is_info_alone(q))
		ask_memory_stats(q, reply);
}

/* Who is there, where that is a reply like the others. */
static int ask_clients(const struct question *like)
{
	struct question q = *like;

	q.label = "CLIENT LIST";
	q.take = take_clients;
	if (like->snapshot->clients.connected == RECORD_UNKNOWN ||
	    like->snapshot->clients.connected > CLIENTS_LISTED || conn_tight(q.conn))
		return -E2BIG;
	return question_ask(&q, "CLIENT LIST");
}

static void ask_rest(struct question *q, const redisReply *reply)
{
	struct snapshot *snapshot = q->snapshot;

	(void)reply;
	q->next = NULL;
	snapshot_ask_log_lengths(q);
	q->label = "CONFIG GET";
	q->take = take_config;
	if (isinf(snapshot->seconds) && q->t_seconds >= snapshot->config_at + CONFIG_REST)
		snapshot->config_known = false;
	if (!snapshot->config_known)
		snapshot->config_at = q->t_seconds;
	for (size_t i = 0; config_patterns[i] && !snapshot->config_known; i++) {
		struct buf line = { 0 };

		buf_printf(&line, "CONFIG GET %s", config_patterns[i]);
		question_ask(q, buf_str(&line));
		buf_free(&line);
	}
	if (strcmp(q->phase, "end") == 0)
		ask_clients(q);
	if (strcmp(q->phase, "start") != 0)
		snapshot_ask_events(q, SLOWLOG_MOST);
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
static void ask_malloc_stats(struct question *q, const redisReply *reply)
{
	if (!malloc_stats_due(q->snapshot, q)) {
		ask_rest(q, reply);
		return;
	}
	q->snapshot->malloc_stats_at = q->t_seconds;
	q->label = "MEMORY MALLOC-STATS";
	q->take = take_malloc_stats;
	q->next = ask_rest;
	question_ask(q, "MEMORY MALLOC-STATS");
}

static void ask_memory_stats(struct question *q, const redisReply *reply)
{
	(void)reply;
	q->label = "MEMORY STATS";
	q->take = take_memory_stats;
	q->next = ask_malloc_stats;
	question_ask(q, "MEMORY STATS");
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
	return tick_begin(snapshot, conn_tight(conn) ? ask_info(&q, tick_sections) :
						       question_ask(&q, "INFO"));
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
	return snapshot_ask_events(&q, SLOWLOG_EVENTS);
}

int snapshot_clients(struct snapshot *snapshot, struct conn *conn, double t_seconds)
{
	const struct question q = {
		.snapshot = snapshot,
		.conn = conn,
		.phase = "window",
		.t_seconds = t_seconds,
	};

	if (snapshot->clients.connected == RECORD_UNKNOWN)
		return -EAGAIN;
	return ask_clients(&q);
}

const struct client_counts *snapshot_client_counts(const struct snapshot *snapshot)
{
	return &snapshot->clients;
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
