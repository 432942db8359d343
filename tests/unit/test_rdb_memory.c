/* SPDX-License-Identifier: BSD-2-Clause */
/* What the keys of a dump take in memory. */
#include "rdb_dump.h"
#include "rdb/memory.h"

struct weigher {
	struct rdb_memory *memory;
	struct memory_key last;
	int64_t keys;
};

static int weigh(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct weigher *w = ctx;
	int ret = rdb_memory_take(w->memory, event, err);

	if (!ret && event->kind == RDB_KEY_END) {
		w->last = *rdb_memory_key(w->memory);
		w->keys++;
		if (event->key->type != RDB_MODULE && event->key->type != RDB_ARRAY)
			assert_true(w->last.bytes >= 0 && w->last.usage_bytes > 0);
	}
	return ret;
}

static struct rdb_memory *memory_at(const struct server_release *release, int quantum)
{
	const struct memory_place place = { *release, quantum, packed_limits_default };

	return rdb_memory_new(&place);
}

static struct rdb_memory *memory_of(const char *product, const char *version, int quantum)
{
	const struct server_release release = server_release_of(product, version);

	return memory_at(&release, quantum);
}

/* All of @data; 1 when it was read to its end. */
static int weigh_all(struct weigher *w, const void *data, size_t len, struct err *err)
{
	struct rdb_sink sink = { weigh, w };

	return feed(&sink, data, len, len, err, NULL);
}

static void expect_bytes(const char *product, const char *version, int quantum, const char *value,
			 size_t len, const char *encoding, int64_t usage, int64_t bytes)
{
	struct weigher w = { .memory = memory_of(product, version, quantum) };
	struct buf all = {};
	struct err err = {};

	BYTES(&all, "REDIS0011");
	buf_add(&all, value, len);
	put_end(&all, false);
	if (weigh_all(&w, all.data, all.len, &err) != 1)
		fail_msg("%s", err.text);
	assert_string_equal(w.last.encoding, encoding);
	assert_int_equal(w.last.usage_bytes, usage);
	assert_int_equal(w.last.bytes, bytes);
	rdb_memory_free(w.memory);
	buf_free(&all);
}

#define EXPECT_BYTES(product, version, quantum, value, ...) \
	expect_bytes(product, version, quantum, value, sizeof(value) - 1, __VA_ARGS__)

static void test_memory_of_strings(void **state)
{
	(void)state;
	/* name 3 in 8, entry 24 in 24 or 32, object 16 */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x00\x01k\xc2\x10\x27\0\0", "int", 48, 48);
	EXPECT_BYTES("redis", "7.0.15", 16, "\x00\x01k\xc2\x10\x27\0\0", "int", 48, 56);
	/* below 10,000 the object is shared, which MEMORY USAGE does not see */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x00\x01k\xc0\x05", "int", 48, 32);
	EXPECT_BYTES("redis", "7.0.15", 8, "\x00\x01k\x02hi", "embstr", 56, 56);
	/* a time of expiry has an entry of its own */
	EXPECT_BYTES("redis", "7.0.15", 8, "\xfc\1\0\0\0\0\0\0\0\x00\x01k\x02hi", "embstr", 56, 80);
	/* name and value in the object; from 9.1 on where the pointer would be, and at least its
	 * 8 bytes: 8 + 8 + 1 + 3 + 8 with a time of expiry */
	EXPECT_BYTES("valkey", "8.1.1", 16, "\x00\x01k\x02hi", "embstr", 32, 32);
	EXPECT_BYTES("valkey", "9.1.2", 16, "\x00\x01k\x02hi", "embstr", 32, 32);
	EXPECT_BYTES("valkey", "9.1.2", 8, "\xfc\1\0\0\0\0\0\0\0\x00\x01k\x02hi", "embstr", 32, 32);
}

/* A string whose name and value are of these lengths on a Valkey, and what its object takes;
 * MEMORY USAGE does not count the name in the object of a raw one. */
static void expect_in_object(const char *version, size_t name, size_t text, bool expires,
			     const char *encoding, int64_t object)
{
	int64_t beside = encoding[0] != 'r' ? 0 : text < 7 ? 8 : 16;
	bool misses = beside && version[0] == '8';
	struct buf value = {};

	if (expires)
		BYTES(&value, "\xfc\1\0\0\0\0\0\0\0");
	BYTES(&value, "\0");
	for (size_t len = name;; len = text) {
		buf_putc(&value, 0x40);
		buf_putc(&value, (char)len);
		for (size_t i = 0; i < len; i++)
			BYTES(&value, "a");
		if (len == text)
			break;
	}
	expect_bytes("valkey", version, 16, value.data, value.len, encoding,
		     misses ? 16 + beside : object + beside, object + beside);
	buf_free(&value);
}

