/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of the allocator: bytes by name and time, growth, calls, rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model_facts.h"

#define KIB 1024

static int setup(void **state)
{
	struct model *m = model_new();

	take_sensor(m, "flow", true);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	model_free(*state);
	return 0;
}

static void take_bytes(struct model *m, double t, const char *event, const char *command,
		       const char *key, double bytes)
{
	struct fact fact = fact_new(FACT_PROFILE);

	fact.profile.t_seconds = t;
	fact.profile.event = event;
	fact.profile.command = command;
	fact.profile.key = (struct bytes){ key, key ? strlen(key) : 0 };
	fact.profile.samples = 1;
	fact.profile.events = bytes;
	model_take(m, &fact);
}

static void take_thread(struct model *m, const char *thread, const char *event, double bytes)
{
	struct fact fact = fact_new(FACT_PROFILE);

	fact.profile.thread = thread;
	fact.profile.event = event;
	fact.profile.samples = 1;
	fact.profile.events = bytes;
	model_take(m, &fact);
}

static void take_call(struct model *m, const char *command, int64_t requested, int64_t class,
		      double seconds, const char *path)
{
	struct fact fact = fact_new(FACT_CALL);

	fact.call.function = class == FACT_UNKNOWN ? "free" : "malloc";
	fact.call.command = command;
	fact.call.requested_bytes = requested;
	fact.call.class_bytes = class;
	fact.call.seconds = seconds;
	fact.call.path = path;
	model_take(m, &fact);
}

static void test_charges(void **state)
{
	struct model *m = *state;

	take_bytes(m, 1, "alloc", "set", "user:1", 100 * KIB);
	take_bytes(m, 1, "free", "set", "user:2", 40 * KIB);
	take_bytes(m, 1, "free", "del", "user:2", 30 * KIB);
	take_thread(m, "bio_lazy_free", "free", 500 * KIB);
	model_finish(m);
	assert_true(command_named(m, "set")->charge.alloc_bytes == 100 * KIB);
	assert_true(command_named(m, "set")->charge.free_bytes == 40 * KIB);
	assert_int_equal(command_named(m, "set")->charge.flow_hits, 2);
	assert_true(prefix_named(m, "user:*")->charge.free_bytes == 70 * KIB);
	assert_true(m->alloc.alloc_bytes == 100 * KIB);
	assert_true(m->alloc.free_bytes == 570 * KIB);
	assert_int_equal(m->alloc.threads_count, 2);
	assert_string_equal(m->threads[m->alloc.threads[0]].thread, "bio_lazy_free");
	/* another thread works for no command of its own */
	assert_int_equal(m->alloc.commands_count, 2);
}

static void test_off(void **state)
{
	struct model *m = *state;

	take_sensor(m, "flow", false);
	take_profile(m, "cpu", "set", "user:1", 3, 0.1);
	model_finish(m);
	assert_true(isnan(m->alloc.alloc_bytes));
	assert_true(isnan(command_named(m, "set")->charge.alloc_bytes));
	assert_int_equal(m->alloc.commands_count, 0);
	assert_null(m->alloc.peak);
}

static void test_growth(void **state)
{
	struct model *m = *state;

	take_bytes(m, 1, "alloc", "set", "churn:1", 1000 * KIB);
	take_bytes(m, 1, "free", "set", "churn:1", 990 * KIB);
	take_bytes(m, 1, "alloc", "set", "grow:1", 200 * KIB);
	take_bytes(m, 1, "free", "del", "shrink:1", 200 * KIB);
	model_finish(m);
	assert_int_equal(m->alloc.growth_count, 2);
	assert_string_equal(m->prefixes[m->alloc.growth[0]].prefix, "grow:*");
	assert_string_equal(m->prefixes[m->alloc.growth[1]].prefix, "churn:*");
	assert_string_equal(m->prefixes[m->alloc.prefixes[0]].prefix, "churn:*");
}

