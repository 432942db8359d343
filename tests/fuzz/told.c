/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of one dump; see told.h. */
#include "told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdb/limits.h"
#include "rdb/rdb.h"

void fail(const char *why, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", why, err->text);
	abort();
}

static void stir(struct told *told, const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t word = 0;

	for (; len; at += len < 8 ? len : 8, len -= len < 8 ? len : 8) {
		memcpy(&word, at, len < 8 ? len : 8);
		told->sum = (told->sum ^ word) * 0x9e3779b97f4a7c15;
		told->sum ^= told->sum >> 32;
	}
}

static int take(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct told *told = ctx;
	uint64_t words[] = { event->kind, event->role, event->number };
	const struct memory_key *key;
	int ret;

	stir(told, words, sizeof(words));
	if (event->text && event->text->data)
		stir(told, event->text->data, event->text->len);
	ret = rdb_memory_take(told->memory, event, err);
	if (ret || event->kind != RDB_KEY_END)
		return ret;
	key = rdb_memory_key(told->memory);
	stir(told, event->key->name.data, event->key->name.len);
	stir(told, &key->bytes, sizeof(key->bytes));
	stir(told, &key->usage_bytes, sizeof(key->usage_bytes));
	stir(told, key->encoding, strlen(key->encoding));
	told->keys++;
	return 0;
}

struct told read_dump(const uint8_t *data, size_t len, size_t piece,
		      const struct server_release *release)
{
	const struct memory_place place = { *release, 8, packed_limits_default };
	struct told told = { .memory = rdb_memory_new(&place) };
	struct rdb *rdb = rdb_new(&(struct rdb_sink){ take, &told });
	struct memory_totals totals;

	while (!told.ret && len) {
		size_t size;
		void *room = rdb_room(rdb, &size);

		if (size > piece)
			size = piece;
		if (size > len)
			size = len;
		memcpy(room, data, size);
		data += size;
		len -= size;
		told.ret = rdb_take(rdb, size, &told.err);
	}
	if (!told.ret)
		told.ret = rdb_close(rdb, &told.err);
	rdb_memory_totals(told.memory, &totals);
	stir(&told, &totals, sizeof(totals));
	rdb_memory_free(told.memory);
	rdb_free(rdb);
	if (told.ret < 0 && !*told.err.text)
		fail("an error without a word", &told.err);
	return told;
}

struct server_release release_of(size_t number)
{
	const struct server_structures *row;
	size_t count = 0;

	while (knowledge_structures_at(count))
		count++;
	row = knowledge_structures_at(number % count);
	return row->since;
}
