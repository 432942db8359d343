/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mixed load: commands of very different nature, each on keys that no other
 * command touches, so that a sample on a wrong key can be told from a right one.
 *
 * Prefix and command: sort: SORT, list: LRANGE, hash: HSET, copy: COPY, del: DEL,
 * set: SET, z: ZUNIONSTORE, eval: EVAL (calling SORT), multi: SORT inside
 * MULTI/EXEC. Whichever kind has had the least time so far goes next, so all
 * get the same share, whatever the machine.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_ELEMENTS  12000
#define SET_MEMBERS    20000
#define ZSET_MEMBERS   3000
#define HASH_FIELDS    4000
#define HASH_KEYSPACE  20000
#define PIPELINE_DEPTH 64
#define SET_KEYS       100000
#define COPIES	       4 /* keys of each list-like kind */

static const char script[] = "local sorted = redis.call('SORT', KEYS[1], 'LIMIT', 0, 10) "
			     "local x = 0 for i = 1, 200000 do x = x + i % 7 end "
			     "return #sorted";

/* In a cluster the keys of one command have one slot. */
static const char *tag = "";

/* RPUSH @count random numbers to @prefix0..., behind @tagged. */
static void make_lists(redisContext *c, const char *prefix, const char *tagged)
{
	for (int key = 0; key < COPIES; key++) {
		for (int i = 0; i < LIST_ELEMENTS; i++)
			redisAppendCommand(c, "RPUSH %s%s%d %d", prefix, tagged, key,
					   (int)load_random(1000000000));
		load_drain(c, LIST_ELEMENTS);
	}
}

static void make_keys(redisContext *c)
{
	make_lists(c, "sort:", "");
	make_lists(c, "list:", "");
	make_lists(c, "eval:", "");
	make_lists(c, "multi:", tag);
	for (int i = 0; i < SET_MEMBERS; i++)
		redisAppendCommand(c, "SADD copy:%ssource member:%d", tag, i);
	load_drain(c, SET_MEMBERS);
	for (int i = 0; i < 2 * ZSET_MEMBERS; i++)
		redisAppendCommand(c, "ZADD z:%s%s %d member:%d", tag, i % 2 ? "a" : "b",
				   (int)load_random(1000000), i * 2 / 3);
	load_drain(c, 2 * ZSET_MEMBERS);
}

static void do_sort(redisContext *c)
{
	load_do(c, "SORT sort:%d", (int)load_random(COPIES));
}

static void do_lrange(redisContext *c)
{
	load_do(c, "LRANGE list:%d 0 -1", (int)load_random(COPIES));
}

static void do_hset(redisContext *c)
{
	static char text[2 + 2 * HASH_FIELDS][24];
	static const char *argv[2 + 2 * HASH_FIELDS];
	const int argc = 2 + 2 * HASH_FIELDS;

	snprintf(text[0], sizeof(text[0]), "HSET");
	snprintf(text[1], sizeof(text[1]), "hash:%d", (int)load_random(COPIES));
	for (int i = 2; i < argc; i++)
		snprintf(text[i], sizeof(text[i]), "%s:%d", i % 2 ? "value" : "field",
			 (int)load_random(HASH_KEYSPACE));
	for (int i = 0; i < argc; i++)
		argv[i] = text[i];
	redisAppendCommandArgv(c, argc, argv, NULL);
	load_drain(c, 1);
}

/* What is deleted has to be made: COPY is charged to its first key, the source. */
static void do_copy_del(redisContext *c)
{
	static long serial;

	serial++;
	load_do(c, "COPY copy:%ssource del:%s%ld", tag, tag, serial);
	load_do(c, "DEL del:%s%ld", tag, serial);
}

static void do_set(redisContext *c)
{
	for (int i = 0; i < PIPELINE_DEPTH; i++)
		redisAppendCommand(c, "SET set:%d %0100d", (int)load_random(SET_KEYS), i);
	load_drain(c, PIPELINE_DEPTH);
}

static void do_zunionstore(redisContext *c)
{
	load_do(c, "ZUNIONSTORE z:%s%d 2 z:%sa z:%sb", tag, (int)load_random(COPIES), tag, tag);
}

static void do_eval(redisContext *c)
{
	load_do(c, "EVAL %s 1 eval:%d", script, (int)load_random(COPIES));
}

static void do_multi(redisContext *c)
{
	redisAppendCommand(c, "MULTI");
	redisAppendCommand(c, "SORT multi:%s%d LIMIT 0 10", tag, (int)load_random(COPIES));
	redisAppendCommand(c, "SORT multi:%s%d LIMIT 0 10 DESC", tag, (int)load_random(COPIES));
	redisAppendCommand(c, "EXEC");
	load_drain(c, 4);
}

static struct kind {
	void (*run)(redisContext *c);
	double seconds; /* spent so far */
} kinds[] = {
	{ .run = do_sort }, { .run = do_lrange },      { .run = do_hset }, { .run = do_copy_del },
	{ .run = do_set },  { .run = do_zunionstore }, { .run = do_eval }, { .run = do_multi },
};

void load_mixed(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	redisReply *info = load_call(c, "INFO cluster"), *there;
	double start, end;

	if (strstr(info->str, "cluster_enabled:1"))
		tag = "{mixed}";
	freeReplyObject(info);
	there = load_call(c, "EXISTS copy:%ssource", tag);
	if (!there->integer)
		make_keys(c);
	freeReplyObject(there);
	for (start = end = load_now(); end - o->seconds < start;) {
		struct kind *next = kinds;
		double began = end;

		for (size_t i = 1; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (kinds[i].seconds < next->seconds)
				next = &kinds[i];
		next->run(c);
		end = load_now();
		next->seconds += end - began;
	}
	redisFree(c);
}
