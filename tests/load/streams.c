/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server says of every stream with XINFO STREAM FULL, in lines of database, key and, by
 * tabs:
 *
 *	stream	entries	last id	highest deleted id	entries added
 *	group	name	last delivered id	entries read
 *	pending	group	id	delivered at	deliveries
 *	consumer	group	name	seen at	active at
 *	owned	group	consumer	id
 *
 * Times are ms since 1970, -1 = never; what the server does not know or tell is a -.
 * tests/bench/streams.c says the same of a dump.
 */
#include "load.h"

#include <stdio.h>
#include <string.h>

#define DATABASES 16

/* NULL where it is not told. */
static const redisReply *value_of(const redisReply *pairs, const char *name)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2)
		if (!strcmp(pairs->element[i]->str, name))
			return pairs->element[i + 1];
	return NULL;
}

static void put(const redisReply *value)
{
	if (value && value->type == REDIS_REPLY_INTEGER)
		printf("\t%lld", value->integer);
	else
		printf("\t%s", value && value->str ? value->str : "-");
}

static void put_named(const redisReply *pairs, const char *name)
{
	put(value_of(pairs, name));
}

struct place {
	int db;
	const char *key, *group;
};

static void begin(const struct place *at, const char *what)
{
	printf("%d\t%s\t%s", at->db, at->key, what);
	if (at->group)
		printf("\t%s", at->group);
}

static void tell_consumer(const struct place *at, const redisReply *consumer)
{
	const redisReply *owned = value_of(consumer, "pending");

	begin(at, "consumer");
	put_named(consumer, "name");
	put_named(consumer, "seen-time");
	put_named(consumer, "active-time");
	putchar('\n');
	for (size_t i = 0; owned && i < owned->elements; i++) {
		begin(at, "owned");
		put_named(consumer, "name");
		put(owned->element[i]->element[0]);
		putchar('\n');
	}
}

static void tell_group(struct place at, const redisReply *group)
{
	const redisReply *pending = value_of(group, "pending");
	const redisReply *consumers = value_of(group, "consumers");

	at.group = value_of(group, "name")->str;
	begin(&at, "group");
	put_named(group, "last-delivered-id");
	put_named(group, "entries-read");
	putchar('\n');
	for (size_t i = 0; pending && i < pending->elements; i++) {
		begin(&at, "pending");
		put(pending->element[i]->element[0]);
		put(pending->element[i]->element[2]);
		put(pending->element[i]->element[3]);
		putchar('\n');
	}
	for (size_t i = 0; consumers && i < consumers->elements; i++)
		tell_consumer(&at, consumers->element[i]);
}

static void tell_stream(redisContext *c, int db, const char *key)
{
	redisReply *reply = load_call(c, "XINFO STREAM %s FULL COUNT 0", key);
	const redisReply *groups = value_of(reply, "groups");
	const struct place at = { db, key, NULL };

	begin(&at, "stream");
	put_named(reply, "length");
	put_named(reply, "last-generated-id");
	put_named(reply, "max-deleted-entry-id");
	put_named(reply, "entries-added");
	putchar('\n');
	for (size_t i = 0; groups && i < groups->elements; i++)
		tell_group(at, groups->element[i]);
	freeReplyObject(reply);
}

static void tell_database(redisContext *c, int db)
{
	char cursor[24] = "0";

	do {
		redisReply *reply = load_call(c, "SCAN %s COUNT 1000 TYPE stream", cursor);
		const redisReply *names = reply->element[1];

		snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
		for (size_t i = 0; i < names->elements; i++)
			tell_stream(c, db, names->element[i]->str);
		freeReplyObject(reply);
	} while (strcmp(cursor, "0") != 0);
}

void load_streams(const struct load_options *o)
{
	redisContext *c = load_connect(o);

	for (int db = 0; db < DATABASES; db++) {
		load_do(c, "SELECT %d", db);
		tell_database(c, db);
	}
	redisFree(c);
}
