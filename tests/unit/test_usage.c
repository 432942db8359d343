/* SPDX-License-Identifier: BSD-2-Clause */
/* How many elements MEMORY USAGE is to look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redis/usage.h"

static void test_more(void **state)
{
	(void)state;
	/* All elements of what is not very large, and no more than the most of what is. */
	assert_int_equal(usage_more_samples("hash", "hashtable", 1400), 0);
	assert_int_equal(usage_more_samples("hash", "hashtable", 150 * 200), 200);
	assert_int_equal(usage_more_samples("zset", "skiplist", 1 << 30), 3000);
	assert_int_equal(usage_more_samples("set", NULL, 1 << 30), 3000);
	assert_int_equal(usage_more_samples("stream", "stream", 15000), 100);
	/* What is one allocation is exact as it is. */
	assert_int_equal(usage_more_samples("hash", "listpack", 1 << 20), 0);
	assert_int_equal(usage_more_samples("string", "raw", 1 << 30), 0);
	assert_int_equal(usage_more_samples("string", NULL, 1 << 30), 0);
	assert_int_equal(usage_more_samples("ReJSON-RL", "", 1 << 30), 0);
	/* Nodes of a list. */
	assert_int_equal(usage_more_samples("list", "quicklist", 8192), 0);
	assert_int_equal(usage_more_samples("list", "quicklist", 8193), 20000);
	assert_int_equal(usage_more_samples(NULL, NULL, 1 << 30), 0);
}

static void test_commands(void **state)
{
	(void)state;
	assert_int_equal(usage_commands("hash", 3000), 428);
	assert_int_equal(usage_commands("list", 20000), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
