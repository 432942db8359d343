/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the AOF lies, and who writes beside the server. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/writers.h"

static void lines_of_mountinfo(void **state)
{
	static const char line[] = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw";
	struct buf out = { 0 };

	(void)state;
	assert_true(disk_of_line(line, 98, 0, &out));
	assert_string_equal(buf_str(&out), "ext3 on /dev/root");
	assert_false(disk_of_line(line, 98, 1, &out));
	assert_false(disk_of_line("36 35 98:0 /mnt1 /mnt2 rw", 98, 0, &out)); /* half a line */
	assert_false(disk_of_line("", 98, 0, &out));
	assert_string_equal(buf_str(&out), "ext3 on /dev/root");
	buf_free(&out);
}

struct taken {
	size_t disks, writers;
	char file[4096];
};

static void take(void *ctx, const struct record *record)
{
	struct taken *t = ctx;

	if (record->kind == RECORD_DISK) {
		t->disks++;
		strncpy(t->file, record->disk.file, sizeof(t->file) - 1);
	}
	t->writers += record->kind == RECORD_WRITER && record->writer.pid == getpid();
}

/* Of this process: its own open AOF is found, and it is no writer beside itself. */
static void of_a_process(void **state)
{
	struct writers *writers = writers_new(getpid());
	char path[] = "/tmp/redmem-unit-aofXXXXXX";
	struct taken t = { 0 };
	struct record_sink sink = { take, &t };
	int fd;

	(void)state;
	disk_emit(&sink, getpid());
	assert_int_equal(t.disks, 0);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	disk_emit(&sink, getpid());
	assert_int_equal(t.disks, 1);
	assert_string_equal(t.file, path);
	close(fd);
	unlink(path);
	writers_tell(writers, &sink);
	assert_int_equal(t.writers, 0);
	writers_free(writers);
}

#define FILES (64 << 10) /* what making a file and taking it away writes */

/* What the kernel has counted of this process. */
static int64_t counted(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	long long bytes = -1;
	char line[128];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) && sscanf(line, "write_bytes: %lld", &bytes) != 1)
		;
	fclose(file);
	assert_true(bytes >= 0);
	return bytes;
}

/* So much more of it, and at least that: of a file system that is in memory nothing is counted. */
static int64_t write_mebibytes(int count)
{
	char path[] = "./redmem-unit-writesXXXXXX";
	int fd = mkstemp(path);
	char *block = calloc(1, 1 << 20);
	int64_t before = counted();

	assert_true(fd >= 0);
	unlink(path);
	for (int i = 0; i < count; i++)
		assert_int_equal(write(fd, block, 1 << 20), 1 << 20);
	fsync(fd);
	close(fd);
	free(block);
	return counted() - before;
}

static void take_bytes(void *ctx, const struct record *record)
{
	int64_t *bytes = ctx;

	if (record->kind == RECORD_WRITER && record->writer.pid == getpid())
		*bytes += record->writer.written_bytes;
}

/* A look is shared for a while, so that what it was too early for comes with the next. */
static int64_t told_until(struct writers *writers, int64_t wanted)
{
	int64_t bytes = 0;
	struct record_sink sink = { take_bytes, &bytes };

	for (int i = 0; i < 1000 && bytes < wanted; i++) {
		writers_tell(writers, &sink);
		usleep(10000);
	}
	return bytes;
}

/* Each time it is told what came since, to whoever asks. */
static void since_it_was_told(void **state)
{
	struct writers *one = writers_new(1), *other = writers_new(1);
	int64_t first, second;

	(void)state;
	first = write_mebibytes(8);
	assert_in_range(told_until(one, first), first, first + FILES);
	second = write_mebibytes(4);
	assert_in_range(told_until(one, second), second, second + FILES);
	assert_in_range(told_until(other, first + second), first + second, first + second + FILES);
	writers_free(one);
	writers_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_mountinfo),
		cmocka_unit_test(of_a_process),
		cmocka_unit_test(since_it_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
