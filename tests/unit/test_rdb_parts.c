/* SPDX-License-Identifier: BSD-2-Clause */
/* What dumps are made of: checksum, compression, numbers, packed lists. */
#include "rdb_dump.h"
#include "rdb/lzf.h"

/* Knuth's: the high bits are the good ones. */
static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return *seed >> 11;
}

static void test_crc64(void **state)
{
	struct crc64 *crc = xcalloc(1, sizeof(*crc));
	const char *text = "This is a test of the emergency broadcast system.";
	uint64_t whole, parts = 0;

	(void)state;
	crc64_init(crc);
	assert_true(crc64_add(crc, 0, "123456789", 9) == 0xe9c6d914c4b8d9caULL);
	whole = crc64_add(crc, 0, text, strlen(text));
	for (size_t i = 0; i < strlen(text); i++)
		parts = crc64_add(crc, parts, text + i, 1);
	assert_true(whole == parts);
	free(crc);
}

/* By multiplication and by tables: any length, from any address, and in any two pieces. */
static void test_crc64_both_ways(void **state)
{
	struct crc64 *fast = xcalloc(1, sizeof(*fast)), *plain = xcalloc(1, sizeof(*plain));
	uint64_t seed = 42;
	uint8_t data[4096];

	(void)state;
	crc64_init(fast);
	crc64_init(plain);
	plain->carryless = false;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(random_next(&seed) >> 40);
	for (int i = 0; i < 20000; i++) {
		size_t from = random_next(&seed) % 64;
		size_t len = random_next(&seed) % (i < 10000 ? 300 : sizeof(data) - 64);
		size_t split = random_next(&seed) % (len + 1);
		uint64_t before = random_next(&seed);
		uint64_t whole = crc64_add(plain, before, data + from, len);
		uint64_t first = crc64_add(fast, before, data + from, split);

		assert_true(crc64_add(fast, before, data + from, len) == whole);
		assert_true(crc64_add(fast, first, data + from + split, len - split) == whole);
	}
	free(fast);
	free(plain);
}

static void test_lzf(void **state)
{
	char out[64];

	(void)state;
	/* three as they are, then nine copied from three before */
	assert_int_equal(lzf_expand("\2abc\xe0\0\2", 7, out, 12), 0);
	assert_memory_equal(out, "abcabcabcabc", 12);
	/* a run of one byte */
	assert_int_equal(lzf_expand("\0a\x80\0", 4, out, 7), 0);
	assert_memory_equal(out, "aaaaaaa", 7);
	assert_int_equal(lzf_expand("\2abc\xe0\0\2", 7, out, 11), -EINVAL); /* too long */
	assert_int_equal(lzf_expand("\2abc\xe0\0\2", 7, out, 13), -EINVAL); /* too short */
	assert_int_equal(lzf_expand("\2abc\xe0\0\3", 7, out, 12), -EINVAL); /* before the start */
	assert_int_equal(lzf_expand("\2abc\xe0\0", 6, out, 12), -EINVAL);
	assert_int_equal(lzf_expand("\2abc\xe0", 5, out, 12), -EINVAL);
	assert_int_equal(lzf_expand("\5ab", 3, out, 6), -EINVAL);
}

static void test_decimal(void **state)
{
	static const struct {
		const char *text;
		bool number;
		int64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "-1", true, -1 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "00", false, 0 },
		{ "-0", false, 0 },
		{ "+1", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "1a", false, 0 },
		{ "01", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t value = 0;

		assert_int_equal(decimal_parse(rows[i].text, strlen(rows[i].text), &value),
				 rows[i].number);
		assert_true(value == rows[i].value);
		if (rows[i].number)
			assert_int_equal(decimal_len(value), strlen(rows[i].text));
	}
}

/* Entries of a listpack in each of its forms, and what listpack_entry_bytes() says of them. */
static void test_listpack(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int64_t value;
	} rows[] = {
		{ "\x7f", 1, 127 },
		{ "\xdf\xff", 2, -1 },
		{ "\xc1\x00", 2, 256 },
		{ "\xf1\x00\x80", 3, -32768 },
		{ "\xf2\xff\xff\x7f", 4, 8388607 },
		{ "\xf3\x00\x00\x00\x80", 5, INT32_MIN },
		{ "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f", 9, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct packed_entry entry;
		struct packed packed;
		struct buf all = {};

		put_little(&all, 6 + rows[i].len + 2, 4);
		put_little(&all, 1, 2);
		buf_add(&all, rows[i].bytes, rows[i].len);
		buf_putc(&all, (char)rows[i].len);
		buf_putc(&all, (char)0xff);
		assert_int_equal(packed_open(&packed, PACKED_LISTPACK, all.data, all.len), 0);
		assert_int_equal(packed_next(&packed, &entry), 1);
		assert_true(entry.integer && entry.value == rows[i].value);
		assert_int_equal(listpack_entry_bytes(&entry), rows[i].len + 1);
		assert_int_equal(packed_next(&packed, &entry), 0);
		buf_free(&all);
	}
}

static void test_ziplist(void **state)
{
	struct packed_entry entry;
	struct packed packed;
	struct buf all = {};
	static const char body[] = "\0\x02hi" /* text */
				   "\4\xfe\x9c" /* 8 bits: -100 */
				   "\3\xf0\x01\x00\x80" /* 24 */
				   "\5\xd0\x00\x00\x00\x80" /* 32 */
				   "\6\xe0\xff\xff\xff\xff\xff\xff\xff\x7f" /* 64 */
				   "\xfe\x0a\0\0\0\xfd" /* 12, behind a long one */
				   "\2\x40\x03"
				   "abc"; /* 14 bits of length */
	static const int64_t values[] = { 0, -100, -8388607, INT32_MIN, INT64_MAX, 12 };

	(void)state;
	put_little(&all, 10 + sizeof(body) - 1 + 1, 4);
	put_little(&all, 0, 4);
	put_little(&all, 7, 2);
	BYTES(&all, body);
	buf_putc(&all, (char)0xff);
	assert_int_equal(packed_open(&packed, PACKED_ZIPLIST, all.data, all.len), 0);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(packed_next(&packed, &entry), 1);
		assert_int_equal(entry.integer, i > 0 && i < 6);
		if (entry.integer)
			assert_true(entry.value == values[i]);
	}
	assert_memory_equal(entry.data, "abc", 3);
	assert_int_equal(packed_next(&packed, &entry), 0);
	buf_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc64),	 cmocka_unit_test(test_crc64_both_ways),
		cmocka_unit_test(test_lzf),	 cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_listpack), cmocka_unit_test(test_ziplist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
