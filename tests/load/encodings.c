/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keyspace of every type and encoding: strings as numbers, short, long and such as compress,
 * lists of one listpack, of many and of elements too long for one, sets of numbers, small and
 * large, hashes with and without fields that expire, sorted sets, streams with groups,
 * consumers and pending entries; in three databases, some keys with an expiry, and libraries of
 * functions. What the server does not have is left out.
 */
#include "load.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KINDS	     16
#define FUNCTIONS    3
#define TEXT_MAX     20000
#define LONG_ELEMENT 9000 /* more than a node of a list holds */
#define WORDS_MAX    128 /* of one command */
#define WORD_MAX     128
#define UNREAD_MAX   500 /* commands under way */
#define EXPIRY_MIN   1900000000000 /* ms since 1970: none expires while it is looked at */

#define PICK(table) (table)[load_random(sizeof(table) / sizeof((table)[0]))]

struct maker {
	redisContext *c;
	long unread;
	bool field_expiry, functions;
};

static char letters[TEXT_MAX], pattern[TEXT_MAX];

static void drain(struct maker *m)
{
	load_drain(m->c, m->unread);
	m->unread = 0;
}

static void sent(struct maker *m)
{
	if (++m->unread >= UNREAD_MAX)
		drain(m);
}

#define SEND(m, ...)                                     \
	do {                                             \
		redisAppendCommand((m)->c, __VA_ARGS__); \
		sent(m);                                 \
	} while (0)

static bool has_command(redisContext *c, const char *name)
{
	redisReply *reply = load_call(c, "COMMAND INFO %s", name);
	bool has = reply->elements == 1 && reply->element[0]->type == REDIS_REPLY_ARRAY;

	freeReplyObject(reply);
	return has;
}

/* --- commands with many elements ------------------------------------------------ */

struct words {
	const char *argv[WORDS_MAX + 4];
	char text[WORDS_MAX][WORD_MAX];
	int argc;
	int fixed; /* the command and its key */
};

/* The next word, to be written. */
static char *next_word(struct words *w)
{
	char *text = w->text[w->argc - w->fixed];

	w->argv[w->argc++] = text;
	return text;
}

static void send_words(struct maker *m, struct words *w)
{
	if (w->argc == w->fixed)
		return;
	redisAppendCommandArgv(m->c, w->argc, w->argv, NULL);
	sent(m);
	w->argc = w->fixed;
}

/* Words of up to @max bytes, each another. */
static void word(char *out, long n, long max)
{
	snprintf(out, WORD_MAX, "%ld%.*s", n, (int)(max > 12 ? max - 12 : 0), letters);
}

/* @count elements of up to @max bytes, or numbers below @max where @numbers. */
static void add_words(struct maker *m, const char *command, const char *key, long count, long max,
		      bool numbers)
{
	static struct words w;

	w.argv[0] = command;
	w.argv[1] = key;
	w.argc = w.fixed = 2;
	for (long i = 0; i < count; i++) {
		if (*command == 'H')
			word(next_word(&w), i, 10);
		else if (*command == 'Z')
			snprintf(next_word(&w), WORD_MAX, "%ld.%d", i, (int)(i % 3));
		if (numbers)
			snprintf(next_word(&w), WORD_MAX, "%ld", max - i);
		else
			word(next_word(&w), i, max);
		if (w.argc - w.fixed > WORDS_MAX - 2)
			send_words(m, &w);
	}
	send_words(m, &w);
}

/* --- of each kind ---------------------------------------------------------------- */

static void make_string(struct maker *m, int kind, const char *key)
{
	static const long texts[] = { 1, 11, 20, 44, 45, 60, 100, 255, 256, 1000, 4000 };
	static const long lengths[] = { 21, 64, 300, 2000, TEXT_MAX };
	static const long numbers[] = { 0, 9999, 10000, -5, 1L << 40, LONG_MIN };

	if (kind == 0)
		SEND(m, "SET %s %ld", key, PICK(numbers));
	else if (kind == 1)
		SEND(m, "SET %s %b", key, pattern, (size_t)PICK(lengths));
	else
		SEND(m, "SET %s %b", key, letters, (size_t)PICK(texts));
}

