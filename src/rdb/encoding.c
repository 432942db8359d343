/* SPDX-License-Identifier: BSD-2-Clause */
/* The encoding a server has for a value, and what it then takes; see value.h. */
#include <string.h>

#include "base/sum.h"
#include "rdb/packed.h"
#include "rdb/value.h"

#define OBJECT_BYTES	  16 /* robj */
#define QUICKLIST_BYTES	  40
#define STREAM_BYTES	  80
#define LISTPACK_EX_BYTES 32
#define SHARED_INTEGERS	  10000

/* A table where it is not small enough for one string. */
static struct sizes end_table(struct value *v, int64_t entries_max, const char *table)
{
	struct sizes sizes = { 0 };

	if (v->elements <= entries_max && v->largest <= v->value_max) {
		v->encoding = "listpack";
		size_add(v->structures, &sizes, sum_of(v->listpack_bytes, LISTPACK_HEAD));
		return sizes;
	}
	v->encoding = table;
	sizes = size_table_with_head(v->structures, v->elements);
	sizes_plus(&sizes, v->parts);
	return sizes;
}

static struct sizes end_set(struct value *v)
{
	struct sizes sizes = { 0 };
	int64_t width, entries_max = 0;

	if (!(v->packed && v->structures->server->small_sets) && v->all_numbers &&
	    v->elements <= v->limits->set_intset) {
		width = v->number_min >= INT16_MIN && v->number_max <= INT16_MAX ? 2 :
			v->number_min >= INT32_MIN && v->number_max <= INT32_MAX ? 4 :
										   8;
		v->encoding = "intset";
		size_add(v->structures, &sizes, 8 + width * v->elements);
		return sizes;
	}
	/* Of more than an intset may have a table is made at once. */
	if (v->structures->server->small_sets && v->elements <= v->limits->set_intset)
		entries_max = v->limits->set_entries;
	sizes = end_table(v, entries_max, "hashtable");
	if (v->structures->server->bare_members && v->encoding[0] == 'h')
		size_add_bare_entries(v->structures, &sizes, v->elements);
	return sizes;
}

/*
 * A hash's table is made for the fields that follow where one came that is too long for a
 * listpack, and with a first field that expires it is made for none (rdbLoadObject(),
 * dictTryExpand()).
 */
static void add_outgrown_table(const struct value *v, struct sizes *sizes)
{
	int64_t before = v->before_long + 1, left = v->elements - before, made_for = 0;

	if (!v->has_expiry) {
		if (v->elements > v->limits->hash_entries || v->before_long < 0)
			return;
		made_for = left > before ? left : before;
	}
	size_add_outgrown_table(v->structures, sizes, v->elements, made_for);
}

/* Fields that expire are in a table always, but for Redis's small hashes. */
static struct sizes end_hash(struct value *v)
{
	bool table = v->has_expiry && v->structures->server->buckets;
	struct sizes sizes;

	if (v->templated) { /* the template, and a pointer to each value */
		sizes = v->parts;
		size_add(v->structures, &sizes, 8 * (1 + v->elements));
		v->encoding = "template-array";
		return sizes;
	}
	value_end_field(v);
	sizes = end_table(v, table ? 0 : v->limits->hash_entries, "hashtable");
	if (v->encoding[0] == 'h')
		add_outgrown_table(v, &sizes);
	if (table)
		size_add_expiring(v->structures, &sizes, v->expiring);
	if (v->has_expiry && v->encoding[0] == 'l') {
		v->encoding = "listpackex";
		size_add(v->structures, &sizes, LISTPACK_EX_BYTES);
	}
	return sizes;
}

static struct sizes end_zset(struct value *v)
{
	struct sizes sizes = end_table(v, v->limits->zset_entries, "skiplist");

	if (v->encoding[0] == 'l')
		return sizes;
	size_add_skiplist(v->structures, &sizes);
	return sizes;
}

static struct sizes end_list(struct value *v)
{
	struct sizes sizes = { 0 };

	if (v->node_fill)
		value_end_node(v, v->node_fill, v->node_entries);
	if (v->structures->server->small_lists && v->nodes == 1 &&
	    value_fits_node(v, v->last_node_bytes, v->last_node_entries)) {
		v->encoding = "listpack";
		size_add(v->structures, &sizes, v->last_node_bytes);
		return sizes;
	}
	v->encoding = "quicklist";
	sizes = v->parts;
	size_add_struct(v->structures, &sizes, QUICKLIST_BYTES);
	return sizes;
}

static struct sizes end_stream(struct value *v)
{
	struct sizes sizes = v->parts;

	v->encoding = "stream";
	size_add_struct(v->structures, &sizes, STREAM_BYTES);
	return sizes;
}

static struct sizes end_unpacked(struct value *v, enum rdb_type type)
{
	switch (type) {
	case RDB_LIST:
		return end_list(v);
	case RDB_SET:
		return end_set(v);
	case RDB_ZSET:
		return end_zset(v);
	case RDB_HASH:
		return end_hash(v);
	default:
		return end_stream(v);
	}
}

/* Is it more than the server keeps packed? Loading looks at the elements alone, not at their
 * length (rdbLoadObject()). */
static bool outgrows(const struct value *v, enum rdb_type type)
{
	const struct packed_limits *limits = v->limits;

	if (v->templated)
		return false;
	switch (type) {
	case RDB_HASH:
		return v->elements > limits->hash_entries;
	case RDB_ZSET:
		return v->elements > limits->zset_entries;
	case RDB_SET:
		return v->encoding[0] == 'i' ? v->elements > limits->set_intset :
					       !v->structures->server->small_sets ||
						       v->elements > limits->set_entries;
	default:
		return false;
	}
}

/* Packed as the dump has it, where the server keeps so many packed. */
static struct sizes end_packed(struct value *v, enum rdb_type type)
{
	struct sizes sizes = { 0 };

	if (!v->unheld && outgrows(v, type))
		return end_unpacked(v, type);
	if (type == RDB_LIST) {
		/* As pushes make it: one node, of one listpack. */
		return end_list(v);
	}
	size_add(v->structures, &sizes, v->packed_bytes);
	if (!strcmp(v->encoding, "listpackex"))
		size_add(v->structures, &sizes, LISTPACK_EX_BYTES);
	return sizes;
}

/* Small numbers are objects that all share, where no name lies in the object. */
static struct sizes end_string(struct value *v, const struct rdb_key *key)
{
	struct sizes sizes = { 0 };

	if (v->number) {
		v->encoding = "int";
		size_add_object(v->structures, &sizes, key, -1);
		if (v->structures->place != KEY_IN_OBJECT && v->number_value >= 0 &&
		    v->number_value < SHARED_INTEGERS)
			sum_add(&sizes.real, -size_class(v->structures, OBJECT_BYTES));
	} else if (size_add_object(v->structures, &sizes, key, v->elements)) {
		v->encoding = "embstr";
	} else {
		v->encoding = "raw";
		size_add(v->structures, &sizes, sds_bytes(v->elements));
	}
	return sizes;
}

struct sizes value_end(struct value *v, const struct rdb_key *key)
{
	struct sizes sizes;

	if (key->type == RDB_STRING)
		return end_string(v, key);
	sizes = v->packed ? end_packed(v, key->type) : end_unpacked(v, key->type);
	size_add_object(v->structures, &sizes, key, -1);
	return sizes;
}
