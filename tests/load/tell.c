/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server says of every key of its databases, a line each, by tabs: database, key, type,
 * encoding, length, MEMORY USAGE SAMPLES 0, time of expiry in ms since 1970 or -1 (with a ~ in
 * front where the server does not tell it and it is the time that is left, and now), and of a
 * stream its groups, their consumers and pending entries. Names must hold neither tab nor
 * newline.
 */
#include "load.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATABASES 16

static const struct {
	const char *type, *command;
} lengths[] = { { "string", "STRLEN" }, { "list", "LLEN" }, { "set", "SCARD" },
		{ "zset", "ZCARD" },	{ "hash", "HLEN" }, { "stream", "XLEN" } };

static const char *length_command(const char *type)
{
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		if (!strcmp(lengths[i].type, type))
			return lengths[i].command;
	load_die("tell: a key of type %s", type);
}

static redisReply *next_reply(redisContext *c)
{
	void *reply = NULL;

	if (redisGetReply(c, &reply) != REDIS_OK)
		load_die("server: %s", c->errstr);
	return reply;
}

static long long next_number(redisContext *c)
{
	redisReply *reply = next_reply(c);
	long long number = reply->integer;

	if (reply->type != REDIS_REPLY_INTEGER)
		load_die("server: %s", reply->str ? reply->str : "no number");
	freeReplyObject(reply);
	return number;
}

/* Where the server knows no PEXPIRETIME. */
static long long expiry_by_rest(redisContext *c, const char *key)
{
	redisReply *reply, *time, *left;
	long long at = -1;

	freeReplyObject(load_call(c, "MULTI"));
	freeReplyObject(load_call(c, "TIME"));
	freeReplyObject(load_call(c, "PTTL %s", key));
	reply = load_call(c, "EXEC");
	time = reply->element[0];
	left = reply->element[1];
	if (left->integer >= 0)
		at = atoll(time->element[0]->str) * 1000 + atoll(time->element[1]->str) / 1000 +
		     left->integer;
	freeReplyObject(reply);
	return at;
}

static long long number_in(const redisReply *pairs, const char *name)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2)
		if (!strcmp(pairs->element[i]->str, name))
			return pairs->element[i + 1]->integer;
	load_die("tell: no %s in XINFO GROUPS", name);
}

static void tell_groups(redisContext *c, const char *key)
{
	redisReply *reply = load_call(c, "XINFO GROUPS %s", key);
	long long consumers = 0, pending = 0;

	for (size_t i = 0; i < reply->elements; i++) {
		consumers += number_in(reply->element[i], "consumers");
		pending += number_in(reply->element[i], "pending");
	}
	printf("\t%zu\t%lld\t%lld", reply->elements, consumers, pending);
	freeReplyObject(reply);
}

struct told {
	const char *key;
	redisReply *type, *encoding;
	long long length, bytes, expiry;
};

static void ask(redisContext *c, struct told *keys, size_t count, bool tells_expiry)
{
	for (size_t i = 0; i < count; i++)
		redisAppendCommand(c, "TYPE %s", keys[i].key);
	for (size_t i = 0; i < count; i++)
		keys[i].type = next_reply(c);
	for (size_t i = 0; i < count; i++) {
		redisAppendCommand(c, "OBJECT ENCODING %s", keys[i].key);
		redisAppendCommand(c, "%s %s", length_command(keys[i].type->str), keys[i].key);
		redisAppendCommand(c, "MEMORY USAGE %s SAMPLES 0", keys[i].key);
		if (tells_expiry)
			redisAppendCommand(c, "PEXPIRETIME %s", keys[i].key);
	}
	for (size_t i = 0; i < count; i++) {
		keys[i].encoding = next_reply(c);
		keys[i].length = next_number(c);
		keys[i].bytes = next_number(c);
		if (tells_expiry)
			keys[i].expiry = next_number(c);
	}
}

static void tell(redisContext *c, int db, struct told *key, bool tells_expiry)
{
	if (!tells_expiry)
		key->expiry = expiry_by_rest(c, key->key);
	printf("%d\t%s\t%s\t%s\t%lld\t%lld\t%s%lld", db, key->key, key->type->str,
	       key->encoding->str, key->length, key->bytes,
	       !tells_expiry && key->expiry >= 0 ? "~" : "", key->expiry);
	if (!strcmp(key->type->str, "stream"))
		tell_groups(c, key->key);
	putchar('\n');
	freeReplyObject(key->type);
	freeReplyObject(key->encoding);
}

static void tell_database(redisContext *c, int db, bool tells_expiry)
{
	char cursor[24] = "0";

	do {
		redisReply *reply = load_call(c, "SCAN %s COUNT 1000", cursor);
		const redisReply *names = reply->element[1];
		struct told *keys = calloc(names->elements + 1, sizeof(*keys));

		snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
		for (size_t i = 0; i < names->elements; i++)
			keys[i].key = names->element[i]->str;
		ask(c, keys, names->elements, tells_expiry);
		for (size_t i = 0; i < names->elements; i++)
			tell(c, db, &keys[i], tells_expiry);
		free(keys);
		freeReplyObject(reply);
	} while (strcmp(cursor, "0") != 0);
}

void load_tell(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	redisReply *reply = load_call(c, "COMMAND INFO pexpiretime");
	bool tells_expiry = reply->elements && reply->element[0]->type == REDIS_REPLY_ARRAY;

	freeReplyObject(reply);
	for (int db = 0; db < DATABASES; db++) {
		load_do(c, "SELECT %d", db);
		tell_database(c, db, tells_expiry);
	}
	redisFree(c);
}
