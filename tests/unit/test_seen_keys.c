/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of the keys seen in a watch are worth a look. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "app/seen_keys.h"
#include "redmem/events.h"

#define PICKS 16
#define MOST  100

/* What comes out at the other end. */
struct end {
	size_t records;
	const struct record *last;
};

struct fixture {
	struct end end;
	struct seen_keys *seen;
	struct record_sink sink;
	struct bytes picks[PICKS];
	int64_t dbs[PICKS];
	size_t count;
};

static void take(void *ctx, const struct record *record)
{
	struct end *end = ctx;

	end->records++;
	end->last = record;
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.seen = seen_keys_new(&(struct record_sink){ take, &f.end }, MOST);
	f.sink = seen_keys_sink(f.seen);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	seen_keys_free(f->seen);
	return 0;
}

static void profile_bytes(struct fixture *f, const char *data, size_t len, double seconds)
{
	struct record record = { .kind = RECORD_PROFILE };

	record.profile.key = (struct bytes){ data, len };
	record.profile.seconds = seconds;
	record_emit(&f->sink, &record);
}

static void profile(struct fixture *f, const char *key, double seconds)
{
	profile_bytes(f, key, strlen(key), seconds);
}

static void stall(struct fixture *f, const char *key, double seconds)
{
	struct record record = { .kind = RECORD_STALL };

	record.stall.key = (struct bytes){ key, strlen(key) };
	record.stall.duration_seconds = seconds;
	record_emit(&f->sink, &record);
}

static void pick(struct fixture *f, size_t max)
{
	f->count = seen_keys_pick(f->seen, f->picks, f->dbs, max);
	assert_true(f->count <= max);
}

static void assert_pick(const struct fixture *f, size_t i, const char *key)
{
	assert_true(i < f->count);
	assert_int_equal(f->picks[i].len, strlen(key));
	assert_memory_equal(f->picks[i].data, key, strlen(key));
}

/* Every record goes on, as it is, whether it has a key or not. */
static void test_passes_on(void **state)
{
	struct fixture *f = *state;
	struct record records[RECORD_KINDS] = { 0 };

	for (int kind = 0; kind < RECORD_KINDS; kind++) {
		records[kind].kind = kind;
		record_emit(&f->sink, &records[kind]);
		assert_ptr_equal(f->end.last, &records[kind]);
	}
	assert_int_equal(f->end.records, RECORD_KINDS);
	pick(f, PICKS);
	assert_int_equal(f->count, 0);
}

static void test_heaviest_first(void **state)
{
	struct fixture *f = *state;

	profile(f, "a:1", 0.1);
	profile(f, "b:1", 0.3);
	profile(f, "a:2", 0.1);
	profile(f, "a:2", 0.1);
	stall(f, "a:3", 0.4);
	pick(f, 6);
	assert_pick(f, 0, "a:3");
	assert_pick(f, 1, "b:1");
	assert_pick(f, 2, "a:2");
	/* a:1 is light and not the only one of its segment. */
	assert_int_equal(f->count, 3);
}

/* The lighter half is for segments that have none yet, the heaviest key of each. */
static void test_one_of_each_segment(void **state)
{
	struct fixture *f = *state;
	char key[16];

	for (int i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "big:%d", i);
		profile(f, key, 10 - i);
	}
	profile(f, "user:1", 0.01);
	profile(f, "user:2", 0.02);
	profile(f, "user", 0.03);
	profile(f, "users:1", 0.005);
	profile(f, "plain", 0.001);
	pick(f, 8);
	assert_int_equal(f->count, 7);
	assert_pick(f, 0, "big:0");
	assert_pick(f, 3, "big:3");
	assert_pick(f, 4, "user");
	assert_pick(f, 5, "users:1");
	assert_pick(f, 6, "plain");
}

/* "user" is not the segment of "users:1", the heavier one. */
static void test_segment_of_same_beginning(void **state)
{
	struct fixture *f = *state;

	profile(f, "users:1", 3);
	profile(f, "user:1", 2);
	profile(f, "user:2", 1);
	pick(f, 3);
	assert_int_equal(f->count, 2);
	assert_pick(f, 0, "users:1");
	assert_pick(f, 1, "user:1");
}

static void test_full(void **state)
{
	struct fixture *f = *state;
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "s%d:x", i);
		profile(f, key, 100 - i);
	}
	pick(f, 5);
	assert_int_equal(f->count, 5);
	assert_pick(f, 0, "s0:x");
	assert_pick(f, 4, "s4:x");
}

/* One that comes behind thousands of others, and is busy then, is not too late; what was heavy
 * before stays, and all that weigh the same are no more than there is room for. */
