/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes through every escape, and base64 there and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/escape.h"

typedef void (*escape_fn)(struct buf *out, const void *data, size_t len);

static void check(escape_fn fn, const char *data, size_t len, const char *expected)
{
	struct buf b = { 0 };

	fn(&b, data, len);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

#define CHECK(fn, literal, expected) check(fn, literal, sizeof(literal) - 1, expected)

static void test_utf8_plain(void **state)
{
	static const char *const plain[] = {
		"",
		"user:1",
		"caf\xc3\xa9",
		"\xe2\x82\xac",
		"\xf0\x9f\x98\x80",
		"\xf4\x8f\xbf\xbf",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xc2\xa0",
	};
	static const char *const other[] = {
		"\n",
		"\x1b[31m",
		"\x7f",
		"\x80",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x9b",
		"\xc2\x41",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xe2\x82",
		"\xe2\x80\xae",
		"\xe2\x81\xa6",
		"\xe2\x80\xa8",
		"\xd8\x9c",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf0\x9f\x98",
		"\xfe",
		"\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_true(utf8_is_plain(plain[i], strlen(plain[i])));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_false(utf8_is_plain(other[i], strlen(other[i])));
	assert_false(utf8_is_plain("a\0b", 3));
}

static void test_redis(void **state)
{
	(void)state;
	CHECK(escape_redis, "", "");
	CHECK(escape_redis, "user:1", "user:1");
	CHECK(escape_redis, "a\n\r\t\a\b\\\"z", "a\\n\\r\\t\\a\\b\\\\\\\"z");
	CHECK(escape_redis, "\0\x1b[2J\x7f\xff", "\\x00\\x1b[2J\\x7f\\xff");
	CHECK(escape_redis, "caf\xc3\xa9", "caf\xc3\xa9");
	CHECK(escape_redis, "\xc2\x9b\xe2\x80\xae", "\\xc2\\x9b\\xe2\\x80\\xae");
	CHECK(escape_redis, "\xe2\x82", "\\xe2\\x82");
}

static void terminal(const char *text, size_t columns, const char *expected)
{
	struct buf b = { 0 };

	buf_puts(&b, ">");
	escape_terminal(&b, text, strlen(text), columns);
	assert_string_equal(b.data + 1, expected);
	buf_free(&b);
}

static void test_terminal_cut(void **state)
{
	(void)state;
	terminal("abcdefgh", 0, "abcdefgh");
	terminal("abcdefgh", 8, "abcdefgh");
	terminal("abcdefgh", 7, "abcd...");
	terminal("abcdefgh", 3, "...");
	terminal("abcdefgh", 2, "..");
	terminal("", 5, "");
	/* Neither an escape nor a character is cut in two. */
	terminal("ab\x1b\x1b\x1b", 8, "ab...");
	terminal("ab\x1b\x1b\x1b", 10, "ab\\x1b...");
	terminal("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 4, "\xc3\xa9...");
	/* A wide character takes two columns. */
	terminal("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 6, "\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2");
	terminal("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 5, "\xe6\xbc\xa2...");
}

/* Whatever the bytes, what comes out is plain UTF-8. */
static void test_random_bytes(void **state)
{
	char data[64];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand() % sizeof(data);
		struct buf b = { 0 };

		for (size_t i = 0; i < len; i++)
			data[i] = (char)(rand() & 0xff);
		escape_redis(&b, data, len);
		assert_true(utf8_is_plain(buf_str(&b), b.len));
		buf_clear(&b);
		escape_terminal(&b, data, len, 1 + (size_t)rand() % 40);
		assert_true(utf8_is_plain(buf_str(&b), b.len));
		buf_free(&b);
	}
}

static void test_sanitize(void **state)
{
	char text[] = "a\x1b[1m\xc3\xa9\xe2\x80\xae!";

	(void)state;
	escape_sanitize(text);
	assert_string_equal(text, "a?[1m\xc3\xa9??"
				  "?!");
}

static void test_base64_known(void **state)
{
	(void)state;
	/* RFC 4648, section 10 */
	CHECK(base64_encode, "", "");
	CHECK(base64_encode, "f", "Zg==");
	CHECK(base64_encode, "fo", "Zm8=");
	CHECK(base64_encode, "foo", "Zm9v");
	CHECK(base64_encode, "foob", "Zm9vYg==");
	CHECK(base64_encode, "foobar", "Zm9vYmFy");
	CHECK(base64_encode, "\0\xff\xfe\xfb", "AP/++w==");
}

static void test_base64_round_trip(void **state)
{
	char data[100];

	(void)state;
	srand(2);
	for (size_t len = 0; len < sizeof(data); len++) {
		struct buf text = { 0 }, back = { 0 };

		for (size_t i = 0; i < len; i++)
			data[i] = (char)(rand() & 0xff);
		base64_encode(&text, data, len);
		assert_int_equal(base64_decode(&back, buf_str(&text)), 0);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, data, len);
		buf_free(&text);
		buf_free(&back);
	}
}

static void test_base64_bad(void **state)
{
	static const char *const bad[] = { "A",
					   "AA",
					   "AAA",
					   "A===",
					   "====",
					   "Zg=A",
					   "Z=g=",
					   "Zg==Zg==",
					   "Zh==",
					   "Zm9=",
					   "Zm 9",
					   "Zm9\n",
					   "\xff\xff\xff\xff" };
	struct buf b = { 0 };

	(void)state;
	buf_puts(&b, "before");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(base64_decode(&b, bad[i]), -EINVAL);
		assert_string_equal(buf_str(&b), "before");
		assert_int_equal(b.len, 6);
	}
	buf_free(&b);
}

static void test_shell(void **state)
{
	(void)state;
	CHECK(escape_shell, "/sys/fs/cgroup/a.slice/redis@6379.service",
	      "/sys/fs/cgroup/a.slice/redis@6379.service");
	CHECK(escape_shell, "", "''");
	CHECK(escape_shell, "/a b;rm -rf $(x)`y`", "'/a b;rm -rf $(x)`y`'");
	CHECK(escape_shell, "/system-redis\\x2dserver", "'/system-redis\\x2dserver'");
	CHECK(escape_shell, "it's", "'it'\\''s'");
	CHECK(escape_shell, "caf\xc3\xa9", "'caf\xc3\xa9'");
	CHECK(escape_shell, "a\n'\\\x1b\xff", "$'a\\012\\'\\\\\\033\\377'");
}

/* What a shell makes of it is what it was: asked of the shell itself. */
static void test_shell_round_trip(void **state)
{
	(void)state;
	srand(11);
	for (int round = 0; round < 40; round++) {
		struct buf script = { 0 }, command = { 0 };
		unsigned char text[48], back[64];
		FILE *f;

		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (unsigned char)(round % 2 ? rand() % 255 + 1 : rand() % 95 + ' ');
		buf_puts(&script, "printf %s ");
		escape_shell(&script, text, sizeof(text));
		/* Printable by now, so that any sh takes it. */
		buf_puts(&command, "bash -c ");
		escape_shell(&command, script.data, script.len);
		f = popen(command.data, "r");
		assert_non_null(f);
		assert_int_equal(fread(back, 1, sizeof(back), f), sizeof(text));
		assert_int_equal(pclose(f), 0);
		assert_memory_equal(back, text, sizeof(text));
		buf_free(&script);
		buf_free(&command);
	}
}

static void test_csv(void **state)
{
	(void)state;
	CHECK(escape_csv, "user:1", "\"user:1\"");
	CHECK(escape_csv, "", "\"\"");
	CHECK(escape_csv, "a,\"b\"", "\"a,\"\"b\"\"\"");
	CHECK(escape_csv, "=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\"");
	CHECK(escape_csv, "+1", "\"'+1\"");
	CHECK(escape_csv, "-1", "\"'-1\"");
	CHECK(escape_csv, "@SUM(A1)", "\"'@SUM(A1)\"");
	CHECK(escape_csv, "\tx", "\"'\tx\"");
	CHECK(escape_csv, "\rx", "\"'\rx\"");
	CHECK(escape_csv, "'x", "\"''x\"");
	CHECK(escape_csv, "a=b", "\"a=b\"");
}

static void assert_label(const char *text, size_t max_bytes, const char *wanted)
{
	struct buf out = { 0 };

	escape_label(&out, text, strlen(text), max_bytes);
	assert_string_equal(buf_str(&out), wanted);
	buf_free(&out);
}

static void test_label(void **state)
{
	(void)state;
	assert_label("user:*", 120, "user:*");
	assert_label("", 120, "");
	assert_label("a\"b\\c\nd", 120, "a\\\\\\\"b\\\\\\\\c\\\\nd");
	assert_label("\xff\xe2\x80\xae", 120, "\\\\xff\\\\xe2\\\\x80\\\\xae");
	assert_label("caf\xc3\xa9", 5, "caf\xc3\xa9");
	/* cut between characters and escapes, never within one */
	assert_label("caf\xc3\xa9x", 5, "ca...");
	assert_label("\xc3\xa9\xc3\xa9\xc3\xa9", 5, "\xc3\xa9...");
	assert_label("a\x01\x01", 8, "a\\\\x01...");
	assert_label("abcdef", 2, "..");
}

static void hex_is(size_t size, size_t len, const char *expected)
{
	static const unsigned char bytes[] = { 0x00, 0x9a, 0xff, 0x0f };
	char out[16];

	memset(out, 'x', sizeof(out));
	hex_encode(out, size, bytes, len);
	assert_string_equal(out, expected);
	assert_int_equal(out[size], 'x');
}

static void test_hex(void **state)
{
	struct buf back = { 0 };

	(void)state;
	hex_is(9, 4, "009aff0f");
	hex_is(15, 4, "009aff0f");
	hex_is(1, 0, "");
	/* Whole bytes only. */
	hex_is(8, 4, "009aff");
	hex_is(2, 4, "");
	hex_is(1, 4, "");
	assert_int_equal(hex_decode(&back, "009aff0f"), 0);
	assert_int_equal(back.len, 4);
	assert_memory_equal(back.data, "\x00\x9a\xff\x0f", 4);
	buf_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_plain),   cmocka_unit_test(test_redis),
		cmocka_unit_test(test_terminal_cut), cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_shell),	     cmocka_unit_test(test_shell_round_trip),
		cmocka_unit_test(test_csv),	     cmocka_unit_test(test_sanitize),
		cmocka_unit_test(test_base64_known), cmocka_unit_test(test_base64_round_trip),
		cmocka_unit_test(test_base64_bad),   cmocka_unit_test(test_label),
		cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
