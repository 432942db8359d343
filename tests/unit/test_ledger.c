/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger sums exactly in every scenario, and each line says what it should. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger_scene.h"

static void take_bundled(struct model *m, const char *version)
{
	struct record record = record_new(RECORD_TARGET);

	record.target.pid = 42;
	record.target.allocator = "jemalloc 5.2.1";
	record.target.version = version;
	record.target.allocator_bundled = true;
	model_take(m, &record);
}

static void assert_line(const struct model *m, const char *id, int64_t bytes)
{
	if (ledger_bytes(&m->ledger, id) != bytes)
		fail_msg("%s: %lld, not %lld", id, (long long)ledger_bytes(&m->ledger, id),
			 (long long)bytes);
}

static void assert_absent(const struct model *m, const char *id)
{
	if (ledger_find(&m->ledger, id))
		fail_msg("%s should not be there", id);
}

static void assert_reclaim(const struct model *m, const char *id, const char *action, int64_t bytes)
{
	const struct ledger_line *line = ledger_find(&m->ledger, id);

	assert_non_null(line);
	for (size_t i = 0; i < line->reclaim_count; i++) {
		if (!strcmp(line->reclaim[i].action, action)) {
			assert_true(line->reclaim[i].bytes == bytes);
			return;
		}
	}
	fail_msg("%s: no %s", id, action);
}

static void test_fresh(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 130,
					    .used = 100,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 12,
					    .muzzy = 4,
					    .metadata = 4 };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "allocated", 102 * MIB);
	assert_line(m, "dataset", 100 * MIB - 900000);
	assert_line(m, "hashtable_main", 57000);
	assert_line(m, "hashtable_expires", 1000);
	assert_line(m, "startup", 800000);
	assert_line(m, "scripts", 300);
	assert_line(m, "clients_normal", 40000);
	assert_line(m, "overhead_other", 900000 - 898300);
	assert_line(m, "allocated_uncounted", 2 * MIB);
	assert_line(m, "slab_holes", 8 * MIB);
	assert_line(m, "dirty", 12 * MIB);
	assert_line(m, "muzzy", 4 * MIB);
	assert_line(m, "allocator_metadata", 4 * MIB);
	assert_line(m, "unexplained", 0);
	assert_absent(m, "untouched");
	assert_absent(m, "swapped_out");
	assert_absent(m, "huge_page_excess");
	assert_absent(m, "aof_buffer");
	assert_absent(m, "swap_allocator");
	assert_reclaim(m, "slab_holes", "restart", 1 * MIB);
	assert_reclaim(m, "slab_holes", "none", 7 * MIB);
	assert_reclaim(m, "dirty", "purge", 12 * MIB);
	assert_reclaim(m, "dataset", "none", 100 * MIB - 900000);
	assert_int_equal(ledger_find(&m->ledger, "dataset")->basis, BASIS_EXACT);
	assert_int_equal(ledger_find(&m->ledger, "unexplained")->basis, BASIS_DERIVED);
	model_free(m);
}

/* The bundled jemalloc can be defragmented, as far as small classes and thresholds go. */
static void test_defrag(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .can_defrag = true,
					    .rss = 130,
					    .used = 100,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 20 };
	struct model *m = build(&scene);
	const struct ledger_line *line;

	(void)state;
	line = ledger_find(&m->ledger, "slab_holes");
	assert_false(m->defrag.starts); /* 1 MiB is below 100 MiB */
	assert_string_equal(line->reclaim[0].action, "restart");
	model_free(m);

	m = model_new();
	info_set(m->config, "active-defrag-ignore-bytes", "1000");
	info_set(m->config, "active-defrag-threshold-lower", "0");
	m = build_in(m, &scene);
	line = ledger_find(&m->ledger, "slab_holes");
	assert_true(m->defrag.starts);
	assert_string_equal(line->reclaim[0].action, "defrag");
	assert_in_range(line->reclaim[0].bytes, 9 * MIB / 10, 1 * MIB);
	model_free(m);
}

