/* SPDX-License-Identifier: BSD-2-Clause */
/* A key's allocations; see footprint.h. */
#include "redis/footprint.h"

#include <string.h>

#include "base/sum.h"
#include "redis/knowledge.h"

#define OBJECT_BYTES	    16 /* robj: type, encoding, lru, refcount, pointer */
#define ENTRY_BYTES	    24 /* dictEntry: key, value, next */
#define EMBEDDED_HEAD	    17 /* value, next and a byte before a name inside an entry or object */
#define QUICKLIST_BYTES	    40
#define QUICKLIST_NODE	    40 /* 32 on some versions: the same class or the next */
#define LISTPACK_MAX	    8192 /* of one node: list-max-listpack-size -2 */
#define SKIPLIST_NODE	    40 /* of one level, with three of four nodes */
#define SKIPLIST_NODE_TWO   56 /* of two levels */
#define SHARED_INTEGERS_MAX 4 /* digits: integers below 10,000 are objects shared by all */
#define FIELD_BYTES	    16 /* a short field name: the guess for hashes */

struct footprint_layout footprint_layout_of(const char *server, const char *version,
					    bool allocator_bundled)
{
	const struct server_release release = server_release_of(server, version);
	enum key_place place = knowledge_key_place(&release);

	return (struct footprint_layout){
		.quantum = allocator_bundled ? 8 : 16,
		.key_in_entry = place == KEY_IN_ENTRY,
		.key_in_object = place == KEY_IN_OBJECT,
		.usage_rounds_key = knowledge_usage_rounds_key(&release),
	};
}

/* sds.c, sdsHdrSize(): the shortest head whose length field holds it; ends in a NUL. */
static int64_t sds_bytes(int64_t len)
{
	return len + 1 + (len < 32 ? 1 : len < 256 ? 3 : len < 65536 ? 5 : 9);
}

static void place(struct footprint *out, const struct footprint_layout *layout, int64_t bytes,
		  double objects, bool estimated)
{
	if (bytes > 0 && objects > 0 && out->count < FOOTPRINT_PARTS)
		out->part[out->count++] = (struct footprint_part){ footprint_class(layout, bytes),
								   objects, estimated };
}

/* Name and table entry; returns what MEMORY USAGE counts for them. */
static int64_t place_key(struct footprint *out, const struct footprint_layout *layout,
			 const struct record_key *key)
{
	int64_t name = sds_bytes((int64_t)key->key.len);

	if (key->ttl_seconds >= 0 && !layout->key_in_object) /* its entry among the expiry times */
		place(out, layout, ENTRY_BYTES, 1, false);
	if (layout->key_in_entry) {
		place(out, layout, EMBEDDED_HEAD + name, 1, false);
		return footprint_class(layout, EMBEDDED_HEAD + name);
	}
	if (layout->key_in_object)
		return 0; /* placed with the object */
	place(out, layout, name, 1, false);
	place(out, layout, ENTRY_BYTES, 1, false);
	return ENTRY_BYTES + (layout->usage_rounds_key ? footprint_class(layout, name) : name);
}

/* The object's own allocation, where the value is another one; returns its bytes. */
static int64_t place_object(struct footprint *out, const struct footprint_layout *layout,
			    const struct record_key *key)
{
	int64_t bytes = OBJECT_BYTES;

	if (layout->key_in_object)
		bytes = EMBEDDED_HEAD + sds_bytes((int64_t)key->key.len);
	place(out, layout, bytes, 1, layout->key_in_object);
	return layout->key_in_object ? footprint_class(layout, bytes) : bytes;
}

static void place_list(struct footprint *out, const struct footprint_layout *layout, int64_t bytes)
{
	int64_t node = QUICKLIST_NODE + LISTPACK_MAX;
	double nodes = (double)(bytes - QUICKLIST_BYTES) / (double)node;

	place(out, layout, QUICKLIST_BYTES, 1, false);
	if (nodes <= 1) {
		place(out, layout, QUICKLIST_NODE, 1, false);
		place(out, layout, bytes - QUICKLIST_BYTES - QUICKLIST_NODE, 1, false);
		return;
	}
	place(out, layout, QUICKLIST_NODE, nodes, true);
	place(out, layout, LISTPACK_MAX, nodes, true);
}

/* Tables and skip lists of @bytes in all; @elements may not be known. */
static void place_elements(struct footprint *out, const struct footprint_layout *layout,
			   const struct record_key *key, int64_t bytes)
{
	double elements = (double)key->elements, each;
	int64_t table = 8, fixed = ENTRY_BYTES;

	if (key->elements == RECORD_UNKNOWN || key->elements <= 0) {
		out->unplaced_bytes = bytes;
		return;
	}
	/* A table has a power of two of buckets; a recording may say any number of elements. */
	while (table / 8 < key->elements && table <= INT64_MAX / 2)
		table *= 2;
	place(out, layout, ENTRY_BYTES, elements, false);
	if (!strcmp(key->type, "zset")) {
		/* Each level is there with a quarter of the nodes of the one below. */
		place(out, layout, SKIPLIST_NODE, elements * 3 / 4, true);
		place(out, layout, SKIPLIST_NODE_TWO, elements * 3 / 16, true);
		fixed += SKIPLIST_NODE + 8;
	} else if (!strcmp(key->type, "hash")) {
		place(out, layout, FIELD_BYTES, elements, true);
		fixed += FIELD_BYTES;
	}
	each = (double)(bytes - table) / elements - (double)fixed;
	if (each > 0)
		place(out, layout, sum_whole(each + 0.5), elements, true);
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

	*out = (struct footprint){ 0 };
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
}
