/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of the allocator: bytes by name and time, growth, calls, rounding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger_scene.h"
#include "model_records.h"

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

#define PROBE 2e-6 /* what its probes add to a call */

static void take_bytes(struct model *m, double t, enum redmem_event event, const char *command,
		       const char *key, double bytes)
{
	struct record record = record_new(RECORD_PROFILE);

	record.profile.t_seconds = t;
	record.profile.event = event;
	record.profile.command = command;
	record.profile.key = (struct bytes){ key, key ? strlen(key) : 0 };
	record.profile.samples = 1;
	record.profile.events = bytes;
	model_take(m, &record);
}

static void take_thread(struct model *m, const char *thread, enum redmem_event event, double bytes)
{
	struct record record = record_new(RECORD_PROFILE);

	record.profile.thread = thread;
	record.profile.event = event;
	record.profile.samples = 1;
	record.profile.events = bytes;
	model_take(m, &record);
}

static void take_call(struct model *m, const char *command, int64_t requested, int64_t class,
		      double seconds, int64_t faults)
{
	struct record record = record_new(RECORD_CALL);

	record.call.function = class == RECORD_UNKNOWN ? CALL_FREE : CALL_MALLOC;
	record.call.command = command;
	record.call.requested_bytes = requested;
	record.call.class_bytes = class;
	record.call.ns = isnan(seconds) ? RECORD_UNKNOWN : (int64_t)((seconds + PROBE) * 1e9 + 0.5);
	record.call.probe_seconds = PROBE;
	record.call.probe_error_seconds = 10e-9;
	record.call.faults = faults;
	model_take(m, &record);
}