static void test_peak(void **state)
{
	struct model *m = *state;

	for (int t = 1; t <= 3; t++) {
		take_tick(m, t);
		take_info(m, t, "tick", t == 2 ? "used_memory:9000\r\n" : "used_memory:1000\r\n");
	}
	take_bytes(m, 1.01, "alloc", "get", NULL, 900);
	take_bytes(m, 2.01, "alloc", "set", "a:1", 500);
	take_bytes(m, 2.01, "alloc", "rpush", "b:1", 700);
	take_bytes(m, 2.01, "alloc", "set", "a:2", 500);
	take_bytes(m, 3.01, "alloc", "del", NULL, 800);
	model_finish(m);
	assert_int_equal(m->alloc.ticks_count, 3);
	assert_non_null(m->alloc.peak);
	assert_int_equal(m->alloc.peak_bytes, 9000);
	assert_string_equal(m->alloc.peak->commands[0].name, "set");
	assert_true(m->alloc.peak->commands[0].alloc_bytes == 1000);
	assert_string_equal(m->alloc.peak->commands[1].name, "rpush");
	assert_null(m->alloc.peak->commands[2].name);
	assert_string_equal(m->alloc.peak->prefixes[0].name, "a:*");
}

static void test_classes(void **state)
{
	struct model *m = *state;
	struct fact fact = fact_new(FACT_PROFILE);

	fact.profile.event = "alloc_class";
	fact.profile.class_bytes = 96;
	fact.profile.events = 9600;
	model_take(m, &fact);
	take_call(m, "set", 70, 80, 1e-7, "fast");
	take_call(m, "set", 90, 96, 1e-7, "fast");
	model_finish(m);
	assert_int_equal(m->alloc.classes_count, 2);
	assert_int_equal(m->alloc.classes[0].size_bytes, 80);
	assert_true(isnan(m->alloc.classes[0].alloc_bytes));
	assert_int_equal(m->alloc.classes[1].size_bytes, 96);
	assert_true(m->alloc.classes[1].alloc_bytes == 9600);
	assert_int_equal(m->alloc.classes[1].requested_bytes, 90);
	/* bytes of a class are no bytes through the allocator */
	assert_true(m->alloc.alloc_bytes == 0);
}

static void test_calls(void **state)
{
	struct model *m = *state;
	const struct call_latency *l;

	for (int i = 0; i < 99; i++)
		take_call(m, "set", 100, 112, 100e-9, "fast");
	take_call(m, "set", 100000, 114688, 50e-6, "fault");
	take_call(m, "get", FACT_UNKNOWN, FACT_UNKNOWN, NAN, "");
	model_finish(m);
	l = &command_named(m, "set")->latency;
	assert_int_equal(l->calls_total, 100);
	assert_true(fabs(l->p50_seconds - 100e-9) < 10e-9);
	assert_true(l->max_seconds == 50e-6);
	assert_int_equal(l->path_calls[CALL_FAST], 99);
	assert_int_equal(l->path_calls[CALL_FAULT], 1);
	assert_true(fabs(l->path_seconds[CALL_FAULT] - 50e-6) < 1e-12);
	assert_int_equal(command_named(m, "get")->latency.calls_total, 0);
	assert_true(isnan(command_named(m, "get")->latency.p50_seconds));
	assert_int_equal(m->alloc.latency.calls_total, 100);
}

/* Numbers from recordings may be anything. */
static void test_absurd(void **state)
{
	struct model *m = *state;

	take_bytes(m, NAN, "alloc", "set", "k", NAN);
	take_bytes(m, INFINITY, "free", "set", "k", -5);
	take_bytes(m, -1, "alloc", "set", "k", 1e300);
	take_call(m, "set", INT64_MAX, INT64_MAX, INFINITY, "fast");
	take_call(m, "set", -1, -1, -1, "no path");
	model_finish(m);
	assert_int_equal(m->alloc.latency.calls_total, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_charges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peak, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absurd, setup, teardown),
	};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
