/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rule table. A rule looks at the model and, when its condition holds, fills
 * a finding and returns true. Adding one: write rule_NAME() in the file of its
 * subject and add one row here; prototype and table entry follow from the row.
 *
 * A rule never compares with a number that is not known, and gives a warning
 * only for what would still be wrong on a quiet day: an idle fresh server and
 * one at full benchmark load must stay without any.
 */
#pragma once

#include "diagnose/diagnose.h"

#define RULES(ROW)                                      \
	ROW("server.not_answering", not_answering)      \
	ROW("killed.limit", killed_limit)               \
	ROW("save.failing", save_failing)               \
	ROW("writes.refused", writes_refused)           \
	ROW("clients.near_max", clients_near_max)       \
	ROW("repl.resync", repl_resync)                 \
	ROW("lazyfree.pending", lazyfree_pending)       \
	ROW("swap.in_path", swap_in_path)               \
	ROW("swap.resident", swap_resident)             \
	ROW("mem.near_max", near_max)                   \
	ROW("mem.no_max", no_max)                       \
	ROW("mem.cgroup", cgroup)                       \
	ROW("mem.high", high)                           \
	ROW("mem.shmem", shmem)                         \
	ROW("mem.forecast", forecast)                   \
	ROW("evict.active", evict_active)               \
	ROW("evict.pushed_by", evict_pushed_by)         \
	ROW("evict.nothing_to_evict", nothing_to_evict) \
	ROW("expired.resident", expired_resident)       \
	ROW("map_count", map_count)                     \
	ROW("frag.slab", frag_slab)                     \
	ROW("frag.dirty", frag_dirty)                   \
	ROW("frag.rounding", frag_rounding)             \
	ROW("defrag.impossible", defrag_impossible)     \
	ROW("defrag.idle", defrag_idle)                 \
	ROW("defrag.futile", defrag_futile)             \
	ROW("rss.huge_pages", huge_pages)               \
	ROW("rss.not_allocator", not_allocator)         \
	ROW("rss.after_peak", after_peak)               \
	ROW("alloc.not_jemalloc", not_jemalloc)         \
	ROW("fork.pause", fork_pause)                   \
	ROW("fork.cow", fork_cow)                       \
	ROW("bigkey.blocks", bigkey_blocks)             \
	ROW("command.blocks", command_blocks)           \
	ROW("bigkey.size", bigkey_size)                 \
	ROW("keys.no_ttl", no_ttl)                      \
	ROW("keys.big_string", keys_big_string)         \
	ROW("keys.large_hash", keys_large_hash)         \
	ROW("keys.massive_zset", keys_massive_zset)     \
	ROW("keys.undrained_list", keys_undrained)      \
	ROW("keys.large_set", keys_large_set)           \
	ROW("keys.long_stream", keys_long_stream)       \
	ROW("keys.temp_without_ttl", keys_temp)         \
	ROW("keys.one_prefix", keys_one_prefix)         \
	ROW("keys.many_small", keys_many_small)         \
	ROW("keys.encoding_lost", keys_encoding)        \
	ROW("hashtable.overhead", hashtable)            \
	ROW("clients.buffers", client_buffers)          \
	ROW("repl.buffer", repl_buffer)                 \
	ROW("aof.buffer", aof_buffer)                   \
	ROW("scripts.memory", scripts)                  \
	ROW("config.thp", config_thp)                   \
	ROW("config.overcommit", config_overcommit)     \
	ROW("config.swappiness", config_swappiness)

#define RULE_PROTOTYPE(id, name) bool rule_##name(const struct model *m, struct finding *f);
RULES(RULE_PROTOTYPE)
#undef RULE_PROTOTYPE

struct rule {
	const char *id;
	bool (*evaluate)(const struct model *m, struct finding *f);
};

extern const struct rule rules[];
extern const size_t rules_count;
