/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server counted around a stall: which INFO tell it, and when it is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "model/counted.h"
#include "model_records.h"

/* What came out, in order: a letter a record. */
struct out {
	char order[64];
	struct record_stall stall; /* the last */
	char command[32];
	size_t stalls;
};

struct scene {
	struct out out;
	struct counted *counted;
	struct record_sink sink;
};

static void take(void *ctx, const struct record *record)
{
	struct out *out = ctx;
	size_t len = strlen(out->order);
	char letter = record->kind == RECORD_STALL ? 's' :
		      record->kind == RECORD_MARK  ? 'm' :
		      record->kind == RECORD_INFO  ? 'i' :
						     '?';

	if (len + 1 < sizeof(out->order))
		out->order[len] = letter;
	if (record->kind != RECORD_STALL)
		return;
	out->stalls++;
	out->stall = record->stall;
	snprintf(out->command, sizeof(out->command), "%s", record->stall.command);
}

static int setup(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	s->counted = counted_new(&(struct record_sink){ take, &s->out });
	s->sink = counted_sink(s->counted);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	counted_free(s->counted);
	free(s);
	return 0;
}

static void info(struct scene *s, double t, const char *text)
{
	struct record record = record_new(RECORD_INFO);

	record.info = (struct record_info){ t, "tick", text };
	record_emit(&s->sink, &record);
}

static void expired(struct scene *s, double t, int64_t keys)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "# Stats\r\nnever_expired_keys:7\r\nexpired_keys:%lld\r\nevicted_keys:5\r\n"
		 "active_defrag_hits:1\r\nactive_defrag_misses:%lld\r\n",
		 (long long)keys, (long long)keys);
	info(s, t, text);
}

static void stall(struct scene *s, double start, double end)
{
	struct record record = record_new(RECORD_STALL);
	char command[8] = "zadd";

	record.stall.t_seconds = start;
	record.stall.duration_seconds = end - start;
	record.stall.command = command;
	record_emit(&s->sink, &record);
	memset(command, 'x', sizeof(command)); /* it is copied */
}

static void mark(struct scene *s, double t, double drained)
{
	struct record record = record_new(RECORD_MARK);

	record.mark = (struct record_mark){ t, drained };
	record_emit(&s->sink, &record);
}

static void test_around(void **state)
{
	struct scene *s = *state;

	expired(s, 1, 10);
	expired(s, 2, 20);
	stall(s, 2.1, 2.2);
	mark(s, 3, 2);
	expired(s, 3.01, 50);
	assert_string_equal(s->out.order, "iimi"); /* it is not known yet */
	mark(s, 4, 3);
	assert_string_equal(s->out.order, "iimism");
	assert_true(s->out.stall.counted);
	assert_int_equal(s->out.stall.expired_total, 30);
	assert_int_equal(s->out.stall.evicted_total, 0);
	assert_int_equal(s->out.stall.defragged_total, 30); /* hits and misses */
	assert_string_equal(s->out.command, "zadd");
}

/* It went on where a window ended, and the answer for that came when it was over. */
static void test_answered_late(void **state)
{
	struct scene *s = *state;

	expired(s, 1, 10);
	mark(s, 2, 1);
	expired(s, 2.1, 40);
	stall(s, 1.9, 2.09);
	mark(s, 3, 2);
	expired(s, 3.01, 40);
	mark(s, 4, 3);
	assert_int_equal(s->out.stall.expired_total, 30);
}

/* A server counts from 0: what it counted before anybody asked is at most all. */
static void test_first(void **state)
{
	struct scene *s = *state;

	stall(s, 0.1, 0.5);
	expired(s, 0.6, 0);
	mark(s, 2, 1);
	assert_true(s->out.stall.counted);
	assert_int_equal(s->out.stall.expired_total, 0);
	assert_int_equal(s->out.stall.evicted_total, 5);
}

static void test_unknown(void **state)
{
	struct scene *s = *state;

	/* no INFO after it */
	expired(s, 1, 10);
	stall(s, 1.5, 2.5);
	mark(s, 3, 3);
	assert_true(s->out.stall.counted);
	assert_true(s->out.stall.expired_total == RECORD_UNKNOWN);
	/* one without these counts is none */
	info(s, 2.9, "used_memory:1\r\n");
	stall(s, 2.6, 2.7);
	mark(s, 4, 3);
	assert_true(s->out.stall.expired_total == RECORD_UNKNOWN);
	/* CONFIG RESETSTAT */
	stall(s, 4.1, 4.2);
	expired(s, 5, 3);
	mark(s, 6, 5);
	assert_true(s->out.stall.expired_total == RECORD_UNKNOWN);
	assert_int_equal(s->out.stall.evicted_total, 0);
}

/* What is known, or goes on, does not wait; the rest when all is over. */
static void test_held_back(void **state)
{
	struct scene *s = *state;
	struct record record = record_new(RECORD_STALL);

	record.stall.command = "";
	record.stall.counted = true;
	record.stall.expired_total = 77;
	record_emit(&s->sink, &record);
	assert_int_equal(s->out.stall.expired_total, 77);
	record = record_new(RECORD_STALL);
	record.stall.command = "";
	record.stall.running = true;
	record_emit(&s->sink, &record);
	assert_string_equal(s->out.order, "ss");
	assert_false(s->out.stall.counted);
	stall(s, NAN, NAN); /* of a recording: at the next mark */
	stall(s, 1, 2);
	mark(s, 1, 1);
	assert_string_equal(s->out.order, "sssm");
	counted_flush(s->counted);
	assert_string_equal(s->out.order, "sssms");
	stall(s, 1, 2); /* freed with the rest */
}

/* Who asks is told at once, by what there is. */
static void test_fill(void **state)
{
	struct scene *s = *state;
	struct record_stall seen = { .t_seconds = 1.5, .duration_seconds = 0.1 };

	counted_fill(s->counted, &seen);
	assert_true(seen.counted && seen.expired_total == RECORD_UNKNOWN);
	expired(s, 1, 10);
	expired(s, 2, 12);
	counted_fill(s->counted, &seen);
	assert_int_equal(seen.expired_total, 2);
	assert_int_equal(seen.evicted_total, 0);
}

/* A stream without marks does not fill memory. */
static void test_no_marks(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 10000; i++)
		stall(s, i, i + 0.5);
	assert_in_range(s->out.stalls, 5000, 9999);
	counted_flush(s->counted);
	assert_int_equal(s->out.stalls, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_around, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answered_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_marks, setup, teardown),
	};

	return cmocka_run_group_tests_name("counted", tests, NULL, NULL);
}