static void test_charges(void **state)
{
	struct model *m = *state;

	take_bytes(m, 1, EVENT_ALLOC, "set", "user:1", 100 * KIB);
	take_bytes(m, 1, EVENT_FREE, "set", "user:2", 40 * KIB);
	take_bytes(m, 1, EVENT_FREE, "del", "user:2", 30 * KIB);
	take_thread(m, "bio_lazy_free", EVENT_FREE, 500 * KIB);
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

/* What I/O threads read and free is shared out by what the main thread moves for each: values that
 * it keeps, or that it frees. */
static void test_io_threads(void **state)
{
	struct model *m = *state;
	const struct charge *one;

	take_bytes(m, 1, EVENT_ALLOC, "set", "one:1", 300 * KIB);
	take_bytes(m, 1, EVENT_ALLOC, "set", "two:1", 40 * KIB);
	take_bytes(m, 1, EVENT_FREE, "set", "two:1", 60 * KIB);
	take_bytes(m, 1, EVENT_ALLOC, "", NULL, 50 * KIB);
	take_thread(m, "io_thd_1", EVENT_ALLOC, 4000 * KIB);
	take_thread(m, "io_thd_2", EVENT_FREE, 400 * KIB);
	take_thread(m, "bio_lazy_free", EVENT_FREE, 500 * KIB);
	model_finish(m);
	one = &prefix_named(m, "one:*")->charge;
	assert_true(one->alloc_bytes == 3300 * KIB && one->free_bytes == 300 * KIB);
	assert_true(prefix_named(m, "two:*")->charge.alloc_bytes == 1040 * KIB);
	assert_true(prefix_named(m, "two:*")->charge.free_bytes == 160 * KIB);
	assert_true(command_named(m, "set")->charge.alloc_bytes == 4340 * KIB);
	assert_true(command_named(m, "")->charge.alloc_bytes == 50 * KIB);
	assert_true(m->alloc.alloc_bytes == 4390 * KIB && m->alloc.free_bytes == 960 * KIB);
	/* Nobody has seen whose it was. */
	assert_true(model_net_error(m, one) > 900 * KIB);
}

/* A row stands for as many times its bytes as it says, and that may be less than once. */
static void test_scale(void **state)
{
	struct record record = record_new(RECORD_PROFILE);
	struct model *m = *state;

	record.profile.event = EVENT_ALLOC;
	record.profile.command = "set";
	record.profile.events = 100 * KIB;
	record.profile.scale = 0.5;
	model_take(m, &record);
	record.profile.scale = 4;
	model_take(m, &record);
	record.profile.scale = NAN;
	model_take(m, &record);
	model_finish(m);
	assert_true(command_named(m, "set")->charge.alloc_bytes == 550 * KIB);
}

static void take_unseen(struct model *m, double t, enum redmem_event event, double bytes)
{
	take_bytes(m, t, event, "(unseen)", NULL, bytes);
}

/* Nobody saw who moved it: those before and after have it, each side for itself, and not who was
 * seen last alone. */
static void test_unseen(void **state)
{
	struct model *m = *state;

	take_bytes(m, 1, EVENT_ALLOC, "append", "new:1", 900 * KIB);
	take_bytes(m, 2, EVENT_ALLOC, "client|list", NULL, 80 * KIB);
	take_bytes(m, 3, EVENT_ALLOC, "info", NULL, 20 * KIB);
	for (int t = 4; t < 10; t++)
		take_bytes(m, t, EVENT_FREE, "del", "old:1", 64 * KIB);
	take_unseen(m, 10, EVENT_ALLOC, 10000 * KIB);
	take_unseen(m, 10, EVENT_FREE, 64 * KIB);
	model_finish(m);
	assert_float_equal(command_named(m, "append")->charge.alloc_bytes, 9900 * KIB, 1);
	assert_float_equal(prefix_named(m, "new:*")->charge.alloc_bytes, 9900 * KIB, 1);
	assert_float_equal(command_named(m, "info")->charge.alloc_bytes, 220 * KIB, 1);
	assert_float_equal(prefix_named(m, "old:*")->charge.free_bytes, 7 * 64 * KIB, 1);
	assert_float_equal(m->alloc.alloc_bytes, 11000 * KIB, 1);
}

/* Before anybody was seen it stays nobody's, and draws no more to itself. */
static void test_unseen_first(void **state)
{
	struct model *m = *state;

	take_unseen(m, 1, EVENT_ALLOC, 500 * KIB);
	take_bytes(m, 2, EVENT_ALLOC, "set", "new:1", 100 * KIB);
	take_unseen(m, 3, EVENT_ALLOC, 300 * KIB);
	model_finish(m);
	assert_float_equal(command_named(m, "(unseen)")->charge.alloc_bytes, 500 * KIB, 1);
	assert_float_equal(command_named(m, "set")->charge.alloc_bytes, 400 * KIB, 1);
}

/* Who had to give up the CPU in a call of the allocator was in it no longer for that. */
static void test_waited(void **state)
{
	struct record record = record_new(RECORD_CALL);
	const struct call_latency *l;
	struct model *m = *state;

	record.call.function = CALL_FREE;
	record.call.command = "del";
	record.call.ns = 4001000;
	record.call.waited_ns = 4000000;
	record.call.probe_seconds = record.call.probe_error_seconds = 0;
	model_take(m, &record);
	record.call.waited_ns = RECORD_UNKNOWN; /* a recording from before it was measured */
	record.call.ns = 1000;
	model_take(m, &record);
	record.call.waited_ns = 5000000; /* clocks that do not fit each other */
	model_take(m, &record);
	model_finish(m);
	l = &command_named(m, "del")->latency;
	assert_true(fabs(l->mean_seconds - 2e-6 / 3) < 1e-9);
	assert_true(fabs(l->max_seconds - 1e-6) < 1e-9);
}

static void test_off(void **state)
{
	struct model *m = *state;

	take_sensor(m, "flow", false);
	take_profile(m, EVENT_CPU, "set", "user:1", 3, 0.1);
	model_finish(m);
	assert_true(isnan(m->alloc.alloc_bytes));
	assert_true(isnan(command_named(m, "set")->charge.alloc_bytes));
	assert_int_equal(m->alloc.commands_count, 0);
	assert_null(m->alloc.peak);
}

static void test_growth(void **state)
{
	struct model *m = *state;

	take_bytes(m, 1, EVENT_ALLOC, "set", "churn:1", 1000 * KIB);
	take_bytes(m, 1, EVENT_FREE, "set", "churn:1", 990 * KIB);
	take_bytes(m, 1, EVENT_ALLOC, "set", "grow:1", 200 * KIB);
	take_bytes(m, 1, EVENT_FREE, "del", "shrink:1", 200 * KIB);
	model_finish(m);
	assert_int_equal(m->alloc.growth_count, 2);
	assert_string_equal(m->prefixes[m->alloc.growth[0]].prefix, "grow:*");
	assert_string_equal(m->prefixes[m->alloc.growth[1]].prefix, "churn:*");
	assert_string_equal(m->prefixes[m->alloc.prefixes[0]].prefix, "churn:*");
}

/* One that allocates and frees a lot comes out as grown by chance, and by more than what grew. */
static void test_growth_by_chance(void **state)
{
	struct model *m = *state;
	const struct charge *churn;

	for (int i = 0; i < 400; i++) {
		take_bytes(m, 1, EVENT_ALLOC, "set", "churn:1", 64 * KIB);
		if (i < 380)
			take_bytes(m, 1, EVENT_FREE, "del", "churn:1", 64 * KIB);
		if (i % 4 == 0)
			take_bytes(m, 1, EVENT_FREE, "del", "other:1", 64 * KIB);
	}
	for (int i = 0; i < 16; i++)
		take_bytes(m, 1, EVENT_ALLOC, "set", "grow:1", 64 * KIB);
	model_finish(m);
	churn = &prefix_named(m, "churn:*")->charge;
	assert_true(churn->alloc_bytes - churn->free_bytes == 1280 * KIB);
	assert_false(model_net_is_certain(m, churn));
	assert_true(model_net_is_certain(m, &prefix_named(m, "grow:*")->charge));
	assert_int_equal(m->alloc.growth_count, 2);
	assert_string_equal(m->prefixes[m->alloc.growth[0]].prefix, "grow:*");
	assert_string_equal(m->prefixes[m->alloc.growth[1]].prefix, "churn:*");
}

static void test_peak(void **state)
{
	struct model *m = *state;

	for (int t = 1; t <= 3; t++) {
		take_tick(m, t);
		take_info(m, t, "tick", t == 2 ? "used_memory:9000\r\n" : "used_memory:1000\r\n");
	}
	take_bytes(m, 1.01, EVENT_ALLOC, "get", NULL, 900);
	take_bytes(m, 2.01, EVENT_ALLOC, "set", "a:1", 500);
	take_bytes(m, 2.01, EVENT_ALLOC, "rpush", "b:1", 700);
	take_bytes(m, 2.01, EVENT_ALLOC, "set", "a:2", 500);
	take_bytes(m, 3.01, EVENT_ALLOC, "del", NULL, 800);
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
	struct record record = record_new(RECORD_PROFILE);

	record.profile.event = EVENT_ALLOC_CLASS;
	record.profile.class_bytes = 96;
	record.profile.events = 9600;
	model_take(m, &record);
	take_call(m, "set", 70, 80, 1e-7, 0);
	take_call(m, "set", 90, 96, 1e-7, 0);
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
		take_call(m, "set", 100, 112, 100e-9, 0);
	take_call(m, "set", 100000, 114688, 50e-6, 1);
	take_call(m, "get", RECORD_UNKNOWN, RECORD_UNKNOWN, NAN, 0);
	model_finish(m);
	l = &command_named(m, "set")->latency;
	assert_int_equal(l->calls_total, 100);
	assert_true(fabs(l->p50_seconds - 100e-9) < 10e-9);
	assert_true(fabs(l->max_seconds - 50e-6) < 1e-12);
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

	take_bytes(m, NAN, EVENT_ALLOC, "set", "k", NAN);
	take_bytes(m, INFINITY, EVENT_FREE, "set", "k", -5);
	take_bytes(m, -1, EVENT_ALLOC, "set", "k", 1e300);
	take_call(m, "set", INT64_MAX, INT64_MAX, 9e9, 0);
	take_call(m, "set", -1, -1, -1, -1);
	model_finish(m);
	assert_int_equal(m->alloc.latency.calls_total, 0);
}

/* --- rounding ----------------------------------------------------------------------------- */

/* The ledger's line of what requests are rounded up by. */

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
		cmocka_unit_test_setup_teardown(test_charges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_io_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unseen_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_growth_by_chance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peak, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absurd, setup, teardown),
		cmocka_unit_test(test_rounding),
	};

	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
