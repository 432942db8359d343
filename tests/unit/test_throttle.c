/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast a pass may go: large chunks alone, small ones beside others, rests when late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/throttle.h"

/* A server that takes 0.5 us a command and 25 us a trip. */
static void chunks(struct throttle *t, int count)
{
	while (count--) {
		double seconds = 25e-6 + 0.5e-6 * (double)t->window;

		throttle_chunk(t, t->window, seconds, seconds);
	}
}

static void test_alone_and_shared(void **state)
{
	struct throttle t;
	size_t alone;

	(void)state;
	throttle_init(&t, 0.001);
	assert_in_range(t.window, 16, 32); /* careful until it is known */
	throttle_others(&t, 0);
	chunks(&t, 100);
	alone = t.window;
	assert_in_range(alone, 400, 1200); /* 0.4 ms of work */
	assert_int_equal(throttle_depth(&t), 2);
	throttle_others(&t, 5000);
	chunks(&t, 100);
	assert_in_range(t.window, 16, 64);
	throttle_others(&t, 0);
	assert_in_range(t.window, alone / 2, alone * 2);
}

static void test_bound(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 1);
	throttle_others(&t, 0);
	chunks(&t, 100);
	assert_int_equal(t.window, 2048); /* whatever the bound allows */
	throttle_init(&t, 1e-6);
	throttle_others(&t, 0);
	chunks(&t, 1);
	assert_int_equal(t.window, 16); /* and never nothing */
}

static void test_late(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 0.001);
	chunks(&t, 1); /* a small one: how long the way is */
	throttle_others(&t, 0);
	chunks(&t, 10);
	throttle_chunk(&t, t.window, 0.004, 0.004);
	assert_true(t.rest_seconds > 0.0029 && t.rest_seconds < 0.0031);
	assert_int_equal(t.window, 16);
	assert_int_equal(throttle_depth(&t), 1);
	throttle_chunk(&t, t.window, 100, 100);
	assert_true(t.rest_seconds <= 0.1); /* a hang is no reason to sleep as long */
	throttle_chunk(&t, t.window, 0.0001, 0.0001);
	assert_true(t.rest_seconds == 0);
	assert_int_equal(throttle_depth(&t), 2);
}

static void test_hopeless(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 0.001);
	for (int i = 0; i < 50; i++) {
		assert_false(throttle_hopeless(&t));
		throttle_chunk(&t, 16, 0.05, 0.05);
	}
	throttle_chunk(&t, 16, 0.0005, 0.0005); /* once in time, and it counts anew */
	assert_false(throttle_hopeless(&t));
	for (int i = 0; i < 150; i++)
		throttle_chunk(&t, 16, 0.05, 0.05);
	assert_true(throttle_hopeless(&t));
}

/* A network of 50 ms is nobody's lateness, and no reason for small chunks. */
static void test_remote(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 0.001);
	throttle_others(&t, 0);
	for (int i = 0; i < 1000; i++) {
		throttle_chunk(&t, t.window, 0.05 + 0.5e-6 * (double)t.window, 0.025);
		assert_false(throttle_hopeless(&t));
	}
	assert_true(t.window > 500);
	throttle_chunk(&t, t.window, 0.055, 0.05);
	assert_true(t.rest_seconds > 0.003 && t.rest_seconds < 0.005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone_and_shared),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_hopeless),
		cmocka_unit_test(test_remote),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
