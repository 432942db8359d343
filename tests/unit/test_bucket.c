/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The token bucket: what is spent stays below what was earned, however the spender hurries.
 * The clock is a number.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bucket.h"

#define SECOND 1000000000LL
#define MS     1000000LL

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void test_earns(void **state)
{
	struct bucket b;

	(void)state;
	bucket_start(&b, 0.01, 1, 0, 5 * SECOND);
	assert_true(near(bucket_level(&b, 5 * SECOND), 0));
	assert_true(near(bucket_level(&b, 7 * SECOND), 0.02));
	assert_true(near(bucket_level(&b, 7 * SECOND), 0.02)); /* not twice */
	bucket_spend(&b, 0.015);
	assert_true(near(bucket_level(&b, 7 * SECOND), 0.005));
}

static void test_overdrawn(void **state)
{
	struct bucket b;

	(void)state;
	bucket_start(&b, 0.01, 1, 0, 0);
	bucket_spend(&b, 0.05);
	assert_true(bucket_level(&b, 4 * SECOND) < 0);
	assert_true(near(bucket_level(&b, 6 * SECOND), 0.01));
}

static void test_depth(void **state)
{
	struct bucket b;

	(void)state;
	bucket_start(&b, 0.01, 0.002, 0.001, 0);
	assert_true(
		near(bucket_level(&b, 3600 * SECOND), 0.002)); /* an hour of rest saves no more */
	bucket_start(&b, 0.01, 0.002, 1, 0); /* nor does a start with more */
	assert_true(near(bucket_level(&b, 0), 0.002));
}

/* A clock that stands, or goes back; prices that are not known. */
static void test_odd(void **state)
{
	struct bucket b;

	(void)state;
	bucket_start(&b, 0.01, 1, 0, 10 * SECOND);
	assert_true(near(bucket_level(&b, 9 * SECOND), 0));
	assert_true(near(bucket_level(&b, 11 * SECOND), 0.01));
	bucket_spend(&b, NAN);
	bucket_spend(&b, INFINITY);
	bucket_spend(&b, -1);
	assert_true(near(bucket_level(&b, 11 * SECOND), 0.01));
}

/* Whoever spends whenever there is anything keeps to the rate in every window: over by no
 * more than what it began with, the depth and one price. */
static void test_throttles(void **state)
{
	static double at_ms[60001];
	const double rate = 0.0035, depth = 0.001, price = 0.00035, first = 0.0002;
	struct bucket b;
	double spent = 0;

	(void)state;
	bucket_start(&b, rate, depth, first, 0);
	for (int64_t ms = 1; ms <= 60000; ms++) {
		if (bucket_level(&b, ms * MS) >= price) {
			bucket_spend(&b, price);
			spent += price;
		}
		at_ms[ms] = spent;
	}
	for (int from = 0; from < 59000; from += 7)
		assert_true(at_ms[from + 1000] - at_ms[from] <= rate + depth + price);
	/* The first second is no dearer than the others, and nothing is left unused. */
	assert_true(at_ms[1000] <= rate + first + price);
	assert_true(at_ms[60000] <= 60 * rate + first);
	assert_true(at_ms[60000] >= 60 * rate - depth - price);
}

/* A price that is told afterwards, ten times what was thought: it is earned before the next. */
static void test_dear(void **state)
{
	struct bucket b;
	double spent = 0;

	(void)state;
	bucket_start(&b, 0.01, 0.001, 0, 0);
	for (int64_t ms = 1; ms <= 10000; ms++) {
		if (bucket_level(&b, ms * MS) < 0.0005)
			continue;
		bucket_spend(&b, 0.005);
		spent += 0.005;
	}
	assert_true(spent <= 10 * 0.01 + 0.005);
	assert_true(spent >= 0.08);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_earns),	  cmocka_unit_test(test_overdrawn),
		cmocka_unit_test(test_depth),	  cmocka_unit_test(test_odd),
		cmocka_unit_test(test_throttles), cmocka_unit_test(test_dear),
	};

	return cmocka_run_group_tests_name("bucket", tests, NULL, NULL);
}