/* Lua's memory is the allocator's where that has taken malloc()'s name, else beside it. */
static void test_lua(void **state)
{
	static const struct scene beside = { .allocator = "jemalloc 5.2.1",
					     .rss = 140, /* 10 of them mapped by libc for Lua */
					     .heap = 20,
					     .used = 100,
					     .allocated = 102,
					     .active = 110,
					     .dirty = 20 };
	static const struct scene within = { .allocator = "jemalloc 5.3.0",
					     .rss = 130,
					     .used = 60,
					     .allocated = 102,
					     .active = 110,
					     .dirty = 20 };
	struct model *m = model_new();

	(void)state;
	take_info(m, 0, "end", "used_memory_vm_total:31457280\r\n"); /* 30 MiB */
	take_bundled(m, "7.0.15");
	m = build_in(m, &beside);
	assert_line(m, "lua", 30 * MIB);
	assert_string_equal(ledger_find(&m->ledger, "lua")->parent, "rss");
	assert_absent(m, "other_heap");
	assert_line(m, "unexplained", 0);
	model_free(m);

	m = model_new();
	take_info(m, 0, "end", "used_memory_lua:31457280\r\n");
	m = build_in(m, &within);
	assert_line(m, "lua", 30 * MIB);
	assert_string_equal(ledger_find(&m->ledger, "lua")->parent, "allocated");
	assert_line(m, "allocated_uncounted", 12 * MIB);
	model_free(m);
}

/* From Redis 8.0 on it is a part of used_memory. */
static void test_counted_lua(void **state)
{
	static const struct scene counted = { .allocator = "jemalloc 5.3.0",
					      .rss = 130,
					      .used = 90,
					      .counted_lua = 30,
					      .allocated = 102,
					      .active = 110,
					      .dirty = 20 };
	struct model *m = model_new();

	(void)state;
	take_info(m, 0, "end", "used_memory_vm_total:31457280\r\n");
	m = build_in(m, &counted);
	assert_line(m, "lua", 30 * MIB);
	assert_string_equal(ledger_find(&m->ledger, "lua")->parent, "allocated");
	assert_line(m, "allocated_uncounted", 12 * MIB);
	assert_in_range(ledger_find(&m->ledger, "dataset")->bytes, 58 * MIB, 60 * MIB);
	model_free(m);
}

static void test_untouched(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 120,
					    .huge = 50,
					    .used = 100,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 12,
					    .muzzy = 4,
					    .metadata = 4 };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "untouched", -10 * MIB);
	assert_line(m, "unexplained", 0);
	assert_absent(m, "huge_page_excess");
	model_free(m);
}

static void test_swapped(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 70,
					    .swap = 60,
					    .used = 100,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 12,
					    .muzzy = 4,
					    .metadata = 4 };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "swapped_out", -60 * MIB);
	assert_line(m, "swap_allocator", 60 * MIB);
	assert_absent(m, "swap_other");
	assert_line(m, "unexplained", 0);
	assert_int_equal(ledger_find(&m->ledger, "swapped_out")->reclaim_count, 0);
	model_free(m);
}

/* Backed beyond what jemalloc holds: huge pages, as far as there are any. */
static void test_huge_pages(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 630,
					    .huge = 400,
					    .used = 100,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 12,
					    .muzzy = 4,
					    .metadata = 4 };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "huge_page_excess", 400 * MIB);
	assert_line(m, "unexplained", 100 * MIB);
	assert_reclaim(m, "huge_page_excess", "thp", 400 * MIB);
	assert_reclaim(m, "huge_page_excess", "restart", 400 * MIB);
	model_free(m);
}

/* Statistics of the allocator that are older than used_memory. */
static void test_negative_skew(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 130,
					    .used = 105,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 20 };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "allocated", 102 * MIB);
	assert_line(m, "dataset", 102 * MIB - 900000);
	assert_int_equal(ledger_find(&m->ledger, "dataset")->basis, BASIS_DERIVED);
	assert_absent(m, "allocated_uncounted");
	model_free(m);
}

