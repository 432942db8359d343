/* SPDX-License-Identifier: BSD-2-Clause */
/* A key's allocations; see footprint.h. */
#include "redis/footprint.h"

#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "redis/knowledge.h"

#define OBJECT_BYTES	    16 /* robj: type, encoding, lru, refcount, pointer */
#define ENTRY_BYTES	    24 /* dictEntry: key, value, next */
#define BARE_ENTRY_BYTES    16 /* dictEntryNoValue: member, next */
#define EMBEDDED_HEAD	    17 /* value, next and a byte before a name inside an entry or object */
#define QUICKLIST_BYTES	    40
#define QUICKLIST_NODE	    40 /* 32 on some versions: the same class or the next */
#define LISTPACK_MAX	    8192 /* of one node: list-max-listpack-size -2 */
#define SKIPLIST_NODE	    40 /* of one level, with three of four nodes */
#define SKIPLIST_NODE_TWO   56 /* of two levels */
#define SHARED_INTEGERS_MAX 4 /* digits: integers below 10,000 are objects shared by all */
#define FIELD_BYTES	    16 /* a short field name: the guess for hashes */
#define PLACE_BYTES	    8 /* of a table: a pointer */
#define PLACES_LEAST	    4
#define BUCKET_BYTES	    64 /* Valkey's tables: 32 elements for 5 of them (src/hashtable.c) */
#define TEXT_LEAST	    8 /* of up to five characters, with head and end */

struct footprint_layout footprint_layout_of(const char *server, const char *version,
					    bool allocator_bundled)
{
	const struct server_release release = server_release_of(server, version);
	const struct server_structures *structures = knowledge_structures(&release);
	enum key_place place = knowledge_key_place(&release);

	return (struct footprint_layout){
		.quantum = allocator_bundled ? 8 : 16,
		.key_in_entry = place == KEY_IN_ENTRY,
		.key_in_object = place == KEY_IN_OBJECT,
		.usage_rounds_key = knowledge_usage_rounds_key(&release),
		.usage_misses_key = structures->usage_misses_key,
		.buckets = structures->buckets,
		.bare_members = structures->bare_members,
		.usage_knows_bare = structures->usage_knows_bare,
	};
}

/* sds.c: sdsReqType(), sdsHdrSize(); the NUL is counted. */
int64_t sds_bytes(int64_t len)
{
	int64_t head = len < 32 ? 1 : len < 256 ? 3 : len < 65536 ? 5 : len <= UINT32_MAX ? 9 : 17;

	return sum_of(len, head + 1);
}

/* --- allocations ------------------------------------------------------------ */

/* MEMORY USAGE says @bytes less than there are. */
static void leave_out(struct footprint *out, double bytes)
{
	sum_add(&out->bytes, sum_whole(bytes));
}

/* Those that MEMORY USAGE counts as they are. */
static void place(struct footprint *out, const struct footprint_layout *layout, int64_t bytes,
		  double objects, bool estimated)
{
	if (bytes > 0 && objects > 0 && out->count < FOOTPRINT_PARTS)
		out->part[out->count++] = (struct footprint_part){ footprint_class(layout, bytes),
								   objects, estimated };
}

/* Those that it counts by the size of the structure. */
static void place_structs(struct footprint *out, const struct footprint_layout *layout,
			  int64_t bytes, double objects, bool estimated)
{
	place(out, layout, bytes, objects, estimated);
	if (objects > 0)
		leave_out(out, (double)(footprint_class(layout, bytes) - bytes) * objects);
}

/* --- the key and its object --------------------------------------------------- */

