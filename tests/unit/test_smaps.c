/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings into classes: each rule, the sum, and this process with a thread. */
#include <pthread.h>
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
#include "host/smaps.h"

#define MIB (1ull << 20)

/* One mapping for the tests, with 4 KiB resident. */
static void add(struct buf *b, uint64_t start, uint64_t size, const char *perms, unsigned int inode,
		const char *path)
{
	buf_printf(b, "%llx-%llx %s 00000000 fe:00 %u %s\nSize: %llu kB\nRss: 4 kB\nSwap: 1 kB\n",
		   (unsigned long long)start, (unsigned long long)(start + size), perms, inode,
		   path, (unsigned long long)(size >> 10));
}

static struct maps *parse(struct buf *b)
{
	struct maps *maps;

	maps_parse(&maps, buf_str(b), b->len, true);
	buf_free(b);
	return maps;
}

static void test_names(void **state)
{
	static const struct {
		const char *perms, *path;
		unsigned int inode;
		enum map_class class, class_with_jemalloc;
	} rows[] = {
		{ "rw-p", "[heap]", 0, CLASS_HEAP, CLASS_HEAP },
		{ "rw-p", "[stack]", 0, CLASS_STACKS, CLASS_STACKS },
		{ "rw-p", "[stack:77]", 0, CLASS_STACKS, CLASS_STACKS },
		{ "rw-p", "[anon:stack_and_tls:77]", 0, CLASS_STACKS, CLASS_STACKS },
		{ "rw-p", "[anon: glibc: pthread stack: 77]", 0, CLASS_STACKS, CLASS_STACKS },
		{ "rw-p", "[anon: glibc: malloc arena]", 0, CLASS_ALLOCATOR, CLASS_HEAP },
		{ "rw-p", "[anon:jemalloc_pg]", 0, CLASS_ALLOCATOR, CLASS_ALLOCATOR },
		{ "rw-s", "[anon_shmem:x]", 0, CLASS_SHARED, CLASS_SHARED },
		{ "r-xp", "[vdso]", 0, CLASS_KERNEL, CLASS_KERNEL },
		{ "r--p", "[vvar_vclock]", 0, CLASS_KERNEL, CLASS_KERNEL },
		{ "--xp", "[uprobes]", 0, CLASS_KERNEL, CLASS_KERNEL },
		{ "rw-p", "", 0, CLASS_ALLOCATOR, CLASS_ALLOCATOR },
		{ "---p", "", 0, CLASS_ALLOCATOR, CLASS_ALLOCATOR },
		{ "rw-p", "/anon_hugepage (deleted)", 5, CLASS_ALLOCATOR, CLASS_ALLOCATOR },
		{ "rw-s", "/dev/zero (deleted)", 6, CLASS_SHARED, CLASS_SHARED },
		{ "rw-s", "/memfd:x (deleted)", 7, CLASS_SHARED, CLASS_SHARED },
		{ "rw-s", "/SYSV00000000 (deleted)", 8, CLASS_SHARED, CLASS_SHARED },
		{ "rw-s", "/dev/shm/x", 9, CLASS_SHARED, CLASS_SHARED },
		{ "r--s", "/usr/lib/gconv-modules.cache", 10, CLASS_FILE, CLASS_FILE },
		{ "rw-s", "/var/lib/data", 11, CLASS_FILE, CLASS_FILE },
		{ "r--p", "/usr/lib/locale/x", 12, CLASS_FILE, CLASS_FILE },
		{ "r-xp", "/usr/bin/server", 13, CLASS_BINARY, CLASS_BINARY },
	};
	enum { N = sizeof(rows) / sizeof(rows[0]) };
	struct map_hints hints = { 0 };
	unsigned char class[N];
	struct buf b = { 0 };
	struct maps *maps;

	(void)state;
	for (size_t i = 0; i < N; i++) /* far apart: no neighbours */
		add(&b, (i + 1) * 100 * MIB, MIB, rows[i].perms, rows[i].inode, rows[i].path);
	maps = parse(&b);
	assert_int_equal(maps->count, N);
	maps_classify(maps, &hints, class);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(class[i], rows[i].class);
	hints.jemalloc_present = true;
	maps_classify(maps, &hints, class);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(class[i], rows[i].class_with_jemalloc);
	maps_free(maps);
}

