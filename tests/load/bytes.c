/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes to keys of one prefix, by a number of clients each of which sends a number of
 * commands at a time: the load of `make bytes`. It connects, makes what the commands need and
 * sends a hundredth of them, so that buffers have their size; says "ready", waits for a line,
 * sends the rest, says "done" and waits until stdin ends.
 */
#include "load.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIXED_MAX 4000 /* bytes of the largest value of mixed sizes */

struct bytes_load {
	const struct load_options *o;
	const struct kind *kind;
	redisContext **clients;
	char *noise;
	long sent; /* commands, all clients together */
};

/* One way to write. Of @keys, 0 means a new one each time. */
static const struct kind {
	const char *name, *format; /* key, number of the command, value */
	long keys;
	bool numbered; /* the number is an argument */
	bool multi; /* each in a transaction of its own */
} kinds[] = {
	{ "set", "SET %s%ld %b", 0, false, false },
	{ "append", "APPEND %s%ld %b", 1000, false, false },
	{ "hset", "HSET %s%ld field:%ld %b", 1000, true, false },
	{ "lpush", "LPUSH %s%ld %b", 1000, false, false },
	{ "zadd", "ZADD %s%ld %ld %b", 1000, true, false },
	{ "setrange", "SETRANGE %s%ld 0 %b", 1000, false, false },
	{ "xadd", "XADD %s%ld * field %b", 100, false, false },
	{ "multi", "SET %s%ld %b", 1000, false, true },
};

/* Sizes from 8 B on, as many in each octave. */
static size_t next_size(const struct load_options *o)
{
	size_t octave;

	if (o->value_bytes)
		return o->value_bytes;
	octave = 8UL << load_random(9);
	return octave + load_random(octave) < MIXED_MAX ? octave + load_random(octave) : MIXED_MAX;
}

static void append(struct bytes_load *l, redisContext *c)
{
	long number = l->sent++, key = l->kind->keys ? number % l->kind->keys : number;
	const char *value = l->noise + load_random(MIXED_MAX);
	size_t size = next_size(l->o);

	if (l->kind->multi)
		redisAppendCommand(c, "MULTI");
	if (l->kind->numbered)
		redisAppendCommand(c, l->kind->format, l->o->key, key, number, value, size);
	else
		redisAppendCommand(c, l->kind->format, l->o->key, key, value, size);
	if (l->kind->multi)
		redisAppendCommand(c, "EXEC");
}

static void flush(redisContext *c)
{
	int done = 0;

	while (!done)
		if (redisBufferWrite(c, &done) != REDIS_OK)
			load_die("server: %s", c->errstr);
}

/* All clients send before the first reply is read: the server finds them ready together. */
static void send(struct bytes_load *l, long until)
{
	while (l->sent < until) {
		for (int i = 0; i < l->o->clients; i++) {
			for (int n = 0; n < l->o->depth; n++)
				append(l, l->clients[i]);
			flush(l->clients[i]);
		}
		for (int i = 0; i < l->o->clients; i++)
			load_drain(l->clients[i], l->o->depth * (l->kind->multi ? 3 : 1));
	}
}

/* SETRANGE shall find values as long as what it writes. */
static void make_values(struct bytes_load *l)
{
	size_t size = l->o->value_bytes ? l->o->value_bytes : MIXED_MAX;

	for (long i = 0; i < l->kind->keys; i++)
		load_do(l->clients[0], "SET %s%ld %b", l->o->key, i, l->noise, size);
}

static void wait_for_line(void)
{
	int c;

	fflush(stdout);
	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

void load_bytes(const struct load_options *o)
{
	struct bytes_load l = { .o = o };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, o->operation))
			l.kind = &kinds[i];
	l.clients = calloc((size_t)o->clients, sizeof(*l.clients));
	l.noise = malloc(2 * MIXED_MAX + o->value_bytes);
	if (!l.kind || !l.clients || !l.noise)
		load_die("bytes: \"%s\" is no kind of writing", o->operation);
	load_random_bytes(l.noise, 2 * MIXED_MAX + o->value_bytes);
	for (int i = 0; i < o->clients; i++)
		l.clients[i] = load_connect(o);
	if (!strcmp(o->operation, "setrange"))
		make_values(&l);
	send(&l, o->keys / 100);
	puts("ready");
	wait_for_line();
	send(&l, l.sent + o->keys);
	puts("done");
	wait_for_line();
}
