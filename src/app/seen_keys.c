/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys that turned up in a watch; see seen_keys.h. */
#include "app/seen_keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "sensor/sensor.h"

/* Keys beyond this are not remembered; the heavy ones come early and often. */
#define SEEN_MAX 20000

struct seen_key {
	double weight; /* seconds, or a little for an event without time */
	size_t len;
	bool picked;
	UT_hash_handle hh;
	char key[FACT_KEY_MAX];
};

struct seen_keys {
	struct fact_sink next;
	struct seen_key *keys;
};

static void remember(struct seen_keys *seen, const struct bytes *key, double weight)
{
	struct seen_key *entry;

	/* A key of the full length may be a longer one cut: it cannot be looked up. */
	if (!key->len || key->len >= FACT_KEY_MAX)
		return;
	HASH_FIND(hh, seen->keys, key->data, key->len, entry);
	if (!entry) {
		if (HASH_COUNT(seen->keys) >= SEEN_MAX)
			return;
		entry = xcalloc(1, sizeof(*entry));
		memcpy(entry->key, key->data, key->len);
		entry->len = key->len;
		HASH_ADD(hh, seen->keys, key, key->len, entry);
	}
	entry->weight += weight;
}

static void take(void *ctx, const struct fact *fact)
{
	struct seen_keys *seen = ctx;

	if (fact->kind == FACT_PROFILE)
		remember(seen, &fact->profile.key,
			 isnan(fact->profile.seconds) ? 1e-6 : fact->profile.seconds);
	else if (fact->kind == FACT_STALL)
		remember(seen, &fact->stall.key, fact->stall.duration_seconds);
	fact_emit(&seen->next, fact);
}

struct seen_keys *seen_keys_new(const struct fact_sink *next)
{
	struct seen_keys *seen = xcalloc(1, sizeof(*seen));

	seen->next = *next;
	return seen;
}

struct fact_sink seen_keys_sink(struct seen_keys *seen)
{
	return (struct fact_sink){ take, seen };
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

static void pick(struct seen_key *key, struct bytes *out, size_t *count)
{
	key->picked = true;
	out[(*count)++] = (struct bytes){ key->key, key->len };
}

size_t seen_keys_pick(struct seen_keys *seen, struct bytes *out, size_t max)
{
	struct seen_key *key, *next;
	size_t count = 0;

	HASH_SORT(seen->keys, by_weight);
	HASH_ITER(hh, seen->keys, key, next) {
		if (count < max / 2)
			pick(key, out, &count);
	}
	HASH_ITER(hh, seen->keys, key, next) {
		bool known = key->picked;

		for (size_t i = 0; i < count && !known; i++)
			known = same_segment(key, &out[i]);
		if (!known && count < max)
			pick(key, out, &count);
	}
	return count;
}

void seen_keys_free(struct seen_keys *seen)
{
	struct seen_key *key, *next;

	if (!seen)
		return;
	HASH_ITER(hh, seen->keys, key, next) {
		HASH_DEL(seen->keys, key);
		free(key);
	}
	free(seen);
}
