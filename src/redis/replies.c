/* SPDX-License-Identifier: BSD-2-Clause */
/* Small replies of the server as records, one section a command; see replies.h. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "redis/conn.h"
#include "redis/info.h"
#include "redis/replies.h"

/* --- CLIENT LIST ----------------------------------------------------------- */

/* The value of " NAME=VALUE " in a line. Values have no blanks, but for the path of a unix
 * socket, which is cut there. */
static struct bytes line_value(const char *line, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i + name_len < len; i++) {
		size_t end = i + name_len + 1;

		if ((i && line[i - 1] != ' ') || strncmp(line + i, name, name_len) != 0 ||
		    line[i + name_len] != '=')
			continue;
		while (end < len && line[end] != ' ')
			end++;
		return (struct bytes){ line + i + name_len + 1, end - i - name_len - 1 };
	}
	return (struct bytes){ 0 };
}

static int64_t line_number(const char *line, size_t len, const char *name)
{
	struct bytes value = line_value(line, len, name);

	return info_number(value.data, value.len);
}

static char *line_text(const char *line, size_t len, const char *name)
{
	struct bytes value = line_value(line, len, name);

	return xmemdup(value.len ? value.data : "", value.len);
}

static bool bytes_are(struct bytes bytes, const char *text)
{
	return *text && bytes.len == strlen(text) && !memcmp(bytes.data, text, bytes.len);
}

/* Of some numbers, the known ones; RECORD_UNKNOWN when none is. */
static int64_t line_sum(const char *line, size_t len, const char *const *names, size_t count)
{
	int64_t sum = RECORD_UNKNOWN;

	for (size_t i = 0; i < count; i++) {
		int64_t n = line_number(line, len, names[i]);

		if (n != RECORD_UNKNOWN)
			sum = sum_of(sum == RECORD_UNKNOWN ? 0 : sum, n);
	}
	return sum;
}

static void emit_client(const char *line, size_t len, const char *own_address,
			const struct record_sink *sink)
{
	static const char *const subscriptions[] = { "sub", "psub", "ssub" };
	struct record record = { .kind = RECORD_CLIENT };
	struct record_client *client = &record.client;
	char *user, *flags, *command;

	client->id = line_number(line, len, "id");
	client->address = line_value(line, len, "addr");
	client->name = line_value(line, len, "name");
	if (client->id == RECORD_UNKNOWN || bytes_are(client->name, CONN_CLIENT_NAME) ||
	    bytes_are(client->address, own_address))
		return;
	client->age_seconds = line_number(line, len, "age");
	client->idle_seconds = line_number(line, len, "idle");
	client->query_bytes = line_number(line, len, "qbuf");
	client->output_bytes = line_number(line, len, "omem");
	client->memory_bytes = line_number(line, len, "tot-mem");
	client->query_free_bytes = line_number(line, len, "qbuf-free");
	client->argument_bytes = line_number(line, len, "argv-mem");
	client->queued_bytes = line_number(line, len, "multi-mem");
	client->queued_total = line_number(line, len, "multi");
	client->reply_bytes = line_number(line, len, "rbs");
	client->subscriptions_total = line_sum(line, len, subscriptions, 3);
	client->watched_total = line_number(line, len, "watch");
	client->unsent_bytes = RECORD_UNKNOWN;
	client->user = user = line_text(line, len, "user");
	client->flags = flags = line_text(line, len, "flags");
	client->command = command = line_text(line, len, "cmd");
	record_emit(sink, &record);
	free(user);
	free(flags);
	free(command);
}

int client_list_emit(const redisReply *reply, const char *own_address,
		     const struct record_sink *sink)
{
	const char *end;

	if (reply->type != REDIS_REPLY_STRING)
		return -EPROTO;
	end = reply->str + reply->len;
	for (const char *line = reply->str; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		stop = stop ? stop : end;
		emit_client(line, (size_t)(stop - line), own_address, sink);
		line = stop + 1;
	}
	return 0;
}

/* --- LATENCY LATEST ------------------------------------------------------ */

/* Entries: [event, unix time, latest ms, maximum ms, ...]; src/latency.c. */
int latency_emit(const redisReply *reply, const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *entry = reply->element[i];
		struct record record = { .kind = RECORD_LATENCY };

		if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 4 ||
		    entry->element[0]->type != REDIS_REPLY_STRING ||
		    entry->element[1]->type != REDIS_REPLY_INTEGER ||
		    entry->element[2]->type != REDIS_REPLY_INTEGER ||
		    entry->element[3]->type != REDIS_REPLY_INTEGER)
			continue;
		record.latency.event = entry->element[0]->str;
		record.latency.unix_seconds = entry->element[1]->integer;
		record.latency.latest_seconds = (double)entry->element[2]->integer / 1e3;
		record.latency.max_seconds = (double)entry->element[3]->integer / 1e3;
		record_emit(sink, &record);
	}
	return 0;
}

