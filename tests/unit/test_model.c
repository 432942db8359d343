/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticks and INFO replies meet; lists are sorted, filtered and copied. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/state.h"
#include "model_records.h"

/* --- timeline ----------------------------------------------------------- */

static void test_nearest_tick(void **state)
{
	struct model *m = model_new();

	(void)state;
	for (int t = 4; t >= 0; t--) /* also when they come in another order */
		take_tick(m, t);
	take_info(m, 0.01, "start", "used_memory:100\r\ntotal_commands_processed:1\r\n");
	take_info(m, 1.4, "tick", "used_memory:101\r\n");
	take_info(m, 1.2, "tick", "used_memory:102\r\n"); /* nearer: wins */
	take_info(m, 0.7, "tick", "used_memory:103\r\n");
	take_info(m, 3.9, "end", "used_memory:104\r\nconnected_clients:7\r\n");
	model_finish(m);
	assert_int_equal(m->timeline_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_true(m->timeline[i].host.t_seconds == (double)i);
	assert_int_equal(m->timeline[0].used_memory_bytes, 100);
	assert_int_equal(m->timeline[0].commands_total, 1);
	assert_int_equal(m->timeline[1].used_memory_bytes, 102);
	assert_true(m->timeline[2].used_memory_bytes == RECORD_UNKNOWN);
	assert_true(m->timeline[3].used_memory_bytes == RECORD_UNKNOWN);
	assert_int_equal(m->timeline[4].used_memory_bytes, 104);
	assert_int_equal(m->timeline[4].connected_clients, 7);
	assert_true(m->timeline[4].evicted_keys_total == RECORD_UNKNOWN);
	assert_true(m->duration_seconds == 4.0);
	model_free(m);
}

/* The answer of a server that hung tells nothing about the ticks it missed. */
static void test_late_reply(void **state)
{
	struct model *m = model_new();

	(void)state;
	for (int t = 0; t <= 4; t++)
		take_tick(m, t);
	take_info(m, 4.6, "end", "used_memory:999\r\n");
	model_finish(m);
	for (size_t i = 0; i < 5; i++)
		assert_true(m->timeline[i].used_memory_bytes == RECORD_UNKNOWN);
	assert_int_equal(model_info_end(m, "used_memory"), 999);
	model_free(m);
}

static void test_single_tick(void **state)
{
	struct model *m = model_new();
	struct record totals = record_new(RECORD_TOTALS);

	(void)state;
	totals.totals.window_seconds = 0.8;
	take_tick(m, 0);
	take_info(m, 0.3, "start", "used_memory:100\r\n");
	model_take(m, &totals);
	model_finish(m);
	assert_true(m->duration_seconds == 0.8);
	assert_int_equal(m->timeline[0].used_memory_bytes, 100);
	model_free(m);
}

static void test_unknown_times(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_tick(m, NAN);
	take_info(m, NAN, "tick", "used_memory:1\r\n");
	take_info(m, 0, "tick", "used_memory:1\r\n");
	model_finish(m);
	assert_true(m->timeline[0].used_memory_bytes == RECORD_UNKNOWN);
	assert_true(isnan(m->duration_seconds));
	model_free(m);
}

/* --- the rest ------------------------------------------------------------ */

static void test_empty(void **state)
{
	struct model *m = model_new();

	(void)state;
	model_finish(m);
	assert_null(m->info_start);
	assert_null(m->info_end);
	assert_non_null(m->config);
	assert_null(model_config(m, "maxmemory"));
	assert_false(m->have_host || m->have_totals || m->have_self);
	assert_true(m->totals.major_faults == RECORD_UNKNOWN);
	assert_true(m->target.pid == RECORD_UNKNOWN);
	assert_string_equal(m->target.version, "");
	assert_false(model_sensor_on(m, "cpu"));
	model_free(m);
	model_free(NULL);
}

/* Records lend their strings for the call only. */
static void test_strings_are_copied(void **state)
{
	struct model *m = model_new();
	struct record stall = record_new(RECORD_STALL);
	char command[] = "del", key[] = "big\0key";

	(void)state;
	stall.stall.command = command;
	stall.stall.key = (struct bytes){ key, sizeof(key) - 1 };
	stall.stall.inner = NULL; /* also a careless producer does no harm */
	model_take(m, &stall);
	memset(command, 'X', sizeof(command) - 1);
	memset(key, 'X', sizeof(key) - 1);
	model_finish(m);
	assert_string_equal(m->stalls[0].stall.command, "del");
	assert_int_equal(m->stalls[0].stall.key.len, 7);
	assert_memory_equal(m->stalls[0].stall.key.data, "big\0key", 7);
	assert_string_equal(m->stalls[0].stall.inner, "");
	model_free(m);
}

static void test_order(void **state)
{
	static const double seconds[] = { 0.1, 3.0, 1.0, 0.5 };
	static const int64_t bytes[] = { 10, RECORD_UNKNOWN, 30, 20 };
	struct model *m = model_new();

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct record stall = record_new(RECORD_STALL), key = record_new(RECORD_KEY);

		stall.stall.duration_seconds = seconds[i];
		key.key.bytes = bytes[i];
		model_take(m, &stall);
		model_take(m, &key);
	}
	model_finish(m);
	assert_int_equal(m->stalls_count, 4);
	assert_true(m->stalls[0].stall.duration_seconds == 3.0);
	assert_true(m->stalls[3].stall.duration_seconds == 0.1);
	assert_int_equal(m->keys[0].key.bytes, 30);
	assert_true(m->keys[3].key.bytes == RECORD_UNKNOWN);
	model_free(m);
}