static void test_glibc_arena(void **state)
{
	struct map_hints hints = { 0 };
	unsigned char class[6];
	struct buf b = { 0 };
	struct maps *maps;

	(void)state;
	add(&b, 64 * MIB, 2 * MIB, "rw-p", 0, "");
	add(&b, 66 * MIB, 62 * MIB, "---p", 0, "");
	add(&b, 128 * MIB, 2 * MIB, "rw-p", 0, ""); /* the rest is too short */
	add(&b, 130 * MIB, 3 * MIB, "---p", 0, "");
	add(&b, 193 * MIB, 2 * MIB, "rw-p", 0, ""); /* not on a boundary */
	add(&b, 195 * MIB, 62 * MIB, "---p", 0, "");
	maps = parse(&b);
	maps_classify(maps, &hints, class);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(class[i], CLASS_ALLOCATOR);
	hints.jemalloc_present = true;
	maps_classify(maps, &hints, class);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(class[i], i < 2 ? CLASS_HEAP : CLASS_ALLOCATOR);
	maps_free(maps);
}

/* Guard and stack; a jemalloc mapping; guard and a mapping too big for a stack. Of a kernel
 * with pages of that size. */
static struct maps *stack_maps(uint64_t page)
{
	struct buf b = { 0 };

	add(&b, 100 * MIB - page, page, "---p", 0, "");
	add(&b, 100 * MIB, 8 * MIB - page, "rw-p", 0, "");
	add(&b, 200 * MIB, 8 * MIB, "rw-p", 0, "");
	add(&b, 300 * MIB - page, page, "---p", 0, "");
	add(&b, 300 * MIB, 20 * MIB, "rw-p", 0, "");
	add(&b, 400 * MIB - page, page, "---p", 0, "");
	add(&b, 400 * MIB, 65 * MIB, "rw-p", 0, "");
	return parse(&b);
}

static void check_thread_stacks(uint64_t page)
{
	const uint64_t sp[] = { 107 * MIB, 201 * MIB, 301 * MIB, 401 * MIB, 1, UINT64_MAX };
	struct map_hints hints = { .stack_pointers = sp, .stack_pointers_count = 6 };
	struct maps *maps = stack_maps(page);
	unsigned char class[7];

	maps_classify(maps, &hints, class);
	assert_int_equal(class[1], CLASS_STACKS);
	assert_int_equal(class[2], CLASS_ALLOCATOR); /* no guard */
	assert_int_equal(class[4], CLASS_STACKS); /* no limit is known */
	assert_int_equal(class[6], CLASS_ALLOCATOR); /* more than any stack */
	hints.stack_limit = 8 * MIB; /* then 20 MiB is a stack merged with something */
	maps_classify(maps, &hints, class);
	assert_int_equal(class[1], CLASS_STACKS);
	assert_int_equal(class[4], CLASS_ALLOCATOR);
	maps_free(maps);
}

static void test_thread_stacks(void **state)
{
	(void)state;
	check_thread_stacks(4096);
	check_thread_stacks(16384);
	check_thread_stacks(65536);
}

static void test_running_threads(void **state)
{
	struct map_hints hints = { .stack_limit = 8 * MIB };
	struct maps *maps = stack_maps(4096);
	unsigned char class[7];

	(void)state;
	maps_classify(maps, &hints, class);
	assert_int_equal(class[1], CLASS_ALLOCATOR);
	hints.threads_running = 1;
	maps_classify(maps, &hints, class);
	assert_int_equal(class[1], CLASS_STACKS);
	assert_int_equal(class[2], CLASS_ALLOCATOR);
	assert_int_equal(class[4], CLASS_ALLOCATOR);
	maps_free(maps);
}

