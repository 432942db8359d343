/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines and numbers out of the kernel's text files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/record.h"
#include "host/file.h"

static int collect(void *ctx, char *line, size_t len)
{
	buf_putc(ctx, '<');
	buf_add(ctx, line, len);
	buf_putc(ctx, '>');
	return line[0] == '!' ? 7 : 0;
}

static void test_text_lines(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(text_lines("a\n\nbc\nhalf", 10, collect, &b), 0);
	assert_string_equal(buf_str(&b), "<a><><bc>");
	buf_clear(&b);
	assert_int_equal(text_lines("a\n!\nb\n", 6, collect, &b), 7);
	assert_string_equal(buf_str(&b), "<a><!>");
	buf_clear(&b);
	assert_int_equal(text_lines("", 0, collect, &b), 0);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

/* A file with the given text, removed by the caller. */
static void make_file(char *path, size_t size, const char *text, size_t len)
{
	int fd;

	snprintf(path, size, "/tmp/redmem-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static int count_bytes(void *ctx, char *line, size_t len)
{
	assert_int_equal(strlen(line), len);
	*(size_t *)ctx += len + 1;
	return 0;
}

/* Lines of all lengths, across the borders of the pieces that are read. */
static void test_file_lines(void **state)
{
	struct buf text = { 0 }, whole = { 0 };
	size_t bytes = 0;
	char path[64];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		buf_fill(&text, 'x', i % 700);
		buf_putc(&text, '\n');
	}
	buf_fill(&text, 'y', 200000); /* longer than a piece */
	buf_putc(&text, '\n');
	make_file(path, sizeof(path), text.data, text.len);
	assert_int_equal(file_lines(path, count_bytes, &bytes, NULL), 0);
	assert_int_equal(bytes, text.len);
	assert_int_equal(file_read(path, 1 << 20, &whole, NULL), 0);
	assert_int_equal(whole.len, text.len);
	assert_memory_equal(whole.data, text.data, text.len);
	assert_int_equal(file_read(path, 1000, &whole, NULL), -EFBIG);
	unlink(path);
	buf_free(&text);
	buf_free(&whole);
}

static void test_endless_line(void **state)
{
	struct buf text = { 0 };
	struct err err = { 0 };
	size_t bytes = 0;
	char path[64];

	(void)state;
	buf_fill(&text, 'x', FILE_LINE_MAX + 10);
	make_file(path, sizeof(path), text.data, text.len);
	assert_int_equal(file_lines(path, count_bytes, &bytes, &err), -EOVERFLOW);
	assert_int_equal(err.code, -EOVERFLOW);
	unlink(path);
	buf_free(&text);
}

static void test_missing(void **state)
{
	struct buf text = { 0 };
	struct err err = { 0 };
	int64_t n = 1;

	(void)state;
	assert_int_equal(file_read("/nonexistent/x", 10, &text, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	assert_int_equal(file_int64("/nonexistent/x", &n), -ENOENT);
	assert_true(n == RECORD_UNKNOWN);
	buf_free(&text);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(text_int64("  42 x"), 42);
	assert_int_equal(text_int64("-7"), -7);
	assert_int_equal(text_int64("9223372036854775807"), INT64_MAX);
	assert_true(text_int64("9223372036854775808") == RECORD_UNKNOWN);
	assert_true(text_int64("max") == RECORD_UNKNOWN);
	assert_true(text_int64("") == RECORD_UNKNOWN);
	assert_true(text_int64("-") == RECORD_UNKNOWN);
	assert_int_equal(text_kb("   123 kB"), 123 * 1024);
	assert_true(text_kb("9223372036854775807 kB") == RECORD_UNKNOWN);
	assert_true(text_kb("-1 kB") == RECORD_UNKNOWN);
	assert_string_equal(text_field("Rss:\t  5 kB", "Rss"), "5 kB");
	assert_null(text_field("RssAnon: 5 kB", "Rss"));
	assert_null(text_field("Rs", "Rss"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_lines),   cmocka_unit_test(test_file_lines),
		cmocka_unit_test(test_endless_line), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
