/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMORY MALLOC-STATS recorded with three versions of jemalloc, and broken ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record/record.h"
#include "redis/malloc_stats.h"
#include "replies.h"

static const struct recorded {
	const char *path, *version;
	int64_t active, metadata, resident, retained; /* from the text's totals */
	int64_t dirty_pages, muzzy_decay_ms;
	bool background_thread;
} recorded[] = {
	{ "tests/unit/data/malloc_stats_5.1.0.txt", "5.1.0-0-g0", 24543232, 2634792, 32890880,
	  4292608, 1408, 10000, true },
	{ "tests/unit/data/malloc_stats_5.2.1.txt", "5.2.1-0-g0", 24522752, 2859040, 34000896,
	  3403776, 1630, 0, true },
	{ "tests/unit/data/malloc_stats_5.3.0.txt",
	  "5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c", 16760832, 2993904, 23678976,
	  13828096, 980, 0, true },
};

#define RECORDED (sizeof(recorded) / sizeof(*recorded))

static struct malloc_stats *parse_file(const char *path)
{
	char *text = read_file(path);
	struct malloc_stats *stats;
	struct err err = { 0 };

	if (malloc_stats_parse(&stats, text, &err))
		fail_msg("%s: %s", path, err.text);
	free(text);
	return stats;
}

static void test_totals(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECORDED; i++) {
		struct malloc_stats *stats = parse_file(recorded[i].path);

		assert_string_equal(stats->version, recorded[i].version);
		assert_int_equal(stats->active_bytes, recorded[i].active);
		assert_int_equal(stats->metadata_bytes, recorded[i].metadata);
		assert_int_equal(stats->resident_bytes, recorded[i].resident);
		assert_int_equal(stats->retained_bytes, recorded[i].retained);
		assert_true(stats->mapped_bytes > stats->resident_bytes);
		assert_int_equal(stats->page_bytes, 4096);
		assert_int_equal(stats->dirty_bytes, recorded[i].dirty_pages * 4096);
		assert_int_equal(stats->muzzy_bytes, 0);
		assert_int_equal(stats->dirty_decay_ms, 10000);
		assert_int_equal(stats->muzzy_decay_ms, recorded[i].muzzy_decay_ms);
		assert_int_equal(stats->background_thread, recorded[i].background_thread);
		malloc_stats_free(stats);
	}
}

/*
 * The classes account for all that is allocated, to the byte, and for all that
 * is active but what large extents are padded with (one page each where cache
 * oblivious) and the tails of slabs.
 */
static void test_classes_add_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECORDED; i++) {
		struct malloc_stats *stats = parse_file(recorded[i].path);
		int64_t allocated = 0, slabs = 0, holes = 0, extents = 0;

		for (size_t j = 0; j < stats->classes_count; j++) {
			const struct size_class *class = &stats->classes[j];

			allocated += class->allocated_bytes;
			assert_int_equal(class->allocated_bytes,
					 class->regions_total * class->size_bytes);
			if (j)
				assert_true(class->size_bytes > class[-1].size_bytes);
			holes += class->holes_bytes;
			if (class->small)
				slabs += class->slabs * class->slab_bytes;
			else
				extents += class->slabs;
			assert_int_equal(class->holes_bytes,
					 class->slabs * class->regions_per_slab *
							 class->size_bytes -
						 class->allocated_bytes);
		}
		assert_int_equal(allocated, stats->allocated_bytes);
		assert_true(holes > 0);
		for (size_t j = 0; j < stats->classes_count; j++)
			if (!stats->classes[j].small)
				slabs += stats->classes[j].allocated_bytes;
		assert_in_range(stats->active_bytes - slabs, 0, extents * 4096);
		malloc_stats_free(stats);
	}
}

static const struct size_class *find_class(const struct malloc_stats *stats, int64_t size)
{
	for (size_t i = 0; i < stats->classes_count; i++)
		if (stats->classes[i].size_bytes == size)
			return &stats->classes[i];
	fail_msg("no class of %lld", (long long)size);
	return NULL;
}

/* A short text with columns in another order, fewer and more of them than usual. */
static const char edited[] = "___ Begin jemalloc statistics ___\n"
			     "Version: \"9.9\"\n"
			     "  opt.background_thread: false (background_thread: true)\n"
			     "  opt.dirty_decay_ms: 10000 (arenas.dirty_decay_ms: -1)\n"
			     "Page size: 16384\n"
			     "Allocated: 1000, active: 2000, news: 7, resident: 4000\n"
			     "arenas[0]:\n"
			     "decaying:  time  surprise  npages\n"
			     "   dirty:   N/A         9       3\n"
			     "   muzzy:   N/A         8       0\n"
			     "large:          1   2\n"
			     "bins:  curslabs size pgs future regs curregs allocated\n"
			     "              2   96   3      x  128     100      9600\n"
			     "              1  112   7      x  256     100\n"
			     "              ---\n"
			     "              0  128   1      x   32       0         0\n"
			     "              1  160   5      x  128      10      1600\n"
			     "large: size allocated curlextents\n"
			     "      16384     16384           1\n"
			     "extents: size ind\n"
			     "        4096   1\n"
			     "arenas[1]:\n"
			     "bins:  size allocated curslabs regs pgs curregs\n"
			     "        320       320        1   64   5       1\n"
			     "--- End jemalloc statistics ---\n";