static void test_stack_pointer(void **state)
{
	(void)state;
	assert_true(smaps_stack_pointer("0 0x3 0x7fac65331000 0x20000 0x7fac653c2b60 0xffffffff "
					"0x0 0x7ffdcc519468 0x7fac654ab2ad\n") == 0x7ffdcc519468);
	assert_true(smaps_stack_pointer("-1 0x7ffdcc519468 0x7fac654ab2ad\n") == 0x7ffdcc519468);
	assert_true(smaps_stack_pointer("running\n") == 0);
	assert_true(smaps_stack_pointer("") == 0);
	assert_true(smaps_stack_pointer(" ") == 0);
	assert_true(smaps_stack_pointer("0x1 0x2") == 0);
	assert_true(smaps_stack_pointer("- x y") == 0);
}

static int64_t class_sum(const struct smaps *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < CLASS_COUNT; i++)
		sum += s->class[i].use.rss;
	return sum;
}

/* A hundred thousand mappings: as many classes' sums as lines. */
static void test_many(void **state)
{
	enum { N = 100000 };
	struct map_hints hints = { .jemalloc_present = true };
	struct buf b = { 0 };
	struct maps *maps;
	struct smaps s;

	(void)state;
	for (uint64_t i = 0; i < N; i++)
		add(&b, (i + 1) << 16, 1 << (12 + i % 4), i % 3 ? "rw-p" : "r-xp",
		    i % 5 ? 0 : 1 + i % 7, i % 5 ? "" : "/lib/x.so");
	maps = parse(&b);
	assert_int_equal(maps->count, N);
	smaps_add_up(&s, maps, &hints);
	assert_int_equal(s.rss_bytes, N * 4096ll);
	assert_int_equal(s.swap_bytes, N * 1024ll);
	assert_int_equal(class_sum(&s), s.rss_bytes);
	assert_int_equal(s.mappings, N);
	maps_free(maps);
}

static int thread_ready[2], thread_stop[2];

static void *thread_main(void *arg)
{
	char c = 0;

	/* Blocked in read(2), where the kernel tells its stack pointer. */
	if (write(thread_ready[1], &c, 1) != 1 || read(thread_stop[0], &c, 1) < 0)
		abort();
	return arg;
}

static void count_emitted(void *ctx, const struct record *record)
{
	int64_t *rss = ctx;

	assert_int_equal(record->kind, RECORD_MAPPING);
	assert_string_equal(record->mapping.phase, "start");
	assert_int_equal(record->mapping.pid, getpid());
	*rss += record->mapping.rss_bytes;
}

static void test_self(void **state)
{
	int64_t emitted = 0;
	const struct record_sink sink = { count_emitted, &emitted };
	struct smaps before, with;
	pthread_t thread;
	char c;

	(void)state;
	assert_int_equal(pipe(thread_ready), 0);
	assert_int_equal(pipe(thread_stop), 0);
	assert_int_equal(smaps_read(&before, getpid(), false, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, thread_main, NULL), 0);
	assert_int_equal(read(thread_ready[0], &c, 1), 1);
	assert_int_equal(smaps_read(&with, getpid(), false, NULL), 0);
	close(thread_stop[1]);
	pthread_join(thread, NULL);
	assert_int_equal(class_sum(&with), with.rss_bytes);
	assert_true(with.read_seconds > 0);
	assert_true(with.class[CLASS_BINARY].use.rss > 0);
	assert_true(with.class[CLASS_KERNEL].mappings > 0);
	assert_int_equal(with.class[CLASS_STACKS].mappings,
			 before.class[CLASS_STACKS].mappings + 1);
	smaps_emit(&with, getpid(), 0.0, "start", &sink);
	assert_int_equal(emitted, with.rss_bytes);
}

static void test_gone(void **state)
{
	struct err err = { 0 };
	struct smaps s;

	(void)state;
	assert_true(smaps_read(&s, INT32_MAX, false, &err) < 0);
	assert_true(err.code < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	      cmocka_unit_test(test_glibc_arena),
		cmocka_unit_test(test_thread_stacks), cmocka_unit_test(test_running_threads),
		cmocka_unit_test(test_stack_pointer), cmocka_unit_test(test_many),
		cmocka_unit_test(test_self),	      cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests_name("smaps", tests, NULL, NULL);
}