/* Name and table entry; returns what MEMORY USAGE counts for them. */
static int64_t place_key(struct footprint *out, const struct footprint_layout *layout,
			 const struct record_key *key)
{
	int64_t name = sds_bytes((int64_t)key->key.len);

	if (key->ttl_seconds >= 0 && !layout->key_in_object) { /* its entry among those times */
		place(out, layout, ENTRY_BYTES, 1, false);
		leave_out(out, (double)footprint_class(layout, ENTRY_BYTES));
	}
	if (layout->key_in_entry) {
		place(out, layout, EMBEDDED_HEAD + name, 1, false);
		return footprint_class(layout, EMBEDDED_HEAD + name);
	}
	if (layout->key_in_object)
		return 0; /* placed with the object */
	if (layout->usage_rounds_key)
		place(out, layout, name, 1, false);
	else
		place_structs(out, layout, name, 1, false);
	place_structs(out, layout, ENTRY_BYTES, 1, false);
	return ENTRY_BYTES + (layout->usage_rounds_key ? footprint_class(layout, name) : name);
}

/* The object's own allocation, where the value is another one; returns what MEMORY USAGE counts. */
static int64_t place_object(struct footprint *out, const struct footprint_layout *layout,
			    const struct record_key *key)
{
	int64_t bytes = EMBEDDED_HEAD + sds_bytes((int64_t)key->key.len);
	int64_t taken = footprint_class(layout, bytes);

	if (!layout->key_in_object) {
		place_structs(out, layout, OBJECT_BYTES, 1, false);
		return OBJECT_BYTES;
	}
	place(out, layout, bytes, 1, true);
	if (!layout->usage_misses_key)
		return taken;
	leave_out(out, (double)(taken - OBJECT_BYTES));
	return OBJECT_BYTES;
}

/* --- values -------------------------------------------------------------------- */

static void place_list(struct footprint *out, const struct footprint_layout *layout, int64_t bytes)
{
	int64_t node = QUICKLIST_NODE + LISTPACK_MAX;
	double nodes = (double)(bytes - QUICKLIST_BYTES) / (double)node;

	place_structs(out, layout, QUICKLIST_BYTES, 1, false);
	if (nodes <= 1) {
		place_structs(out, layout, QUICKLIST_NODE, 1, false);
		place(out, layout, bytes - QUICKLIST_BYTES - QUICKLIST_NODE, 1, false);
		return;
	}
	place_structs(out, layout, QUICKLIST_NODE, nodes, true);
	place(out, layout, LISTPACK_MAX, nodes, true);
}

static bool has_type(const struct record_key *key, const char *type)
{
	return !strcmp(key->type, type);
}

/* What MEMORY USAGE leaves out around an element in a table, members of sets without an entry
 * aside. */
static int64_t entry_untold(const struct footprint_layout *layout)
{
	return layout->buckets ? 0 : footprint_class(layout, ENTRY_BYTES) - ENTRY_BYTES;
}

/* A table has a power of two of places; a recording may say any number of elements. */
static int64_t places_of(int64_t elements, int64_t least)
{
	int64_t places = least;

	while (places < elements && places <= INT64_MAX / 128)
		places *= 2;
	return places;
}

int64_t footprint_table(const struct footprint_layout *layout, int64_t elements)
{
	if (elements <= 0)
		return 0;
	if (layout->buckets)
		return places_of(sum_whole(ceil((double)elements * 5 / 32)), 1) * BUCKET_BYTES;
	return places_of(elements, PLACES_LEAST) * PLACE_BYTES;
}

int64_t footprint_bare_entries(int64_t members)
{
	double places = (double)places_of(members, PLACES_LEAST);
	double alone = places * (1 - exp(-(double)members / places));

	return sum_whole(((double)members - alone) * BARE_ENTRY_BYTES + 0.5);
}

/* What leads from the table to its elements, beside them; returns what MEMORY USAGE counts. */
static double place_entries(struct footprint *out, const struct footprint_layout *layout,
			    const struct record_key *key)
{
	double elements = (double)key->elements, told = elements * ENTRY_BYTES, bare;

	if (layout->buckets)
		return 0;
	if (!layout->bare_members || !has_type(key, "set")) {
		place_structs(out, layout, ENTRY_BYTES, elements, false);
		return told;
	}
	bare = (double)footprint_bare_entries(key->elements);
	place(out, layout, BARE_ENTRY_BYTES, bare / BARE_ENTRY_BYTES, true);
	if (layout->usage_knows_bare)
		return bare;
	leave_out(out, bare - told);
	return told;
}

