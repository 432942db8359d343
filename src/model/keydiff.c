/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of two passes side by side; see keydiff.h. */
#include "model/keydiff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BUCKETS 65536

struct entry {
	struct keydiff_row row;
	struct entry *chain; /* in its bucket */
	int kept; /* by how many of the heaps */
};

/* The largest of a pass: a binary heap with the least on top. */
struct heap {
	struct entry **entries;
	size_t count;
	bool full; /* some had no room */
};

struct keydiff {
	size_t limit;
	struct entry *bucket[BUCKETS];
	struct heap older, newer;
	const struct keydiff_row **grown, **shrunk;
	size_t grown_count, shrunk_count;
};

/* --- the keys by name --------------------------------------------------------- */

static struct entry **bucket_of(struct keydiff *d, int64_t db, struct bytes key)
{
	uint64_t h = 0xcbf29ce484222325 ^ (uint64_t)db;

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.data[i]) * 0x100000001b3;
	return &d->bucket[(h ^ h >> 32) % BUCKETS];
}

static struct entry *find(struct keydiff *d, const struct record_key *key)
{
	struct entry *entry = *bucket_of(d, key->db, key->key);

	while (entry && (entry->row.db != key->db || !bytes_same(entry->row.key, key->key)))
		entry = entry->chain;
	return entry;
}

static struct entry *find_or_make(struct keydiff *d, const struct record_key *key)
{
	struct entry *entry = find(d, key), **bucket;

	if (entry)
		return entry;
	entry = xcalloc(1, sizeof(*entry));
	entry->row =
		(struct keydiff_row){ .key = { xmemdup(key->key.data, key->key.len), key->key.len },
				      .db = key->db,
				      .before = RECORD_UNKNOWN,
				      .after = RECORD_UNKNOWN };
	bucket = bucket_of(d, key->db, key->key);
	entry->chain = *bucket;
	*bucket = entry;
	return entry;
}

static void release(struct keydiff *d, struct entry *entry)
{
	struct entry **at;

	if (--entry->kept)
		return;
	at = bucket_of(d, entry->row.db, entry->row.key);
	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	free((char *)entry->row.key.data);
	free(entry);
}

/* --- the largest --------------------------------------------------------------- */

static int64_t weight(const struct keydiff *d, const struct heap *heap, size_t at)
{
	const struct keydiff_row *row = &heap->entries[at]->row;

	return heap == &d->older ? row->before : row->after;
}

static void swap(struct heap *heap, size_t a, size_t b)
{
	struct entry *entry = heap->entries[a];

	heap->entries[a] = heap->entries[b];
	heap->entries[b] = entry;
}

