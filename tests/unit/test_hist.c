/* SPDX-License-Identifier: BSD-2-Clause */
/* Quantiles against exact ones, over the whole range of a u64. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/hist.h"

static void test_empty(void **state)
{
	struct hist h = { 0 };

	(void)state;
	assert_int_equal(hist_quantile(&h, 0.5), 0);
	hist_add(&h, 100, 0);
	assert_int_equal(h.count, 0);
	assert_int_equal(h.max, 0);
}

static void test_one_value(void **state)
{
	static const uint64_t values[] = { 0, 1, 15, 16, 17, 31, 32, 1000, 1ull << 40, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct hist h = { 0 };

		hist_add(&h, values[i], 3);
		assert_true(hist_quantile(&h, 0.0) == values[i]);
		assert_true(hist_quantile(&h, 0.5) == values[i]);
		assert_true(hist_quantile(&h, 1.0) == values[i]);
		assert_int_equal(h.count, 3);
	}
}

static void test_exact_below_sub(void **state)
{
	struct hist h = { 0 };

	(void)state;
	for (uint64_t v = 0; v < HIST_SUB; v++)
		hist_add(&h, v, 1);
	for (uint64_t v = 0; v < HIST_SUB; v++)
		assert_int_equal(hist_quantile(&h, ((double)v + 1) / HIST_SUB), v);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_error_bound(void **state)
{
	enum { N = 5000 };
	static uint64_t value[N];
	struct hist h = { 0 };

	(void)state;
	srand(3);
	for (int i = 0; i < N; i++) {
		value[i] = (uint64_t)(exp(40.0 * rand() / RAND_MAX));
		hist_add(&h, value[i], 1);
	}
	qsort(value, N, sizeof(value[0]), compare_u64);
	for (int i = 1; i <= 100; i++) {
		uint64_t exact = value[(N * i + 99) / 100 - 1];
		uint64_t got = hist_quantile(&h, i / 100.0);

		assert_true(got >= exact);
		assert_true((double)(got - exact) <= (double)exact / HIST_SUB);
	}
	assert_true(hist_quantile(&h, 1.0) == value[N - 1]);
	assert_true(hist_quantile(&h, NAN) == value[N - 1]);
}

static void test_weight(void **state)
{
	struct hist a = { 0 };

	(void)state;
	hist_add(&a, 10, 99);
	hist_add(&a, 1000, 1);
	assert_int_equal(a.count, 100);
	assert_int_equal(a.sum, 1990);
	assert_int_equal(a.max, 1000);
	assert_int_equal(hist_quantile(&a, 0.99), 10);
	assert_int_equal(hist_quantile(&a, 0.995), 1000);
}

static void test_sum_saturates(void **state)
{
	struct hist h = { 0 };

	(void)state;
	hist_add(&h, UINT64_MAX, 2);
	assert_true(h.sum == UINT64_MAX);
	hist_add(&h, 1, 1);
	assert_true(h.sum == UINT64_MAX);
}

/* What the largest hold, against sums that are known. */
static void test_top_share(void **state)
{
	struct hist h = { 0 };

	(void)state;
	assert_true(isnan(hist_top_share(&h, 0.01)));
	hist_add(&h, 100, 990); /* 99,000 */
	hist_add(&h, 90100, 10); /* 901,000 */
	assert_true(fabs(hist_top_share(&h, 0.01) - 0.901) < 0.01);
	assert_true(fabs(hist_top_share(&h, 1) - 1) < 1e-9);
	assert_true(fabs(hist_top_share(&h, 0.505) - 0.9505) < 0.01);
}

/* Two loads that differ by 2 %, less than a bucket's width, differ by 2 % in their quantiles. */
static void test_between(void **state)
{
	static const double fractions[] = { 0, 0.1, 0.5, 0.9, 0.99, 1 };
	struct hist a = { 0 }, b = { 0 }, one = { 0 };

	(void)state;
	assert_true(isnan(hist_quantile_between(&one, 0.5)));
	hist_add(&one, 1000, 5);
	assert_true(hist_quantile_between(&one, 1) == 1000);
	for (uint64_t i = 0; i < 100000; i++) {
		hist_add(&a, 100000 + i, 1);
		hist_add(&b, (100000 + i) * 102 / 100, 1);
	}
	for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
		double value = 100000 * (1 + fractions[i]);

		assert_true(fabs(hist_quantile_between(&a, fractions[i]) / value - 1) < 0.03);
	}
	for (size_t i = 1; i + 1 < sizeof(fractions) / sizeof(fractions[0]); i++)
		assert_true(fabs(hist_quantile_between(&b, fractions[i]) /
					 hist_quantile_between(&a, fractions[i]) -
				 1.02) < 0.004);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_between),		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_top_share),	cmocka_unit_test(test_one_value),
		cmocka_unit_test(test_exact_below_sub), cmocka_unit_test(test_error_bound),
		cmocka_unit_test(test_weight),		cmocka_unit_test(test_sum_saturates),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
