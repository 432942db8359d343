/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger: every resident byte on one line, and each parent's lines sum to it
 * exactly.
 *
 * Roots come from the kernel (smaps), what is inside the allocator's memory from
 * the server and jemalloc. Both meet in one equation: what the allocator holds
 * (allocated + holes + dirty + muzzy + metadata) against what the kernel backs
 * (resident + swapped). What the kernel backs beyond that is huge pages, as far
 * as there are any, and then `unexplained`; what it backs less was never touched:
 * jemalloc's manual calls stats.resident a maximum for that reason.
 */
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "model/private.h"
#include "model/server_memory.h"

enum line {
	LINE_RSS,
	LINE_ALLOCATED,
	LINE_DATASET,
	LINE_HASHTABLE_MAIN,
	LINE_HASHTABLE_EXPIRES,
	LINE_HASHTABLE_REHASHING,
	LINE_CLIENTS_NORMAL,
	LINE_CLIENTS_REPLICAS,
	LINE_FULL_SYNC,
	LINE_REPLICATION_BACKLOG,
	LINE_AOF_BUFFER,
	LINE_SCRIPTS,
	LINE_CLUSTER_LINKS,
	LINE_SLOT_MIGRATION,
	LINE_STARTUP,
	LINE_OVERHEAD_OTHER,
	LINE_SLOWLOG,
	LINE_TRACKING,
	LINE_PUBSUB,
	LINE_WATCH,
	LINE_IN_NO_KEY,
	LINE_ROUNDING,
	LINE_LUA_ALLOCATED,
	LINE_TLS_ALLOCATED,
	LINE_ALLOCATED_UNCOUNTED,
	LINE_ALLOCATOR_MEMORY,
	LINE_SLAB_HOLES,
	LINE_DIRTY,
	LINE_MUZZY,
	LINE_ALLOCATOR_METADATA,
	LINE_DIRTY_OR_METADATA,
	LINE_LIBC_FREE,
	LINE_HUGE_PAGE_EXCESS,
	LINE_SWAPPED_OUT,
	LINE_UNTOUCHED,
	LINE_BINARY,
	LINE_STACKS,
	LINE_LUA_HEAP,
	LINE_TLS_HEAP,
	LINE_OTHER_HEAP,
	LINE_SHARED,
	LINE_UNEXPLAINED,
	LINE_SWAP,
	LINE_SWAP_ALLOCATOR,
	LINE_SWAP_OTHER,
	LINES
};

struct line_kind {
	const char *id, *parent, *title;
	int depth;
	bool always; /* stands there also with 0 bytes */
};

