/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages at random, of this process's own memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/pages.h"
#include "host/proc.h"
#include "host/smaps.h"

#define PAGES 64
#define DRAWS 1000

static unsigned char *map(size_t page)
{
	unsigned char *memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	madvise(memory, PAGES * page, MADV_NOHUGEPAGE);
	return memory;
}

/* Of two ranges, in which every other page was written to: these alone, and of both. */
static void only_what_is_there(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), of_first = 0;
	unsigned char *memory = map(page), read[2];
	uint64_t start = (uint64_t)(uintptr_t)memory, half = PAGES / 2 * page;
	const struct map_range ranges[] = { { start, start + half },
					    { start + half + 2 * page, start + 2 * half } };
	struct drawn_page drawn[DRAWS];
	int64_t resident;
	struct err err = {};
	int count;

	(void)state;
	for (size_t i = 0; i < PAGES; i += 2)
		memory[i * page] = 1;
	count = pages_draw(getpid(), ranges, 2, DRAWS, drawn, &resident, &err);
	assert_in_range(count, DRAWS / 3, DRAWS * 2 / 3);
	for (int i = 0; i < count; i++) {
		uint64_t at = drawn[i].address;

		assert_true((at >= ranges[0].start && at < ranges[0].end) ||
			    (at >= ranges[1].start && at < ranges[1].end));
		assert_int_equal((at - start) / page % 2, 0);
		assert_int_equal(drawn[i].bytes, page); /* the next one is not there */
		assert_int_equal(memory_read(getpid(), at, read, sizeof(read)), 0);
		assert_int_equal(read[0], 1);
		of_first += at < ranges[0].end;
	}
	assert_in_range(of_first, count / 4, count * 3 / 4);
	assert_in_range(resident, (PAGES - 2) / 3 * page, (PAGES - 2) * 2 / 3 * page);
	munmap(memory, PAGES * page);
}

static void nothing_to_draw(void **state)
{
	const struct map_range none = { 4096, 4096 };
	struct drawn_page drawn[1];
	int64_t resident = -1;
	struct err err = {};

	(void)state;
	assert_int_equal(pages_draw(getpid(), &none, 1, 1, drawn, &resident, &err), 0);
	assert_int_equal(resident, 0);
}

/* What an allocator may have: not the program, its stack, or what nobody can read. */
static void ranges_of_the_allocator(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count;
	unsigned char *memory = map(page), *guard = map(page);
	uint64_t at = (uint64_t)(uintptr_t)memory, none = (uint64_t)(uintptr_t)guard;
	uint64_t stack = (uint64_t)(uintptr_t)__builtin_frame_address(0);
	struct map_range *ranges;
	struct err err = {};
	bool found = false;

	(void)state;
	mprotect(guard, PAGES * page, PROT_NONE);
	assert_int_equal(maps_of_class(getpid(), CLASS_ALLOCATOR, &ranges, &count, &err), 0);
	for (size_t i = 0; i < count; i++) {
		uint64_t start = ranges[i].start, end = ranges[i].end;

		found |= at >= start && at < end;
		assert_false(none >= start && none < end);
		assert_false(stack >= start && stack < end);
	}
	assert_true(found);
	free(ranges);
	munmap(memory, PAGES * page);
	munmap(guard, PAGES * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_there),
		cmocka_unit_test(nothing_to_draw),
		cmocka_unit_test(ranges_of_the_allocator),
	};

	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
