/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys into size classes. The expectations are measured: 5,000 such keys made in
 * redis 7.0.15 with the system's jemalloc and with its own, and in valkey 8.0.1, and
 * the live regions of each class by MALLOC-STATS before and after.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "redis/footprint.h"

static const struct footprint_layout debian = { .quantum = 16, .usage_rounds_key = true };
static const struct footprint_layout upstream = { .quantum = 8, .usage_rounds_key = true };
static const struct footprint_layout valkey_80 = { .quantum = 16,
						   .usage_rounds_key = true,
						   .key_in_entry = true };

static void test_classes(void **state)
{
	static const int64_t q16[][2] = { { 1, 8 },	  { 8, 8 },	  { 9, 16 },
					  { 17, 32 },	  { 33, 48 },	  { 100, 112 },
					  { 129, 160 },	  { 257, 320 },	  { 1004, 1024 },
					  { 1025, 1280 }, { 8193, 10240 } };

	(void)state;
	for (size_t i = 0; i < sizeof(q16) / sizeof(q16[0]); i++)
		assert_int_equal(footprint_class(&debian, q16[i][0]), q16[i][1]);
	assert_int_equal(footprint_class(&upstream, 17), 24);
	assert_int_equal(footprint_class(&upstream, 40), 40);
	assert_int_equal(footprint_class(&upstream, 65), 80);
	assert_int_equal(footprint_class(&debian, 0), 0);
}

static void test_layouts(void **state)
{
	struct footprint_layout layout = footprint_layout_of("redis", "6.2.7", true);

	(void)state;
	assert_int_equal(layout.quantum, 8);
	assert_false(layout.usage_rounds_key);
	assert_false(layout.key_in_entry || layout.key_in_object);
	layout = footprint_layout_of("valkey", "8.0.1", false);
	assert_true(layout.key_in_entry && !layout.key_in_object);
	layout = footprint_layout_of("valkey", "8.1.0", true);
	assert_true(layout.key_in_object && !layout.key_in_entry);
	assert_true(footprint_layout_of("redis", "8.2.1", true).key_in_object);
	assert_false(footprint_layout_of("redis", "8.0.0", true).key_in_object);
	assert_false(footprint_layout_of("", "", false).usage_rounds_key);
}

static double objects(const struct footprint *print, int64_t class_bytes)
{
	double sum = 0;

	for (int i = 0; i < print->count; i++)
		if (print->part[i].class_bytes == class_bytes)
			sum += print->part[i].objects;
	return sum;
}

static struct footprint look(const struct footprint_layout *layout, size_t name_len,
			     const char *type, const char *encoding, int64_t bytes)
{
	static const char name[64] = "k:00000003";
	struct record_key key = { .key = { name, name_len },
				  .type = type,
				  .encoding = encoding,
				  .bytes = bytes,
				  .elements = RECORD_UNKNOWN,
				  .ttl_seconds = -1 };
	struct footprint print;

	footprint_of(&print, &key, layout);
	return print;
}