/* Up to where Valkey 8.1 puts the value into the object, as 8.1.1 does it: 16 + name + 3 + value
 * + 4 and 8 for a time of expiry are at most 64, although the head of a name of 32 bytes takes 2
 * more; and a time of expiry that has room in what was allocated without it moves nothing. */
static void test_memory_of_string_borders(void **state)
{
	(void)state;
	expect_in_object("8.1.1", 31, 10, false, "embstr", 64);
	expect_in_object("8.1.1", 31, 11, false, "raw", 64);
	expect_in_object("8.1.1", 32, 9, false, "embstr", 80);
	expect_in_object("8.1.1", 32, 10, false, "raw", 64);
	expect_in_object("8.1.1", 40, 1, false, "embstr", 80);
	expect_in_object("8.1.1", 41, 1, false, "raw", 64);
	expect_in_object("8.1.1", 32, 2, true, "raw", 64);
	expect_in_object("8.1.1", 32, 1, true, "embstr", 80);
	expect_in_object("8.1.1", 33, 1, true, "raw", 64);
	expect_in_object("8.1.1", 39, 2, true, "embstr", 80);
	expect_in_object("8.1.1", 38, 2, true, "embstr", 80);
	expect_in_object("8.1.1", 37, 2, true, "raw", 80);
	/* 9.1: 8 + 1 + name + 4 + value + 4 are at most 128; a value of 1 leaves room for 8 */
	expect_in_object("9.1.2", 100, 11, false, "embstr", 128);
	expect_in_object("9.1.2", 101, 11, false, "raw", 128);
	expect_in_object("9.1.2", 102, 1, true, "embstr", 160);
	expect_in_object("9.1.2", 103, 1, true, "raw", 160);
	expect_in_object("9.1.2", 107, 1, true, "raw", 160);
	expect_in_object("9.1.2", 108, 1, true, "embstr", 160);
	expect_in_object("9.1.2", 110, 1, true, "embstr", 160);
	expect_in_object("9.1.2", 111, 1, true, "raw", 160);
}

static void test_memory_of_collections(void **state)
{
	struct buf body = {};

	(void)state;
	/* one listpack of 11 bytes: 7, an entry of 2 and one of 2 */
	EXPECT_BYTES("redis", "7.2.6", 8, "\x01\x01l\x02\x01x\xc0\x05", "listpack", 48 + 16,
		     48 + 16);
	/* before 7.2 in a quicklist of 40 with a node of 40 */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x01\x01l\x02\x01x\xc0\x05", "quicklist", 48 + 16 + 80,
		     48 + 16 + 80);
	EXPECT_BYTES("redis", "7.0.15", 8, "\x02\x01s\x02\xc0\x01\xc0\x02", "intset", 48 + 16,
		     48 + 16);
	/* dict 56, four places, an entry and a member of 8 */
	EXPECT_BYTES("redis", "7.0.15", 8, "\x02\x01s\x01\x01m", "hashtable", 48 + 56 + 32 + 32,
		     48 + 56 + 32 + 32);
	/* a packed one counts as it stands, from a ziplist as it will stand: 7 + 3 + 3 */
	BYTES(&body, "\x0d\x01h");
	put_ziplist(&body, LIST("f", "v"));
	expect_bytes("redis", "7.0.15", 8, body.data, body.len, "listpack", 48 + 16, 48 + 16);
	buf_free(&body);
}

/* Modules' values are told of as not known, and nothing else is. */
/* Two entries, a group with a consumer to whom one is pending, and one with nothing. The first
 * figure is what each of these servers said itself, loaded with it: MEMORY USAGE SAMPLES 0. */
