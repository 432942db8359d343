/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers grow, stay terminated, and hold any byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void test_empty(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_clear(&b);
	buf_puts(&b, "");
	assert_non_null(b.data);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	assert_null(b.data);
}

static void test_grow(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 20000);
	assert_int_equal(strlen(b.data), 20000);
	assert_memory_equal(b.data + 19996, "8,9,", 5);
	buf_free(&b);
}

static void test_long_printf(void **state)
{
	char *text = xcalloc(1, 5001);
	struct buf b = { 0 };

	(void)state;
	memset(text, 'x', 5000);
	buf_putc(&b, '<');
	buf_printf(&b, "%s>", text);
	assert_int_equal(b.len, 5002);
	assert_int_equal(b.data[5001], '>');
	assert_int_equal(b.data[5002], '\0');
	free(text);
	buf_free(&b);
}

static void test_any_byte(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_add(&b, "a\0b", 3);
	buf_fill(&b, '-', 3);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "a\0b---", 7);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
}

static void test_copies(void **state)
{
	char *copy = xmemdup("a\0b", 3), *none = xmemdup(NULL, 0), *text = xstrdup("text");

	(void)state;
	assert_memory_equal(copy, "a\0b", 4);
	assert_string_equal(none, "");
	assert_string_equal(text, "text");
	free(copy);
	free(none);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	    cmocka_unit_test(test_grow),
		cmocka_unit_test(test_long_printf), cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_copies),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
