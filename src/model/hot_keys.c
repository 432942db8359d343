/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys with most CPU time, each by its whole name: one key of a family of a million stands
 * in no row of prefixes. The names are more than can be kept, so a few hundred are, and a new
 * one takes the place of the least together with its time (Metwally, Agrawal, El Abbadi:
 * "Efficient computation of frequent and top-k elements in data streams", 2005). A key with
 * more than 1/HOT_KEYS of all time is never missed, and what may be others' is known for each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/account.h"
#include "model/private.h"

#define HOT_KEYS 256
/* Hardly a key is touched by more: the one with most time is found in whatever order they come,
 * which is another one where a window is made of the history's pieces (model/chunk_rows.c). */
#define HOT_COMMANDS 8

struct hot_command {
	const char *name; /* interned */
	double seconds;
};

struct hot_key {
	uint64_t hash;
	int64_t db;
	double seconds, others; /* of it, at most so much may be another's */
	int64_t samples;
	struct hot_command commands[HOT_COMMANDS];
	size_t commands_count;
	size_t len;
	bool truncated;
	char name[RECORD_KEY_MAX];
};

struct hot_keys {
	struct hot_key keys[HOT_KEYS];
	size_t count;
};

struct hot_keys *hot_keys_new(void)
{
	return xcalloc(1, sizeof(struct hot_keys));
}

void hot_keys_free(struct hot_keys *hot)
{
	free(hot);
}

/* FNV-1a */
static uint64_t hash_of(struct bytes key, int64_t db)
{
	uint64_t hash = 14695981039346656037u ^ (uint64_t)db;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.data[i]) * 1099511628211u;
	return hash;
}

static bool is_same(const struct hot_key *hot, const struct record_profile *record, uint64_t hash)
{
	return hot->hash == hash && hot->db == record->db &&
	       hot->truncated == record->key_truncated &&
	       bytes_same((struct bytes){ hot->name, hot->len }, record->key);
}

/* That of the record; when it is new, the place of the one with the least. */
static struct hot_key *place_of(struct hot_keys *hot, const struct record_profile *record)
{
	uint64_t hash = hash_of(record->key, record->db);
	struct hot_key *least = hot->keys;

	for (size_t i = 0; i < hot->count; i++) {
		if (is_same(&hot->keys[i], record, hash))
			return &hot->keys[i];
		if (hot->keys[i].seconds < least->seconds)
			least = &hot->keys[i];
	}
	if (hot->count < HOT_KEYS)
		least = &hot->keys[hot->count++];
	*least = (struct hot_key){ .hash = hash,
				   .db = record->db,
				   .seconds = least->seconds,
				   .others = least->seconds,
				   .len = record->key.len,
				   .truncated = record->key_truncated };
	memcpy(least->name, record->key.data, record->key.len);
	return least;
}

/* One more than there is room for takes the place of the least, as keys do. */
static void command_add(struct hot_key *key, struct keep *keep, const char *name, double seconds)
{
	struct hot_command *least = key->commands;

	for (size_t i = 0; i < key->commands_count; i++) {
		struct hot_command *command = &key->commands[i];

		if (!strcmp(command->name, name)) {
			command->seconds += seconds;
			return;
		}
		if (command->seconds < least->seconds)
			least = command;
	}
	if (key->commands_count < HOT_COMMANDS)
		least = &key->commands[key->commands_count++];
	least->name = intern_string(keep, name);
	least->seconds += seconds;
}

/* With most of the key's time; by name where two have the same. */
static const char *top_command(const struct hot_key *key)
{
	const struct hot_command *top = key->commands;

	for (size_t i = 1; i < key->commands_count; i++) {
		const struct hot_command *command = &key->commands[i];

		if (command->seconds > top->seconds ||
		    (command->seconds == top->seconds && strcmp(command->name, top->name) < 0))
			top = command;
	}
	return top->name;
}

void hot_keys_add(struct model *m, const struct record_profile *record)
{
	const char *command = *record->inner ? record->inner : record->command;
	double seconds = profile_seconds(record);
	struct hot_key *key;

	if (record->event != EVENT_CPU || *record->thread || !record->key.len || record->folded ||
	    record->key.len > RECORD_KEY_MAX || !(seconds > 0))
		return;
	key = place_of(m->priv->hot_keys, record);
	key->seconds += seconds;
	key->samples += record->samples > 0 && record->samples < INT32_MAX ? record->samples : 0;
	command_add(key, m->priv->keep, command, seconds);
}

static int most_first(const void *a, const void *b)
{
	const struct hot_key *x = a, *y = b;
	double p = x->seconds - x->others, q = y->seconds - y->others;

	return p < q ? 1 : p > q ? -1 : 0;
}

void hot_keys_finish(struct model *m)
{
	struct hot_keys *hot = m->priv->hot_keys;

	qsort(hot->keys, hot->count, sizeof(*hot->keys), most_first);
	for (size_t i = 0; i < hot->count && m->hot_keys_count < HOT_KEY_ROWS; i++) {
		const struct hot_key *key = &hot->keys[i];

		if (!(key->seconds > key->others))
			break;
		m->hot_keys[m->hot_keys_count++] = (struct hot_key_row){
			.key = intern_bytes(m->priv->keep, (struct bytes){ key->name, key->len }),
			.truncated = key->truncated,
			.db = key->db,
			.command = top_command(key),
			.samples = key->samples,
			.cpu_seconds = key->seconds - key->others,
		};
	}
}
