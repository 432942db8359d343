/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server and its allocator say about their memory, gathered from
 * MEMORY STATS, INFO and MALLOC-STATS into one set of numbers for the ledger.
 * All in bytes; RECORD_UNKNOWN where nobody said it.
 */
#pragma once

#include "model/model.h"

enum server_part {
	PART_HASHTABLE_MAIN,
	PART_HASHTABLE_EXPIRES,
	PART_HASHTABLE_REHASHING,
	PART_CLIENTS_NORMAL,
	PART_CLIENTS_REPLICAS,
	PART_FULL_SYNC, /* of a replica that loads by two channels */
	PART_REPLICATION_BACKLOG,
	PART_AOF_BUFFER,
	PART_SCRIPTS,
	PART_LUA, /* where it is counted: from Redis 8.0 on */
	PART_CLUSTER_LINKS,
	PART_SLOT_MIGRATION,
	PART_STARTUP,
	PARTS
};

struct server_memory {
	int64_t used; /* used_memory: what the server counts as allocated */
	int64_t overhead; /* part of used */
	int64_t part[PARTS]; /* parts of overhead that do not overlap */

	bool jemalloc; /* the rest is known only then */
	int64_t allocated; /* by all of the process, also past the server's count */
	int64_t active; /* pages that hold allocations */
	int64_t dirty, muzzy; /* freed pages not yet given back */
	int64_t metadata;
	int64_t dirty_or_metadata; /* both, where they cannot be told apart */
	int64_t small_holes; /* free regions in slabs of small classes */
	int64_t lua; /* of the Lua interpreters, beside used; PART_LUA is not */
	bool lua_in_allocator; /* else Lua has libc's malloc beside it */

	enum basis basis; /* BASIS_DERIVED: not of the phase the mappings were read in */
};

/* False when it is too little to split the allocator's memory with. */
bool server_memory_gather(const struct model *m, struct server_memory *out);
