/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of dumps and bytes that are wrong, cut or hostile. */
#include "rdb_dump.h"

static void refuse(const char *bytes, size_t len, const char *message)
{
	struct reader reader = {};
	struct err err = {};

	assert_true(read_all(&reader, bytes, len, len, &err, NULL) < 0);
	if (!strstr(err.text, message))
		fail_msg("'%s' does not say '%s'", err.text, message);
	buf_free(&reader.told);
}

#define REFUSE(bytes, message) refuse(bytes, sizeof(bytes) - 1, message)

static void test_refused(void **state)
{
	(void)state;
	REFUSE("RUBBISH!!", "this is no dump");
	REFUSE("REDIS00x1", "this is no dump");
	REFUSE("REDIS0016\x21\x01k", "offset 9: type 33 of Redis's RDB 16 is not known");
	REFUSE("REDIS0016\xf1", "opcode 241 of Redis's RDB 16 is not known");
	REFUSE("REDIS0015\x1d", "type 29 of Redis's RDB 15 is not known"); /* DUMP's alone */
	REFUSE("REDIS0015\xf2\x01\x00", "template 1 of 0 fields: that cannot be");
	REFUSE("REDIS0015\xf2\x80\x00\x20\x00\x00\x01", "template 2097152 of 1 fields");
	REFUSE("REDIS0015\xf2\x01\x01\x01z\x20\x01k\x00",
	       "a hash of template 0, which did not come before it");
	REFUSE("REDIS0015\x20\x01k\x01", "a hash of template 1, which did not come before it");
	REFUSE("VALKEY081\xf2", "opcode 242 of Valkey's RDB 81 is not known");
	REFUSE("REDIS0015\x1c\x01k\x01\x02", "no array says 2");
	REFUSE("REDIS0015\x1c\x01k\x01\x00\x00\x04", "no element of an array has the tag 4");
	REFUSE("VALKEY080\x18", "type 24 of Valkey's RDB 80 is not known");
	REFUSE("REDIS0011\x00\x01k\xc5", "no string has the form 5");
	REFUSE("REDIS0011\x00\x01k\x82", "0x82 begins no length");
	REFUSE("REDIS0011\x02\x01k\xc0", "a length is wanted");
	REFUSE("REDIS0011\x00\x01k\xc3\x01\x7f\xff", "impossible lengths");
	REFUSE("REDIS0011\x00\xc3\x01\x00\x01", "impossible lengths"); /* of nothing */
	REFUSE("REDIS0011\x07\x01k\x01\x09", "a module's value has no opcode 9");
	REFUSE("REDIS0011\xfe\x81\x7f\xff\xff\xff\xff\xff\xff\xff", "no server has a database");
	REFUSE("REDIS0011\x02\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
	       "in the value of key k (type 2) that begins at 9: the dump ends here");
	REFUSE("REDIS0011\x00\x01k\x81\x7f\xff\xff\xff\xff\xff\xff\xff", "a string of");
	REFUSE("REDIS0011\x00\x01k\x80\x03\xff\xff\xff", "the dump ends here");
	REFUSE("REDIS0011\xff\x01\0\0\0\0\0\0\0", "the checksum is wrong");
	REFUSE("hello", "this is no dump");
	REFUSE("REDIS00", "the dump ends here");
	REFUSE("", "the dump ends here");
}

/* A length is no reason to take memory: only what has come is. */
static void test_window_grows_with_what_comes(void **state)
{
	static const char head[] = "REDIS0011\x00\x01k\x80\x03\xff\xff\xff";
	struct reader reader = {};
	struct rdb_sink sink = { take, &reader };
	struct rdb *rdb = rdb_new(&sink);
	size_t size;

	(void)state;
	memcpy(rdb_room(rdb, &size), head, sizeof(head) - 1);
	assert_int_equal(rdb_take(rdb, sizeof(head) - 1, NULL), 0);
	rdb_room(rdb, &size);
	assert_true(size <= (size_t)1 << 20);
	rdb_free(rdb);
	buf_free(&reader.told);
}

/* Strings over 64 MiB are told of, and what follows them is read right. */
static void test_skips_what_is_too_long(void **state)
{
	static const char head[] = "REDIS0011\x00\x01k\x80\x04\x00\x00\x01";
	static const char tail[] = "\x00\x01n\x01v\xff\0\0\0\0\0\0\0\0";
	size_t left = RDB_HELD_MAX + 1, size, n;
	struct reader reader = {};
	struct rdb_sink sink = { take, &reader };
	struct rdb *rdb = rdb_new(&sink);

	(void)state;
	memcpy(rdb_room(rdb, &size), head, sizeof(head) - 1);
	assert_int_equal(rdb_take(rdb, sizeof(head) - 1, NULL), 0);
	for (; left; left -= n) {
		void *room = rdb_room(rdb, &size);

		assert_true(size <= (size_t)1 << 20);
		n = left < size ? left : size;
		memset(room, 'x', n);
		assert_int_equal(rdb_take(rdb, n, NULL), 0);
	}
	memcpy(rdb_room(rdb, &size), tail, sizeof(tail) - 1);
	assert_int_equal(rdb_take(rdb, sizeof(tail) - 1, NULL), 1);
	assert_string_equal(buf_str(&reader.told), "redis 11\nstring k: 14:67108865 (67108873)\n"
						   "string n: 14:1=v (5)\nend 0");
	rdb_free(rdb);
	buf_free(&reader.told);
}

