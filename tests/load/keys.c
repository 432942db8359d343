/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyspaces for passes over all keys: of every type, of prefixes made at random, of
 * prefixes without end, and one that never holds still.
 */
#include "load.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHAPES	    30
#define PARTS_MAX   4
#define BATCH	    500
#define CHURN_KEYS  20000
#define MEMBERS_MAX 1000 /* of one command */

static char value[4096];

/* --- every type --------------------------------------------------------------- */

/* @count elements by a command that takes many: "SADD key m0 m1 ...", two words an element
 * when @pairs (a field and a value, or a score and a member). */
static void add_elements(redisContext *c, const char *command, const char *key, long count,
			 int pairs)
{
	static char words[MEMBERS_MAX * 2][24];
	const char *argv[MEMBERS_MAX * 2 + 2] = { command, key };

	for (long done = 0; done < count;) {
		int argc = 2;

		for (int i = 0; i < MEMBERS_MAX && done < count; i++, done++) {
			for (int n = 0; n <= pairs; n++) {
				char *word = words[argc - 2];

				/* A score is a number; so may a field be. */
				snprintf(word, sizeof(words[0]), pairs && !n ? "%ld" : "m%ld",
					 done);
				argv[argc++] = word;
			}
		}
		redisAppendCommandArgv(c, argc, argv, NULL);
		load_drain(c, 1);
	}
}

static void make_types(redisContext *c, const struct load_options *o)
{
	static const struct {
		const char *command, *type;
		int pairs;
	} kinds[] = { { "SADD", "set", 0 },
		      { "HSET", "hash", 1 },
		      { "ZADD", "zset", 1 },
		      { "RPUSH", "list", 0 } };
	char key[64];

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (long i = 0; i < o->keys / 10; i++) {
			snprintf(key, sizeof(key), "%s:%ld", kinds[k].type, i);
			add_elements(c, kinds[k].command, key, 1 + i % 300, kinds[k].pairs);
		}
		snprintf(key, sizeof(key), "%s:big", kinds[k].type);
		add_elements(c, kinds[k].command, key, 12345 + (long)k, kinds[k].pairs);
	}
	for (long i = 0; i < o->keys; i++)
		load_do(c, "SET string:%ld %b", i, value, (size_t)(1 + i % 2000));
	load_do(c, "SETRANGE string:big 2000000 x");
	for (long i = 0; i < 400; i++)
		load_do(c, "XADD stream:%ld * field %ld", i % 20, i);
}

/* --- prefixes made at random ----------------------------------------------------- */

enum part_kind { PART_WORD, PART_NUMBER, PART_HEX, PART_UUID, PART_EMAIL, PART_BASE62, PART_KINDS };

struct shape {
	enum part_kind part[PARTS_MAX];
	char word[PARTS_MAX][12];
	int parts;
	char separator;
	char folded[64];
	long keys, bytes;
};

static void random_text(char *out, size_t len, const char *letters)
{
	size_t count = strlen(letters);

	for (size_t i = 0; i < len; i++)
		out[i] = letters[load_random(count)];
	out[len] = '\0';
}

static void make_shape(struct shape *s)
{
	*s = (struct shape){ .parts = 2 + (int)load_random(3), .separator = ":/|"[load_random(3)] };
	for (int i = 0; i < s->parts; i++) {
		/* A word first, an identifier second, anything behind. */
		s->part[i] = i == 0 ? PART_WORD :
			     i == 1 ? 1 + load_random(PART_KINDS - 1) :
				      load_random(PART_KINDS);
		random_text(s->word[i], 4 + load_random(6), "abcdefghijklmnopqrstuvwxyz");
		if (i)
			strcat(s->folded, (char[]){ s->separator, 0 });
		strcat(s->folded, s->part[i] == PART_WORD ? s->word[i] : "*");
	}
}