static void test_slowlog_window(void **state)
{
	static const int64_t unix_seconds[] = { 998, 999, 1000, 1011, 1012, 1000 };
	struct model *m = model_new();
	struct record record = record_new(RECORD_SESSION);

	(void)state;
	record.session.wall_start_ns = 1000 * 1000000000LL;
	model_take(m, &record);
	take_tick(m, 10);
	for (int i = 0; i < 6; i++) {
		record = record_new(RECORD_SLOWLOG);
		record.slowlog.id = i;
		record.slowlog.unix_seconds = unix_seconds[i];
		model_take(m, &record);
		model_take(m, &record); /* read at the start and at the end */
	}
	model_finish(m);
	assert_int_equal(m->slowlog_count, 4);
	assert_int_equal(m->slowlog[0].entry.unix_seconds, 999);
	assert_int_equal(m->slowlog[2].entry.unix_seconds, 1011);
	model_free(m);
}

static void test_children(void **state)
{
	struct model *m = model_new();
	struct record record = record_new(RECORD_CHILD);

	(void)state;
	record.child.pid = 7;
	record.child.rss_bytes = 100;
	record.child.private_bytes = 50;
	model_take(m, &record);
	record.child.t_end_seconds = 3;
	record.child.purpose = "rdb";
	record.child.rss_bytes = RECORD_UNKNOWN;
	record.child.private_bytes = 60;
	model_take(m, &record);
	record.child.pid = 8;
	model_take(m, &record);
	model_finish(m);
	assert_int_equal(m->children_count, 2);
	assert_int_equal(m->children[0].child.rss_bytes, 100);
	assert_int_equal(m->children[0].child.private_bytes, 60);
	assert_true(m->children[0].child.t_end_seconds == 3);
	assert_string_equal(m->children[0].child.purpose, "rdb");
	assert_true(m->children[1].child.rss_bytes == RECORD_UNKNOWN);
	model_free(m);
}

static void test_last_word_counts(void **state)
{
	struct model *m = model_new();
	struct record record;

	(void)state;
	take_sensor(m, "cpu", true);
	take_sensor(m, "fault", true);
	take_sensor(m, "cpu", false);
	take_target(m, "", false);
	take_target(m, "jemalloc 5.3.0", true);
	for (int swap = 1; swap <= 3; swap++) {
		record = record_new(RECORD_HOST);
		record.host.swap_total_bytes = swap;
		model_take(m, &record);
	}
	record = record_new(RECORD_CONFIG);
	record.config.name = "maxmemory";
	record.config.value = "1048576";
	model_take(m, &record);
	model_finish(m);
	assert_int_equal(m->sensors_count, 2);
	assert_string_equal(m->sensors[0].sensor.id, "cpu");
	assert_false(model_sensor_on(m, "cpu"));
	assert_true(model_sensor_on(m, "fault"));
	assert_string_equal(m->target.allocator, "jemalloc 5.3.0");
	assert_int_equal(m->host_start.swap_total_bytes, 1);
	assert_int_equal(m->host_end.swap_total_bytes, 3);
	assert_string_equal(model_config(m, "maxmemory"), "1048576");
	model_free(m);
}

static void test_malloc_stats_not_understood(void **state)
{
	static const char *const allocators[] = { "libc", "jemalloc 6.0.0" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct model *m = model_new();
		struct record record = record_new(RECORD_MALLOC_STATS);

		record.malloc_stats.text = "something else";
		model_take(m, &record);
		take_target(m, allocators[i], false);
		model_finish(m);
		assert_null(m->malloc_stats);
		assert_int_equal(m->malloc_stats_not_understood, i);
		model_free(m);
	}
}

/* A record costs the same however many came before: what no server has so many of is left out. */
static void test_rows_are_bounded(void **state)
{
	struct model *m = model_new();
	struct state *states = state_new();
	struct record record;
	char name[16];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		take_sensor(m, name, true);
		record = record_new(RECORD_HELD);
		record.held.name = name;
		model_take(m, &record);
		record = record_new(RECORD_CPU_LIMIT);
		record.cpu_limit.cgroup = name;
		model_take(m, &record);
		record = record_new(RECORD_MAPPING);
		record.mapping.phase = "end";
		model_take(m, &record);
		record = record_new(RECORD_CLIENT);
		record.client.id = i;
		record.client.memory_bytes = i;
		model_take(m, &record);
		record = record_new(RECORD_KEY);
		record.key.key = (struct bytes){ name, strlen(name) };
		record.key.bytes = i;
		model_take(m, &record);
		record = record_new(RECORD_CONFIG);
		record.config.name = record.config.value = name;
		state_take(states, &record);
	}
	assert_null(state_find(states, &record));
	state_free(states);
	model_finish(m);
	assert_int_equal(m->sensors_count, 256);
	assert_int_equal(m->held_count, 256);
	assert_int_equal(m->cpu_limits_count, 256);
	assert_int_equal(m->mappings_count, 8192);
	assert_int_equal(m->clients_count, 1024);
	assert_int_equal(m->keys_count, 4096);
	/* Those that take most. */
	assert_int_equal(m->keys[0].key.bytes, 19999);
	for (size_t i = 0; i < m->clients_count; i++)
		assert_true(m->clients[i].client.memory_bytes >= 20000 - 1024);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest_tick),
		cmocka_unit_test(test_late_reply),
		cmocka_unit_test(test_single_tick),
		cmocka_unit_test(test_unknown_times),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_strings_are_copied),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_slowlog_window),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_last_word_counts),
		cmocka_unit_test(test_malloc_stats_not_understood),
		cmocka_unit_test(test_rows_are_bounded),
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
