/* SPDX-License-Identifier: BSD-2-Clause */
/* How many times their bytes rows stand for when the flow probe was away. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "redmem/object.h"
#include "sensor/internal.h"

#define MIB  1048576.0
#define STEP 65536.0

/* Rows of one MiB stand for the four that were moved. */
static void all_is_told(void **state)
{
	struct flow_side side = { 0 };

	(void)state;
	for (int i = 1; i <= 5; i++) {
		assert_float_equal(
			flow_side_scale(&side, MIB, i * 4 * MIB, true, flow_side_most(&side)), 4,
			1e-9);
		flow_side_meet(&side, MIB, i * 4 * MIB);
	}
	assert_float_equal(side.told, 20 * MIB, 1);
	assert_false(side.owes);
}

/* The probe stood all the time: what a row says is what it is. */
static void nothing_was_missed(void **state)
{
	struct flow_side side = { 0 };

	(void)state;
	assert_float_equal(flow_side_scale(&side, MIB, MIB, false, 3), 1, 1e-9);
	assert_float_equal(flow_side_scale(&side, MIB, 2 * MIB + STEP, false, 3), 1, 1e-9);
}

/* One hit does not stand for what others moved before it came: three times what hits stood for
 * until then, whatever was moved since. */
static void few_hits_stand_for_few(void **state)
{
	struct flow_side side = { 0 };

	(void)state;
	assert_true(isinf(flow_side_most(&side)));
	flow_side_meet(&side, 4 * MIB, 20 * MIB);
	assert_float_equal(flow_side_most(&side), 15, 1e-9);
	flow_side_meet(&side, 0, 120 * MIB); /* no hit: nothing is known of it */
	assert_float_equal(flow_side_most(&side), 15, 1e-9);
	flow_side_meet(&side, 2 * MIB, 22 * MIB);
	assert_float_equal(flow_side_most(&side), 3 * (20 / 2 + 2.0) / (4 / 2.0 + 2), 1e-9);
}

/* What is over goes to the next rows, also if the probe stands since then. */
static void the_rest_is_owed(void **state)
{
	struct flow_side side = { .told = 20 * MIB };

	(void)state;
	assert_float_equal(flow_side_scale(&side, STEP, 40 * MIB, true, 15), 15, 1e-9);
	assert_true(side.owes);
	assert_float_equal(side.told, 20 * MIB + 15 * STEP, 1);
	assert_true(flow_side_scale(&side, 4 * MIB, 44 * MIB, false, 15) > 4);
	assert_float_equal(side.told, 44 * MIB, 1);
	assert_float_equal(flow_side_scale(&side, MIB, 45 * MIB, false, 15), 1, 1e-9);
}

/* All of a background thread's is its own, however few its hits. */
static void a_thread_has_all_of_its_own(void **state)
{
	struct flow_side side = { .told = MIB };

	(void)state;
	assert_float_equal(flow_side_scale(&side, STEP, 33 * MIB, true, INFINITY), 32 * MIB / STEP,
			   1e-9);
	assert_float_equal(side.told, 33 * MIB, 1);
}

/* Rows are brought to what the memory grew by, each side in proportion. */
static void rows_are_balanced(void **state)
{
	double both[] = { 30 * MIB, 10 * MIB }, nothing[] = { 0, 0 };
	double alone[] = { 2 * MIB, 0 }, back[] = { 0, MIB };

	(void)state;
	flow_balance(both, 24 * MIB);
	assert_float_equal(both[FLOW_ALLOC], 33 * MIB, 1);
	assert_float_equal(both[FLOW_FREE], 9 * MIB, 1);
	flow_balance(alone, 100 * MIB); /* a few bytes do not stand for so many */
	assert_float_equal(alone[FLOW_ALLOC], 6 * MIB, 1);
	flow_balance(back, MIB);
	assert_float_equal(back[FLOW_FREE], 0.01 * MIB, 1);
	flow_balance(nothing, MIB);
	assert_float_equal(nothing[FLOW_ALLOC], 0, 1);
}

/* What the extent of a large block says of its size, whatever its serial number and whether it
 * has a page more; pages as jemalloc was built for x86-64 and for Debian's arm64. */
static void an_extent_is_of_its_class(void **state)
{
	static const __u64 pages[] = { 4096, 16384, 65536 };
	const __u64 bytes = 5 << 16;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const __u64 page = pages[i];

		for (__u64 more = 0; more <= page; more += page) {
			assert_true(redmem_extent_is_of(bytes + more, bytes, page));
			assert_true(redmem_extent_is_of(bytes + more + 4095, bytes, page));
			assert_true(redmem_extent_is_of(bytes + more + page - 1, bytes, page));
		}
		assert_false(redmem_extent_is_of(bytes + 2 * page, bytes, page));
		assert_false(redmem_extent_is_of(bytes - 1, bytes, page));
		assert_false(redmem_extent_is_of(bytes, 0, page));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_told),
		cmocka_unit_test(nothing_was_missed),
		cmocka_unit_test(few_hits_stand_for_few),
		cmocka_unit_test(the_rest_is_owed),
		cmocka_unit_test(a_thread_has_all_of_its_own),
		cmocka_unit_test(rows_are_balanced),
		cmocka_unit_test(an_extent_is_of_its_class),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