static void test_sink_can_stop(void **state)
{
	static const char dump[] = "REDIS0011\xfe\x01\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0";

	(void)state;
	for (int i = 1; i <= 6; i++) {
		struct reader reader = { .refuse_at = i };
		struct err err = {};

		assert_int_equal(read_all(&reader, dump, sizeof(dump) - 1, 4, &err, NULL),
				 -ECANCELED);
		assert_int_equal(reader.events, i);
		assert_string_equal(err.text, "enough");
		buf_free(&reader.told);
	}
}

/* What stands behind the dump is handed on: an AOF with a preamble. */
static void test_rest(void **state)
{
	static const char dump[] = "REDIS0011\xff\0\0\0\0\0\0\0\0*1\r\n";
	struct reader reader = {};
	struct err err = {};
	size_t rest = 0;

	(void)state;
	assert_int_equal(read_all(&reader, dump, sizeof(dump) - 1, 100, &err, &rest), 1);
	assert_int_equal(rest, 4);
	buf_free(&reader.told);
}

/* However it comes in pieces, the same is told. */
static void test_pieces(void **state)
{
	struct reader whole = {};
	struct buf all = {};
	struct err err = {};

	(void)state;
	put_everything(&all, true);
	assert_int_equal(read_all(&whole, all.data, all.len, all.len, &err, NULL), 1);
	for (size_t piece = 1; piece < all.len; piece++) {
		struct reader reader = {};

		assert_int_equal(read_all(&reader, all.data, all.len, piece, &err, NULL), 1);
		assert_string_equal(buf_str(&reader.told), buf_str(&whole.told));
		buf_free(&reader.told);
	}
	buf_free(&whole.told);
	buf_free(&all);
}

static void test_cut_anywhere(void **state)
{
	struct buf all = {};

	(void)state;
	put_everything(&all, true);
	for (size_t len = 0; len < all.len; len++) {
		/* a copy of its own, so that a sanitizer sees what reads behind it */
		char *copy = xmemdup(all.data, len);
		struct reader reader = {};
		struct err err = {};

		assert_int_equal(read_all(&reader, copy, len, len + 1, &err, NULL), -ENODATA);
		assert_non_null(strstr(err.text, "the dump ends here"));
		free(copy);
		buf_free(&reader.told);
	}
	buf_free(&all);
}

/* Every byte, to each of a few others: an error, or what the dump ends with is no end. */
static void test_changed_anywhere(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x20, 0x80, 0xff };
	struct buf all = {};

	(void)state;
	put_everything(&all, true);
	for (size_t i = 0; i < all.len * sizeof(masks); i++) {
		struct reader reader = {};
		struct err err = {};
		size_t rest = 0;
		int ret;

		all.data[i / sizeof(masks)] ^= (char)masks[i % sizeof(masks)];
		ret = read_all(&reader, all.data, all.len, 1 << 20, &err, &rest);
		assert_true(ret < 0 ? *err.text != '\0' : rest > 0);
		all.data[i / sizeof(masks)] ^= (char)masks[i % sizeof(masks)];
		buf_free(&reader.told);
	}
	buf_free(&all);
}

/* Without a checksum to stop it: whatever is told, it ends, and nothing is read beyond. */
static void test_changed_without_checksum(void **state)
{
	struct buf all = {};
	uint32_t seed = 1;

	(void)state;
	put_everything(&all, false);
	for (int round = 0; round < 20000; round++) {
		char *copy = xmemdup(all.data, all.len);
		struct reader reader = {};
		struct err err = {};

		for (int i = 0; i <= round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			copy[9 + (seed >> 8) % (all.len - 9)] = (char)(seed >> 4);
		}
		if (read_all(&reader, copy, all.len, 1 << 20, &err, NULL) < 0)
			assert_true(*err.text != '\0');
		free(copy);
		buf_free(&reader.told);
	}
	buf_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_window_grows_with_what_comes),
		cmocka_unit_test(test_skips_what_is_too_long),
		cmocka_unit_test(test_sink_can_stop),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_changed_anywhere),
		cmocka_unit_test(test_changed_without_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
