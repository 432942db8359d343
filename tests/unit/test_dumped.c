/* SPDX-License-Identifier: BSD-2-Clause */
/* What only dumps tell (model/dumped.c), and slots of a cluster (redis/slot.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/dumped.h"
#include "redis/slot.h"

static int slot_of(const char *name)
{
	return key_slot((struct bytes){ name, strlen(name) });
}

/* Of the cluster specification, and as CLUSTER KEYSLOT says. */
static void test_slots(void **state)
{
	(void)state;
	assert_int_equal(slot_of("123456789"), 0x31c3);
	assert_int_equal(slot_of("foo"), 12182);
	assert_int_equal(slot_of(""), 0);
	assert_int_equal(slot_of("{user1000}.following"), slot_of("user1000"));
	assert_int_equal(slot_of("foo{bar}{zap}"), slot_of("bar"));
	assert_int_equal(slot_of("foo{{bar}}zap"), slot_of("{bar"));
	assert_int_not_equal(slot_of("foo{}{bar}"), slot_of("bar"));
	assert_int_not_equal(slot_of("foo{bar"), slot_of("bar"));
}

static struct record_key key_of(const char *name, int64_t idle, int64_t frequency, int64_t slot)
{
	return (struct record_key){ .key = { name, strlen(name) },
				    .bytes = 100,
				    .dumped = true,
				    .idle_seconds = idle,
				    .frequency = frequency,
				    .slot = slot,
				    .dump_bytes = 10,
				    .saved_bytes = 5 };
}

static void test_rows(void **state)
{
	static const int64_t idle[] = { 0, 3599, 3600, 86400 * 7, INT64_MAX, RECORD_UNKNOWN };
	static const int64_t frequency[] = { 0, 1, 5, 6, 255, RECORD_UNKNOWN };
	struct dumped d = {};

	(void)state;
	dumped_init(&d, false);
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++) {
		struct record_key key = key_of("k", idle[i], frequency[i], RECORD_UNKNOWN);

		dumped_take(&d, &key);
	}
	assert_int_equal(d.keys_total, 6);
	assert_int_equal(d.idle_total, 5);
	assert_int_equal(d.idle[0].keys_total, 2);
	assert_int_equal(d.idle[1].keys_total, 1);
	assert_int_equal(d.idle[3].keys_total, 1);
	assert_int_equal(d.idle[DUMPED_IDLE - 1].keys_total, 1);
	assert_int_equal(d.frequency_total, 5);
	assert_int_equal(d.frequency[0].keys_total, 1);
	assert_int_equal(d.frequency[1].keys_total, 2);
	assert_int_equal(d.frequency[1].bytes, 200);
	assert_int_equal(d.frequency[2].keys_total, 1);
	assert_int_equal(d.frequency[DUMPED_FREQUENCY - 1].keys_total, 1);
	assert_int_equal(d.dump_bytes, 60);
	assert_int_equal(d.saved_bytes, 30);
	assert_null(d.slots);
	dumped_clear(&d);
}

/* By the key where they are asked for, as told where a dump tells them, which is asking. */
static void test_by_slot(void **state)
{
	struct record_key named = key_of("foo", RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN);
	struct record_key told = key_of("foo", RECORD_UNKNOWN, RECORD_UNKNOWN, 7);
	struct record_key wrong = key_of("foo", RECORD_UNKNOWN, RECORD_UNKNOWN, 1 << 20);
	struct dumped d = {};

	(void)state;
	dumped_init(&d, true);
	dumped_take(&d, &named);
	dumped_take(&d, &wrong);
	assert_int_equal(d.slots[12182].keys_total, 2);
	dumped_clear(&d);
	d = (struct dumped){};
	dumped_init(&d, false);
	dumped_take(&d, &named);
	assert_null(d.slots);
	dumped_take(&d, &told);
	assert_int_equal(d.slots[7].bytes, 100);
	dumped_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_by_slot),
	};

	return cmocka_run_group_tests_name("dumped", tests, NULL, NULL);
}
