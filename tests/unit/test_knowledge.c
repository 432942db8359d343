/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of what differs between servers, and what is found where they do not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "redis/knowledge.h"
#include "target/offsets.h"

static void put_word(void *data, size_t offset, uint64_t word)
{
	memcpy((uint8_t *)data + offset, &word, sizeof(word));
}

static void put_int(void *data, size_t offset, uint32_t value)
{
	memcpy((uint8_t *)data + offset, &value, sizeof(value));
}

static struct redmem_object_layout layout(const char *server, const char *version)
{
	struct server_release release = server_release_of(server, version);

	return knowledge_object_layout(&release);
}

static void test_release(void **state)
{
	struct server_release release = server_release_of("valkey", "9.1.2");

	(void)state;
	assert_true(server_is(&release, PRODUCT_VALKEY, 9, 1));
	assert_true(server_is(&release, PRODUCT_VALKEY, 8, 9));
	assert_false(server_is(&release, PRODUCT_VALKEY, 9, 2));
	assert_false(server_is(&release, PRODUCT_REDIS, 7, 0));
	release = server_release_of("redis", "");
	assert_int_equal(release.major, 0);
	assert_false(server_is(&release, PRODUCT_REDIS, 5, 0));
}

/* Where an object counts its references: Valkey 8.1 and Redis 8.2 put flags before them. */
static void test_references(void **state)
{
	static const struct {
		const char *server, *version;
		uint64_t head; /* of a raw string with lru 0x123456 and 2 references */
	} cases[] = {
		{ "redis", "5.0.14", 2ULL << 32 }, { "redis", "7.0.15", 2ULL << 32 },
		{ "redis", "8.0.6", 2ULL << 32 },  { "redis", "8.2.1", 2ULL << 34 | 1ULL << 32 },
		{ "valkey", "8.0.1", 2ULL << 32 }, { "valkey", "8.1.1", 2ULL << 34 },
		{ "valkey", "9.0.0", 2ULL << 34 }, { "valkey", "9.1.2", 2ULL << 35 | 1ULL << 32 },
		{ "redis", "8.10.2", 2 << 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redmem_object_layout l = layout(cases[i].server, cases[i].version);
		uint64_t lru = l.refcount_shift >= 32 ? 0x123456ULL << 8 : 0;

		if (object_references(&l, cases[i].head | lru) != 2)
			fail_msg("%s %s: %u references", cases[i].server, cases[i].version,
				 object_references(&l, cases[i].head | lru));
		assert_int_equal(object_text_offset(&l, cases[i].head | lru), 0);
		assert_false(object_layout_fits(&l, cases[i].head | lru));
	}
}

/* Valkey 9.1: text behind an expiry time or not, never behind a key; other types have none. */
static void test_embedded(void **state)
{
	struct redmem_object_layout l = layout("valkey", "9.1.2");
	uint64_t embedded = 0x80 | 1ULL << 34 | 1ULL << 35;

	(void)state;
	assert_int_equal(object_text_offset(&l, embedded), 11);
	assert_int_equal(object_text_offset(&l, embedded | 1ULL << 32), 19);
	assert_int_equal(object_text_offset(&l, embedded | 1ULL << 33), -1);
	assert_int_equal(object_text_offset(&l, 0x00 | 1ULL << 35), 0);
	assert_int_equal(object_text_offset(&l, 0x94 | 1ULL << 35), -1);
	assert_int_equal(object_text_offset(&l, 0x10 | 1ULL << 35), -1); /* a number */
	assert_true(object_layout_fits(&l, embedded | 1ULL << 32));
}

/* Without a version the newest of the product; every table names a function for each role. */
static void test_tables(void **state)
{
	struct redmem_object_layout l = layout("valkey", "");
	struct server_release release = server_release_of("valkey", "8.1.1");

	(void)state;
	assert_int_equal(l.refcount_shift, 35);
	assert_int_equal(knowledge_querybuf_before_argv(&release), 16);
	release = server_release_of("redis", "");
	assert_int_equal(knowledge_querybuf_before_argv(&release), -1);
	for (int role = 0; role < ROLES; role++)
		assert_non_null(knowledge_role_name(role, 0));
	for (size_t i = 0; knowledge_function(i); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(knowledge_function(i)->name,
						knowledge_function(j)->name);
}

static void test_db(void **state)
{
	uint8_t before[64], there[64], back[64];
	struct db_sighting seen[2] = { { .word = 24, .number = 0 }, { .word = 24, .number = 3 } };
	struct redmem_offsets at = { 0 };

	(void)state;
	memset(before, 0, sizeof(before));
	memset(there, 0, sizeof(there));
	put_word(before, 0, 0x7f0000001000); /* lastcmd: INFO, then SELECT for good */
	put_word(there, 0, 0x7f0000002000);
	memcpy(back, there, sizeof(back));
	put_word(before, 8, 5); /* counters move on */
	put_word(there, 8, 6);
	put_word(back, 8, 5);
	put_word(before, 24, 0x7f0000003000);
	put_word(there, 24, 0x7f0000003080);
	put_word(back, 24, 0x7f0000003000);
	assert_int_equal(offsets_changed_word(before, there, back, sizeof(before), 0), 24);
	assert_int_equal(offsets_changed_word(before, there, back, sizeof(before), 32), 0);
	memset(seen[0].database, 0x55, DATABASE_BYTES);
	memset(seen[1].database, 0x55, DATABASE_BYTES);
	offsets_find_db(&at, seen);
	assert_int_equal(at.db, 0);
	put_int(seen[0].database, 48, 0);
	put_int(seen[1].database, 48, 3);
	offsets_find_db(&at, seen);
	assert_int_equal(at.db, 24);
	assert_int_equal(at.db_id, 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release),	 cmocka_unit_test(test_references),
		cmocka_unit_test(test_embedded), cmocka_unit_test(test_tables),
		cmocka_unit_test(test_db),
	};

	return cmocka_run_group_tests_name("knowledge", tests, NULL, NULL);
}
