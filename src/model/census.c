/* SPDX-License-Identifier: BSD-2-Clause */
/* The census of a keyspace; see census.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "model/census.h"
#include "model/private.h"

#define HOUR 3600.0
#define DAY  (24 * HOUR)

static const struct census_ttl ttl_buckets[CENSUS_TTL_BUCKETS] = {
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

struct census *census_new(const struct census_options *options)
{
	struct census *census = xcalloc(1, sizeof(*census));

	census->options = *options;
	census->top.limit = census->temporary.limit = options->top;
	census->tree = prefix_tree_new(options->separators, options->depth);
	memcpy(census->ttl, ttl_buckets, sizeof(ttl_buckets));
	census->access_seconds = census->copy_byte_seconds = NAN;
	return census;
}

void census_free(struct census *census)
{
	if (!census)
		return;
	for (size_t i = 0; i < census->types_count; i++) {
		free(census->types[i].type);
		census_top_free(&census->types[i].by_bytes);
		census_top_free(&census->types[i].by_elements);
	}
	for (size_t i = 0; i < census->encodings_count; i++) {
		free(census->encodings[i].type);
		free(census->encodings[i].encoding);
		census_key_clear(&census->encodings[i].largest);
	}
	for (size_t i = 0; i < census->parts_count; i++) {
		free(census->parts[i].node);
		free(census->parts[i].address);
		free(census->parts[i].role);
	}
	free(census->parts);
	census_top_free(&census->top);
	census_top_free(&census->temporary);
	prefix_tree_free(census->tree);
	census_prefixes_free(&census->prefixes);
	census_prefixes_free(&census->branches);
	free(census->end);
	free(census->cursor);
	free(census->refused);
	free(census);
}

/* --- taking keys ------------------------------------------------------------- */

static struct census_type *type_row(struct census *census, const char *type)
{
	struct census_type *row = census->types;

	for (size_t i = 0; i < census->types_count; i++, row++)
		if (!strcmp(row->type, type))
			return row;
	/* The last row takes all types there is no room for. */
	if (census->types_count == CENSUS_TYPES_MAX)
		return row - 1;
	row->type = xstrdup(census->types_count + 1 < CENSUS_TYPES_MAX ? type : "other");
	row->by_bytes.limit = row->by_elements.limit = census->options.top;
	census->types_count++;
	return row;
}

static void take_type(struct census *census, const struct fact_key *key, enum key_level level,
		      bool listed, double t_seconds)
{
	struct census_type *row = type_row(census, key->type);

	row->keys_total++;
	row->level_total[level]++;
	if (key->bytes != FACT_UNKNOWN) {
		sum_add(&row->bytes, key->bytes);
		sum_add(&row->level_bytes[level], key->bytes);
	} else {
		row->bytes_unknown_total++;
	}
	if (key->elements != FACT_UNKNOWN) {
		sum_add(&row->elements_total, key->elements);
		row->elements_known_total++;
	}
	if (listed && key->bytes != FACT_UNKNOWN)
		census_top_add(&row->by_bytes, key, key->bytes, t_seconds);
	if (listed && key->elements != FACT_UNKNOWN)
		census_top_add(&row->by_elements, key, key->elements, t_seconds);
}

static void take_encoding(struct census *census, const struct fact_key *key, double t_seconds)
{
	struct census_encoding *row = census->encodings;
	size_t i;

	for (i = 0; i < census->encodings_count; i++, row++)
		if (!strcmp(row->encoding, key->encoding) && !strcmp(row->type, key->type))
			break;
	if (i == CENSUS_ENCODINGS)
		return; /* more than any server has: modules' types */
	if (i == census->encodings_count) {
		row->type = xstrdup(key->type);
		row->encoding = xstrdup(key->encoding);
		census->encodings_count++;
	}
	row->keys_total++;
	sum_add(&row->bytes, key->bytes != FACT_UNKNOWN ? key->bytes : 0);
	if (row->keys_total == 1 || key->bytes > row->largest.key.bytes) {
		census_key_clear(&row->largest);
		census_key_set(&row->largest, key, t_seconds);
	}
}

static void take_ttl(struct census *census, const struct fact_key *key, double t_seconds)
{
	size_t i = 0;

	if (isnan(key->ttl_seconds))
		i = CENSUS_TTL_BUCKETS - 1;
	else if (key->ttl_seconds >= 0)
		for (i = 1; key->ttl_seconds >= census->ttl[i].below_seconds;)
			i++;
	census->ttl[i].keys_total++;
	sum_add(&census->ttl[i].bytes, key->bytes != FACT_UNKNOWN ? key->bytes : 0);
	census->no_ttl_total += i == 0;
	if (!census->options.temporary || !census->options.temporary(&key->key, census->may_evict))
		return;
	census->temporary_total++;
	if (i != 0)
		return;
	census->temporary_no_ttl_total++;
	sum_add(&census->temporary_no_ttl_bytes, key->bytes != FACT_UNKNOWN ? key->bytes : 0);
	census_top_add(&census->temporary, key, key->bytes, t_seconds);
}