/* A small server far ahead of its allocator's statistics: sums hold all the same. */
static void test_skew_beyond_dataset(void **state)
{
	static const struct scene scene = {
		.allocator = "jemalloc 5.3.0", .rss = 8, .used = 1, .allocated = 0, .active = 2
	};
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "dataset", 0);
	assert_line(m, "allocated_uncounted", -900000);
	model_free(m);
}

static void test_no_connection(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 130,
					    .swap = 5,
					    .heap = 3,
					    .no_memory_stats = true,
					    .no_malloc_stats = true };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "allocator_memory", 130 * MIB);
	assert_line(m, "other_heap", 3 * MIB);
	assert_line(m, "unexplained", 0);
	assert_absent(m, "allocated");
	assert_absent(m, "dataset");
	assert_absent(m, "swapped_out");
	model_free(m);
}

/* MALLOC-STATS not permitted: dirty pages and metadata cannot be told apart. */
static void test_no_malloc_stats(void **state)
{
	static const struct scene scene = { .allocator = "jemalloc 5.3.0",
					    .rss = 130,
					    .used = 100,
					    .allocated = 102,
					    .active = 110,
					    .dirty = 12,
					    .metadata = 8,
					    .can_defrag = true,
					    .no_malloc_stats = true };
	struct model *m = build(&scene);

	(void)state;
	assert_line(m, "dirty_or_metadata", 20 * MIB);
	assert_absent(m, "dirty");
	assert_absent(m, "allocator_metadata");
	assert_line(m, "unexplained", 0);
	assert_reclaim(m, "slab_holes", "restart", 8 * MIB);
	model_free(m);
}

static void test_libc(void **state)
{
	static const struct scene scene = { .allocator = "libc",
					    .rss = 60,
					    .heap = 90,
					    .used = 100,
					    .allocated = 100,
					    .active = 150,
					    .no_malloc_stats = true };
	struct model *m = build(&scene);
	struct scene small = scene;

	(void)state;
	assert_line(m, "allocated", 100 * MIB);
	assert_line(m, "libc_free_and_overhead", 50 * MIB);
	assert_line(m, "unexplained", 0);
	assert_absent(m, "other_heap");
	assert_absent(m, "slab_holes");
	model_free(m);

	small.heap = 30; /* calloc'ed and never touched */
	m = build(&small);
	assert_line(m, "untouched", -10 * MIB);
	model_free(m);

	small.swap = 20;
	m = build(&small);
	assert_line(m, "swapped_out", -20 * MIB);
	assert_line(m, "libc_free_and_overhead", 10 * MIB);
	model_free(m);
}

/* From 7.4 on tables being resized are named, inside the tables of keys. */
static void test_rehashing(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_target(m, "jemalloc 5.3.0", false);
	take_mapping(m, 42, "allocator", 10, 0, 0);
	take_memory_stats(m, "end",
			  "total.allocated 5000000\noverhead.total 1000000\n"
			  "db.0.overhead.hashtable.main 600000\n"
			  "db.0.overhead.hashtable.expires 50000\n"
			  "overhead.db.hashtable.rehashing 620000\n"
			  "allocator.allocated 5000000\nallocator.active 6000000\n"
			  "allocator.resident 7000000\nallocator.muzzy 100000\n");
	model_finish(m);
	assert_sums(&m->ledger);
	assert_absent(m, "hashtable_main");
	assert_line(m, "hashtable_expires", 30000);
	assert_line(m, "hashtable_rehashing", 620000);
	assert_line(m, "overhead_other", 350000);
	assert_line(m, "muzzy", 100000);
	model_free(m);
}

