/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger's line of what requests are rounded up by. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger_scene.h"

/* Bursts saw 32 bytes taken for each 24 asked for: a fourth of the live ones is rounding,
 * and comes off the dataset. */
static void test_rounding(void **state)
{
	struct scene s = {
		.allocator = "jemalloc 5.3.0",
		.rss = 20,
		.used = 8,
		.allocated = 8,
		.active = 9,
	};
	struct record record = record_new(RECORD_CALL);
	struct model *m = model_new(), *without = build(&s);
	const struct ledger_line *line;

	(void)state;
	record.call.function = CALL_MALLOC;
	record.call.requested_bytes = 24;
	record.call.class_bytes = 32;
	model_take(m, &record);
	build_in(m, &s);
	assert_sums(&m->ledger);
	assert_null(ledger_find(&without->ledger, "rounding"));
	line = ledger_find(&m->ledger, "rounding");
	assert_non_null(line);
	assert_string_equal(line->parent, "allocated");
	assert_int_equal(line->basis, BASIS_SAMPLED);
	assert_int_equal(line->bytes, MIB / 4);
	assert_int_equal(ledger_bytes(&m->ledger, "dataset"),
			 ledger_bytes(&without->ledger, "dataset") - MIB / 4);
	model_free(m);
	model_free(without);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounding),
	};

	return cmocka_run_group_tests_name("rounding", tests, NULL, NULL);
}
