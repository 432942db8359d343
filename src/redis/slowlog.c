/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A slow log entry: [id, unix time, microseconds, [argument...], peer, client
 * name]; at most 32 arguments of 128 bytes, cut ones end in "... (N more bytes)"
 * (src/slowlog.c slowlogCreateEntry).
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "redis/knowledge_commands.h"
#include "redis/conn.h"
#include "redis/slowlog.h"

#define ARGUMENTS_MAX 32

enum { ENTRY_ID, ENTRY_TIME, ENTRY_USEC, ENTRY_ARGUMENTS, ENTRY_PEER, ENTRY_NAME };

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
	for (int i = ENTRY_ID; i <= ENTRY_USEC; i++)
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

static void emit_entry(const redisReply *entry, const struct record_sink *sink)
{
	const redisReply *arguments = entry->element[ENTRY_ARGUMENTS];
	struct record record = { .kind = RECORD_SLOWLOG };
	struct bytes argv[ARGUMENTS_MAX] = { 0 };
	struct command_key_rule rule;
	size_t argc = 0;
	char *command;

	for (; argc < arguments->elements && argc < ARGUMENTS_MAX; argc++) {
		if (arguments->element[argc]->type != REDIS_REPLY_STRING)
			return;
		argv[argc].data = arguments->element[argc]->str;
		argv[argc].len = arguments->element[argc]->len;
	}
	command = xmemdup(argv[0].data, argv[0].len);
	for (char *c = command; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	rule = command_key_rule(command);
	command_find_key(&rule, argv, argc, &record.slowlog.key);
	record.slowlog.id = entry->element[ENTRY_ID]->integer;
	record.slowlog.unix_seconds = entry->element[ENTRY_TIME]->integer;
	record.slowlog.seconds = (double)entry->element[ENTRY_USEC]->integer / 1e6;
	record.slowlog.command = command;
	record.slowlog.client = text_at(entry, ENTRY_PEER);
	record.slowlog.client_name = text_at(entry, ENTRY_NAME);
	record_emit(sink, &record);
	free(command);
}

int slowlog_emit(const redisReply *reply, const char *own_address, const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++)
		if (is_entry(reply->element[i]) && !is_own(reply->element[i], own_address))
			emit_entry(reply->element[i], sink);
	return 0;
}
