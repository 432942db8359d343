/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads on many keys of one prefix: fill them (and delete some at random, which
 * leaves holes in the allocator's slabs), and read them at random; and replies that
 * nobody reads, which the server has to keep.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH	     256
#define RANDOM_BYTES (1 << 20) /* values are cut from this much noise */

void load_fill(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	size_t noise_len = RANDOM_BYTES + o->value_bytes;
	char *noise = malloc(noise_len);
	long pending = 0;

	if (!noise)
		load_die("no memory for values of %zu bytes", o->value_bytes);
	load_random_bytes(noise, noise_len);
	for (long i = 0; i < o->keys; i++) {
		redisAppendCommand(c, "SET %s%ld %b", o->key, i, noise + load_random(RANDOM_BYTES),
				   o->value_bytes);
		if (++pending == DEPTH) {
			load_drain(c, pending);
			pending = 0;
		}
	}
	load_drain(c, pending);
	free(noise);
	redisFree(c);
	if (o->delete_fraction > 0)
		load_delete(o);
}

void load_delete(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	long pending = 0;

	for (long i = 0; i < o->keys; i++) {
		if ((double)load_random(1000000) >= o->delete_fraction * 1e6)
			continue;
		redisAppendCommand(c, "DEL %s%ld", o->key, i);
		if (++pending == DEPTH) {
			load_drain(c, pending);
			pending = 0;
		}
	}
	load_drain(c, pending);
	redisFree(c);
}

void load_unread(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	int done = 0;

	for (long i = 0; i < o->keys; i++)
		redisAppendCommand(c, "GET %s", o->key);
	while (!done)
		if (redisBufferWrite(c, &done) != REDIS_OK)
			load_die("server: %s", c->errstr);
	while (getchar() != EOF)
		;
	redisFree(c);
}

void load_get(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	double start = load_now(), now = start;
	long calls = 0;

	for (; now - start < o->seconds; now = load_now(), calls++)
		load_do(c, "GET %s%ld", o->key, (long)load_random(o->keys));
	printf("%.0f\n", (double)calls / (now - start));
	redisFree(c);
}
