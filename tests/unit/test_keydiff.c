/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of two passes (model/keydiff.c): what grew and shrank, against all keys side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/keydiff.h"

#define KEYS 5000

static struct record_key key_of(char *name, int number, int64_t bytes)
{
	struct record_key key = { .db = number % 3,
				  .type = "string",
				  .encoding = "raw",
				  .bytes = bytes,
				  .ttl_seconds = -1 };

	key.key = (struct bytes){ name, (size_t)sprintf(name, "key:%d", number) };
	return key;
}

/* -1 = it is not there. */
static int64_t before[KEYS], after[KEYS];

static void draw(void)
{
	srandom(7);
	for (int i = 0; i < KEYS; i++) {
		before[i] = random() % 5 ? random() % 100000 : -1;
		after[i] = random() % 4 ? before[i] : random() % 5 ? random() % 100000 : -1;
	}
}

static void pass(struct keydiff *d, void (*take)(struct keydiff *, const struct record_key *),
		 const int64_t *bytes)
{
	char name[32];

	for (int i = 0; i < KEYS; i++) {
		struct record_key key = key_of(name, i, bytes[i]);

		if (bytes[i] >= 0)
			take(d, &key);
	}
}

static struct keydiff *diff(size_t limit)
{
	struct keydiff *d = keydiff_new(limit);

	draw();
	pass(d, keydiff_older, before);
	pass(d, keydiff_newer, after);
	pass(d, keydiff_older_again, before);
	keydiff_finish(d);
	return d;
}

static int64_t change(int i)
{
	return (after[i] < 0 ? 0 : after[i]) - (before[i] < 0 ? 0 : before[i]);
}

/* The rows of one direction: each right, in order, and none missing from @exact bytes on. */
static void check_rows(const struct keydiff_row *const *rows, size_t count, int sign, int64_t exact)
{
	size_t expected = 0, found = 0;

	for (int i = 0; i < KEYS; i++)
		expected += change(i) * sign > 0 && change(i) * sign >= exact;
	for (size_t i = 0; i < count; i++) {
		int number = atoi(rows[i]->key.data + 4);
		int64_t by = keydiff_change(rows[i]);

		assert_int_equal(rows[i]->db, number % 3);
		assert_int_equal(by, change(number));
		assert_true(by * sign > 0);
		assert_int_equal(rows[i]->before,
				 before[number] < 0 ? RECORD_UNKNOWN : before[number]);
		assert_int_equal(rows[i]->after,
				 after[number] < 0 ? RECORD_UNKNOWN : after[number]);
		if (i)
			assert_true(by * sign <= keydiff_change(rows[i - 1]) * sign);
		found += by * sign >= exact;
	}
	assert_int_equal(found, expected);
}

static void check(size_t limit, bool all)
{
	struct keydiff *d = diff(limit);
	const struct keydiff_row *const *rows;
	size_t count;

	rows = keydiff_grown(d, &count);
	check_rows(rows, count, 1, keydiff_grown_exact_bytes(d));
	rows = keydiff_shrunk(d, &count);
	check_rows(rows, count, -1, keydiff_shrunk_exact_bytes(d));
	assert_int_equal(keydiff_grown_exact_bytes(d) == 0, all);
	assert_int_equal(keydiff_shrunk_exact_bytes(d) == 0, all);
	keydiff_free(d);
}

static void test_all_kept(void **state)
{
	(void)state;
	check(KEYS, true);
}

static void test_some_kept(void **state)
{
	(void)state;
	check(1000, false);
	check(100, false);
	check(1, false);
}

/* A damaged dump may have a key twice. */
static void test_twice(void **state)
{
	struct keydiff *d = keydiff_new(2);
	char name[32];

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct record_key key = key_of(name, 1, 100 + i);

		keydiff_older(d, &key);
	}
	for (int i = 0; i < 5; i++) {
		struct record_key key = key_of(name, 1, 200 + i);

		keydiff_newer(d, &key);
	}
	keydiff_finish(d);
	keydiff_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kept),
		cmocka_unit_test(test_some_kept),
		cmocka_unit_test(test_twice),
	};

	return cmocka_run_group_tests_name("key diff", tests, NULL, NULL);
}
