/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the structures take in which a server keeps keys and their values: tables, entries,
 * members, fields, nodes, objects. All sizes are bytes of allocations, and sums stop at the
 * largest number instead of running over it (base/sum.h).
 *
 * Sources: objectComputeSize() of the servers, their structures (redis/knowledge.h), and
 * jemalloc's size classes (redis/footprint.h). Levels of skip lists, collisions in hash
 * tables and the nodes of radix trees are expectations.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdb/rdb.h"
#include "redis/footprint.h"
#include "redis/knowledge.h"

/* What MEMORY USAGE SAMPLES 0 says, and what used_memory grows by. */
struct sizes {
	int64_t usage, real;
};

/* How a server lays its structures out. */
struct structures {
	const struct server_structures *server;
	struct footprint_layout layout;
	enum key_place place;
	double node_bytes; /* of a skip list, without what it holds, expected */
};

/* @quantum is jemalloc's: 8 in builds with the bundled one, else 16. */
void structures_init(struct structures *s, const struct server_release *release, int quantum);

/* --- allocations ---------------------------------------------------------- */

/* What an allocation of @bytes takes. */
int64_t size_class(const struct structures *s, int64_t bytes);
void sizes_plus(struct sizes *to, struct sizes what);
/* One allocation: that MEMORY USAGE counts as it is; by the size of the structure; not. */
void size_add(const struct structures *s, struct sizes *sizes, int64_t bytes);
void size_add_struct(const struct structures *s, struct sizes *sizes, int64_t bytes);
void size_add_unused(const struct structures *s, struct sizes *sizes, int64_t bytes);

/* --- tables and their elements ---------------------------------------------- */

/* Places of the table that has grown to @n entries, without its entries; and with its head. */
struct sizes size_table(const struct structures *s, int64_t n);
struct sizes size_table_with_head(const struct structures *s, int64_t n);
/* The table that was made for @made_for entries, beside the one of the @n that came. */
void size_add_outgrown_table(const struct structures *s, struct sizes *sizes, int64_t n,
			     int64_t made_for);
/* The entries of a set's @n members, where most need none. */
void size_add_bare_entries(const struct structures *s, struct sizes *sizes, int64_t n);
void size_add_set_member(const struct structures *s, struct sizes *sizes, int64_t len);
void size_add_zset_member(const struct structures *s, struct sizes *sizes, int64_t len);
void size_add_field(const struct structures *s, struct sizes *sizes, int64_t field, int64_t value,
		    bool expires);
/* What a hash of Valkey has for its @fields that expire, beside table and fields. */
void size_add_expiring(const struct structures *s, struct sizes *sizes, int64_t fields);
/* What a sorted set has beside its table and members. */
void size_add_skiplist(const struct structures *s, struct sizes *sizes);
/* A radix tree of @elements ids, with its head. */
void size_add_rax(const struct structures *s, struct sizes *sizes, int64_t elements);
/* One of @count names, and each of the names. */
void size_add_rax_names(const struct structures *s, struct sizes *sizes, int64_t count);
void size_add_rax_name(const struct structures *s, struct sizes *sizes, int64_t len);

/* --- keys ------------------------------------------------------------------- */

/*
 * The object with the key and its time of expiry: @text is the length of a value that may
 * lie in the object's allocation, -1 where none may. True when it does.
 */
bool size_add_object(const struct structures *s, struct sizes *sizes, const struct rdb_key *key,
		     int64_t text);
