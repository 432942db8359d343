/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the keys of a dump take in the memory of a server that has loaded it: two figures a
 * key, what MEMORY USAGE SAMPLES 0 would say and what used_memory grows by, and the tables
 * of the databases. Encodings are those the server would choose with the settings given.
 *
 * Sources: rdbLoadObject() and objectComputeSize() of the servers, their structures
 * (redis/knowledge.h), and jemalloc's size classes (redis/footprint.h). Levels of skip lists,
 * collisions in hash tables and the nodes of radix trees are expectations.
 */
#pragma once

#include "rdb/limits.h"
#include "rdb/rdb.h"
#include "redis/footprint.h"
#include "redis/knowledge.h"

/* The answer for one key. */
struct memory_key {
	const char *encoding; /* static */
	int64_t elements; /* bytes of a string; RECORD_UNKNOWN for a module's value */
	int64_t largest; /* bytes of the longest element; RECORD_UNKNOWN */
	int64_t usage_bytes; /* as MEMORY USAGE says; RECORD_UNKNOWN for a module's value */
	int64_t bytes; /* of used_memory; likewise */
};

struct memory_totals {
	int64_t keys_bytes; /* sum of memory_key.bytes */
	int64_t tables_bytes; /* of the databases: keys and expiry times */
	int64_t unknown_total; /* keys whose bytes are not known */
};

struct rdb_memory;

/* Where the keys are loaded. */
struct memory_place {
	struct server_release release;
	int quantum; /* jemalloc's: 8 in builds with the bundled one, else 16 */
	struct packed_limits limits;
};

struct rdb_memory *rdb_memory_new(const struct memory_place *place);
void rdb_memory_free(struct rdb_memory *memory); /* may be NULL */
const struct server_structures *rdb_memory_server(const struct rdb_memory *memory);
/* Take every event of a dump. -EBADMSG with @err for a collection whose bytes make no sense. */
int rdb_memory_take(struct rdb_memory *memory, const struct rdb_event *event, struct err *err);
/* After RDB_KEY_END: the key that has ended. */
const struct memory_key *rdb_memory_key(const struct rdb_memory *memory);
/* So far; the tables for the keys that came so far, or that the dump has announced. */
void rdb_memory_totals(const struct rdb_memory *memory, struct memory_totals *totals);
