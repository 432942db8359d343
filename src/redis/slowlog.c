/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of the server's slow log; see slowlog.h. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sum.h"
#include "redis/conn.h"
#include "redis/footprint.h"
#include "redis/knowledge_commands.h"
#include "redis/many_keys.h"
#include "redis/slowlog.h"

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