static void test_small_keys(void **state)
{
	static const struct {
		const struct footprint_layout *layout;
		size_t name_len;
		const char *type, *encoding;
		int64_t bytes; /* MEMORY USAGE */
		int64_t class_bytes[5];
		int count[5];
	} cases[] = {
		{ &debian, 10, "string", "raw", 168, { 16, 32, 112 }, { 2, 1, 1 } },
		{ &debian, 10, "string", "embstr", 88, { 16, 32, 48 }, { 1, 1, 1 } },
		{ &debian, 10, "string", "embstr", 104, { 16, 32, 64 }, { 1, 1, 1 } },
		{ &debian, 40, "string", "raw", 408, { 16, 32, 48, 320 }, { 1, 1, 1, 1 } },
		{ &debian, 10, "string", "int", 56, { 16, 32 }, { 2, 1 } },
		{ &debian, 10, "hash", "listpack", 152, { 16, 32, 96 }, { 2, 1, 1 } },
		{ &debian, 10, "zset", "listpack", 120, { 16, 32, 64 }, { 2, 1, 1 } },
		{ &debian, 10, "set", "intset", 72, { 16, 32 }, { 3, 1 } },
		{ &debian, 10, "list", "quicklist", 248, { 16, 32, 48, 112 }, { 2, 1, 2, 1 } },
		{ &upstream, 10, "string", "raw", 168, { 16, 24, 112 }, { 2, 1, 1 } },
		{ &upstream, 10, "string", "embstr", 80, { 16, 24, 40 }, { 1, 1, 1 } },
		{ &upstream, 10, "string", "raw", 112, { 16, 24, 56 }, { 2, 1, 1 } },
		{ &upstream, 10, "list", "quicklist", 248, { 16, 24, 40, 112 }, { 2, 1, 2, 1 } },
		{ &valkey_80, 10, "string", "raw", 160, { 16, 32, 112 }, { 1, 1, 1 } },
		{ &valkey_80, 10, "string", "embstr", 80, { 32, 48 }, { 1, 1 } },
		{ &valkey_80, 40, "string", "raw", 400, { 16, 64, 320 }, { 1, 1, 1 } },
		{ &valkey_80, 10, "list", "listpack", 160, { 16, 32, 112 }, { 1, 1, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct footprint print = look(cases[i].layout, cases[i].name_len, cases[i].type,
					      cases[i].encoding, cases[i].bytes);
		double all = 0, expected = 0;

		for (int n = 0; n < print.count; n++)
			all += print.part[n].objects;
		for (int n = 0; n < 5; n++) {
			expected += cases[i].count[n];
			if (cases[i].count[n] &&
			    objects(&print, cases[i].class_bytes[n]) != cases[i].count[n])
				fail_msg("case %zu: %g of class %lld", i,
					 objects(&print, cases[i].class_bytes[n]),
					 (long long)cases[i].class_bytes[n]);
		}
		assert_true(all == expected);
		assert_int_equal(print.unplaced_bytes, 0);
	}
}

static void test_expiry_entry(void **state)
{
	struct record_key key = { .key = { "k:00000003", 10 },
				  .type = "string",
				  .encoding = "raw",
				  .bytes = 1080,
				  .elements = RECORD_UNKNOWN,
				  .ttl_seconds = 9000 };
	struct footprint print;

	(void)state;
	footprint_of(&print, &key, &debian);
	assert_true(objects(&print, 32) == 2 && objects(&print, 1024) == 1);
}

/* Elements of unknown number are unplaced; with their number they are estimates. */
static void test_collections(void **state)
{
	struct record_key key = { .key = { "big", 3 },
				  .type = "hash",
				  .encoding = "hashtable",
				  .bytes = 1651000,
				  .elements = RECORD_UNKNOWN,
				  .ttl_seconds = -1 };
	struct footprint print;

	(void)state;
	footprint_of(&print, &key, &debian);
	assert_int_equal(print.unplaced_bytes, 1651000 - 24 - 8 - 16);
	key.elements = 10000; /* fields of 8 bytes, values of 100 */
	footprint_of(&print, &key, &debian);
	assert_int_equal(print.unplaced_bytes, 0);
	assert_true(objects(&print, 112) == 10000 && objects(&print, 32) == 10001);
	for (int i = 0; i < print.count; i++)
		assert_int_equal(print.part[i].estimated,
				 print.part[i].objects > 1 && print.part[i].class_bytes != 32);
	key.type = "list";
	key.encoding = "quicklist";
	key.bytes = 8232 * 100;
	footprint_of(&print, &key, &debian);
	assert_true(fabs(objects(&print, 8192) - 100) < 1);
}

static void test_nothing_known(void **state)
{
	struct record_key key = { .type = "ReJSON-RL", .encoding = "raw", .bytes = RECORD_UNKNOWN };
	struct footprint print;

	(void)state;
	footprint_of(&print, &key, &debian);
	assert_int_equal(print.count, 0);
	key.bytes = 1; /* less than the key itself */
	footprint_of(&print, &key, &debian);
	for (int i = 0; i < print.count; i++)
		assert_true(print.part[i].class_bytes > 0);
	key.bytes = INT64_MAX;
	key.encoding = "";
	footprint_of(&print, &key, &debian);
	assert_true(print.unplaced_bytes > 0);
}

/*
 * What MEMORY USAGE leaves out: collections as they were made, 64 to 256 alike, with what it said
 * of one and by how much used_memory grew for one.
 */
static void test_left_out(void **state)
{
	static const struct {
		const char *server, *version, *type, *encoding;
		int64_t told, elements; /* RECORD_UNKNOWN: nobody may ask before 7.2 */
		int64_t taken;
	} cases[] = {
		{ "redis", "7.0.15", "hash", "hashtable", 32296, RECORD_UNKNOWN, 37128 },
		{ "redis", "7.0.15", "set", "hashtable", 63080, RECORD_UNKNOWN, 72712 },
		{ "redis", "7.0.15", "zset", "skiplist", 64302, RECORD_UNKNOWN, 69135 },
		{ "redis", "7.0.15", "hash", "hashtable", 24552, RECORD_UNKNOWN, 26186 },
		{ "redis", "8.0.6", "hash", "hashtable", 32296, 600, 37287 },
		{ "redis", "8.0.6", "set", "hashtable", 63080, 1200, 40607 },
		{ "redis", "8.0.6", "set", "hashtable", 378408, 5000, 285335 },
		{ "redis", "8.0.6", "zset", "skiplist", 64270, 600, 69110 },
		{ "redis", "8.0.6", "hash", "hashtable", 24552, 200, 26198 },
		{ "valkey", "9.1.2", "set", "hashtable", 27376, 1200, 27357 },
		{ "valkey", "9.1.2", "zset", "skiplist", 41620, 600, 41749 },
		{ "valkey", "9.1.2", "hash", "hashtable", 20232, 200, 20259 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct footprint_layout layout =
			footprint_layout_of(cases[i].server, cases[i].version, false);
		struct record_key key = { .key = { "h:100", 5 },
					  .type = cases[i].type,
					  .encoding = cases[i].encoding,
					  .bytes = cases[i].told,
					  .elements = cases[i].elements,
					  .ttl_seconds = -1 };
		double within = (double)cases[i].taken * 0.05;
		struct footprint print;

		footprint_of(&print, &key, &layout);
		if (fabs((double)(print.bytes - cases[i].taken)) >
		    within + (double)print.error_bytes)
			fail_msg("case %zu: %lld, give or take %lld", i, (long long)print.bytes,
				 (long long)print.error_bytes);
		assert_true((print.error_bytes > 0) == (cases[i].elements == RECORD_UNKNOWN));
		assert_true(print.error_bytes <= cases[i].told / 10);
	}
}

/* Nothing is left out that has its place: the table, and the members behind the nodes. */
static void test_all_is_placed(void **state)
{
	struct record_key key = { .key = { "h:100", 5 },
				  .type = "zset",
				  .encoding = "skiplist",
				  .bytes = 64270,
				  .elements = 600,
				  .ttl_seconds = 100 };
	struct footprint print;
	double bytes = 0;

	(void)state;
	footprint_of(&print, &key, &debian);
	for (int i = 0; i < print.count; i++)
		bytes += (double)print.part[i].class_bytes * print.part[i].objects;
	assert_true(fabs(bytes - 69110) < 0.1 * 69110);
}

/* Numbers as a recording may have them: no end of the loop, no overflow. */
static void test_hostile_numbers(void **state)
{
	static const int64_t numbers[] = { INT64_MAX, 9000000000000000000, (int64_t)1 << 60, 1 };
	static const char *const types[] = { "hash", "zset", "set" };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++)
			for (size_t t = 0; t < 3; t++) {
				struct record_key key = { .key = { "a", 1 },
							  .type = types[t],
							  .encoding = "hashtable",
							  .bytes = numbers[j],
							  .elements = numbers[i],
							  .ttl_seconds = -1 };
				struct footprint print;

				footprint_of(&print, &key, &debian);
				for (int part = 0; part < print.count; part++)
					assert_true(print.part[part].class_bytes > 0);
			}
	assert_true(footprint_class(&debian, INT64_MAX) == INT64_MAX);
	assert_true(footprint_class(&debian, INT64_MAX - 1) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_small_keys),	cmocka_unit_test(test_expiry_entry),
		cmocka_unit_test(test_collections),	cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_hostile_numbers), cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_all_is_placed),
	};

	return cmocka_run_group_tests_name("footprint", tests, NULL, NULL);
}