/* In report order. */
static const struct line_kind kinds[LINES] = {
	[LINE_RSS] = { "rss", NULL, "resident memory", 0, true },
	[LINE_ALLOCATED] = { "allocated", "rss", "allocated by the server", 1, true },
	[LINE_DATASET] = { "dataset", "allocated", "keys and values", 2, true },
	[LINE_HASHTABLE_MAIN] = { "hashtable_main", "allocated", "tables of keys", 2, false },
	[LINE_HASHTABLE_EXPIRES] = { "hashtable_expires", "allocated", "tables of expiry times", 2,
				     false },
	[LINE_HASHTABLE_REHASHING] = { "hashtable_rehashing", "allocated",
				       "old tables while they are resized", 2, false },
	[LINE_CLIENTS_NORMAL] = { "clients_normal", "allocated", "buffers of clients", 2, false },
	[LINE_CLIENTS_REPLICAS] = { "clients_replicas", "allocated", "buffers of replicas", 2,
				    false },
	[LINE_FULL_SYNC] = { "full_sync", "allocated", "writes kept during a full synchronisation",
			     2, false },
	[LINE_REPLICATION_BACKLOG] = { "replication_backlog", "allocated", "replication backlog", 2,
				       false },
	[LINE_AOF_BUFFER] = { "aof_buffer", "allocated", "buffers of the AOF", 2, false },
	[LINE_SCRIPTS] = { "scripts", "allocated", "cached scripts and functions", 2, false },
	[LINE_CLUSTER_LINKS] = { "cluster_links", "allocated", "buffers of the cluster bus", 2,
				 false },
	[LINE_SLOT_MIGRATION] = { "slot_migration", "allocated", "buffers of slots on the move", 2,
				  false },
	[LINE_STARTUP] = { "startup", "allocated", "the empty server", 2, false },
	[LINE_OVERHEAD_OTHER] = { "overhead_other", "allocated", "other overhead of the server", 2,
				  false },
	[LINE_SLOWLOG] = { "slowlog", "allocated", "entries of the slow log", 2, false },
	[LINE_TRACKING] = { "tracking", "allocated", "keys tracked for clients", 2, false },
	[LINE_PUBSUB] = { "pubsub", "allocated", "channels subscribed to", 2, false },
	[LINE_WATCH] = { "watch", "allocated", "keys under WATCH", 2, false },
	[LINE_IN_NO_KEY] = { "in_no_key", "allocated", "in no key that was looked at", 2, false },
	[LINE_ROUNDING] = { "rounding", "allocated", "requests rounded up to size classes", 2,
			    false },
	[LINE_LUA_ALLOCATED] = { "lua", "allocated", "Lua's own memory", 2, false },
	[LINE_TLS_ALLOCATED] = { "tls", "allocated", "connections over TLS", 2, false },
	[LINE_ALLOCATED_UNCOUNTED] = { "allocated_uncounted", "allocated",
				       "not in used_memory (thread caches)", 2, false },
	[LINE_ALLOCATOR_MEMORY] = { "allocator_memory", "rss",
				    "allocator, not split without a connection", 1, false },
	[LINE_SLAB_HOLES] = { "slab_holes", "rss", "holes between allocations", 1, true },
	[LINE_DIRTY] = { "dirty", "rss", "freed, kept for reuse (dirty)", 1, true },
	[LINE_MUZZY] = { "muzzy", "rss", "freed, the kernel may take it (muzzy)", 1, false },
	[LINE_ALLOCATOR_METADATA] = { "allocator_metadata", "rss", "the allocator's own", 1,
				      false },
	[LINE_DIRTY_OR_METADATA] = { "dirty_or_metadata", "rss",
				     "freed and kept, and the allocator's own", 1, false },
	[LINE_LIBC_FREE] = { "libc_free_and_overhead", "rss",
			     "freed and overhead, of libc's malloc", 1, false },
	[LINE_HUGE_PAGE_EXCESS] = { "huge_page_excess", "rss", "unused parts of huge pages", 1,
				    false },
	[LINE_SWAPPED_OUT] = { "swapped_out", "rss", "of the above, in swap", 1, false },
	[LINE_UNTOUCHED] = { "untouched", "rss", "of the above, never touched", 1, false },
	[LINE_BINARY] = { "binary_and_libraries", "rss", "program and libraries", 1, false },
	[LINE_STACKS] = { "stacks", "rss", "stacks of threads", 1, false },
	[LINE_LUA_HEAP] = { "lua", "rss", "Lua's own memory", 1, false },
	[LINE_TLS_HEAP] = { "tls", "rss", "connections over TLS", 1, false },
	[LINE_OTHER_HEAP] = { "other_heap", "rss", "heap besides the allocator's", 1, false },
	[LINE_SHARED] = { "shared", "rss", "shared memory and files", 1, false },
	[LINE_UNEXPLAINED] = { "unexplained", "rss", "unexplained", 1, true },
	[LINE_SWAP] = { "swap", NULL, "swapped out", 0, true },
	[LINE_SWAP_ALLOCATOR] = { "swap_allocator", "swap", "of the allocator", 1, false },
	[LINE_SWAP_OTHER] = { "swap_other", "swap", "of the rest", 1, false },
};

struct draft {
	struct ledger_line line[LINES];
	bool set[LINES];
};

