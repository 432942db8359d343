/* SPDX-License-Identifier: BSD-2-Clause */
/* Small replies of the server as records, one section a command; see replies.h. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/sum.h"
#include "redis/conn.h"
#include "redis/footprint.h"
#include "redis/info.h"
#include "redis/knowledge_commands.h"
#include "redis/many_keys.h"
#include "redis/replies.h"

/* --- SLOWLOG GET --------------------------------------------------------- */

/*
 * A slow log entry: [id, unix time, microseconds, [argument...], peer, client
 * name]; at most 32 arguments of 128 bytes, cut ones end in "... (N more bytes)"
 * (src/slowlog.c slowlogCreateEntry).
 */

#define ENTRY_ARGUMENTS_MAX 32

enum { ENTRY_ID, ENTRY_TIME, ENTRY_VALUE, ENTRY_ARGUMENTS, ENTRY_PEER, ENTRY_NAME };

static bool text_is(const redisReply *entry, size_t at, const char *text)
{
	const redisReply *part = at < entry->elements ? entry->element[at] : NULL;

	return part && part->type == REDIS_REPLY_STRING && *text && !strcmp(part->str, text);
}

static bool is_own(const redisReply *entry, const char *own_address)
{
	return text_is(entry, ENTRY_NAME, CONN_CLIENT_NAME) ||
	       text_is(entry, ENTRY_PEER, own_address);
}

static bool is_entry(const redisReply *entry)
{
	if (entry->type != REDIS_REPLY_ARRAY || entry->elements <= ENTRY_ARGUMENTS)
		return false;
	for (int i = ENTRY_ID; i <= ENTRY_VALUE; i++)
		if (entry->element[i]->type != REDIS_REPLY_INTEGER)
			return false;
	return entry->element[ENTRY_ARGUMENTS]->type == REDIS_REPLY_ARRAY &&
	       entry->element[ENTRY_ARGUMENTS]->elements > 0;
}

static struct bytes text_at(const redisReply *entry, size_t i)
{
	const redisReply *text = i < entry->elements ? entry->element[i] : NULL;

	if (!text || text->type != REDIS_REPLY_STRING)
		return (struct bytes){ 0 };
	return (struct bytes){ text->str, text->len };
}

/* What all logs of commands have: the command, its key, who sent it. The caller frees @command. */
struct entry {
	char *command;
	struct bytes key;
};

static bool read_entry(const redisReply *entry, struct entry *out)
{
	const redisReply *arguments = entry->element[ENTRY_ARGUMENTS];
	struct bytes argv[ENTRY_ARGUMENTS_MAX] = { 0 };
	struct command_key_rule rule;
	size_t argc = 0;

	*out = (struct entry){ 0 };
	for (; argc < arguments->elements && argc < ENTRY_ARGUMENTS_MAX; argc++) {
		if (arguments->element[argc]->type != REDIS_REPLY_STRING)
			return false;
		argv[argc].data = arguments->element[argc]->str;
		argv[argc].len = arguments->element[argc]->len;
	}
	out->command = xmemdup(argv[0].data, argv[0].len);
	for (char *c = out->command; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	rule = command_key_rule(out->command);
	command_find_key(&rule, argv, argc, &out->key);
	return true;
}

static void emit_slow(const redisReply *entry, const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_SLOWLOG };
	struct entry read;

	if (!read_entry(entry, &read))
		return;
	record.slowlog.key = read.key;
	record.slowlog.id = entry->element[ENTRY_ID]->integer;
	record.slowlog.unix_seconds = entry->element[ENTRY_TIME]->integer;
	record.slowlog.seconds = (double)entry->element[ENTRY_VALUE]->integer / 1e6;
	record.slowlog.command = read.command;
	record.slowlog.client = text_at(entry, ENTRY_PEER);
	record.slowlog.client_name = text_at(entry, ENTRY_NAME);
	slowlog_keys(entry->element[ENTRY_ARGUMENTS], &record.slowlog);
	record_emit(sink, &record);
	free(read.command);
}

static void emit_large(const redisReply *entry, bool reply, const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_LARGE };
	struct entry read;

	if (!read_entry(entry, &read))
		return;
	record.large = (struct record_large){ .reply = reply,
					      .id = entry->element[ENTRY_ID]->integer,
					      .unix_seconds = entry->element[ENTRY_TIME]->integer,
					      .bytes = entry->element[ENTRY_VALUE]->integer,
					      .command = read.command,
					      .key = read.key,
					      .client = text_at(entry, ENTRY_PEER),
					      .client_name = text_at(entry, ENTRY_NAME) };
	record_emit(sink, &record);
	free(read.command);
}

int slowlog_emit(const redisReply *reply, const char *own_address, const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++)
		if (is_entry(reply->element[i]) && !is_own(reply->element[i], own_address))
			emit_slow(reply->element[i], sink);
	return 0;
}

int large_emit(const redisReply *reply, bool replies, const char *own_address,
	       const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++)
		if (is_entry(reply->element[i]) && !is_own(reply->element[i], own_address))
			emit_large(reply->element[i], replies, sink);
	return 0;
}

/* What zmalloc() takes for @bytes; in builds with their own jemalloc up to a fifth less. */
static int64_t allocation(size_t bytes)
{
	static const struct footprint_layout layout = { .quantum = 16 };

	return footprint_class(&layout, (int64_t)bytes);
}

/*
 * src/slowlog.c, slowlogCreateEntry(): an argument is copied as a string object, short ones in
 * one allocation with their object (src/object.c, createStringObject()); one that was cut has
 * grown to twice its length meanwhile (src/sds.c, sdsMakeRoomFor()).
 */
