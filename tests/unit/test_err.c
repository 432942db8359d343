/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors carry their code, fit their line, and cannot harm a terminal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/escape.h"

static void test_code_and_text(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, -ENOENT, "elf: %s: no symbol; reinstall", "a.so"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.text, "elf: a.so: no symbol; reinstall");
	assert_int_equal(err_set(NULL, -EPERM, "nobody listens"), -EPERM);
}

static void test_wrapping_itself(void **state)
{
	struct err e = { 0 };

	(void)state;
	err_set(&e, -EIO, "inner");
	err_set(&e, -EIO, "outer: %s", e.text);
	assert_string_equal(e.text, "outer: inner");
}

static void test_hostile_bytes(void **state)
{
	struct err e = { 0 };

	(void)state;
	err_set(&e, -EIO, "key %s", "\x1b[2J\n\r\x7f\xff\xc2\x9b");
	assert_string_equal(e.text, "key ?[2J??????");
	err_set(&e, -EIO, "key %s", "caf\xc3\xa9");
	assert_string_equal(e.text, "key caf\xc3\xa9");
}

static void test_cut(void **state)
{
	char text[2000];
	struct err e = { 0 };

	(void)state;
	/* 'x' and then two-byte characters, so that the cut splits one of them. */
	text[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 3);
	for (size_t skip = 0; skip < 2; skip++) {
		err_set(&e, -EIO, "%s", text + skip);
		assert_true(strlen(e.text) < sizeof(e.text));
		assert_true(strlen(e.text) >= sizeof(e.text) - 2);
		assert_true(utf8_is_plain(e.text, strlen(e.text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_code_and_text),
		cmocka_unit_test(test_wrapping_itself),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
