/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rule table. A rule looks at the model and, when its condition holds, fills
 * a finding and returns true. Adding one: write rule_NAME() in the file of its
 * subject and add one row here; prototype and table entry follow from the row. Its third
 * word is what harm the finding speaks of (finding.h, enum rank).
 *
 * A rule never compares with a number that is not known, and gives a warning
 * only for what would still be wrong on a quiet day: an idle fresh server and
 * one at full benchmark load must stay without any.
 */
#pragma once

#include "diagnose/finding.h"

#define RULES(ROW)                                            \
	ROW("server.not_answering", not_answering, WAITED)    \
	ROW("killed.limit", killed_limit, LOST)               \
	ROW("server.loading", loading, LOST)                  \
	ROW("save.failing", save_failing, LOST)               \
	ROW("save.often", saves_often, WAITED)                \
	ROW("writes.refused", writes_refused, LOST)           \
	ROW("clients.near_max", clients_near_max, LOST)       \
	ROW("clients.cut_off", cut_off, LOST)                 \
	ROW("clients.denied", denied, LOST)                   \
	ROW("clients.errors", errors, LOST)                   \
	ROW("repl.resync", repl_resync, LOST)                 \
	ROW("repl.sync_blocks", sync_blocks, WAITED)          \
	ROW("lazyfree.pending", lazyfree_pending, BYTES)      \
	ROW("swap.in_path", swap_in_path, WAITED)             \
	ROW("swap.resident", swap_resident, BYTES)            \
	ROW("mem.near_max", near_max, LIMIT)                  \
	ROW("mem.no_max", no_max, LIMIT)                      \
	ROW("mem.cgroup", cgroup, LIMIT)                      \
	ROW("mem.high", high, LIMIT)                          \
	ROW("mem.shmem", shmem, LIMIT)                        \
	ROW("mem.forecast", forecast, LIMIT)                  \
	ROW("evict.active", evict_active, LOST)               \
	ROW("evict.pushed_by", evict_pushed_by, LOST)         \
	ROW("evict.nothing_to_evict", nothing_to_evict, LOST) \
	ROW("expired.resident", expired_resident, BYTES)      \
	ROW("map_count", map_count, LIMIT)                    \
	ROW("frag.slab", frag_slab, BYTES)                    \
	ROW("frag.dirty", frag_dirty, BYTES)                  \
	ROW("frag.rounding", frag_rounding, BYTES)            \
	ROW("defrag.impossible", defrag_impossible, BYTES)    \
	ROW("defrag.idle", defrag_idle, BYTES)                \
	ROW("defrag.futile", defrag_futile, BYTES)            \
	ROW("rss.huge_pages", huge_pages, BYTES)              \
	ROW("rss.not_allocator", not_allocator, BYTES)        \
	ROW("rss.after_peak", after_peak, BYTES)              \
	ROW("alloc.not_jemalloc", not_jemalloc, BYTES)        \
	ROW("fork.pause", fork_pause, WAITED)                 \
	ROW("fork.cow", fork_cow, BYTES)                      \
	ROW("fork.no_room", fork_no_room, LIMIT)              \
	ROW("bigkey.blocks", bigkey_blocks, WAITED)           \
	ROW("command.blocks", command_blocks, WAITED)         \
	ROW("clients.broadcast", broadcast, WAITED)           \
	ROW("cpu.throttled", cpu_throttled, WAITED)           \
	ROW("cpu.contended", cpu_contended, WAITED)           \
	ROW("cpu.steal", cpu_steal, WAITED)                   \
	ROW("cpu.io_threads", io_threads, WAITED)             \
	ROW("aof.disk", aof_disk, WAITED)                     \
	ROW("io.blocks", io_blocks, WAITED)                   \
	ROW("expire.blocks", expire_blocks, WAITED)           \
	ROW("evict.blocks", evict_blocks, WAITED)             \
	ROW("defrag.blocks", defrag_blocks, WAITED)           \
	ROW("rehash.blocks", rehash_blocks, WAITED)           \
	ROW("reclaim.blocks", reclaim_blocks, WAITED)         \
	ROW("compaction.blocks", compaction_blocks, WAITED)   \
	ROW("thp.cow", thp_cow, WAITED)                       \
	ROW("fault.file", fault_file, WAITED)                 \
	ROW("clients.paused", paused, WAITED)                 \
	ROW("clients.churn", churn, WAITED)                   \
	ROW("clients.monitor", monitor, WAITED)               \
	ROW("clients.large_messages", large_messages, BYTES)  \
	ROW("clients.pipelines", pipelines, WAITED)           \
	ROW("loop.blocks", loop_blocks, WAITED)               \
	ROW("stalls.mixed", stalls_mixed, WAITED)             \
	ROW("bigkey.size", bigkey_size, BYTES)                \
	ROW("stream.consumers", stream_consumers, BYTES)      \
	ROW("stream.pending", stream_pending, BYTES)          \
	ROW("bigkey.uncertain", bigkey_uncertain, BYTES)      \
	ROW("keys.no_ttl", no_ttl, BYTES)                     \
	ROW("keys.big_string", keys_big_string, BYTES)        \
	ROW("keys.large_hash", keys_large_hash, BYTES)        \
	ROW("keys.massive_zset", keys_massive_zset, BYTES)    \
	ROW("keys.undrained_list", keys_undrained, BYTES)     \
	ROW("keys.long_list", keys_long_list, BYTES)          \
	ROW("keys.large_set", keys_large_set, BYTES)          \
	ROW("keys.long_stream", keys_long_stream, BYTES)      \
	ROW("keys.temp_without_ttl", keys_temp, BYTES)        \
	ROW("keys.one_prefix", keys_one_prefix, BYTES)        \
	ROW("keys.many_small", keys_many_small, BYTES)        \
	ROW("keys.encoding_lost", keys_encoding, BYTES)       \
	ROW("hotkey.cpu", hotkey_cpu, WAITED)                 \
	ROW("keys.one_key", keys_one_key, BYTES)              \
	ROW("key.big", key_big, BYTES)                        \
	ROW("key.growing", key_growing, BYTES)                \
	ROW("key.no_ttl", key_no_ttl, BYTES)                  \
	ROW("key.encoding_lost", key_encoding, BYTES)         \
	ROW("key.pending", key_pending, BYTES)                \
	ROW("hashtable.overhead", hashtable, BYTES)           \
	ROW("client.one", client_one, BYTES)                  \
	ROW("clients.buffers", client_buffers, BYTES)         \
	ROW("repl.buffer", repl_buffer, BYTES)                \
	ROW("repl.backlog", repl_backlog, BYTES)              \
	ROW("aof.buffer", aof_buffer, BYTES)                  \
	ROW("scripts.memory", scripts, BYTES)                 \
	ROW("memory.slowlog", slowlog, BYTES)                 \
	ROW("memory.tracking", tracking, BYTES)               \
	ROW("memory.pubsub", pubsub, BYTES)                   \
	ROW("memory.watch", watch, BYTES)                     \
	ROW("memory.tls", tls, BYTES)                         \
	ROW("memory.in_no_key", in_no_key, BYTES)             \
	ROW("config.thp", config_thp, BYTES)                  \
	ROW("config.overcommit", config_overcommit, LOST)     \
	ROW("config.swappiness", config_swappiness, BYTES)

#define RULE_PROTOTYPE(id, name, rank) bool rule_##name(const struct model *m, struct finding *f);
RULES(RULE_PROTOTYPE)
#undef RULE_PROTOTYPE

struct rule {
	const char *id;
	enum rank rank;
	bool (*evaluate)(const struct model *m, struct finding *f);
};

extern const struct rule rules[];
extern const size_t rules_count;
