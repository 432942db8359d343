/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers grow, stay terminated, and hold any byte; numbers for people, at the borders where
 * rounding goes wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"

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

/* --- fmt ---------------------------------------------------------------------------------- */

static void bytes(int64_t n, const char *expected)
{
	struct buf b = { 0 };

	fmt_bytes(&b, n);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void change(int64_t n, const char *expected)
{
	struct buf b = { 0 };

	fmt_change(&b, n);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void seconds(double s, const char *expected)
{
	struct buf b = { 0 };

	fmt_seconds(&b, s);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void count(int64_t n, const char *expected)
{
	struct buf b = { 0 };

	fmt_count(&b, n);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void rfc3339(int64_t ns, const char *expected)
{
	struct buf b = { 0 };

	fmt_rfc3339(&b, ns);
	assert_string_equal(buf_str(&b), expected);
	buf_free(&b);
}

static void test_bytes(void **state)
{
	(void)state;
	bytes(0, "0 B");
	bytes(812, "812 B");
	bytes(1023, "1023 B");
	bytes(1024, "1.0 KiB");
	bytes(1536, "1.5 KiB");
	bytes(1024 * 1024 - 1, "1.0 MiB");
	bytes(10952166604, "10.2 GiB");
	bytes(-3145728, "-3.0 MiB");
	bytes(INT64_MAX, "8.0 EiB");
	bytes(INT64_MIN, "-");
	change(0, "+0 B");
	change(1536, "+1.5 KiB");
	change(-3145728, "-3.0 MiB");
	change(INT64_MIN, "-"); /* neither more nor less */
}

static void test_seconds(void **state)
{
	(void)state;
	seconds(0, "0 s");
	seconds(120e-9, "120 ns");
	seconds(8.3e-6, "8.3 us");
	seconds(9.96e-6, "10 us");
	seconds(0.012, "12 ms");
	seconds(0.9996, "1.0 s");
	seconds(1.9, "1.9 s");
	seconds(59.4, "59 s");
	seconds(59.9, "1 min 0 s");
	seconds(250, "4 min 10 s");
	seconds(3599.9, "1 h 0 min");
	seconds(7500, "2 h 5 min");
	seconds(86399, "1 d 0 h");
	seconds(3 * 86400 + 4 * 3600, "3 d 4 h");
	seconds(-1, "-");
	seconds(NAN, "-");
	seconds(INFINITY, "-");
	seconds(1e300, "-");
}

static void test_count(void **state)
{
	(void)state;
	count(0, "0");
	count(999, "999");
	count(1000, "1,000");
	count(18231, "18,231");
	count(-1234567, "-1,234,567");
	count(INT64_MAX, "9,223,372,036,854,775,807");
	count(INT64_MIN, "-");
}

static void test_rfc3339(void **state)
{
	(void)state;
	rfc3339(0, "1970-01-01T00:00:00.000Z");
	rfc3339(951782400123999999, "2000-02-29T00:00:00.123Z");
	rfc3339(-1, "1969-12-31T23:59:59.999Z");
}

static void test_clock(void **state)
{
	int64_t a = clock_mono_ns();
	int64_t cpu = clock_cpu_ns();

	(void)state;
	assert_true(clock_mono_ns() >= a);
	assert_true(clock_cpu_ns() >= cpu);
	assert_true(cpu >= 0);
	assert_true(clock_wall_ns() > 1500000000000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	    cmocka_unit_test(test_grow),
		cmocka_unit_test(test_long_printf), cmocka_unit_test(test_any_byte),
		cmocka_unit_test(test_copies),	    cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_seconds),	    cmocka_unit_test(test_count),
		cmocka_unit_test(test_rfc3339),	    cmocka_unit_test(test_clock),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
