/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Record raw, judge later: the tables are whole, and a recording is judged by the rule it
 * is read with.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/recording.h"
#include "model_records.h"

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

/* Names are told apart, and every row says something. */
static void test_tables(void **state)
{
	int orders[EVENT_KINDS + 1] = { 0 };

	(void)state;
	for (int i = 0; i < CAUSES; i++) {
		assert_true(*cause_table[i].name && *cause_table[i].words);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(cause_table[i].name, cause_table[j].name);
	}
	for (unsigned int i = 0; i < EVENT_KINDS; i++) {
		assert_int_equal(name_list_find(&event_names, event_table[i].name), i);
		assert_in_range(event_table[i].order, 0, EVENT_KINDS);
		assert_int_equal(orders[event_table[i].order]++ * event_table[i].order, 0);
	}
	for (unsigned int i = 0; i < FRAMES; i++)
		assert_int_equal(name_list_find(&frame_names, frame_table[i].name), i);
	for (unsigned int i = 0; i < WAITS; i++)
		assert_int_equal(name_list_find(&wait_names, wait_table[i].name), i);
	assert_int_equal(name_list_find(&event_names, "no such"), EVENT_KINDS);
}

/* 100 ms: 10 of them in swap-ins, 20 asleep in fdatasync, samples half in freeing. */
static struct record seen_stall(void)
{
	struct record record = record_new(RECORD_STALL);

	record.stall.t_seconds = 1;
	record.stall.duration_seconds = 0.1;
	record.stall.command = "del";
	record.stall.faults_timed = true;
	record.stall.event_ns[EVENT_FAULT_SWAP] = 10000000;
	record.stall.event_ns[EVENT_IO_WAIT] = 20000000;
	record.stall.wait_call = WAIT_FDATASYNC;
	record.stall.frame_ns[FRAME_NONE] = 30000000;
	record.stall.frame_ns[FRAME_FREE] = 30000000;
	return record;
}

static void record(const char *path, const struct record *record)
{
	struct recording *recording;
	struct record_sink sink;
	struct err err;

	assert_int_equal(recording_create(&recording, path, &err), 0);
	sink = recording_sink(recording);
	record_emit(&sink, record);
	assert_int_equal(recording_close(recording, &err), 0);
}

static struct model *replay(const char *path, const struct blame_rule *rule)
{
	struct model *m = model_new();
	struct record_sink sink = model_sink(m);
	struct err err;

	if (rule)
		model_set_rule(m, rule);
	assert_int_equal(recording_replay(path, &sink, &err), 0);
	model_finish(m);
	assert_int_equal(m->stalls_count, 1);
	return m;
}

/* The same file by another rule: freeing is the command's own, a wait for the disk counts
 * before a fault, and is called something else. */
static void test_replay_judges_anew(void **state)
{
	struct blame_rule rule = blame_by_tables;
	char path[] = "/tmp/redmem-blame-XXXXXX";
	struct record seen = seen_stall();
	const double *seconds;
	struct model *m;

	(void)state;
	close(mkstemp(path));
	record(path, &seen);
	m = replay(path, NULL);
	seconds = m->stalls[0].stall.seconds;
	assert_true(near(seconds[CAUSE_FAULT_SWAP], 0.01));
	assert_true(near(seconds[CAUSE_IO_WAIT], 0.02));
	assert_true(near(seconds[CAUSE_ALLOCATOR], 0.035));
	assert_true(near(seconds[CAUSE_COMMAND], 0.035));
	model_free(m);

	rule.frame[FRAME_FREE] = CAUSE_COMMAND;
	rule.wait[WAIT_FDATASYNC] = CAUSE_OTHER;
	rule.order[EVENT_FAULT_SWAP] = 0;
	m = replay(path, &rule);
	seconds = m->stalls[0].stall.seconds;
	assert_true(near(seconds[CAUSE_FAULT_SWAP], 0));
	assert_true(near(seconds[CAUSE_IO_WAIT], 0));
	assert_true(near(seconds[CAUSE_OTHER], 0.02));
	assert_true(near(seconds[CAUSE_ALLOCATOR], 0));
	assert_true(near(seconds[CAUSE_COMMAND], 0.08));
	model_free(m);
	unlink(path);
}

/* A recording may hold anything; the causes still sum to the duration. */
static void test_hostile(void **state)
{
	static const int64_t any[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	static const double lengths[] = { NAN, -1, 0, 0.1, INFINITY };

	(void)state;
	for (size_t i = 0; i < 25; i++) {
		struct record record = seen_stall();
		struct stall stall;
		double sum = 0;

		record.stall.duration_seconds = lengths[i / 5];
		for (int event = 0; event < EVENT_KINDS; event++)
			record.stall.event_ns[event] = any[(i + (size_t)event) % 5];
		for (int frame = 0; frame < FRAMES; frame++)
			record.stall.frame_ns[frame] = any[(i + (size_t)frame) % 5];
		record.stall.commands[0] = (struct record_share){ "set", any[i % 5] };
		record.stall.fork_ns = record.stall.looks = any[i % 5];
		record.stall.inner_votes = record.stall.inner_looks = any[i % 5];
		blame_stall(&stall, &record.stall, &blame_by_tables);
		for (int cause = 0; cause < CAUSES; cause++) {
			assert_true(stall.seconds[cause] >= 0);
			sum += stall.seconds[cause];
		}
		assert_true(near(sum, stall.duration_seconds));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_replay_judges_anew),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