static void test_memory_of_a_stream(void **state)
{
#define STREAM                                                                                     \
	"\x15\x02st\x01\x10\0\0\x01\x8b\xcf\xe5\x68\0\0\0\0\0\0\0\0\0"                             \
	"\x28\x28\0\0\0\x0f\0\x02\x01\0\x01\x01\x01\x81\x66\x02\0\x01\x02\x01\0\x01\0\x01\x81\x76" \
	"\x02\x04\x01\x02\x01\x01\x01\0\x01\x81\x77\x02\x04\x01\xff"                               \
	"\x02\x81\0\0\x01\x8b\xcf\xe5\x68\x01\0\x81\0\0\x01\x8b\xcf\xe5\x68\0\0\0\0\x02\x01"       \
	"\x02gr\x81\0\0\x01\x8b\xcf\xe5\x68\0\0\x01\x01\0\0\x01\x8b\xcf\xe5\x68"                   \
	"\0\0\0\0\0\0\0\0\0\x04\x37\xde\x22\xa2\x01\0\0\x01\x02"                                   \
	"\x03\x63on\x04\x37\xde\x22\xa2\x01\0\0\x04\x37\xde\x22\xa2\x01\0\0\x01\0\0\x01"           \
	"\x8b\xcf\xe5\x68\0\0\0\0\0\0\0\0\0\x04idle\x10\x37\xde\x22\xa2\x01\0\0"                   \
	"\xff\xff\xff\xff\xff\xff\xff\xff\0"
	(void)state;
	EXPECT_BYTES("valkey", "9.1.2", 16, STREAM, "stream", 575, 792);
	EXPECT_BYTES("valkey", "8.1.1", 16, STREAM, "stream", 559, 792);
	EXPECT_BYTES("redis", "7.2.6", 8, STREAM, "stream", 2059, 728);
#undef STREAM
}

/* Hashes own their values only: 48 for the key, then a listpack of 13, or three pointers and the
 * values. */
static void test_memory_of_templates(void **state)
{
	(void)state;
	EXPECT_BYTES("redis", "8.0.6", 8,
		     "\xf2\x01\x01\x01"
		     "f\x1e\x01k\x0d\x0d\0\0\0\x03\0\x01\x01\x02\x01\x03\x01\xff",
		     "template-listpack", 64, 64);
	EXPECT_BYTES("redis", "8.0.6", 8,
		     "\xf2\x01\x02\x01"
		     "f\x01g\x20\x01k\x01\xc0\x07\x05value",
		     "template-array", 88, 88);
}

static void test_memory_of_everything(void **state)
{
	const struct server_structures *row;
	struct memory_totals totals;
	struct buf all = {};
	struct err err = {};

	(void)state;
	put_everything(&all, true);
	for (size_t i = 0; (row = knowledge_structures_at(i)); i++) {
		struct weigher w = { .memory = memory_at(&row->since, 8) };

		assert_string_equal(rdb_memory_server(w.memory)->name, row->name);
		if (weigh_all(&w, all.data, all.len, &err) != 1)
			fail_msg("%s", err.text);
		rdb_memory_totals(w.memory, &totals);
		assert_int_equal(totals.unknown_total, 2);
		assert_true(totals.keys_bytes > 1000 && totals.tables_bytes >= 64);
		rdb_memory_free(w.memory);
	}
	buf_free(&all);
}

/* Whatever the bytes say, sums stay sums and nothing is read beyond. */
static void test_memory_of_changed_dumps(void **state)
{
	struct buf all = {};
	uint32_t seed = 7;

	(void)state;
	put_everything(&all, false);
	for (int round = 0; round < 20000; round++) {
		const struct server_structures *row = knowledge_structures_at(round % 6);
		struct weigher w = { .memory = memory_at(&row->since, 16) };
		char *copy = xmemdup(all.data, all.len);
		struct memory_totals totals;
		struct err err = {};

		for (int i = 0; i <= round % 3; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[9 + (seed >> 8) % (all.len - 9)] = (char)(seed >> 4);
		}
		if (weigh_all(&w, copy, all.len, &err) < 0)
			assert_true(*err.text != '\0');
		rdb_memory_totals(w.memory, &totals);
		assert_true(totals.keys_bytes >= 0 && totals.tables_bytes >= 0);
		rdb_memory_free(w.memory);
		free(copy);
	}
	buf_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_of_strings),
		cmocka_unit_test(test_memory_of_string_borders),
		cmocka_unit_test(test_memory_of_collections),
		cmocka_unit_test(test_memory_of_a_stream),
		cmocka_unit_test(test_memory_of_templates),
		cmocka_unit_test(test_memory_of_everything),
		cmocka_unit_test(test_memory_of_changed_dumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
