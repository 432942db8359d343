/* SPDX-License-Identifier: BSD-2-Clause */
/* gzip in memory: there and back, and what is broken or too large is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/gzip.h"

#define BYTES 300000

static struct buf packed_of(void)
{
	struct buf data = { 0 }, packed = { 0 };

	for (int i = 0; data.len < BYTES; i++)
		buf_printf(&data, "%d ", i * i);
	data.len = BYTES;
	gzip_add(&packed, data.data, data.len, 6);
	buf_free(&data);
	return packed;
}

static void test_there_and_back(void **state)
{
	struct buf packed = packed_of(), out = { 0 };

	(void)state;
	buf_puts(&out, "before:");
	assert_true(packed.len < BYTES / 2);
	assert_int_equal(gzip_read(&out, packed.data, packed.len, BYTES), 0);
	assert_int_equal(out.len, 7 + BYTES);
	assert_memory_equal(out.data, "before:0 1 4 9 16 25 ", 21);
	buf_free(&packed);
	buf_free(&out);
}

static void test_refused(void **state)
{
	struct buf packed = packed_of(), out = { 0 };

	(void)state;
	buf_puts(&out, "kept");
	assert_int_equal(gzip_read(&out, packed.data, packed.len, BYTES - 1), -EFBIG);
	assert_int_equal(gzip_read(&out, packed.data, packed.len / 2, BYTES), -EBADMSG);
	packed.data[packed.len / 2] ^= 0x55;
	assert_int_equal(gzip_read(&out, packed.data, packed.len, BYTES), -EBADMSG);
	assert_int_equal(gzip_read(&out, "no gzip", 7, BYTES), -EBADMSG);
	assert_int_equal(gzip_read(&out, "", 0, BYTES), -EBADMSG);
	assert_string_equal(out.data, "kept");
	buf_free(&packed);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
