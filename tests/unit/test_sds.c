/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings found by their heads in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "redis/sds.h"

#define PAGE	4096
#define ADDRESS 0x7f0000000000

static const struct footprint_layout debian = { .quantum = 16 };

struct sum {
	int64_t count, requested, classes;
};

static void add(void *ctx, int64_t request, int64_t class)
{
	struct sum *sum = ctx;

	sum->count++;
	sum->requested += request;
	sum->classes += class;
}

static struct sum find(const unsigned char *memory, size_t len)
{
	struct sum sum = { 0 };

	sds_find(memory, len, PAGE, ADDRESS, &debian, add, &sum);
	return sum;
}

/* What sdsnewlen() writes; the room is what the class has, or @room. Returns the class. */
static int64_t put(unsigned char *at, int64_t length, int64_t room, char fill)
{
	int64_t width = length < 256 ? 1 : length < 65536 ? 2 : 4, head = 2 * width + 1;
	int64_t class = footprint_class(&debian, head + length + 1);

	room = room >= 0 ? room : class - head - 1;
	if (width == 1 && room > 255)
		room = 255;
	memcpy(at, &length, (size_t)width);
	memcpy(at + width, &room, (size_t)width);
	at[head - 1] = (unsigned char)(width == 4 ? 3 : width);
	memset(at + head, fill, (size_t)length);
	at[head + length] = '\0';
	return class;
}

/* One behind another, as in a slab, whatever they are filled with. */
static void test_slab(void **state)
{
	static const int64_t lengths[] = { 32, 100, 200, 254, 255, 256, 900 };
	static const char fills[] = { 'x', '\0', '\1', '\2' };
	unsigned char memory[2 * PAGE];

	(void)state;
	for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
		for (size_t f = 0; f < sizeof(fills); f++) {
			int64_t count = 0, at = 0, class = 0;
			struct sum sum;

			memset(memory, 0xaa, sizeof(memory));
			for (; at < PAGE; at += class, count++)
				class = put(memory + at, lengths[l], -1, fills[f]);
			sum = find(memory, sizeof(memory));
			assert_int_equal(sum.count, count);
			assert_int_equal(sum.classes, count * class);
			assert_int_equal(sum.requested,
					 count * (lengths[l] + (lengths[l] < 256 ? 4 : 6)));
		}
}

/* One that reaches beyond what was read is told by its head. */
static void test_long(void **state)
{
	static const int64_t lengths[] = { 2100, 20000, 1 << 20 };
	unsigned char *memory = calloc(1, 2 << 20);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sum sum;

		memset(memory, 0, 2 << 20);
		put(memory + 2048, lengths[i], -1, 'x');
		sum = find(memory, PAGE);
		assert_int_equal(sum.count, 1);
		assert_int_equal(sum.requested, lengths[i] + (lengths[i] < 65536 ? 6 : 10));
	}
	free(memory);
}

/* What a string has room for to grow is no rounding, and neither is other data. */
static void test_others(void **state)
{
	unsigned char memory[2 * PAGE];
	uint32_t next = 1;

	(void)state;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(find(memory, sizeof(memory)).count, 0);
	put(memory, 1000, 2000, 'x');
	assert_int_equal(find(memory, sizeof(memory)).count, 0);
	put(memory, 1000, 1000, 'x'); /* 6.0 has no room */
	assert_int_equal(find(memory, sizeof(memory)).count, 1);
	memory[1005] = 'x'; /* no end */
	assert_int_equal(find(memory, sizeof(memory)).count, 0);
	for (int turn = 0; turn < 100; turn++) {
		for (size_t i = 0; i < sizeof(memory); i++) {
			next = next * 1664525 + 1013904223;
			memory[i] = (unsigned char)(next >> 24);
		}
		assert_true(find(memory, sizeof(memory)).count <= 1);
	}
}

/* A short value lies behind its object, which points to it. */
static void test_embedded(void **state)
{
	unsigned char memory[PAGE];
	uint64_t pointer;
	struct sum sum;

	(void)state;
	memset(memory, 0, sizeof(memory));
	for (size_t at = 0; at + 64 <= PAGE; at += 64) {
		pointer = ADDRESS + at + 19;
		memory[at] = 0x80;
		memcpy(memory + at + 8, &pointer, sizeof(pointer));
		put(memory + at + 16, 40, 40, 'x');
	}
	sum = find(memory, sizeof(memory));
	assert_in_range(sum.count, PAGE / 64 - 1, PAGE / 64);
	assert_int_equal(sum.requested, sum.count * (16 + 3 + 40 + 1));
	for (size_t at = 0; at + 64 <= PAGE; at += 64)
		memory[at + 9] ^= 1; /* of another string */
	sum = find(memory, sizeof(memory));
	assert_int_equal(sum.requested, sum.count * 44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slab),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_embedded),
	};

	return cmocka_run_group_tests_name("sds", tests, NULL, NULL);
}
