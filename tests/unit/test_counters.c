/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of the server struct that are counters INFO tells. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "target/offsets.h"

static void put_word(void *data, size_t offset, uint64_t word)
{
	memcpy((uint8_t *)data + offset, &word, sizeof(word));
}

/* Words that are neither 0, nor small. */
static void put_noise(void *data, size_t bytes)
{
	for (size_t offset = 0; offset + 8 <= bytes; offset += 8)
		put_word(data, offset, 0x9e3779b97f4a7c15ULL * (offset + 8));
}

#define COPIES	      4
#define COUNTER_BYTES 256

/* Copies of a server that did 10 commands between two copies, INFO not counted. */
struct counting {
	uint8_t server[COPIES][COUNTER_BYTES];
	struct counter_sighting seen[COPIES];
};

static void count_up(struct counting *c)
{
	for (size_t i = 0; i < COPIES; i++) {
		put_noise(c->server[i], COUNTER_BYTES);
		c->seen[i] =
			(struct counter_sighting){ c->server[i], 1000 + 10 * i, 1010 + 10 * i };
	}
}

static void put_counter(struct counting *c, size_t offset, const int values[COPIES])
{
	for (size_t i = 0; i < COPIES; i++)
		put_word(c->server[i], offset, values[i]);
}

static const int counted[COPIES] = { 1004, 1013, 1028, 1040 };
/* What the loop's round began with: behind, within INFO's bounds. */
static const int round_start[COPIES] = { 1001, 1013, 1022, 1033 };

static long find(const struct counting *c)
{
	return offsets_find_counter(c->seen, COPIES, COUNTER_BYTES);
}

static void test_counter(void **state)
{
	static const int still[COPIES] = { 1010, 1010, 1010, 1010 };
	static const int once_out[COPIES] = { 1004, 1013, 1041, 1040 };
	static const int before_it[COPIES] = { 999, 1013, 1028, 1040 };
	struct counting c;

	(void)state;
	count_up(&c);
	assert_int_equal(find(&c), -ENOENT);
	put_counter(&c, 16, once_out);
	put_counter(&c, 24, before_it);
	put_counter(&c, 32, still);
	assert_int_equal(find(&c), -ENOENT);
	put_counter(&c, 120, counted);
	assert_int_equal(find(&c), 120);
}

/* Both bounds are values that INFO told: either may be the word's. */
static void test_counter_bounds(void **state)
{
	static const int lower[COPIES] = { 1000, 1010, 1020, 1030 };
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, 8, lower);
	assert_int_equal(find(&c), 8);
	count_up(&c);
	put_counter(&c, 8, (const int[]){ 1010, 1020, 1030, 1040 });
	assert_int_equal(find(&c), 8);
}

/* Redis 7.2 keeps el_cmd_cnt_start, before or after the counter in the struct. */
static void test_counter_leads(void **state)
{
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, 64, round_start);
	put_counter(&c, 200, counted);
	assert_int_equal(find(&c), 200);
	count_up(&c);
	put_counter(&c, 64, counted);
	put_counter(&c, 200, round_start);
	assert_int_equal(find(&c), 64);
	put_counter(&c, 8, (const int[]){ 1000, 1010, 1021, 1030 });
	assert_int_equal(find(&c), 64);
}

static void test_counter_takes_iterations(void **state)
{
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, 64, counted);
	put_counter(&c, 200, (const int[]){ 1005, 1012, 1028, 1040 });
	assert_int_equal(find(&c), -ENOENT);
}

/* The last word is looked at, half a word and one copy (nothing moves) are not. */
static void test_counter_edges(void **state)
{
	struct counting c;

	(void)state;
	count_up(&c);
	put_counter(&c, COUNTER_BYTES - 8, counted);
	assert_int_equal(find(&c), COUNTER_BYTES - 8);
	assert_int_equal(offsets_find_counter(c.seen, COPIES, COUNTER_BYTES - 4), -ENOENT);
	assert_int_equal(offsets_find_counter(c.seen, 1, COUNTER_BYTES), -ENOENT);
	assert_int_equal(offsets_find_counter(c.seen, COPIES, 4), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_counter_bounds),
		cmocka_unit_test(test_counter_leads),
		cmocka_unit_test(test_counter_takes_iterations),
		cmocka_unit_test(test_counter_edges),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
