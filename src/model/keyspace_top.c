/* SPDX-License-Identifier: BSD-2-Clause */
/* The largest keys: a binary heap with the least of them on top. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/keyspace.h"

void keyspace_key_set(struct keyspace_key *to, const struct record_key *key, double t_seconds)
{
	size_t len = key->key.len < KEYSPACE_KEY_MAX ? key->key.len : KEYSPACE_KEY_MAX;

	*to = (struct keyspace_key){ .key = *key,
				     .cut = len < key->key.len,
				     .seen_seconds = t_seconds,
				     .later_bytes = RECORD_UNKNOWN,
				     .later_elements = RECORD_UNKNOWN,
				     .later_seconds = NAN };
	to->key.key.data = xmemdup(key->key.data, len);
	to->key.key.len = len;
	to->key.type = xstrdup(key->type);
	to->key.encoding = xstrdup(key->encoding);
}

void keyspace_key_clear(struct keyspace_key *key)
{
	free((char *)key->key.key.data);
	free((char *)key->key.type);
	free((char *)key->key.encoding);
	memset(key, 0, sizeof(*key));
}

/* Largest first; of the same weight by name, so that a report is the same every time. */
static int compare(const struct keyspace_top *top, size_t a, size_t b)
{
	const struct bytes *x = &top->keys[a].key.key, *y = &top->keys[b].key.key;
	size_t len = x->len < y->len ? x->len : y->len;
	int order;

	if (top->weight[a] != top->weight[b])
		return top->weight[a] < top->weight[b] ? 1 : -1;
	order = memcmp(x->data, y->data, len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static void swap(struct keyspace_top *top, size_t a, size_t b)
{
	struct keyspace_key key = top->keys[a];
	int64_t weight = top->weight[a];

	top->keys[a] = top->keys[b];
	top->weight[a] = top->weight[b];
	top->keys[b] = key;
	top->weight[b] = weight;
}

/* The least is at 0: a parent comes after its children in falling order. */
static void sift_down(struct keyspace_top *top, size_t at, size_t count)
{
	for (;;) {
		size_t child = at * 2 + 1;

		if (child >= count)
			return;
		if (child + 1 < count && compare(top, child + 1, child) > 0)
			child++;
		if (compare(top, at, child) >= 0)
			return;
		swap(top, at, child);
		at = child;
	}
}

static void sift_up(struct keyspace_top *top, size_t at)
{
	while (at && compare(top, at, (at - 1) / 2) > 0) {
		swap(top, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

void keyspace_top_add(struct keyspace_top *top, const struct record_key *key, int64_t weight,
		      double t_seconds)
{
	if (!top->limit || (top->count == top->limit && weight <= top->weight[0]))
		return;
	if (!top->keys) {
		top->keys = xcalloc(top->limit, sizeof(*top->keys));
		top->weight = xcalloc(top->limit, sizeof(*top->weight));
	}
	if (top->count < top->limit) {
		keyspace_key_set(&top->keys[top->count], key, t_seconds);
		top->weight[top->count] = weight;
		sift_up(top, top->count++);
		return;
	}
	keyspace_key_clear(&top->keys[0]);
	keyspace_key_set(&top->keys[0], key, t_seconds);
	top->weight[0] = weight;
	sift_down(top, 0, top->count);
}

/* Heapsort: the least goes to the end of what is left. */
void keyspace_top_finish(struct keyspace_top *top)
{
	for (size_t left = top->count; left > 1; left--) {
		swap(top, 0, left - 1);
		sift_down(top, 0, left - 1);
	}
}

void keyspace_top_free(struct keyspace_top *top)
{
	for (size_t i = 0; i < top->count; i++)
		keyspace_key_clear(&top->keys[i]);
	free(top->keys);
	free(top->weight);
	memset(top, 0, sizeof(*top));
}