void census_take(struct census *census, const struct fact_key *key, double t_seconds)
{
	const struct census_options *o = &census->options;
	enum key_level level = o->level ? o->level(key) : KEY_NORMAL;
	bool listed = key->bytes == FACT_UNKNOWN || key->bytes >= o->min_bytes;

	if (o->type && strcmp(o->type, key->type) != 0)
		return;
	census->keys_total++;
	sum_add(&census->name_bytes, (int64_t)key->key.len);
	if (key->bytes != FACT_UNKNOWN) {
		sum_add(&census->bytes, key->bytes);
		hist_add(&census->bytes_hist, key->bytes > 0 ? (uint64_t)key->bytes : 0, 1);
	} else {
		census->bytes_unknown_total++;
	}
	take_type(census, key, level, listed, t_seconds);
	take_encoding(census, key, t_seconds);
	take_ttl(census, key, t_seconds);
	prefix_tree_add(census->tree, key);
	if (listed)
		census_top_add(&census->top, key, key->bytes, t_seconds);
	if (census->parts_count) {
		struct census_part *part = &census->parts[census->parts_count - 1];

		part->keys_total++;
		sum_add(&part->bytes, key->bytes != FACT_UNKNOWN ? key->bytes : 0);
	}
}

void census_part_begin(struct census *census, const char *node, const char *address,
		       const char *role, int64_t db, int64_t dbsize)
{
	struct census_part *part;

	census->parts = array_grow(census->parts, census->parts_count, sizeof(*part));
	part = &census->parts[census->parts_count++];
	part->node = xstrdup(node);
	part->address = xstrdup(address);
	part->role = xstrdup(role);
	part->db = db;
	part->dbsize = dbsize;
}

static bool same_key(const struct fact_key *a, const struct fact_key *b)
{
	return a->db == b->db && bytes_same(a->key, b->key);
}

static void take_later(struct census_top *top, const struct fact_key *key, double t_seconds)
{
	for (size_t i = 0; i < top->count; i++) {
		struct census_key *kept = &top->keys[i];

		if (!same_key(&kept->key, key) || strcmp(kept->key.type, key->type) != 0)
			continue;
		kept->later_bytes = key->bytes;
		kept->later_elements = key->elements;
		kept->later_seconds = t_seconds;
	}
}

void census_take_later(struct census *census, const struct fact_key *key, double t_seconds)
{
	for (size_t i = 0; i < census->types_count; i++) {
		take_later(&census->types[i].by_bytes, key, t_seconds);
		take_later(&census->types[i].by_elements, key, t_seconds);
	}
	take_later(&census->top, key, t_seconds);
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = *text ? xstrdup(text) : NULL;
}

void census_account(struct census *c, const struct fact_pass *pass)
{
	set_text(&c->end, pass->end);
	set_text(&c->cursor, pass->cursor);
	set_text(&c->refused, pass->refused);
	c->complete = !strcmp(pass->end, "complete");
	c->no_touch = pass->no_touch;
	c->elements_asked = pass->elements_asked;
	c->repeats_total = pass->repeats_total;
	c->gone_total = pass->gone_total;
	c->refused_total = pass->refused_total;
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
	const struct census_type *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->type, y->type);
}

static int encoding_order(const void *a, const void *b)
{
	const struct census_encoding *x = a, *y = b;
	int order = strcmp(x->type, y->type);

	return order ? order : strcmp(x->encoding, y->encoding);
}

void census_finish(struct census *census)
{
	for (size_t i = 0; i < census->types_count; i++) {
		census_top_finish(&census->types[i].by_bytes);
		census_top_finish(&census->types[i].by_elements);
	}
	if (census->types_count)
		qsort(census->types, census->types_count, sizeof(*census->types), by_bytes);
	if (census->encodings_count)
		qsort(census->encodings, census->encodings_count, sizeof(*census->encodings),
		      encoding_order);
	census_top_finish(&census->top);
	census_top_finish(&census->temporary);
	prefix_tree_finish(census->tree, &census->prefixes, &census->branches);
}

const struct census_type *census_find_type(const struct census *census, const char *type)
{
	for (size_t i = 0; i < census->types_count; i++)
		if (!strcmp(census->types[i].type, type))
			return &census->types[i];
	return NULL;
}
