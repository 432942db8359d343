/* SPDX-License-Identifier: BSD-2-Clause */
/* maps and smaps: parsing, modules, ranges; recorded and of this process. */
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

#include "base/buf.h"
#include "record/record.h"
#include "host/maps.h"

static const char maps_text[] =
	"55a000000000-55a000010000 r--p 00000000 fe:00 247498     /usr/bin/redis server (deleted)\n"
	"55a000010000-55a000020000 r-xp 00010000 fe:00 247498     /usr/bin/redis server (deleted)\n"
	"55a000020000-55a000021000 rw-p 00020000 fe:00 247498     /usr/bin/redis server (deleted)\n"
	"55a000021000-55a000030000 rw-p 00000000 00:00 0 \n"
	"55a001000000-55a001021000 rw-p 00000000 00:00 0          [heap]\n"
	"7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n"
	"7f0000400000-7f0000410000 r-xp 00000000 08:01 7          /lib/libx.so\n"
	"7f0000600000-7f0000601000 rw-p 00010000 08:01 7          /lib/libx.so\n"
	"7f0000601000-7f0000602000 rw-p 00000000 00:00 0 \n"
	"7f0000602000-7f0000700000 rw-p 00000000 00:00 0          [anon:x]\n"
	"7f0000700000-7f0000702000 r--p 00000000 08:01 9          /usr/lib/locale/a\\012b\n"
	"7f0000800000-7f0000900000 rw-s 00000000 00:01 1024       /dev/zero (deleted)\n"
	"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0          [stack]\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n";

static void test_parse(void **state)
{
	struct maps *maps;

	(void)state;
	assert_int_equal(maps_parse(&maps, maps_text, sizeof(maps_text) - 1, false), 0);
	assert_int_equal(maps->count, 14);
	assert_null(maps->use);
	assert_string_equal(maps->map[0].path, "/usr/bin/redis server");
	assert_true(maps->map[1].start == 0x55a000010000 && maps->map[1].end == 0x55a000020000);
	assert_string_equal(maps->map[1].perms, "r-xp");
	assert_int_equal(maps->map[1].offset, 0x10000);
	assert_int_equal(maps->map[1].dev_major, 0xfe);
	assert_int_equal(maps->map[1].inode, 247498);
	assert_ptr_equal(maps->map[0].path, maps->map[1].path);
	assert_string_equal(maps->map[3].path, "");
	assert_string_equal(maps->map[10].path, "/usr/lib/locale/a\\012b");
	assert_string_equal(maps->map[11].path, "/dev/zero");
	assert_true(maps->map[13].end == 0xffffffffff601000);
	maps_free(maps);
}

static void test_find(void **state)
{
	struct maps *maps;

	(void)state;
	maps_parse(&maps, maps_text, sizeof(maps_text) - 1, false);
	assert_ptr_equal(maps_find(maps, 0x55a000000000), &maps->map[0]);
	assert_ptr_equal(maps_find(maps, 0x55a00000ffff), &maps->map[0]);
	assert_ptr_equal(maps_find(maps, 0x55a000010000), &maps->map[1]);
	assert_null(maps_find(maps, 0x55a000030000));
	assert_null(maps_find(maps, 0));
	assert_null(maps_find(maps, UINT64_MAX));
	maps_free(maps);
}

static void test_modules(void **state)
{
	/* the program with its .bss; the library with its .bss, not what follows that */
	static const bool expected[14] = { 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0 };
	struct maps *maps;
	bool module[14];

	(void)state;
	maps_parse(&maps, maps_text, sizeof(maps_text) - 1, false);
	maps_mark_modules(maps, module);
	for (size_t i = 0; i < 14; i++)
		assert_int_equal(module[i], expected[i]);
	maps_free(maps);
}

static void test_ranges(void **state)
{
	struct map_range range[8];
	struct maps *maps;

	(void)state;
	maps_parse(&maps, maps_text, sizeof(maps_text) - 1, false);
	assert_int_equal(maps_file_ranges(maps, range, 8), 3);
	assert_true(range[0].start == 0x55a000000000 && range[0].end == 0x55a000030000);
	assert_true(range[1].start == 0x7f0000400000 && range[1].end == 0x7f0000602000);
	assert_true(range[2].start == 0x7f0000700000 && range[2].end == 0x7f0000702000);
	/* too little room: the largest ones, still in order */
	assert_int_equal(maps_file_ranges(maps, range, 2), 2);
	assert_true(range[0].start == 0x55a000000000);
	assert_true(range[1].start == 0x7f0000400000);
	maps_free(maps);
}