/*
 * How many elements there are nobody may ask without touching the key before Redis 7.2. No more
 * than would fit if all were as short as can be: what MEMORY USAGE leaves out of so many is between
 * nothing and all of it, and is taken to be half.
 */
static void bound_untold(struct footprint *out, const struct footprint_layout *layout,
			 const struct record_key *key, int64_t bytes)
{
	int64_t least = ENTRY_BYTES + PLACE_BYTES + TEXT_LEAST;
	bool bare = layout->bare_members && has_type(key, "set");
	double most = (double)entry_untold(layout);

	if (bare)
		most = layout->usage_knows_bare ? 0 : -ENTRY_BYTES;
	if (has_type(key, "zset"))
		least += footprint_class(layout, SKIPLIST_NODE);
	else if (has_type(key, "hash"))
		least += TEXT_LEAST;
	most *= (double)bytes / (double)least;
	leave_out(out, most / 2);
	out->error_bytes = sum_whole(fabs(most) / 2);
}

/* Tables and skip lists of @bytes in all; @elements may not be known. */
static void place_elements(struct footprint *out, const struct footprint_layout *layout,
			   const struct record_key *key, int64_t bytes)
{
	double elements = (double)key->elements, left = (double)bytes;
	int64_t table;

	if (key->elements == RECORD_UNKNOWN || key->elements <= 0) {
		out->unplaced_bytes = bytes;
		if (key->elements == RECORD_UNKNOWN && bytes > 0)
			bound_untold(out, layout, key, bytes);
		return;
	}
	table = footprint_table(layout, key->elements);
	place(out, layout, table, 1, layout->buckets);
	left -= (double)table + place_entries(out, layout, key);
	if (has_type(key, "zset")) {
		/* Each level is there with a quarter of the nodes of the one below. */
		place(out, layout, SKIPLIST_NODE, elements * 3 / 4, true);
		place(out, layout, SKIPLIST_NODE_TWO, elements * 3 / 16, true);
		left -= (SKIPLIST_NODE + 8) * elements;
	} else if (has_type(key, "hash")) {
		place(out, layout, FIELD_BYTES, elements, true);
		left -= FIELD_BYTES * elements;
	}
	if (left > 0)
		place(out, layout, sum_whole(left / elements + 0.5), elements, true);
}

static bool is_encoded(const struct record_key *key, const char *encoding)
{
	return !strcmp(key->encoding, encoding);
}

/* Strings short enough lie with their object in one allocation, or are numbers. */
static bool place_short_string(struct footprint *out, const struct footprint_layout *layout,
			       const struct record_key *key, int64_t value)
{
	if (is_encoded(key, "embstr")) {
		place(out, layout, value, 1, layout->key_in_object);
		return true;
	}
	if (!is_encoded(key, "int"))
		return false;
	/* Whether a small number is shared depends on maxmemory; small ones are taken so. */
	if (key->elements == RECORD_UNKNOWN || key->elements > SHARED_INTEGERS_MAX)
		place_object(out, layout, key);
	return true;
}

void footprint_of(struct footprint *out, const struct record_key *key,
		  const struct footprint_layout *layout)
{
	int64_t value;

	*out = (struct footprint){ .bytes = key->bytes > 0 ? key->bytes : 0 };
	if (key->bytes == RECORD_UNKNOWN || key->bytes <= 0)
		return;
	value = key->bytes - place_key(out, layout, key);
	if (place_short_string(out, layout, key, value))
		return;
	value -= place_object(out, layout, key);
	if (is_encoded(key, "raw") || is_encoded(key, "listpack") || is_encoded(key, "ziplist") ||
	    is_encoded(key, "intset"))
		place(out, layout, value, 1, layout->key_in_object);
	else if (is_encoded(key, "quicklist"))
		place_list(out, layout, value);
	else if (is_encoded(key, "hashtable") || is_encoded(key, "skiplist"))
		place_elements(out, layout, key, value);
	else if (value > 0)
		out->unplaced_bytes = value;
	if (out->bytes < 0) /* a recording may say anything */
		out->bytes = 0;
}