/* --- MEMORY STATS -------------------------------------------------------- */

/*
 * The reply of MEMORY STATS in RESP2: name, value, name, value..., where a value
 * is an integer, a string (a double), or such a list again (db.N).
 */

#define DEPTH_MAX 4 /* servers use 2 */

/* Text that stays one field of one line. */
static bool is_word(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
		return false;
	for (size_t i = 0; i < reply->len; i++)
		if ((unsigned char)reply->str[i] <= ' ')
			return false;
	return reply->len > 0;
}

static int flatten(struct buf *out, const redisReply *map, const char *prefix, int depth)
{
	int rc = 0;

	if (map->type != REDIS_REPLY_ARRAY || map->elements % 2 || depth > DEPTH_MAX)
		return -EPROTO;
	for (size_t i = 0; i < map->elements && !rc; i += 2) {
		const redisReply *name = map->element[i], *value = map->element[i + 1];
		struct buf path = { 0 };

		if (!is_word(name))
			return -EPROTO;
		buf_printf(&path, "%s%s%s", prefix, *prefix ? "." : "", name->str);
		if (value->type == REDIS_REPLY_INTEGER)
			buf_printf(out, "%s %lld\n", buf_str(&path), value->integer);
		else if (is_word(value))
			buf_printf(out, "%s %s\n", buf_str(&path), value->str);
		else if (value->type == REDIS_REPLY_ARRAY)
			rc = flatten(out, value, buf_str(&path), depth + 1);
		buf_free(&path);
	}
	return rc;
}

int memory_stats_flatten(struct buf *out, const redisReply *reply)
{
	struct buf text = { 0 };
	int rc = reply ? flatten(&text, reply, "", 1) : -EPROTO;

	if (!rc)
		buf_add(out, buf_str(&text), text.len);
	buf_free(&text);
	return rc;
}

/* --- CONFIG GET ---------------------------------------------------------- */

const char *const config_patterns[] = {
	"maxmemory*", /* with -policy, -samples, -clients, -eviction-tenacity */
	"activedefrag",
	"active-defrag-*",
	"active-expire-effort",
	"save",
	"stop-writes-on-bgsave-error",
	"appendonly",
	"appendfsync",
	"no-appendfsync-on-rewrite",
	"auto-aof-rewrite-*",
	"lazyfree-*",
	"replica-lazy-flush",
	"activerehashing",
	"io-threads*",
	"hz",
	"dynamic-hz",
	"jemalloc-bg-thread",
	"repl-backlog-size",
	"repl-timeout",
	"repl-ping-replica-period",
	"min-replicas-to-write",
	"client-output-buffer-limit",
	"client-query-buffer-limit",
	"replica-ignore-maxmemory",
	"latency-monitor-threshold",
	"slowlog-log-slower-than",
	"commandlog-*",
	"slowlog-max-len",
	"acllog-max-len",
	"tracking-table-max-keys",
	"tls-port",
	"hash-max-*",
	"list-max-*",
	"list-compress-depth",
	"set-max-*",
	"zset-max-*",
	"stream-node-max-*",
	"disable-thp",
	"oom-score-adj",
	"databases",
	"maxclients",
	NULL,
};

int config_emit(const redisReply *reply, const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];
		struct record record = { .kind = RECORD_CONFIG };

		if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
			return -EPROTO;
		record.config.name = name->str;
		record.config.value = value->str;
		record_emit(sink, &record);
	}
	return 0;
}

int config_read(struct conn *conn, int timeout_ms, const struct record_sink *sink)
{
	for (size_t i = 0; config_patterns[i]; i++) {
		const char *words[] = { "CONFIG", "GET", config_patterns[i] };
		redisReply *reply;
		int rc = conn_call(conn, timeout_ms, &reply, 3, words, NULL);

		if (rc)
			return rc;
		config_emit(reply, sink); /* a refusal is no list of pairs: nothing comes */
		freeReplyObject(reply);
	}
	return 0;
}

/* --- XINFO GROUPS ------------------------------------------------------------- */

/* Each group as names and values, whatever their order and whatever else came since 5.0. */
static void add_group(const redisReply *group, int64_t *consumers, int64_t *pending)
{
	for (size_t i = 0; group->type == REDIS_REPLY_ARRAY && i + 1 < group->elements; i += 2) {
		const redisReply *name = group->element[i], *value = group->element[i + 1];

		if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_INTEGER ||
		    value->integer < 0)
			continue;
		if (!strcmp(name->str, "consumers"))
			sum_add(consumers, value->integer);
		else if (!strcmp(name->str, "pending"))
			sum_add(pending, value->integer);
	}
}

int stream_groups_count(const redisReply *reply, int64_t *groups, int64_t *consumers,
			int64_t *pending)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	*groups = (int64_t)reply->elements;
	*consumers = *pending = 0;
	for (size_t i = 0; i < reply->elements; i++)
		add_group(reply->element[i], consumers, pending);
	return 0;
}
