/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys that turned up in a watch; see seen_keys.h. */
#include "app/seen_keys.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "sensor/sensor.h"

#define SEEN_KEY_MAX 512 /* bytes of a name */
#define ROUNDING     1e-9

/* What makes two of them the same comes last. */
struct seen_key {
	double weight; /* seconds, or a little for an event without time */
	size_t len; /* of the name */
	bool picked;
	UT_hash_handle hh;
	int64_t db; /* RECORD_UNKNOWN */
	char key[SEEN_KEY_MAX];
};

struct seen_keys {
	struct record_sink next;
	struct seen_key *keys;
	size_t most;
	int64_t stalled_db; /* of the last stall: the server's log tells no database */
};

static void forget(struct seen_keys *seen, struct seen_key *key)
{
	HASH_DEL(seen->keys, key);
	free(key);
}

/* Those below the mean go, which are nearly all where a few are busy; and every other one where
 * these are too few, as where all are the same. */
static void make_room(struct seen_keys *seen)
{
	struct seen_key *key, *next;
	double mean = 0;
	size_t n = 0;

	HASH_ITER(hh, seen->keys, key, next)
		mean += key->weight / (double)seen->most;
	HASH_ITER(hh, seen->keys, key, next) {
		if (key->weight < mean * (1 - ROUNDING))
			forget(seen, key);
	}
	if (HASH_COUNT(seen->keys) < seen->most / 4 * 3)
		return;
	HASH_ITER(hh, seen->keys, key, next) {
		if (n++ % 2)
			forget(seen, key);
	}
}

static void remember(struct seen_keys *seen, const struct bytes *key, int64_t db, double weight)
{
	struct seen_key *entry, probe = { .db = db };
	size_t len = sizeof(probe.db) + key->len;

	if (!key->len || key->len > SEEN_KEY_MAX)
		return;
	memcpy(probe.key, key->data, key->len);
	HASH_FIND(hh, seen->keys, &probe.db, len, entry);
	if (!entry) {
		if (HASH_COUNT(seen->keys) >= seen->most)
			make_room(seen);
		entry = xcalloc(1, offsetof(struct seen_key, key) + key->len);
		memcpy(entry->key, key->data, key->len);
		entry->len = key->len;
		entry->db = db;
		HASH_ADD(hh, seen->keys, db, len, entry);
	}
	entry->weight += weight;
}

/* One of them took the time, and which cannot be told by the first one alone. */
static void remember_all(struct seen_keys *seen, const struct record_slowlog *slow)
{
	const struct bytes *const keys[] = { &slow->key, &slow->key_2, &slow->key_3, &slow->key_4 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		remember(seen, keys[i], seen->stalled_db, slow->seconds);
}

static void take(void *ctx, const struct record *record)
{
	const struct record_profile *profile = &record->profile;
	const struct record_stall *stall = &record->stall;
	struct seen_keys *seen = ctx;

	if (record->kind == RECORD_STALL && stall->key.len)
		seen->stalled_db = stall->db;
	if (record->kind == RECORD_SLOWLOG && record->slowlog.keys_total > 1)
		remember_all(seen, &record->slowlog);
	/* A name that was cut cannot be looked up. */
	if (record->kind == RECORD_PROFILE && !profile->key_truncated)
		remember(seen, &profile->key, profile->db,
			 isnan(profile->seconds) ? 1e-6 : profile->seconds);
	else if (record->kind == RECORD_STALL && !stall->key_truncated)
		remember(seen, &stall->key, stall->db, stall->duration_seconds);
	record_emit(&seen->next, record);
}

struct seen_keys *seen_keys_new(const struct record_sink *next, size_t most)
{
	struct seen_keys *seen = xcalloc(1, sizeof(*seen));

	seen->next = *next;
	seen->most = most;
	seen->stalled_db = RECORD_UNKNOWN;
	return seen;
}

struct record_sink seen_keys_sink(struct seen_keys *seen)
{
	return (struct record_sink){ take, seen };
}

static int by_weight(const struct seen_key *a, const struct seen_key *b)
{
	return a->weight < b->weight ? 1 : a->weight > b->weight ? -1 : 0;
}

static size_t segment_len(const struct seen_key *key)
{
	const char *colon = memchr(key->key, ':', key->len);

	return colon ? (size_t)(colon - key->key) : key->len;
}

static bool same_segment(const struct seen_key *key, const struct bytes *other)
{
	size_t len = segment_len(key);

	return other->len >= len && !memcmp(key->key, other->data, len) &&
	       (other->len == len || other->data[len] == ':');
}

static void pick(struct seen_key *key, struct bytes *out, int64_t *dbs, size_t *count)
{
	key->picked = true;
	dbs[*count] = key->db;
	out[(*count)++] = (struct bytes){ key->key, key->len };
}

size_t seen_keys_pick(struct seen_keys *seen, struct bytes *out, int64_t *dbs, size_t max)
{
	struct seen_key *key, *next;
	size_t count = 0;

	HASH_SORT(seen->keys, by_weight);
	HASH_ITER(hh, seen->keys, key, next) {
		if (count < max / 2)
			pick(key, out, dbs, &count);
	}
	HASH_ITER(hh, seen->keys, key, next) {
		bool known = key->picked;

		for (size_t i = 0; i < count && !known; i++)
			known = same_segment(key, &out[i]);
		if (!known && count < max)
			pick(key, out, dbs, &count);
	}
	return count;
}

void seen_keys_forget(struct seen_keys *seen)
{
	struct seen_key *key, *next;

	HASH_ITER(hh, seen->keys, key, next)
		forget(seen, key);
}

void seen_keys_free(struct seen_keys *seen)
{
	if (!seen)
		return;
	seen_keys_forget(seen);
	free(seen);
}