/* What is written of it is short, and tells the same. */
static void test_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECORDED; i++) {
		struct malloc_stats *a = parse_file(recorded[i].path), *b;
		char *text = read_file(recorded[i].path);
		struct buf out = { 0 };
		struct err err;

		malloc_stats_write(&out, a);
		assert_true(out.len < strlen(text) / 4);
		assert_int_equal(malloc_stats_parse(&b, buf_str(&out), &err), 0);
		assert_int_equal(a->classes_count, b->classes_count);
		assert_memory_equal(a->version, b->version, sizeof(a->version));
		assert_memory_equal(&a->allocated_bytes, &b->allocated_bytes,
				    offsetof(struct malloc_stats, background_thread) -
					    offsetof(struct malloc_stats, allocated_bytes));
		assert_int_equal(a->background_thread, b->background_thread);
		assert_int_equal(a->page_bytes, b->page_bytes);
		for (size_t j = 0; j < a->classes_count; j++) {
			const struct size_class *x = &a->classes[j], *y = &b->classes[j];

			assert_int_equal(x->small, y->small);
			assert_int_equal(x->size_bytes, y->size_bytes);
			assert_int_equal(x->allocated_bytes, y->allocated_bytes);
			assert_int_equal(x->regions_total, y->regions_total);
			assert_int_equal(x->slabs, y->slabs);
			assert_int_equal(x->nonfull_slabs, y->nonfull_slabs);
			assert_int_equal(x->regions_per_slab, y->regions_per_slab);
			assert_int_equal(x->slab_bytes, y->slab_bytes);
			assert_int_equal(x->holes_bytes, y->holes_bytes);
		}
		malloc_stats_free(a);
		malloc_stats_free(b);
		buf_free(&out);
		free(text);
	}
}

static void test_columns_by_head(void **state)
{
	struct malloc_stats *stats;
	const struct size_class *class;

	(void)state;
	assert_int_equal(malloc_stats_parse(&stats, edited, NULL), 0);
	assert_string_equal(stats->version, "9.9");
	assert_true(stats->background_thread);
	assert_int_equal(stats->dirty_decay_ms, -1);
	assert_int_equal(stats->muzzy_decay_ms, RECORD_UNKNOWN);
	assert_int_equal(stats->resident_bytes, 4000);
	assert_int_equal(stats->metadata_bytes, RECORD_UNKNOWN);
	assert_int_equal(stats->dirty_bytes, 3 * 16384);
	assert_int_equal(stats->muzzy_bytes, 0);
	/* The row with a value missing, the one without slabs and arena 1 are not there. */
	assert_int_equal(stats->classes_count, 3);
	class = find_class(stats, 96);
	assert_true(class->small);
	assert_int_equal(class->allocated_bytes, 9600);
	assert_int_equal(class->regions_total, 100);
	assert_int_equal(class->slabs, 2);
	assert_int_equal(class->slab_bytes, 3 * 16384);
	assert_int_equal(class->holes_bytes, 2 * 128 * 96 - 9600);
	class = find_class(stats, 16384);
	assert_false(class->small);
	assert_int_equal(class->slabs, 1);
	assert_int_equal(class->holes_bytes, 0);
	malloc_stats_free(stats);
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"Stats not supported for the current allocator",
		"jemalloc statistics\n",
		"___ Begin jemalloc statistics ___\nAllocated: lots, active: 5\narenas[0]:\n",
		"___ Begin jemalloc statistics ___\nAllocated: 5, active: 12", /* cut short */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct malloc_stats *stats;
		struct err err = { 0 };

		assert_int_equal(malloc_stats_parse(&stats, texts[i], &err), -ENOTSUP);
		assert_null(stats);
		assert_true(strlen(err.text) > 0);
	}
}

/* Cut or damaged anywhere, it is refused or parsed, and never made up. */
static void test_hurt(void **state)
{
	static const char bytes[] = "9-\n\t:(\377\"a";

	(void)state;
	for (size_t i = 0; i < RECORDED; i++) {
		struct malloc_stats *whole = parse_file(recorded[i].path);
		char *text = read_file(recorded[i].path);
		size_t len = strlen(text);
		struct malloc_stats *stats;

		for (size_t at = 0; at < len; at += 31) {
			char was = text[at];

			text[at] = bytes[at % (sizeof(bytes) - 1)];
			if (!malloc_stats_parse(&stats, text, NULL))
				malloc_stats_free(stats);
			text[at] = '\0';
			if (!malloc_stats_parse(&stats, text, NULL)) {
				assert_int_equal(stats->active_bytes, whole->active_bytes);
				assert_true(stats->classes_count <= whole->classes_count);
				for (size_t j = 0; j < stats->classes_count; j++)
					assert_int_equal(stats->classes[j].holes_bytes,
							 whole->classes[j].holes_bytes);
				malloc_stats_free(stats);
			}
			text[at] = was;
		}
		malloc_stats_free(whole);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals),	cmocka_unit_test(test_classes_add_up),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_columns_by_head),
		cmocka_unit_test(test_hurt),	cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests_name("malloc_stats", tests, NULL, NULL);
}