static void test_late(void **state)
{
	struct fixture *f = *state;
	char key[16];

	profile(f, "early:1", 0.5);
	for (int i = 0; i < 20 * MOST; i++) {
		snprintf(key, sizeof(key), "k:%d", i);
		profile(f, key, 1e-6);
	}
	for (int i = 0; i < 10; i++)
		profile(f, "late:1", 0.1);
	for (int i = 0; i < 20 * MOST; i++) {
		snprintf(key, sizeof(key), "l:%d", i);
		profile(f, key, i % 7 ? 1e-6 : 2e-6);
	}
	pick(f, 4);
	assert_pick(f, 0, "late:1");
	assert_pick(f, 1, "early:1");
}

static void test_max(void **state)
{
	struct fixture *f = *state;

	pick(f, 4);
	assert_int_equal(f->count, 0);
	profile(f, "light", 0.1);
	profile(f, "heavy", 0.2);
	pick(f, 0);
	assert_int_equal(f->count, 0);
	pick(f, 1);
	assert_int_equal(f->count, 1);
	assert_pick(f, 0, "heavy");
}

/* An event that carries no time is worth a little; it neither poisons the sum of
 * its key nor outweighs a key with time. */
static void test_unknown_seconds(void **state)
{
	struct fixture *f = *state;

	profile(f, "timed", 0.5);
	profile(f, "fault", NAN);
	profile(f, "fault", NAN);
	profile(f, "both", NAN);
	profile(f, "both", 0.7);
	pick(f, 6);
	assert_int_equal(f->count, 3);
	assert_pick(f, 0, "both");
	assert_pick(f, 1, "timed");
	assert_pick(f, 2, "fault");
}

/* A key that was cut cannot be looked up, one as long as the sensors keep can. */
static void test_cut_keys(void **state)
{
	struct fixture *f = *state;
	struct record record = { .kind = RECORD_PROFILE };
	char key[REDMEM_KEY_MAX];

	memset(key, 'k', sizeof(key));
	record.profile.key = (struct bytes){ key, REDMEM_KEY_MAX };
	record.profile.key_truncated = true;
	record.profile.seconds = 9;
	record_emit(&f->sink, &record);
	profile_bytes(f, NULL, 0, 9);
	pick(f, PICKS);
	assert_int_equal(f->count, 0);
	profile_bytes(f, key, REDMEM_KEY_MAX, 9);
	pick(f, PICKS);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->picks[0].len, REDMEM_KEY_MAX);
	assert_memory_equal(f->picks[0].data, key, REDMEM_KEY_MAX);
}

/* The same name in two databases is two keys. */
static void test_databases(void **state)
{
	struct fixture *f = *state;
	struct record record = { .kind = RECORD_STALL };

	record.stall.key = (struct bytes){ "same", 4 };
	for (int64_t db = 0; db < 2; db++) {
		record.stall.db = db;
		record.stall.duration_seconds = 2 - (double)db;
		record_emit(&f->sink, &record);
		record_emit(&f->sink, &record);
	}
	pick(f, PICKS);
	assert_int_equal(f->count, 2);
	assert_int_equal(f->dbs[0], 0);
	assert_int_equal(f->dbs[1], 1);
}

/* Keys are bytes: a NUL ends none, and the caller's memory is not kept. */
static void test_binary_keys(void **state)
{
	struct fixture *f = *state;
	char key[4] = { 'a', '\0', ':', 'b' };

	profile_bytes(f, key, 4, 2);
	key[3] = 'c';
	profile_bytes(f, key, 4, 1);
	profile_bytes(f, key, 1, 3);
	memset(key, 'x', sizeof(key));
	pick(f, 6);
	assert_int_equal(f->count, 3);
	assert_pick(f, 0, "a");
	assert_memory_equal(f->picks[1].data, "a\0:b", 4);
	assert_memory_equal(f->picks[2].data, "a\0:c", 4);
}

/* A flood of keys is bounded; what is heavy is remembered whenever it comes. */
static void test_flood(void **state)
{
	struct fixture *f = *state;
	char key[16];

	profile(f, "early", 0.1);
	for (int i = 0; i < 30000; i++) {
		snprintf(key, sizeof(key), "k:%d", i);
		profile(f, key, 1);
	}
	profile(f, "late", 1000);
	profile(f, "early", 500);
	assert_int_equal(f->end.records, 30003);
	pick(f, PICKS);
	assert_pick(f, 0, "late");
	assert_pick(f, 1, "early");
}

static void test_free_nothing(void **state)
{
	(void)state;
	seen_keys_free(NULL);
}

/* After a window nothing of it is left. */
static void test_forget(void **state)
{
	struct fixture *f = *state;

	profile(f, "a:1", 0.1);
	seen_keys_forget(f->seen);
	profile(f, "b:1", 0.1);
	pick(f, 6);
	assert_pick(f, 0, "b:1");
	assert_int_equal(f->count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heaviest_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_of_each_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segment_of_same_beginning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_max, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_seconds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_databases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_binary_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests_name("seen_keys", tests, NULL, NULL);
}
