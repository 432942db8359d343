/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenes for tests of the ledger: a server as the kernel, itself and its allocator
 * describe it, told to a model as records. What is built sums exactly. */
#pragma once

#include "model_records.h"

/* One server as the kernel, itself and its allocator describe it. MiB; the
 * allocator's class has rss, swap and huge pages, the others rss alone. */
struct scene {
	const char *allocator;
	int rss, swap, huge;
	int heap;
	int used, allocated, active, dirty, muzzy, metadata;
	int counted_lua; /* part of used */
	bool no_memory_stats, no_malloc_stats, can_defrag;
};

#define BINARY 6
#define STACKS 1
#define FILES  2

static inline void take_mapping(struct model *m, int64_t pid, const char *class_name, int rss,
				int swap, int huge)
{
	struct record record = record_new(RECORD_MAPPING);

	record.mapping.phase = "end";
	record.mapping.pid = pid;
	record.mapping.class_name = class_name;
	record.mapping.rss_bytes = rss * MIB;
	record.mapping.swap_bytes = swap * MIB;
	record.mapping.anon_huge_bytes = huge * MIB;
	model_take(m, &record);
}

static inline void take_stats(struct model *m, const struct scene *s)
{
	struct buf text = { 0 };

	buf_printf(&text, "peak.allocated 1\ntotal.allocated %lld\n", (long long)(s->used * MIB));
	buf_puts(&text, "startup.allocated 800000\nreplication.backlog 0\nclients.slaves 0\n"
			"clients.normal 40000\ncluster.links 0\naof.buffer 0\nlua.caches 100\n"
			"functions.caches 200\ndb.0.overhead.hashtable.main 50000\n"
			"db.0.overhead.hashtable.expires 1000\ndb.3.overhead.hashtable.main 7000\n"
			"db.3.overhead.hashtable.expires 0\n");
	buf_printf(&text, "overhead.total %lld\n", (long long)(900000 + s->counted_lua * MIB));
	if (s->counted_lua)
		buf_printf(&text, "script.VMs %lld\n", (long long)(s->counted_lua * MIB));
	buf_printf(&text, "allocator.allocated %lld\nallocator.active %lld\n",
		   (long long)(s->allocated * MIB), (long long)(s->active * MIB));
	buf_printf(&text, "allocator.resident %lld\n",
		   (long long)((s->active + s->dirty + s->metadata) * MIB));
	take_memory_stats(m, "end", buf_str(&text));
	buf_free(&text);
}

static inline void take_malloc_stats(struct model *m, const struct scene *s)
{
	struct record record = record_new(RECORD_MALLOC_STATS);
	struct buf text = { 0 };

	buf_puts(&text, "___ Begin jemalloc statistics ___\nPage size: 4096\n");
	buf_printf(&text,
		   "Allocated: %lld, active: %lld, metadata: %lld (n_thp 0), resident: 0, "
		   "mapped: 0, retained: 0\n",
		   (long long)(s->allocated * MIB), (long long)(s->active * MIB),
		   (long long)(s->metadata * MIB));
	buf_puts(&text, "Merged arenas stats:\n");
	buf_printf(&text, "decaying: time npages\ndirty: N/A %d\nmuzzy: N/A %d\n", s->dirty * 256,
		   s->muzzy * 256);
	/* 512 slabs of 128 x 32 bytes, half used: 1 MiB of holes a defrag can reach. */
	buf_puts(&text, "bins: size ind allocated nmalloc ndalloc curregs curslabs regs pgs\n"
			"32 3 1048576 1 1 32768 512 128 1\n"
			"--- End jemalloc statistics ---\n");
	record.malloc_stats.phase = "end";
	record.malloc_stats.text = buf_str(&text);
	model_take(m, &record);
	buf_free(&text);
}

/* Every parent that has children equals their sum, and every parent is there. */
static inline void assert_sums(const struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->count; i++) {
		const struct ledger_line *parent = &ledger->lines[i];
		int64_t sum = 0;
		size_t children = 0;

		for (size_t j = 0; j < ledger->count; j++) {
			const struct ledger_line *child = &ledger->lines[j];

			if (!child->parent || strcmp(child->parent, parent->id) != 0)
				continue;
			assert_true(j > i);
			assert_int_equal(child->depth, parent->depth + 1);
			sum += child->bytes;
			children++;
		}
		if (children)
			assert_true(sum == parent->bytes);
		if (parent->parent)
			assert_non_null(ledger_find(ledger, parent->parent));
		assert_non_null(parent->title);
	}
}

/* What @m has already been told stays; the scene's target only when it has none. */
static inline struct model *build_in(struct model *m, const struct scene *s)
{
	if (!m->target.allocator_bundled)
		take_target(m, s->allocator, s->can_defrag);
	take_mapping(m, 42, "binary", BINARY, 0, 0);
	take_mapping(m, 43, "allocator", 999, 9, 9); /* a child: not on this ledger */
	take_mapping(m, 42, "allocator", s->rss, s->swap, s->huge);
	take_mapping(m, 42, "stacks", STACKS, 0, 0);
	take_mapping(m, 42, "file", FILES, 0, 0);
	if (s->heap)
		take_mapping(m, 42, "heap", s->heap, 0, 0);
	if (!s->no_memory_stats)
		take_stats(m, s);
	if (!s->no_malloc_stats)
		take_malloc_stats(m, s);
	model_finish(m);
	assert_sums(&m->ledger);
	assert_true(ledger_bytes(&m->ledger, "rss") ==
		    (s->rss + s->heap + BINARY + STACKS + FILES) * MIB);
	assert_true(ledger_bytes(&m->ledger, "swap") == s->swap * MIB);
	assert_true(ledger_bytes(&m->ledger, "unexplained") != RECORD_UNKNOWN);
	assert_true(ledger_bytes(&m->ledger, "binary_and_libraries") == BINARY * MIB);
	assert_true(ledger_bytes(&m->ledger, "shared") == FILES * MIB);
	return m;
}

static inline struct model *build(const struct scene *s)
{
	return build_in(model_new(), s);
}