static void make_hash(struct maker *m, const char *key, long count, long max, bool expiring)
{
	add_words(m, "HSET", key, count, max, load_random(4) == 0);
	if (!expiring || !m->field_expiry)
		return;
	for (long i = 0; i < 3 && i < count; i++)
		SEND(m, "HPEXPIREAT %s %ld FIELDS 1 %ld", key,
		     EXPIRY_MIN + (long)load_random(1000000000), i);
}

static void make_list(struct maker *m, const char *key, long count, long max)
{
	bool is_long = load_random(16) == 0;

	add_words(m, "RPUSH", key, count, max, load_random(4) == 0);
	for (int i = 0; is_long && i < 2; i++)
		SEND(m, "RPUSH %s %b", key, letters, (size_t)(LONG_ELEMENT + i));
}

static void make_stream(struct maker *m, const char *key, long count)
{
	for (long i = 0; i < count; i++)
		SEND(m, "XADD %s %ld-1 field %ld", key, 1700000000000 + i * 7, i);
	if (count < 3)
		return;
	SEND(m, "XDEL %s %ld-1", key, 1700000000007);
	SEND(m, "XGROUP CREATE %s readers 0", key);
	SEND(m, "XGROUP CREATE %s idle $", key);
	SEND(m, "XREADGROUP GROUP readers one COUNT 8 STREAMS %s >", key);
	SEND(m, "XREADGROUP GROUP readers two COUNT 3 STREAMS %s >", key);
	SEND(m, "XACK %s readers 1700000000000-1", key);
}

static void make_value(struct maker *m, int kind, const char *key)
{
	static const long small[] = { 1, 2, 3, 5, 8, 13, 20 };
	static const long large[] = { 127, 129, 300, 513, 600 };
	static const long lengths[] = { 12, 30, 60, 70, 100 };
	long count = load_random(24) ? PICK(small) : PICK(large);
	long max = PICK(lengths);

	if (kind < 5)
		make_string(m, kind, key);
	else if (kind < 8)
		make_hash(m, key, count, max, kind == 7);
	else if (kind == 8)
		add_words(m, "SADD", key, count, max, false);
	else if (kind == 9)
		add_words(m, "SADD", key, count, load_random(2) ? 30000 : 1L << 40, true);
	else if (kind < 12)
		add_words(m, "ZADD", key, count, max, false);
	else if (kind < 15)
		make_list(m, key, count, max);
	else
		make_stream(m, key, count);
}

static void make_functions(struct maker *m)
{
	char code[128];

	for (int i = 0; m->functions && i < FUNCTIONS; i++) {
		snprintf(code, sizeof(code),
			 "#!lua name=library%d\nredis.register_function('f%d', "
			 "function() return %d end)",
			 i, i, i);
		SEND(m, "FUNCTION LOAD %s", code);
	}
}

void load_encodings(redisContext *c, const struct load_options *o)
{
	static const int databases[] = { 0, 3, 9 };
	struct maker m = { c, 0, has_command(c, "hpexpireat"), has_command(c, "function") };
	char key[256];

	load_seed(o->seed);
	make_functions(&m);
	drain(&m);
	/* letters: what a name must not break in the tests' own tools */
	for (size_t i = 0; i < TEXT_MAX; i++) {
		letters[i] = (char)('a' + load_random(26));
		pattern[i] = "the same again; "[i % 16];
	}
	for (long i = 0; i < o->keys; i++) {
		for (size_t d = 0; d < 3; d++)
			if (i == o->keys * (long)d / 3)
				SEND(&m, "SELECT %d", databases[d]);
		snprintf(key, sizeof(key), "key:%ld%.*s", i, i % 17 ? 0 : (int)load_random(200),
			 letters);
		make_value(&m, (int)(i % KINDS), key);
		if (load_random(5) == 0)
			SEND(&m, "PEXPIREAT %s %ld", key,
			     EXPIRY_MIN + (long)load_random(1000000000));
	}
	drain(&m);
}
