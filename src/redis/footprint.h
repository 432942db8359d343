/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocations a key is made of, by jemalloc's size classes, from what a look
 * without touching tells: type, encoding and MEMORY USAGE. The layouts are those
 * of src/object.c, src/sds.c, src/dict.c and src/quicklist.c of Redis 5 to 8 and
 * Valkey 8; what a look cannot tell (how the bytes of a large collection are split
 * over its elements) is left unplaced.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"

/* How a server lays keys out. */
struct footprint_layout {
	int64_t quantum; /* jemalloc's: 8 in builds with the bundled one, else 16 */
	bool key_in_entry; /* Valkey 8.0: the name lies inside the table's entry */
	bool key_in_object; /* Valkey 8.1, Redis 8.2: inside the object, no entry */
	bool usage_rounds_key; /* MEMORY USAGE counts the name's allocation, not its length */
	bool usage_misses_key; /* of an object with the name in it, the object alone */
	bool buckets; /* Valkey 8.1: tables of buckets, nothing around an element */
	bool bare_members; /* sets: most members need no entry... */
	bool usage_knows_bare; /* ...and MEMORY USAGE knows */
};

struct footprint_part {
	int64_t class_bytes; /* the size class */
	double objects; /* allocations of it */
	bool estimated; /* from sizes that are typical, not known */
};

#define FOOTPRINT_PARTS 10
struct footprint {
	struct footprint_part part[FOOTPRINT_PARTS];
	int count;
	int64_t unplaced_bytes; /* of elements whose sizes are not known */
	/*
	 * What the key takes of used_memory, without its share of the database's table: MEMORY
	 * USAGE, and what that leaves out. It counts the structures around an element by their
	 * size, not by their allocation (src/object.c, objectComputeSize()): an entry of 24 bytes
	 * takes 32 of an allocator with a quantum of 16, 13 % of a hash of short fields. It counts
	 * the members of sets an entry each that have none, too, and no entry of a time of expiry.
	 */
	int64_t bytes;
	int64_t error_bytes; /* either way: of how many elements there are nobody was told */
};

/* @server is "redis" or "valkey". */
struct footprint_layout footprint_layout_of(const char *server, const char *version,
					    bool allocator_bundled);

/*
 * The size class that serves a request of @bytes: four to a doubling, none closer
 * than the quantum (jemalloc include/jemalloc/internal/sc.h). 0 for 0.
 */
static inline int64_t footprint_class(const struct footprint_layout *layout, int64_t bytes)
{
	int64_t spacing;

	if (bytes <= 8)
		return bytes > 0 ? 8 : 0;
	spacing = ((int64_t)1 << (63 - __builtin_clzll((unsigned long long)bytes - 1))) / 4;
	if (spacing < layout->quantum)
		spacing = layout->quantum;
	if (bytes > INT64_MAX - spacing) /* nobody's allocation, but some recording's number */
		return INT64_MAX;
	return (bytes + spacing - 1) & -spacing; /* a power of two */
}

/* What a string of @len is asked for with, its head and the NUL. */
int64_t sds_bytes(int64_t len);

/* The places of a table that has grown to @elements, in bytes. */
int64_t footprint_table(const struct footprint_layout *layout, int64_t elements);

/* The entries of a set's @members of which the first of a place needs none, in bytes: an
 * expectation (src/dict.c, dictInsertAtPosition()). */
int64_t footprint_bare_entries(int64_t members);

void footprint_of(struct footprint *out, const struct record_key *key,
		  const struct footprint_layout *layout);
