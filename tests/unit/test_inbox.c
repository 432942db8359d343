/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine hands a server comes in order and once, and marks are never lost. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sensor/inbox.h"

#define RECORDS 1000

struct taken {
	size_t records, ticks;
	int64_t last_tick;
	size_t records_at_tick; /* how many had come before the last tick */
	uint32_t next; /* number of the next record */
};

static void take(void *ctx, enum inbox_kind kind, const void *data, size_t bytes)
{
	struct taken *t = ctx;
	uint32_t number;

	if (kind == INBOX_TICK) {
		assert_int_equal(bytes, sizeof(t->last_tick));
		memcpy(&t->last_tick, data, sizeof(t->last_tick));
		t->ticks++;
		t->records_at_tick = t->records;
		return;
	}
	assert_int_equal(kind, INBOX_RECORD);
	assert_true(bytes >= sizeof(number));
	assert_int_equal((uintptr_t)data % 8, 0);
	memcpy(&number, data, sizeof(number));
	assert_int_equal(number, t->next);
	t->next++;
	t->records++;
}

static bool is_readable(const struct inbox *inbox)
{
	struct pollfd fd = { .fd = inbox_fd(inbox), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* Of any length, in order, half of them before the tick. */
static void test_order(void **state)
{
	struct inbox *inbox = inbox_new();
	struct taken taken = {};
	char record[64] = {};
	int64_t tick = 7;

	(void)state;
	inbox_ring(inbox);
	assert_false(is_readable(inbox));
	for (uint32_t i = 0; i < RECORDS; i++) {
		memcpy(record, &i, sizeof(i));
		assert_true(inbox_put(inbox, INBOX_RECORD, record, sizeof(i) + i % 50));
		if (i == RECORDS / 2 - 1)
			assert_true(inbox_put(inbox, INBOX_TICK, &tick, sizeof(tick)));
	}
	inbox_ring(inbox);
	assert_true(is_readable(inbox));
	inbox_take(inbox, take, &taken);
	assert_false(is_readable(inbox));
	assert_int_equal(taken.records, RECORDS);
	assert_int_equal(taken.ticks, 1);
	assert_int_equal(taken.last_tick, tick);
	assert_int_equal(taken.records_at_tick, RECORDS / 2);
	inbox_take(inbox, take, &taken);
	assert_int_equal(taken.records, RECORDS);
	inbox_free(inbox);
}

/* An owner that takes nothing loses the newest and is told so, but no tick. */
static void test_full(void **state)
{
	struct inbox *inbox = inbox_new();
	struct taken taken = {};
	size_t bytes = 1 << 16, kept = 0;
	char *record = calloc(1, bytes);
	int64_t tick = 9;
	uint32_t i = 0;

	(void)state;
	for (; kept == i && i < RECORDS; i++) {
		memcpy(record, &i, sizeof(i));
		kept += inbox_put(inbox, INBOX_RECORD, record, bytes);
	}
	assert_true(kept < i);
	assert_true(inbox_put(inbox, INBOX_TICK, &tick, sizeof(tick)));
	inbox_take(inbox, take, &taken);
	assert_int_equal(taken.records, kept);
	assert_int_equal(taken.ticks, 1);
	assert_int_equal(taken.records_at_tick, kept);
	free(record);
	inbox_free(inbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
