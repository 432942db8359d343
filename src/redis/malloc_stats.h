/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MEMORY MALLOC-STATS: the text of jemalloc's malloc_stats_print(), 5.1 to 5.3.
 * Columns are found by their heads, not by position, because each version adds
 * some.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct size_class {
	int64_t size_bytes;
	bool small; /* from slabs; else a large extent */
	int64_t allocated_bytes; /* in use (with those in thread caches) */
	int64_t regions_total; /* live regions */
	int64_t slabs; /* small: current slabs; large: extents */
	int64_t nonfull_slabs; /* those with a hole; RECORD_UNKNOWN before 5.2 */
	int64_t regions_per_slab;
	int64_t slab_bytes; /* size of one slab */
	int64_t holes_bytes; /* small: slabs x regions per slab x size - allocated; large: 0 */
};

struct malloc_stats {
	char version[64];
	int64_t allocated_bytes;
	int64_t active_bytes;
	int64_t metadata_bytes;
	int64_t resident_bytes;
	int64_t mapped_bytes;
	int64_t retained_bytes;
	int64_t dirty_bytes; /* of all arenas (merged section) */
	int64_t muzzy_bytes;
	int64_t dirty_decay_ms; /* -1 = never */
	int64_t muzzy_decay_ms;
	bool background_thread;
	int64_t page_bytes;
	struct size_class *classes; /* by size, rising; only those with slabs or extents */
	size_t classes_count;
};

/*
 * Parse. A text that is not jemalloc's (libc: "Stats not supported...") or whose
 * totals cannot be found gives -ENOTSUP with a reason; numbers that are missing
 * in a text otherwise understood are RECORD_UNKNOWN.
 */
int malloc_stats_parse(struct malloc_stats **out, const char *text, struct err *err);
/* A text that says what was parsed, and nothing else; when it is parsed it gives the same. */
void malloc_stats_write(struct buf *out, const struct malloc_stats *stats);
void malloc_stats_free(struct malloc_stats *stats);