static void set(struct draft *d, enum line line, int64_t bytes, enum basis basis)
{
	d->set[line] = bytes || kinds[line].always;
	d->line[line].bytes = bytes;
	d->line[line].basis = basis;
}

static void give_back(struct draft *d, enum line line, const char *action, int64_t bytes)
{
	struct ledger_line *l = &d->line[line];

	if (d->set[line] && bytes > 0 && l->reclaim_count < RECLAIM_MAX)
		l->reclaim[l->reclaim_count++] = (struct reclaim){ action, bytes };
}

static int64_t bytes_of(const struct draft *d, enum line line)
{
	return d->set[line] ? d->line[line].bytes : 0;
}

static int64_t known(int64_t bytes)
{
	return bytes == RECORD_UNKNOWN ? 0 : bytes;
}

static void set_known(struct draft *d, enum line line, int64_t bytes, enum basis basis)
{
	if (bytes != RECORD_UNKNOWN)
		set(d, line, bytes, basis);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* --- inside `allocated` --------------------------------------------------- */

static const enum line part_line[PARTS] = {
	[PART_HASHTABLE_MAIN] = LINE_HASHTABLE_MAIN,
	[PART_HASHTABLE_EXPIRES] = LINE_HASHTABLE_EXPIRES,
	[PART_HASHTABLE_REHASHING] = LINE_HASHTABLE_REHASHING,
	[PART_CLIENTS_NORMAL] = LINE_CLIENTS_NORMAL,
	[PART_CLIENTS_REPLICAS] = LINE_CLIENTS_REPLICAS,
	[PART_FULL_SYNC] = LINE_FULL_SYNC,
	[PART_REPLICATION_BACKLOG] = LINE_REPLICATION_BACKLOG,
	[PART_AOF_BUFFER] = LINE_AOF_BUFFER,
	[PART_SCRIPTS] = LINE_SCRIPTS,
	[PART_LUA] = LINE_LUA_ALLOCATED,
	[PART_CLUSTER_LINKS] = LINE_CLUSTER_LINKS,
	[PART_SLOT_MIGRATION] = LINE_SLOT_MIGRATION,
	[PART_STARTUP] = LINE_STARTUP,
};

static const enum line inside_line[INSIDE_TLS] = {
	[INSIDE_SLOWLOG] = LINE_SLOWLOG,
	[INSIDE_TRACKING] = LINE_TRACKING,
	[INSIDE_PUBSUB] = LINE_PUBSUB,
	[INSIDE_WATCH] = LINE_WATCH,
};

/* A difference below this is not worth a line. */
#define IN_NO_KEY_BYTES ((int64_t)16 << 20)
/* Without any keys nothing is estimated. */
#define IN_NO_KEYS_BYTES ((int64_t)8 << 20)

/* Its newest entries, by which it was told, may be larger than the others: it has no more than
 * the keys leave. Returns what is taken off it. */
static int64_t bound_slowlog(struct draft *d, struct model *m)
{
	struct inside_row *row = &m->inside[INSIDE_SLOWLOG];
	struct keys_check *check = &m->keys_check;
	int64_t less = smaller(known(row->bytes), -check->difference_bytes);

	if (check->difference_bytes >= -check->error_bytes || less <= 0)
		return 0;
	row->bytes -= less;
	row->basis = BASIS_DERIVED;
	set(d, LINE_SLOWLOG, row->bytes, row->basis);
	check->difference_bytes += less;
	return less;
}

/* Of @dataset, which is all that the server does not count as something else, what is known to
 * be in no key, and what no key was found for. Returns what is left: keys and values. */
static int64_t split_dataset(struct draft *d, struct model *m, const struct server_memory *s,
			     int64_t dataset)
{
	struct keys_check *check = &m->keys_check;
	int64_t tables =
		known(s->part[PART_HASHTABLE_EXPIRES]) + known(s->part[PART_HASHTABLE_REHASHING]);

	for (int i = 0; i < INSIDE_TLS; i++) {
		int64_t bytes = smaller(known(m->inside[i].bytes), dataset);

		if (m->inside[i].bytes != RECORD_UNKNOWN)
			m->inside[i].bytes = bytes;
		set(d, inside_line[i], bytes, m->inside[i].basis);
		dataset -= bytes;
	}
	if (check->bytes == RECORD_UNKNOWN || s->part[PART_HASHTABLE_MAIN] == RECORD_UNKNOWN)
		return dataset;
	tables += s->part[PART_HASHTABLE_MAIN];
	check->difference_bytes = sum_less(dataset + tables, check->bytes);
	dataset += bound_slowlog(d, m);
	if (check->difference_bytes > check->error_bytes &&
	    check->difference_bytes >= (check->keys_total ? IN_NO_KEY_BYTES : IN_NO_KEYS_BYTES)) {
		int64_t beyond = smaller(check->difference_bytes, dataset);

		set(d, LINE_IN_NO_KEY, beyond, check->basis);
		dataset -= beyond;
	}
	return dataset;
}

/*
 * used_memory = dataset + overhead, as the server has it; beside it what it does
 * not count. When the allocator's number, being older, is the smaller one, the
 * difference comes off the dataset, which is a remainder anyway.
 */
static void split_allocated(struct draft *d, struct model *m, const struct server_memory *s,
			    int64_t allocated, int64_t rounding, enum basis rounding_basis)
{
	int64_t dataset = s->used - known(s->overhead), uncounted = allocated - s->used;
	int64_t other = known(s->overhead), lag, keys;

	for (int i = 0; i < PARTS; i++) {
		other -= known(s->part[i]);
		set_known(d, part_line[i], s->part[i], s->basis);
	}
	if (dataset < 0) { /* the overhead was estimated too high */
		other += dataset;
		dataset = 0;
	}
	lag = uncounted < 0 ? smaller(-uncounted, dataset) : 0;
	dataset -= lag;
	keys = split_dataset(d, m, s, dataset);
	/* The server counts what it got, not what it asked for. */
	rounding = smaller(known(rounding), keys);
	set(d, LINE_ROUNDING, rounding, rounding_basis);
	set(d, LINE_DATASET, keys - rounding,
	    lag || rounding || keys < dataset ? BASIS_DERIVED : s->basis);
	set(d, LINE_OVERHEAD_OTHER, other, BASIS_DERIVED);
	uncounted += lag;
	if (s->lua_in_allocator && s->lua > 0) {
		int64_t lua = smaller(s->lua, uncounted);

		set(d, LINE_LUA_ALLOCATED, lua, BASIS_DERIVED);
		uncounted -= lua;
	}
	if (!m->target.allocator_bundled && uncounted > 0) { /* malloc() is the allocator's */
		int64_t tls = smaller(known(m->inside[INSIDE_TLS].bytes), uncounted);

		set(d, LINE_TLS_ALLOCATED, tls, BASIS_DERIVED);
		uncounted -= tls;
	}
	set(d, LINE_ALLOCATED_UNCOUNTED, uncounted, BASIS_DERIVED);
	set(d, LINE_ALLOCATED, allocated, s->basis);
}

/* --- the allocator's memory ----------------------------------------------- */

/*
 * Lua with a malloc of its own: in the brk heap and, from 128 KiB a piece, in
 * mappings that look like the allocator's (mallopt(3), M_MMAP_THRESHOLD). What the
 * interpreter counts is what it asked for; heads and rounding of libc's malloc, up to
 * half as much again with Lua's small objects, go to the heap's line. Returns what is
 * left of @beyond.
 */
static int64_t split_lua(struct draft *d, const struct server_memory *s, int64_t heap,
			 int64_t beyond, int64_t huge)
{
	int64_t in_heap, in_mappings, overhead;

	if (s->lua_in_allocator || s->lua <= 0 || heap < 0)
		return beyond;
	in_heap = smaller(s->lua, heap);
	in_mappings = beyond > 0 ? smaller(s->lua - in_heap, beyond) : 0;
	beyond -= in_mappings;
	overhead = in_mappings ? smaller(beyond - smaller(beyond, huge), s->lua / 2) : 0;
	set(d, LINE_LUA_HEAP, in_heap + in_mappings, BASIS_DERIVED);
	set(d, LINE_OTHER_HEAP, heap - in_heap + overhead, BASIS_DERIVED);
	return beyond - overhead;
}

/* What the kernel backs against what the allocator holds, @held. */
static void balance(struct draft *d, const struct server_memory *s,
		    const struct mapping_sum *memory, int64_t heap, int64_t held)
{
	int64_t swap = known(memory->swap_bytes);
	int64_t beyond = split_lua(d, s, heap, memory->rss_bytes + swap - held,
				   known(memory->anon_huge_bytes));

	set(d, LINE_SWAPPED_OUT, -swap, BASIS_EXACT);
	if (beyond < 0)
		set(d, LINE_UNTOUCHED, beyond, BASIS_DERIVED);
	else
		set(d, LINE_HUGE_PAGE_EXCESS, smaller(beyond, known(memory->anon_huge_bytes)),
		    BASIS_DERIVED);
}

/*
 * Rounding of values that were made before the watch. Where their lengths may be asked without
 * touching them, by these; else by those that were met in the server's memory. And one of many
 * pages leaves untouched what its size class has beyond it. That is no more than a fifth of
 * such values, there being four classes to a doubling; what else was never touched (a backlog,
 * a new table) is not taken for it.
 */
static int64_t older_rounding(const struct model *m, int64_t untouched, enum basis *basis)
{
	int64_t seen = drawn_rounding_bytes(m), large = RECORD_UNKNOWN;

	if (seen == RECORD_UNKNOWN) {
		seen = met_rounding_bytes(m);
		if (untouched > 0)
			large = smaller(untouched, large_values_bytes(m) / 5);
	}
	*basis = seen != RECORD_UNKNOWN && seen >= large ? BASIS_SAMPLED : BASIS_DERIVED;
	return seen > large ? seen : large;
}

/* What jemalloc holds, by its own word; @untouched: of it, what the kernel does not back. */
static void set_jemalloc(struct draft *d, struct model *m, const struct server_memory *s,
			 int64_t untouched)
{
	enum basis basis;
	int64_t seen = rounding_bytes(m), older = older_rounding(m, untouched, &basis);

	/* Calls seen on a quiet server are of small sizes, and tell nothing of those. */
	if (older > seen)
		split_allocated(d, m, s, s->allocated, older, basis);
	else
		split_allocated(d, m, s, s->allocated, seen, BASIS_SAMPLED);
	set(d, LINE_SLAB_HOLES, s->active - s->allocated, s->basis);
	set_known(d, LINE_DIRTY, s->dirty, s->basis);
	set_known(d, LINE_MUZZY, s->muzzy, s->basis);
	set_known(d, LINE_ALLOCATOR_METADATA, s->metadata, s->basis);
	set_known(d, LINE_DIRTY_OR_METADATA, s->dirty_or_metadata, s->basis);
}

static void split_jemalloc(struct draft *d, struct model *m, const struct server_memory *s,
			   const struct mapping_sum *memory, int64_t heap)
{
	int64_t held = s->active + known(s->dirty) + known(s->muzzy) + known(s->metadata) +
		       known(s->dirty_or_metadata);

	set_jemalloc(d, m, s, held - memory->rss_bytes - known(memory->swap_bytes));
	balance(d, s, memory, heap, held);
}

/* Where malloc() is libc's, beside the allocator. */
static void split_tls(struct draft *d, const struct model *m)
{
	int64_t heap = bytes_of(d, LINE_OTHER_HEAP), tls = known(m->inside[INSIDE_TLS].bytes);

	if (!m->target.allocator_bundled || heap <= 0 || !tls)
		return;
	tls = smaller(tls, heap);
	set(d, LINE_TLS_HEAP, tls, BASIS_DERIVED);
	set(d, LINE_OTHER_HEAP, heap - tls, BASIS_DERIVED);
}

/* libc says nothing about itself: what is beyond used_memory is one line. */
static void split_libc(struct draft *d, struct model *m, const struct server_memory *s,
		       const struct mapping_sum *anonymous, const struct mapping_sum *heap)
{
	int64_t swap = known(anonymous->swap_bytes) + known(heap->swap_bytes);
	int64_t beyond = anonymous->rss_bytes + heap->rss_bytes + swap - s->used;

	split_allocated(d, m, s, s->used, RECORD_UNKNOWN, BASIS_DERIVED);
	set(d, LINE_SWAPPED_OUT, -swap, BASIS_EXACT);
	set(d, beyond < 0 ? LINE_UNTOUCHED : LINE_LIBC_FREE, beyond, BASIS_DERIVED);
}

/*
 * Of the holes, defragmentation moves what is in slabs of small classes, as far as it
 * would go; a restart packs those again. The rest is the page jemalloc adds to each
 * large extent to spread cache lines (opt.cache_oblivious), and comes back with it.
 */
static void reclaim_holes(struct draft *d, const struct model *m, const struct server_memory *s)
{
	int64_t holes = bytes_of(d, LINE_SLAB_HOLES);

	if (s->small_holes == RECORD_UNKNOWN) {
		give_back(d, LINE_SLAB_HOLES, "restart", holes);
		return;
	}
	if (m->target.can_defrag && m->have_defrag && m->defrag.starts)
		give_back(d, LINE_SLAB_HOLES, "defrag", smaller(holes, m->defrag.gain_bytes));
	give_back(d, LINE_SLAB_HOLES, "restart", smaller(holes, s->small_holes));
	give_back(d, LINE_SLAB_HOLES, "none", holes - smaller(holes, s->small_holes));
}

/* What would give a line back. Only lines somebody may want back name anything. */
static void set_reclaim(struct draft *d, const struct model *m, const struct server_memory *s)
{
	int64_t huge = bytes_of(d, LINE_HUGE_PAGE_EXCESS);

	reclaim_holes(d, m, s);
	give_back(d, LINE_DIRTY, "purge", bytes_of(d, LINE_DIRTY));
	give_back(d, LINE_MUZZY, "purge", bytes_of(d, LINE_MUZZY));
	give_back(d, LINE_LIBC_FREE, "restart", bytes_of(d, LINE_LIBC_FREE));
	give_back(d, LINE_HUGE_PAGE_EXCESS, "thp", huge);
	give_back(d, LINE_HUGE_PAGE_EXCESS, "restart", huge);
	for (int i = 0; i < LINES; i++)
		if (kinds[i].parent && !d->line[i].reclaim_count)
			give_back(d, (enum line)i, "none", d->line[i].bytes);
}

/* --- all of it ------------------------------------------------------------ */

static void set_allocator(struct draft *d, struct model *m, const struct server_memory *s,
			  bool known_inside)
{
	struct mapping_sum memory, heap;

	mapping_sum(m, "allocator", &memory);
	mapping_sum(m, "heap", &heap);
	if (known_inside && !s->jemalloc) {
		split_libc(d, m, s, &memory, &heap);
		return;
	}
	set(d, LINE_OTHER_HEAP, heap.rss_bytes, BASIS_EXACT);
	if (known_inside)
		split_jemalloc(d, m, s, &memory, heap.rss_bytes);
	else
		set(d, LINE_ALLOCATOR_MEMORY, memory.rss_bytes, BASIS_EXACT);
}

static void set_other_memory(struct draft *d, const struct model *m)
{
	struct mapping_sum binary, stacks, shared, file, kernel;

	mapping_sum(m, "binary", &binary);
	mapping_sum(m, "stacks", &stacks);
	mapping_sum(m, "shared", &shared);
	mapping_sum(m, "file", &file);
	mapping_sum(m, "kernel", &kernel);
	set(d, LINE_BINARY, binary.rss_bytes, BASIS_EXACT);
	set(d, LINE_STACKS, stacks.rss_bytes, BASIS_EXACT);
	set(d, LINE_SHARED, shared.rss_bytes + file.rss_bytes + kernel.rss_bytes, BASIS_EXACT);
}

static void set_unexplained(struct draft *d)
{
	int64_t rest = bytes_of(d, LINE_RSS);

	for (int i = 0; i < LINES; i++)
		if (d->set[i] && kinds[i].parent && !strcmp(kinds[i].parent, "rss"))
			rest -= d->line[i].bytes;
	set(d, LINE_UNEXPLAINED, rest, BASIS_DERIVED);
}

static void set_swap(struct draft *d, const struct model *m, int64_t swap)
{
	struct mapping_sum memory;

	set(d, LINE_SWAP, swap, BASIS_EXACT);
	if (swap == RECORD_UNKNOWN)
		return;
	mapping_sum(m, "allocator", &memory);
	set(d, LINE_SWAP_ALLOCATOR, memory.swap_bytes, BASIS_EXACT);
	set(d, LINE_SWAP_OTHER, swap - memory.swap_bytes, BASIS_EXACT);
}

static void write_lines(struct ledger *ledger, const struct draft *d)
{
	ledger->lines = xcalloc(LINES, sizeof(*ledger->lines));
	for (int i = 0; i < LINES; i++) {
		struct ledger_line *line;

		if (!d->set[i])
			continue;
		line = &ledger->lines[ledger->count++];
		*line = d->line[i];
		line->id = kinds[i].id;
		line->parent = kinds[i].parent;
		line->title = kinds[i].title;
		line->depth = kinds[i].depth;
	}
}

/* From the kernel's mappings. */
static void build_seen(struct model *m, const struct mapping_sum *all)
{
	struct draft d = { 0 };
	struct server_memory s;
	bool known_inside = server_memory_gather(m, &s);

	set(&d, LINE_RSS, all->rss_bytes, BASIS_EXACT);
	set_allocator(&d, m, &s, known_inside);
	split_tls(&d, m);
	set_other_memory(&d, m);
	set_unexplained(&d);
	set_swap(&d, m, all->swap_bytes);
	set_reclaim(&d, m, &s);
	write_lines(&m->ledger, &d);
}

/*
 * Without a sight of the process, from what the server itself says: its RSS, which it reads
 * from /proc/self/stat, and the allocator's. What is in swap, in huge pages and the program
 * itself it does not tell: these stay in what is unexplained.
 */
static void build_told(struct model *m)
{
	struct draft d = { 0 };
	struct server_memory s;
	int64_t rss = model_info_end(m, "used_memory_rss");

	if (rss == RECORD_UNKNOWN || rss <= 0 || !server_memory_gather(m, &s))
		return;
	set(&d, LINE_RSS, rss, BASIS_DERIVED);
	if (s.jemalloc)
		set_jemalloc(&d, m, &s, 0);
	else
		split_allocated(&d, m, &s, s.used, RECORD_UNKNOWN, BASIS_DERIVED);
	set_unexplained(&d);
	set(&d, LINE_SWAP, RECORD_UNKNOWN, BASIS_DERIVED);
	set_reclaim(&d, m, &s);
	write_lines(&m->ledger, &d);
}

void ledger_build(struct model *m)
{
	struct mapping_sum all;

	if (mapping_sum(m, NULL, &all) && all.rss_bytes != RECORD_UNKNOWN)
		build_seen(m, &all);
	else
		build_told(m);
}

const struct ledger_line *ledger_find(const struct ledger *ledger, const char *id)
{
	for (size_t i = 0; i < ledger->count; i++)
		if (!strcmp(ledger->lines[i].id, id))
			return &ledger->lines[i];
	return NULL;
}

int64_t ledger_bytes(const struct ledger *ledger, const char *id)
{
	const struct ledger_line *line = ledger_find(ledger, id);

	return line ? line->bytes : RECORD_UNKNOWN;
}