static void sift_up(const struct keydiff *d, struct heap *heap, size_t at)
{
	while (at && weight(d, heap, at) < weight(d, heap, (at - 1) / 2)) {
		swap(heap, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void sift_down(const struct keydiff *d, struct heap *heap)
{
	for (size_t at = 0, child; (child = at * 2 + 1) < heap->count; at = child) {
		if (child + 1 < heap->count && weight(d, heap, child + 1) < weight(d, heap, child))
			child++;
		if (weight(d, heap, at) <= weight(d, heap, child))
			return;
		swap(heap, at, child);
	}
}

/* Is there room for one of @bytes, or a smaller one that goes? */
static bool takes(const struct keydiff *d, struct heap *heap, int64_t bytes)
{
	if (heap->count < d->limit)
		return true;
	heap->full = true;
	return bytes > weight(d, heap, 0);
}

static void keep(struct keydiff *d, struct heap *heap, struct entry *entry)
{
	entry->kept++;
	if (!heap->entries)
		heap->entries = xcalloc(d->limit, sizeof(*heap->entries));
	if (heap->count < d->limit) {
		heap->entries[heap->count] = entry;
		sift_up(d, heap, heap->count++);
		return;
	}
	release(d, heap->entries[0]);
	heap->entries[0] = entry;
	sift_down(d, heap);
}

/* --- the passes ------------------------------------------------------------------ */

void keydiff_older(struct keydiff *d, const struct record_key *key)
{
	struct entry *entry;

	if (key->bytes == RECORD_UNKNOWN || !takes(d, &d->older, key->bytes) || find(d, key))
		return; /* a damaged dump may have one twice: the first counts */
	entry = find_or_make(d, key);
	entry->row.before = key->bytes;
	snprintf(entry->row.type, sizeof(entry->row.type), "%s", key->type);
	keep(d, &d->older, entry);
}

void keydiff_newer(struct keydiff *d, const struct record_key *key)
{
	struct entry *entry;

	if (key->bytes == RECORD_UNKNOWN)
		return;
	entry = find(d, key);
	if (entry && entry->row.after != RECORD_UNKNOWN)
		return;
	if (entry)
		entry->row.after = key->bytes;
	if (!takes(d, &d->newer, key->bytes))
		return;
	entry = find_or_make(d, key);
	entry->row.after = key->bytes;
	snprintf(entry->row.type, sizeof(entry->row.type), "%s", key->type);
	keep(d, &d->newer, entry);
}

void keydiff_older_again(struct keydiff *d, const struct record_key *key)
{
	struct entry *entry = find(d, key);

	if (entry && entry->row.before == RECORD_UNKNOWN && key->bytes != RECORD_UNKNOWN)
		entry->row.before = key->bytes;
}

/* --- the end ----------------------------------------------------------------------- */

int64_t keydiff_change(const struct keydiff_row *row)
{
	return (row->after == RECORD_UNKNOWN ? 0 : row->after) -
	       (row->before == RECORD_UNKNOWN ? 0 : row->before);
}

/* The largest change first; of the same by database and name, so that a report is the same
 * every time. */
static int compare(const void *a, const void *b)
{
	const struct keydiff_row *x = *(const struct keydiff_row *const *)a;
	const struct keydiff_row *y = *(const struct keydiff_row *const *)b;
	int64_t of_x = llabs(keydiff_change(x)), of_y = llabs(keydiff_change(y));

	if (of_x != of_y)
		return of_x < of_y ? 1 : -1;
	if (x->db != y->db)
		return x->db < y->db ? -1 : 1;
	return bytes_order(x->key, y->key);
}

void keydiff_finish(struct keydiff *d)
{
	size_t most = d->older.count + d->newer.count;

	d->grown = xcalloc(most + 1, sizeof(struct keydiff_row *));
	d->shrunk = xcalloc(most + 1, sizeof(struct keydiff_row *));
	for (size_t i = 0; i < BUCKETS; i++) {
		for (const struct entry *entry = d->bucket[i]; entry; entry = entry->chain) {
			if (keydiff_change(&entry->row) > 0)
				d->grown[d->grown_count++] = &entry->row;
			else if (keydiff_change(&entry->row) < 0)
				d->shrunk[d->shrunk_count++] = &entry->row;
		}
	}
	qsort(d->grown, d->grown_count, sizeof(*d->grown), compare);
	qsort(d->shrunk, d->shrunk_count, sizeof(*d->shrunk), compare);
}

const struct keydiff_row *const *keydiff_grown(const struct keydiff *d, size_t *count)
{
	*count = d->grown_count;
	return d->grown;
}

const struct keydiff_row *const *keydiff_shrunk(const struct keydiff *d, size_t *count)
{
	*count = d->shrunk_count;
	return d->shrunk;
}

int64_t keydiff_grown_exact_bytes(const struct keydiff *d)
{
	return d->newer.full ? weight(d, &d->newer, 0) + 1 : 0;
}

int64_t keydiff_shrunk_exact_bytes(const struct keydiff *d)
{
	return d->older.full ? weight(d, &d->older, 0) + 1 : 0;
}

struct keydiff *keydiff_new(size_t limit)
{
	struct keydiff *d = xcalloc(1, sizeof(*d));

	d->limit = limit ? limit : 1;
	return d;
}

void keydiff_free(struct keydiff *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (d->bucket[i]) {
			struct entry *entry = d->bucket[i];

			d->bucket[i] = entry->chain;
			free((char *)entry->row.key.data);
			free(entry);
		}
	}
	free(d->older.entries);
	free(d->newer.entries);
	free(d->grown);
	free(d->shrunk);
	free(d);
}
