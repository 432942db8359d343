/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of the window: the difference of two INFOs without redmem's own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model_records.h"

static void take_own(struct model *m, const char *command, int64_t calls)
{
	struct record record = record_new(RECORD_OWN_CALLS);

	record.own_calls.command = command;
	record.own_calls.calls_total = calls;
	model_take(m, &record);
}

#define START                                                                                   \
	"# Commandstats\r\n"                                                                    \
	"cmdstat_get:calls=10,usec=100,usec_per_call=10.00,rejected_calls=0,failed_calls=0\r\n" \
	"cmdstat_config|get:calls=3,usec=30,usec_per_call=10.00\r\n"                            \
	"cmdstat_info:calls=5,usec=500\r\n"                                                     \
	"cmdstat_ping:calls=7,usec=7\r\n"
#define END                                                       \
	"cmdstat_get:calls=110,usec=2100,usec_per_call=10.00\r\n" \
	"cmdstat_config|get:calls=5,usec=60\r\n"                  \
	"cmdstat_info:calls=15,usec=900\r\n"                      \
	"cmdstat_ping:calls=7,usec=7\r\n"                         \
	"cmdstat_sort:calls=2,usec=50\r\n"

static void test_deltas(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_info(m, 0, "start", START);
	take_info(m, 10, "end", END);
	take_own(m, "info", 10);
	take_own(m, "config|get", 1);
	take_profile(m, EVENT_CPU, "ping", NULL, 1, 0.1);
	take_profile(m, EVENT_CPU, "flushall", NULL, 1, 0.1);
	model_finish(m);
	assert_int_equal(command_named(m, "get")->calls_total, 100);
	assert_true(command_named(m, "get")->usec_total == 2000);
	assert_int_equal(command_named(m, "sort")->calls_total, 2); /* first call in the window */
	assert_null(command_named(m, "info")); /* redmem's alone */
	assert_int_equal(command_named(m, "config|get")->calls_total, 1);
	assert_true(isnan(command_named(m, "config|get")->usec_total)); /* partly ours */
	assert_int_equal(command_named(m, "ping")->calls_total, 0);
	/* Sampled, but the server has no line for it yet. */
	assert_true(command_named(m, "flushall")->calls_total == RECORD_UNKNOWN);
	assert_int_equal(m->commands_count, 5);
	model_free(m);
}

/* CONFIG RESETSTAT makes counters begin again: then even those that rose say nothing. */
static void test_reset(void **state)
{
	static const char *const ends[] = {
		"cmdstat_get:calls=9,usec=2100\r\ncmdstat_config|get:calls=5,usec=60\r\n"
		"cmdstat_info:calls=15,usec=900\r\ncmdstat_ping:calls=7,usec=7\r\n",
		"cmdstat_config|get:calls=5,usec=60\r\n", /* others are gone */
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct model *m = model_new();

		take_info(m, 0, "start", START);
		take_info(m, 10, "end", ends[i]);
		take_profile(m, EVENT_CPU, "config|get", NULL, 1, 0.1);
		model_finish(m);
		assert_int_equal(m->commands_count, 1);
		assert_true(m->commands[0].calls_total == RECORD_UNKNOWN);
		assert_true(isnan(m->commands[0].usec_total));
		model_free(m);
	}
}

static void test_no_window(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_info(m, 10, "end", END); /* no start: what was before is not known */
	model_finish(m);
	assert_int_equal(m->commands_count, 0);
	model_free(m);
	m = model_new();
	take_info(m, 0, "start", START); /* the server answered once and hung */
	take_profile(m, EVENT_CPU, "get", NULL, 1, 0.1);
	model_finish(m);
	assert_true(m->commands[0].calls_total == RECORD_UNKNOWN);
	assert_true(model_info_delta(m, "total_commands_processed") == RECORD_UNKNOWN);
	model_free(m);
}

static void test_info_delta(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_info(m, 0, "start", "evicted_keys:5\r\nexpired_keys:9\r\nonly_start:1\r\n");
	take_info(m, 1, "tick", "evicted_keys:6\r\n");
	take_info(m, 2, "end", "evicted_keys:8\r\nexpired_keys:2\r\nonly_end:1\r\n");
	model_finish(m);
	assert_int_equal(model_info_delta(m, "evicted_keys"), 3);
	assert_true(model_info_delta(m, "expired_keys") == RECORD_UNKNOWN);
	assert_true(model_info_delta(m, "only_start") == RECORD_UNKNOWN);
	assert_true(model_info_delta(m, "only_end") == RECORD_UNKNOWN);
	assert_int_equal(model_info_start(m, "evicted_keys"), 5);
	assert_int_equal(model_info_end(m, "evicted_keys"), 8);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_no_window),
		cmocka_unit_test(test_info_delta),
	};

	return cmocka_run_group_tests_name("commandstats", tests, NULL, NULL);
}