/* Without the right to MEMORY STATS, INFO still splits the allocator's memory. */
static void test_info_only(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_target(m, "", false);
	take_mapping(m, 42, "allocator", 10, 0, 0);
	take_info(m, 1, "end",
		  "used_memory:5000000\r\nused_memory_overhead:1000000\r\n"
		  "mem_clients_normal:20000\r\nused_memory_startup:800000\r\n"
		  "allocator_allocated:5100000\r\nallocator_active:6000000\r\n"
		  "allocator_resident:7000000\r\nmem_allocator:jemalloc-5.3.0\r\n");
	model_finish(m);
	assert_sums(&m->ledger);
	assert_line(m, "dataset", 4000000);
	assert_line(m, "overhead_other", 180000);
	assert_line(m, "slab_holes", 900000);
	assert_int_equal(ledger_find(&m->ledger, "dataset")->basis, BASIS_DERIVED);
	model_free(m);
}

static void test_no_smaps(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_target(m, "jemalloc 5.3.0", false);
	take_memory_stats(m, "end", "total.allocated 5000000\n");
	model_finish(m);
	assert_int_equal(m->ledger.count, 0);
	assert_true(ledger_bytes(&m->ledger, "rss") == RECORD_UNKNOWN);
	assert_true(model_mapping_rss(m, "allocator") == RECORD_UNKNOWN);
	model_free(m);
}

/* Only the last reading counts, though an earlier one had a class more. */
static void test_last_reading(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_target(m, "", false);
	take_mapping(m, 42, "heap", 5, 0, 0);
	take_mapping(m, 42, "allocator", 10, 0, 0);
	take_mapping(m, 42, "allocator", 20, 0, 0);
	take_mapping(m, 42, "stacks", 1, 0, 0);
	model_finish(m);
	assert_sums(&m->ledger);
	assert_line(m, "rss", 21 * MIB);
	assert_true(model_mapping_rss(m, "heap") == RECORD_UNKNOWN);
	assert_true(model_mapping_rss(m, "allocator") == 20 * MIB);
	model_free(m);
}

/* Whatever a damaged recording says, lines sum or are not there. */
static void test_hostile_numbers(void **state)
{
	static const long long numbers[] = { 0, -1, INT64_MAX, (long long)1 << 56, 4096 };
	const size_t n = sizeof(numbers) / sizeof(numbers[0]);

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		struct model *m = model_new();
		struct record record = record_new(RECORD_MAPPING);
		struct buf text = { 0 };

		take_target(m, "jemalloc 5.3.0", true);
		record.mapping.pid = 42;
		record.mapping.class_name = "allocator";
		record.mapping.phase = "end";
		record.mapping.rss_bytes = numbers[i % n];
		record.mapping.swap_bytes = numbers[i / n % n];
		record.mapping.anon_huge_bytes = numbers[i / n / n];
		model_take(m, &record);
		buf_printf(&text,
			   "total.allocated %lld\noverhead.total %lld\nstartup.allocated %lld\n"
			   "allocator.allocated %lld\nallocator.active %lld\n"
			   "allocator.resident %lld\ndb.1.overhead.hashtable.main %lld\n",
			   numbers[i % n], numbers[i / n % n], numbers[i / n / n],
			   numbers[(i + 1) % n], numbers[(i / n + 2) % n], numbers[(i + 3) % n],
			   numbers[(i + 4) % n]);
		take_memory_stats(m, "end", buf_str(&text));
		buf_free(&text);
		model_finish(m);
		if (m->ledger.count)
			assert_sums(&m->ledger);
		model_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_defrag),
		cmocka_unit_test(test_lua),
		cmocka_unit_test(test_counted_lua),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_negative_skew),
		cmocka_unit_test(test_skew_beyond_dataset),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_no_malloc_stats),
		cmocka_unit_test(test_libc),
		cmocka_unit_test(test_rehashing),
		cmocka_unit_test(test_info_only),
		cmocka_unit_test(test_no_smaps),
		cmocka_unit_test(test_last_reading),
		cmocka_unit_test(test_hostile_numbers),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
