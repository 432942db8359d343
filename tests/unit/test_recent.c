/* SPDX-License-Identifier: BSD-2-Clause */
/* The window of recent names: repeats inside it, none of what is new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/recent.h"

static bool seen(struct recent *recent, long n)
{
	char name[32];
	int len = snprintf(name, sizeof(name), "key:%ld", n);

	return recent_seen(recent, name, (size_t)len);
}

static void test_window(void **state)
{
	struct recent *recent = recent_new();

	(void)state;
	assert_false(recent_seen(recent, "", 0));
	assert_true(recent_seen(recent, "", 0));
	for (long i = 0; i < 5L * RECENT_MAX; i++) {
		assert_false(seen(recent, i));
		if (i >= 100) /* well inside the window */
			assert_true(seen(recent, i - 100));
	}
	/* The oldest are forgotten, the newest are not. */
	assert_false(seen(recent, 0));
	assert_true(seen(recent, 5L * RECENT_MAX - 1));
	recent_free(recent);
	recent_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_window) };

	return cmocka_run_group_tests_name("recent", tests, NULL, NULL);
}