#define ENTRY_BYTES    64 /* the entry's struct */
#define NODE_BYTES     32 /* and its place in the list */
#define OBJECT_BYTES   16
#define SHORT_ARGUMENT 44
#define CUT_ARGUMENT   128

static int64_t argument_bytes(size_t len)
{
	if (len <= SHORT_ARGUMENT)
		return allocation(OBJECT_BYTES + 4 + len);
	return OBJECT_BYTES + allocation(len > CUT_ARGUMENT ? 2 * len + 6 : len + 4);
}

static int64_t entry_bytes(const redisReply *entry)
{
	const redisReply *arguments = entry->element[ENTRY_ARGUMENTS];
	int64_t bytes = ENTRY_BYTES + NODE_BYTES + allocation(8 * arguments->elements) +
			allocation(text_at(entry, ENTRY_PEER).len + 2) +
			allocation(text_at(entry, ENTRY_NAME).len + 2);

	for (size_t i = 0; i < arguments->elements; i++)
		bytes += argument_bytes(arguments->element[i]->len);
	return bytes;
}

/* Until a connection over a unix socket has its name nothing tells whose it is: the commands
 * that begin one (redis/greeting.c, and redis-cli looking in) are left out there. */
static bool may_be_own(const redisReply *entry, const char *own_address)
{
	static const char *const names[] = { "auth", "client", "echo", "hello", "info", "select" };
	struct bytes command = text_at(entry->element[ENTRY_ARGUMENTS], 0);

	if (*own_address || text_at(entry, ENTRY_NAME).len)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (command.len == strlen(names[i]) &&
		    !strncasecmp(command.data, names[i], command.len))
			return true;
	return false;
}

int slowlog_measure(const redisReply *reply, const char *own_address, int64_t *entries,
		    int64_t *bytes)
{
	*entries = *bytes = 0;
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++) {
		if (!is_entry(reply->element[i]) || is_own(reply->element[i], own_address) ||
		    may_be_own(reply->element[i], own_address))
			continue;
		++*entries;
		*bytes += entry_bytes(reply->element[i]);
	}
	return 0;
}

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

/* --- CLUSTER NODES ------------------------------------------------------------ */

#define WORDS 9 /* of a line up to the first slots */

/* "10.0.0.1:7000@17000,name": the port is behind the last ':' before the '@'. */
static void take_address(struct cluster_node *node, char *address)
{
	char *colon;

	address[strcspn(address, "@,")] = '\0';
	colon = strrchr(address, ':');
	if (!colon)
		return;
	*colon = '\0';
	snprintf(node->host, sizeof(node->host), "%s", address);
	node->port = atoi(colon + 1);
}

static bool has_flag(const char *flags, const char *flag)
{
	size_t len = strlen(flag);

	for (const char *p = flags; *p;) {
		size_t word = strcspn(p, ",");

		if (word == len && !memcmp(p, flag, len))
			return true;
		p += word + (p[word] == ',');
	}
	return false;
}

/* "id address flags primary ping pong epoch link slots..." */
static bool take_line(struct cluster_node *node, char *line)
{
	char *word[WORDS] = { NULL }, *rest = line;
	size_t count = 0;

	while (count < WORDS && (word[count] = strsep(&rest, " ")))
		count++;
	if (count < WORDS - 1)
		return false;
	*node = (struct cluster_node){ 0 };
	snprintf(node->id, sizeof(node->id), "%s", word[0]);
	take_address(node, word[1]);
	node->is_primary = has_flag(word[2], "master");
	node->myself = has_flag(word[2], "myself");
	node->usable = node->port > 0 && !strcmp(word[7], "connected") &&
		       !has_flag(word[2], "fail") && !has_flag(word[2], "noaddr") &&
		       !has_flag(word[2], "handshake");
	snprintf(node->primary, sizeof(node->primary), "%s", word[3]);
	node->with_slots = word[8] && word[8][0] && word[8][0] != '[';
	return node->port > 0 || node->myself;
}

size_t cluster_nodes_parse(const char *text, struct cluster_node **out)
{
	char *copy = xstrdup(text), *rest = copy, *line;
	size_t count = 0, lines = 1;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	*out = xcalloc(lines, sizeof(**out));
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		if (take_line(&(*out)[count], line))
			count++;
	}
	free(copy);
	return count;
}

static const struct cluster_node *replica_of(const struct cluster_node *nodes, size_t count,
					     const struct cluster_node *primary)
{
	for (size_t i = 0; i < count; i++)
		if (!nodes[i].is_primary && nodes[i].usable &&
		    !strcmp(nodes[i].primary, primary->id))
			return &nodes[i];
	return primary;
}

/* The first primary behind @after in the order of ids. */
static const struct cluster_node *next_primary(const struct cluster_node *nodes, size_t count,
					       const char *after)
{
	const struct cluster_node *next = NULL;

	for (size_t i = 0; i < count; i++)
		if (nodes[i].is_primary && nodes[i].with_slots && strcmp(nodes[i].id, after) > 0 &&
		    (!next || strcmp(nodes[i].id, next->id) < 0))
			next = &nodes[i];
	return next;
}

size_t cluster_nodes_choose(const struct cluster_node *nodes, size_t count, bool replicas,
			    const struct cluster_node **chosen)
{
	const struct cluster_node *primary;
	const char *after = "";
	size_t n = 0;

	while ((primary = next_primary(nodes, count, after))) {
		after = primary->id;
		chosen[n++] = replicas ? replica_of(nodes, count, primary) : primary;
	}
	return n;
}
