/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyspace scan and its largest keys; see keyspace.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/sum.h"
#include "model/keyspace.h"
#include "model/private.h"

/* --- the largest keys: a binary heap with the least of them on top ----------- */

static void keyspace_key_set(struct keyspace_key *to, const struct record_key *key,
			     double t_seconds)
{
	size_t len = key->key.len < KEYSPACE_KEY_MAX ? key->key.len : KEYSPACE_KEY_MAX;

	*to = (struct keyspace_key){ .key = *key,
				     .cut = len < key->key.len,
				     .seen_seconds = t_seconds,
				     .later_bytes = RECORD_UNKNOWN,
				     .later_seconds = NAN };
	to->key.key.data = xmemdup(key->key.data, len);
	to->key.key.len = len;
	to->key.type = xstrdup(key->type);
	to->key.encoding = xstrdup(key->encoding);
}

static void keyspace_key_clear(struct keyspace_key *key)
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

	if (top->weight[a] != top->weight[b])
		return top->weight[a] < top->weight[b] ? 1 : -1;
	return bytes_order(*x, *y);
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

static void top_put(struct keyspace_top *top, const struct record_key *key, int64_t weight,
		    double t_seconds)
{
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

/* Keep @key when it is among the largest by @weight, which few are. */
static inline void keyspace_top_add(struct keyspace_top *top, const struct record_key *key,
				    int64_t weight, double t_seconds)
{
	if (top->count < top->limit || (top->limit && weight > top->weight[0]))
		top_put(top, key, weight, t_seconds);
}

/* Heapsort: the least goes to the end of what is left. */
static void keyspace_top_finish(struct keyspace_top *top)
{
	for (size_t left = top->count; left > 1; left--) {
		swap(top, 0, left - 1);
		sift_down(top, 0, left - 1);
	}
}

static void keyspace_top_free(struct keyspace_top *top)
{
	for (size_t i = 0; i < top->count; i++)
		keyspace_key_clear(&top->keys[i]);
	free(top->keys);
	free(top->weight);
	memset(top, 0, sizeof(*top));
}

/* --- the sums ---------------------------------------------------------------- */

#define HOUR 3600.0
#define DAY  (24 * HOUR)

static const struct keyspace_ttl ttl_buckets[KEYSPACE_TTL_BUCKETS] = {
	{ .id = "none", .title = "no expiry", .below_seconds = 0 },
	{ .id = "1h", .title = "under 1 h", .below_seconds = HOUR },
	{ .id = "4h", .title = "1 to 4 h", .below_seconds = 4 * HOUR },
	{ .id = "12h", .title = "4 to 12 h", .below_seconds = 12 * HOUR },
	{ .id = "24h", .title = "12 to 24 h", .below_seconds = DAY },
	{ .id = "7d", .title = "1 to 7 days", .below_seconds = 7 * DAY },
	{ .id = "30d", .title = "7 to 30 days", .below_seconds = 30 * DAY },
	{ .id = "more", .title = "over 30 days", .below_seconds = INFINITY },
	{ .id = "unknown", .title = "not known", .below_seconds = NAN },
};

struct keyspace *keyspace_new(const struct keyspace_options *options)
{
	struct keyspace *keyspace = xcalloc(1, sizeof(*keyspace));

	keyspace->options = *options;
	keyspace->top.limit = keyspace->temporary.limit = options->top;
	keyspace->tree = prefix_tree_new(options->separators, options->depth);
	memcpy(keyspace->ttl, ttl_buckets, sizeof(ttl_buckets));
	keyspace->access_seconds = keyspace->copy_byte_seconds = NAN;
	dumped_init(&keyspace->dumped, options->slots);
	return keyspace;
}

void keyspace_free(struct keyspace *keyspace)
{
	if (!keyspace)
		return;
	for (size_t i = 0; i < keyspace->types_count; i++) {
		free(keyspace->types[i].type);
		keyspace_top_free(&keyspace->types[i].by_bytes);
		keyspace_top_free(&keyspace->types[i].by_elements);
	}
	for (size_t i = 0; i < keyspace->encodings_count; i++) {
		free(keyspace->encodings[i].type);
		free(keyspace->encodings[i].encoding);
		keyspace_key_clear(&keyspace->encodings[i].largest);
	}
	for (size_t i = 0; i < keyspace->parts_count; i++) {
		free(keyspace->parts[i].node);
		free(keyspace->parts[i].address);
		free(keyspace->parts[i].role);
	}
	free(keyspace->parts);
	dumped_clear(&keyspace->dumped);
	keyspace_top_free(&keyspace->top);
	keyspace_top_free(&keyspace->temporary);
	prefix_tree_free(keyspace->tree);
	keyspace_prefixes_free(&keyspace->prefixes);
	keyspace_prefixes_free(&keyspace->branches);
	free(keyspace->end);
	free(keyspace->cursor);
	free(keyspace->refused);
	free(keyspace);
}

/* --- taking keys ------------------------------------------------------------- */

static struct keyspace_type *type_row(struct keyspace *keyspace, const char *type)
{
	struct keyspace_type *row = keyspace->types;

	for (size_t i = 0; i < keyspace->types_count; i++, row++)
		if (name_is(row->type, type))
			return row;
	/* The last row takes all types there is no room for. */
	if (keyspace->types_count == KEYSPACE_TYPES_MAX)
		return row - 1;
	row->type = xstrdup(keyspace->types_count + 1 < KEYSPACE_TYPES_MAX ? type : "other");
	row->by_bytes.limit = row->by_elements.limit = keyspace->options.top;
	keyspace->types_count++;
	return row;
}

static void take_type(struct keyspace *keyspace, const struct record_key *key,
		      const struct useful *useful, enum key_level level, bool listed,
		      double t_seconds)
{
	struct keyspace_type *row = type_row(keyspace, key->type);

	row->keys_total++;
	row->level_total[level]++;
	if (key->bytes != RECORD_UNKNOWN) {
		sum_add(&row->bytes, key->bytes);
		sum_add(&row->level_bytes[level], key->bytes);
	} else {
		row->bytes_unknown_total++;
	}
	if (key->elements != RECORD_UNKNOWN) {
		sum_add(&row->elements_total, key->elements);
		row->elements_known_total++;
	}
	useful_merge(&row->useful, useful);
	if (listed && key->bytes != RECORD_UNKNOWN)
		keyspace_top_add(&row->by_bytes, key, key->bytes, t_seconds);
	if (listed && key->elements != RECORD_UNKNOWN)
		keyspace_top_add(&row->by_elements, key, key->elements, t_seconds);
}

static void take_encoding(struct keyspace *keyspace, const struct record_key *key,
			  const struct useful *useful, double t_seconds)
{
	struct keyspace_encoding *row = keyspace->encodings;
	size_t i;

	for (i = 0; i < keyspace->encodings_count; i++, row++)
		if (name_is(row->encoding, key->encoding) && name_is(row->type, key->type))
			break;
	if (i == KEYSPACE_ENCODINGS)
		return; /* more than any server has: modules' types */
	if (i == keyspace->encodings_count) {
		row->type = xstrdup(key->type);
		row->encoding = xstrdup(key->encoding);
		keyspace->encodings_count++;
	}
	row->keys_total++;
	sum_add(&row->bytes, key->bytes != RECORD_UNKNOWN ? key->bytes : 0);
	useful_merge(&row->useful, useful);
	if (row->keys_total == 1 || key->bytes > row->largest.key.bytes) {
		keyspace_key_clear(&row->largest);
		keyspace_key_set(&row->largest, key, t_seconds);
	}
}

/* Asked of every key: what many begin with is looked at once. */
static bool is_temporary(const struct keyspace *keyspace, struct bytes name,
			 struct prefix_beginning *begins)
{
	bool (*asks)(const struct bytes *, bool) = keyspace->options.temporary;

	if (!asks)
		return false;
	if (begins) {
		if (begins->temporary < 0)
			begins->temporary = asks(&(struct bytes){ name.data, begins->len },
						 keyspace->may_evict);
		if (begins->temporary)
			return true;
		name.data += begins->len;
		name.len -= begins->len;
	}
	return asks(&name, keyspace->may_evict);
}

static void take_ttl(struct keyspace *keyspace, const struct record_key *key,
		     struct prefix_beginning *begins, double t_seconds)
{
	size_t i = 0;

	if (isnan(key->ttl_seconds))
		i = KEYSPACE_TTL_BUCKETS - 1;
	else if (key->ttl_seconds >= 0)
		for (i = 1; key->ttl_seconds >= keyspace->ttl[i].below_seconds;)
			i++;
	keyspace->ttl[i].keys_total++;
	sum_add(&keyspace->ttl[i].bytes, key->bytes != RECORD_UNKNOWN ? key->bytes : 0);
	keyspace->no_ttl_total += i == 0;
	if (!is_temporary(keyspace, key->key, begins))
		return;
	keyspace->temporary_total++;
	if (i != 0)
		return;
	keyspace->temporary_no_ttl_total++;
	sum_add(&keyspace->temporary_no_ttl_bytes, key->bytes != RECORD_UNKNOWN ? key->bytes : 0);
	if (!strcmp(key->type, "hash")) {
		keyspace->temporary_hashes_total++;
		sum_add(&keyspace->temporary_hashes_bytes,
			key->bytes != RECORD_UNKNOWN ? key->bytes : 0);
	}
	keyspace_top_add(&keyspace->temporary, key, key->bytes, t_seconds);
}

void keyspace_take(struct keyspace *keyspace, const struct record_key *key, double t_seconds)
{
	const struct keyspace_options *o = &keyspace->options;
	enum key_level level = o->level ? o->level(key) : KEY_NORMAL;
	bool listed = key->bytes == RECORD_UNKNOWN || key->bytes >= o->min_bytes;
	struct prefix_beginning *begins;
	struct useful useful;

	if (o->type && strcmp(o->type, key->type) != 0)
		return;
	useful = useful_of(key);
	if (key->older) {
		keyspace->older_keys_total++;
		sum_add(&keyspace->older_bytes, key->bytes != RECORD_UNKNOWN ? key->bytes : 0);
		prefix_tree_add(keyspace->tree, key, &useful);
		return;
	}
	if (key->dumped)
		dumped_take(&keyspace->dumped, key);
	keyspace->keys_total++;
	sum_add(&keyspace->name_bytes, record_key_name_bytes(key));
	if (key->bytes != RECORD_UNKNOWN) {
		sum_add(&keyspace->bytes, key->bytes);
		hist_add(&keyspace->bytes_hist, key->bytes > 0 ? (uint64_t)key->bytes : 0, 1);
	} else {
		keyspace->bytes_unknown_total++;
	}
	take_type(keyspace, key, &useful, level, listed, t_seconds);
	take_encoding(keyspace, key, &useful, t_seconds);
	begins = prefix_tree_add(keyspace->tree, key, &useful);
	take_ttl(keyspace, key, begins, t_seconds);
	if (listed)
		keyspace_top_add(&keyspace->top, key, key->bytes, t_seconds);
	if (keyspace->parts_count) {
		struct keyspace_part *part = &keyspace->parts[keyspace->parts_count - 1];

		part->keys_total++;
		sum_add(&part->bytes, key->bytes != RECORD_UNKNOWN ? key->bytes : 0);
	}
}

void keyspace_part_begin(struct keyspace *keyspace, const char *node, const char *address,
			 const char *role, int64_t db, int64_t dbsize)
{
	struct keyspace_part *part;

	keyspace->parts = array_grow(keyspace->parts, keyspace->parts_count, sizeof(*part));
	part = &keyspace->parts[keyspace->parts_count++];
	part->node = xstrdup(node);
	part->address = xstrdup(address);
	part->role = xstrdup(role);
	part->db = db;
	part->dbsize = dbsize;
}

static bool same_key(const struct record_key *a, const struct record_key *b)
{
	return a->db == b->db && bytes_same(a->key, b->key);
}

static void take_later(struct keyspace_top *top, const struct record_key *key, double t_seconds)
{
	for (size_t i = 0; i < top->count; i++) {
		struct keyspace_key *kept = &top->keys[i];

		if (!same_key(&kept->key, key) || strcmp(kept->key.type, key->type) != 0)
			continue;
		kept->later_bytes = key->bytes;
		kept->later_seconds = t_seconds;
	}
}

void keyspace_take_later(struct keyspace *keyspace, const struct record_key *key, double t_seconds)
{
	for (size_t i = 0; i < keyspace->types_count; i++) {
		take_later(&keyspace->types[i].by_bytes, key, t_seconds);
		take_later(&keyspace->types[i].by_elements, key, t_seconds);
	}
	take_later(&keyspace->top, key, t_seconds);
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = *text ? xstrdup(text) : NULL;
}

void keyspace_account(struct keyspace *c, const struct record_pass *pass)
{
	set_text(&c->end, pass->end);
	set_text(&c->cursor, pass->cursor);
	set_text(&c->refused, pass->refused);
	c->complete = !strcmp(pass->end, "complete");
	c->no_touch = pass->no_touch;
	c->elements_asked = pass->elements_asked;
	c->repeats_total = pass->repeats_total;
	c->gone_total = pass->gone_total;
	c->before_total = pass->before_total;
	c->after_total = pass->after_total;
	c->expired_total = pass->expired_total;
	c->hidden_total = pass->hidden_total;
	c->refused_total = pass->refused_total;
	c->inferred_total = pass->inferred_total;
	c->commands_total = pass->commands_total;
	c->hits_total = pass->hits_total;
	c->misses_total = pass->misses_total;
	c->seconds = pass->seconds;
	c->rested_seconds = pass->rested_seconds;
	c->own_rss_bytes = pass->own_rss_bytes;
	c->own_cpu_seconds = pass->own_cpu_seconds;
	c->access_seconds = pass->access_seconds;
	c->copy_byte_seconds = pass->copy_byte_seconds;
}

/* --- the end -------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	const struct keyspace_type *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->type, y->type);
}

static int encoding_order(const void *a, const void *b)
{
	const struct keyspace_encoding *x = a, *y = b;
	int order = strcmp(x->type, y->type);

	return order ? order : strcmp(x->encoding, y->encoding);
}

void keyspace_finish(struct keyspace *keyspace)
{
	for (size_t i = 0; i < keyspace->types_count; i++) {
		keyspace_top_finish(&keyspace->types[i].by_bytes);
		keyspace_top_finish(&keyspace->types[i].by_elements);
	}
	if (keyspace->types_count)
		qsort(keyspace->types, keyspace->types_count, sizeof(*keyspace->types), by_bytes);
	if (keyspace->encodings_count)
		qsort(keyspace->encodings, keyspace->encodings_count, sizeof(*keyspace->encodings),
		      encoding_order);
	keyspace_top_finish(&keyspace->top);
	keyspace_top_finish(&keyspace->temporary);
	prefix_tree_finish(keyspace->tree, &keyspace->prefixes, &keyspace->branches);
}

const struct keyspace_type *keyspace_find_type(const struct keyspace *keyspace, const char *type)
{
	for (size_t i = 0; i < keyspace->types_count; i++)
		if (!strcmp(keyspace->types[i].type, type))
			return &keyspace->types[i];
	return NULL;
}
