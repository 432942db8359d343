/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long commands on a whole key will hold the server; see key_cost.h. An element
 * that is an allocation of its own costs a few accesses to memory that is in no
 * cache; one inside a listpack, ziplist or intset costs a few nanoseconds.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/key_cost.h"

#define ELEMENT_BYTES	   80.0 /* of a table's or skiplist's element where they were not counted */
#define PACKED_BYTES	   16.0 /* the same in a listpack */
#define NODE_BYTES	   8192.0 /* quicklist node (list-max-listpack-size -2), stream node */
#define PACKED_SECONDS	   20e-9 /* an element inside a listpack: decoding, no miss */
#define REPLY_SECONDS	   60e-9 /* an element in a reply: formatting, buffers */
#define CALL_SECONDS	   2e-6 /* any command */
#define LAZY_FREE_ELEMENTS 64 /* UNLINK frees more than these in the background (lazyfree.c) */
#define RETURN_SHARE	   0.3 /* of copying: giving pages of a large allocation back */

/* Accesses an element costs: to free it (entry, field, value), to read it. */
static const struct {
	const char *encoding;
	double free_accesses, read_accesses;
} shapes[] = {
	{ "hashtable", 3.0, 2.0 },
	{ "skiplist", 4.0, 2.0 },
};

struct shape {
	double elements;
	double allocations; /* besides the elements: nodes */
	double free_accesses, read_accesses; /* of an element; 0: packed */
};

static struct shape shape_of(const struct fact_key *key)
{
	double bytes = (double)key->bytes;
	struct shape shape = { .elements = bytes / PACKED_BYTES, .allocations = 1 };

	if (!strcmp(key->encoding, "quicklist") || !strcmp(key->encoding, "stream"))
		shape.allocations = 1 + bytes / NODE_BYTES;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		if (strcmp(shapes[i].encoding, key->encoding) != 0)
			continue;
		shape.free_accesses = shapes[i].free_accesses;
		shape.read_accesses = shapes[i].read_accesses;
		shape.elements = bytes / ELEMENT_BYTES;
	}
	if (!strcmp(key->type, "string"))
		shape.elements = 0;
	else if (key->elements != FACT_UNKNOWN)
		shape.elements = (double)key->elements;
	return shape;
}

static double freeing(const struct census *c, const struct fact_key *key, const struct shape *s)
{
	return CALL_SECONDS +
	       (s->elements * s->free_accesses + s->allocations) * c->access_seconds +
	       RETURN_SHARE * (double)key->bytes * c->copy_byte_seconds;
}

static double reading(const struct census *c, const struct fact_key *key, const struct shape *s)
{
	double element =
		REPLY_SECONDS +
		(s->read_accesses > 0 ? s->read_accesses * c->access_seconds : PACKED_SECONDS);

	return CALL_SECONDS + s->elements * element + (double)key->bytes * c->copy_byte_seconds;
}

static double sorting(const struct census *c, const struct fact_key *key, const struct shape *s)
{
	return reading(c, key, s) + s->elements * log2(s->elements + 2) * c->access_seconds / 2;
}

static int longest_first(const void *a, const void *b)
{
	double x = ((const struct key_cost *)a)->seconds, y = ((const struct key_cost *)b)->seconds;

	return x < y ? 1 : x > y ? -1 : 0;
}

static const char *read_command(const char *type)
{
	static const char *const commands[][2] = {
		{ "string", "GET" },	   { "hash", "HGETALL" },     { "set", "SMEMBERS" },
		{ "list", "LRANGE 0 -1" }, { "zset", "ZRANGE 0 -1" }, { "stream", "XRANGE - +" },
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i][0], type))
			return commands[i][1];
	return NULL;
}

size_t key_costs(const struct census *census, const struct fact_key *key,
		 struct key_cost out[KEY_COSTS_MAX])
{
	const char *read = read_command(key->type);
	struct shape shape;
	size_t count = 0;
	double lazy;

	if (!isfinite(census->access_seconds) || key->bytes == FACT_UNKNOWN || !read)
		return 0;
	shape = shape_of(key);
	lazy = shape.elements > LAZY_FREE_ELEMENTS || shape.allocations > LAZY_FREE_ELEMENTS ?
		       CALL_SECONDS + census->access_seconds :
		       freeing(census, key, &shape);
	out[count++] = (struct key_cost){ "DEL", freeing(census, key, &shape) };
	out[count++] = (struct key_cost){ "UNLINK", lazy };
	out[count++] = (struct key_cost){ read, reading(census, key, &shape) };
	if (!strcmp(key->type, "list") || !strcmp(key->type, "set") || !strcmp(key->type, "zset"))
		out[count++] = (struct key_cost){ "SORT", sorting(census, key, &shape) };
	qsort(out, count, sizeof(*out), longest_first);
	return count;
}