static void make_part(char *out, const struct shape *s, int i)
{
	static const char hex[] = "0123456789abcdef";
	char a[40], b[16], c[16], d[16], e[16];

	switch (s->part[i]) {
	case PART_NUMBER:
		sprintf(out, "%u", (unsigned int)load_random(1000000000));
		return;
	case PART_HEX:
		random_text(out, 16, hex);
		return;
	case PART_UUID:
		random_text(a, 8, hex);
		random_text(b, 4, hex);
		random_text(c, 4, hex);
		random_text(d, 4, hex);
		random_text(e, 12, hex);
		sprintf(out, "%s-%s-%s-%s-%s", a, b, c, d, e);
		return;
	case PART_EMAIL:
		random_text(a, 8, "abcdefghijklmnopqrstuvwxyz");
		sprintf(out, "%s.%u@example.com", a, (unsigned int)load_random(100));
		return;
	case PART_BASE62:
		random_text(out, 12,
			    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
		return;
	default:
		strcpy(out, s->word[i]);
	}
}

static void make_key(char *out, const struct shape *s)
{
	*out = '\0';
	for (int i = 0; i < s->parts; i++) {
		if (i)
			strcat(out, (char[]){ s->separator, 0 });
		make_part(out + strlen(out), s, i);
	}
}

/* Prints "FOLDED KEYS BYTES" for each shape, bytes by MEMORY USAGE of every key. */
static void make_shapes(redisContext *c, const struct load_options *o)
{
	static struct shape shapes[SHAPES];

	for (int i = 0; i < o->seed; i++)
		load_random(2);
	for (int i = 0; i < SHAPES; i++)
		make_shape(&shapes[i]);
	for (long i = 0; i < o->keys; i++) {
		/* The first shapes have more keys than the last. */
		struct shape *s = &shapes[load_random(1 + load_random(SHAPES))];
		char key[256];
		redisReply *reply;

		make_key(key, s);
		load_do(c, "SET %s %b", key, value, (size_t)(10 + load_random(1000)));
		reply = load_call(c, "MEMORY USAGE %s", key);
		s->keys++;
		s->bytes += reply->integer;
		freeReplyObject(reply);
	}
	for (int i = 0; i < SHAPES; i++)
		printf("%s %ld %ld\n", shapes[i].folded, shapes[i].keys, shapes[i].bytes);
}

/* --- prefixes without end --------------------------------------------------------- */

static void make_distinct(redisContext *c, const struct load_options *o)
{
	for (long i = 0; i < o->keys;) {
		int n;

		for (n = 0; n < BATCH && i < o->keys; n++, i++) {
			char a[12], b[12];

			random_text(a, 6, "abcdefghijklmnopqrstuvwxyz");
			random_text(b, 6, "ghijklmnopqrstuvwxyz");
			redisAppendCommand(c, "SET %s:%s:x y", a, b);
		}
		load_drain(c, n);
	}
}

/* --- a keyspace that never holds still ---------------------------------------------- */

static void churn(redisContext *c, const struct load_options *o)
{
	double end = load_now() + o->seconds;

	while (load_now() < end) {
		for (int i = 0; i < BATCH; i++) {
			long key = (long)load_random(CHURN_KEYS);

			if (load_random(2))
				redisAppendCommand(c, "SET churn:%ld %b", key, value, (size_t)50);
			else
				redisAppendCommand(c, "DEL churn:%ld", key);
		}
		load_drain(c, BATCH);
	}
}

void load_keys(const struct load_options *o)
{
	static const struct {
		const char *name;
		void (*make)(redisContext *c, const struct load_options *o);
	} kinds[] = {
		{ "types", make_types },   { "encodings", load_encodings },
		{ "shapes", make_shapes }, { "distinct", make_distinct },
		{ "churn", churn },
	};
	redisContext *c = load_connect(o);

	load_random_bytes(value, sizeof(value));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (o->operation && !strcmp(kinds[i].name, o->operation)) {
			kinds[i].make(c, o);
			redisFree(c);
			return;
		}
	}
	load_die("keys: -o is types, encodings, shapes, distinct or churn");
}