static const char smaps_text[] = "55a001000000-55a001021000 rw-p 00000000 00:00 0      [heap]\n"
				 "Size:                132 kB\n"
				 "KernelPageSize:        4 kB\n"
				 "Rss:                 100 kB\n"
				 "Pss:                  90 kB\n"
				 "Pss_Dirty:            80 kB\n"
				 "Private_Dirty:        70 kB\n"
				 "LazyFree:             12 kB\n"
				 "AnonHugePages:         8 kB\n"
				 "Swap:                 16 kB\n"
				 "SwapPss:              16 kB\n"
				 "VmFlags: rd wr mr mw me ac\n"
				 "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0      [stack]\n"
				 "Rss:                  20 kB\n";

static void test_smaps(void **state)
{
	struct maps *maps;

	(void)state;
	maps_parse(&maps, smaps_text, sizeof(smaps_text) - 1, true);
	assert_int_equal(maps->count, 2);
	assert_int_equal(maps->use[0].size, 132 << 10);
	assert_int_equal(maps->use[0].rss, 100 << 10);
	assert_int_equal(maps->use[0].pss, 90 << 10);
	assert_int_equal(maps->use[0].private_dirty, 70 << 10);
	assert_int_equal(maps->use[0].lazy_free, 12 << 10);
	assert_int_equal(maps->use[0].anon_huge, 8 << 10);
	assert_int_equal(maps->use[0].swap, 16 << 10);
	assert_int_equal(maps->use[1].rss, 20 << 10);
	assert_int_equal(maps->use[1].swap, 0);
	maps_free(maps);
}

static void test_rollup(void **state)
{
	struct smaps_rollup r;

	(void)state;
	smaps_rollup_parse(&r, smaps_text, sizeof(smaps_text) - 1);
	assert_int_equal(r.rss_bytes, 120 << 10); /* both mappings */
	assert_int_equal(r.swap_bytes, 16 << 10);
	assert_true(r.private_clean_bytes == RECORD_UNKNOWN);
	assert_int_equal(smaps_rollup_read(getpid(), &r, NULL), 0);
	assert_true(r.rss_bytes > 0 && r.private_dirty_bytes > 0);
	assert_true(r.private_dirty_bytes <= r.rss_bytes);
}

/* Cut anywhere, or with any byte wrong: no crash, and no mapping that is none. */
static void test_broken(void **state)
{
	char text[sizeof(maps_text) + sizeof(smaps_text)];
	size_t len = 0;

	(void)state;
	memcpy(text, maps_text, sizeof(maps_text) - 1);
	memcpy(text + sizeof(maps_text) - 1, smaps_text, sizeof(smaps_text));
	srand(4);
	for (int round = 0; round < 20000; round++) {
		struct map_range range[4];
		struct maps *maps;
		bool *module;

		len = (size_t)rand() % sizeof(text);
		for (int i = 0; i < round % 4; i++)
			text[(size_t)rand() % sizeof(text)] = (char)rand();
		maps_parse(&maps, text, len, round % 2);
		module = calloc(maps->count + 1, sizeof(*module));
		maps_mark_modules(maps, module);
		assert_true(maps_file_ranges(maps, range, 4) <= 4);
		maps_find(maps, 0x7f0000400000);
		for (size_t i = 0; i < maps->count; i++) {
			assert_true(maps->map[i].start < maps->map[i].end);
			assert_int_equal(strlen(maps->map[i].perms), 4);
			assert_non_null(maps->map[i].path);
		}
		free(module);
		maps_free(maps);
		if (round % 100 == 99) {
			memcpy(text, maps_text, sizeof(maps_text) - 1);
			memcpy(text + sizeof(maps_text) - 1, smaps_text, sizeof(smaps_text));
		}
	}
}

static void test_self(void **state)
{
	const struct map *map, *stack;
	struct maps *maps;
	int local = 0;
	bool *module;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	module = calloc(maps->count, sizeof(*module));
	maps_mark_modules(maps, module);
	map = maps_find(maps, (uintptr_t)test_self);
	stack = maps_find(maps, (uintptr_t)&local);
	assert_non_null(map);
	assert_int_equal(map->perms[2], 'x');
	assert_true(module[map - maps->map]);
	assert_non_null(stack);
	assert_false(module[stack - maps->map]);
	assert_true(maps_count(getpid()) > 0);
	free(module);
	maps_free(maps);
}

static void test_gone(void **state)
{
	struct err err = { 0 };
	struct maps *maps;

	(void)state;
	assert_int_equal(maps_read(&maps, INT32_MAX, &err), -ENOENT);
	assert_int_equal(err.code, -ENOENT);
	assert_true(maps_count(INT32_MAX) == RECORD_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	cmocka_unit_test(test_find),
		cmocka_unit_test(test_modules), cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_smaps),	cmocka_unit_test(test_rollup),
		cmocka_unit_test(test_broken),	cmocka_unit_test(test_self),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
