/* SPDX-License-Identifier: BSD-2-Clause */
/* Two servers, the same keys; see compare.h. */
#include "app/compare.h"

#include <stdlib.h>

#include "app/key_queue.h"
#include "base/buf.h"
#include "base/sum.h"

struct compare {
	struct memory_place place;
	struct rdb_memory *memory; /* of the other server, for the dump being read */
	struct keyspace *keys[2];
	struct key_queue *queues[2]; /* to them */
	struct report_comparison said;
};

static void count(void *ctx, const struct record_key *key)
{
	keyspace_take(ctx, key, 0);
}

struct compare *compare_new(const struct keyspace_options *options,
			    const struct server_structures *other, const struct memory_place *place)
{
	struct compare *c = xcalloc(1, sizeof(*c));

	c->place = *place;
	c->place.release = other->since;
	for (int i = 0; i < 2; i++) {
		c->keys[i] = keyspace_new(options);
		c->queues[i] = key_queue_new(count, c->keys[i]);
		c->said.keys[i] = c->keys[i];
	}
	c->said.server[1] = other->name;
	c->said.server[0] = "";
	return c;
}

static void end_dump(struct compare *c)
{
	struct memory_totals totals;

	if (!c->memory)
		return;
	rdb_memory_totals(c->memory, &totals);
	sum_add(&c->said.tables_bytes[1], totals.tables_bytes);
	rdb_memory_free(c->memory);
	c->memory = NULL;
}

void compare_begin(struct compare *c)
{
	end_dump(c);
	c->memory = rdb_memory_new(&c->place);
}

int compare_take(struct compare *c, const struct rdb_event *event, struct err *err)
{
	return rdb_memory_take(c->memory, event, err);
}

/* A copy of @key, to be changed. */
static struct record_key *put(struct key_queue *queue, const struct record_key *key)
{
	struct record_key *copy = key_queue_add(queue, key->key);
	struct bytes name = copy->key;

	*copy = *key;
	copy->key = name;
	return copy;
}

void compare_key(struct compare *c, const struct record_key *key, int64_t bytes)
{
	const struct memory_key *other = rdb_memory_key(c->memory);
	struct record_key *record;

	if (other->bytes != RECORD_UNKNOWN)
		sum_add(&c->said.keys_bytes[1], other->bytes);
	put(c->queues[0], key)->bytes = bytes;
	record = put(c->queues[1], key);
	record->bytes = other->bytes;
	record->encoding = other->encoding;
}

static void end_queues(struct compare *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->queues[i])
			key_queue_end(c->queues[i]);
		c->queues[i] = NULL;
	}
}

const struct report_comparison *compare_finish(struct compare *c)
{
	end_dump(c);
	end_queues(c);
	for (int i = 0; i < 2; i++)
		keyspace_finish(c->keys[i]);
	return &c->said;
}

void compare_free(struct compare *c)
{
	if (!c)
		return;
	end_dump(c);
	end_queues(c);
	keyspace_free(c->keys[0]);
	keyspace_free(c->keys[1]);
	free(c);
}
