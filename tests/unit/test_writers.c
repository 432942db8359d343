/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the AOF lies, and who writes beside the server. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
	writers_emit(writers, &sink);
	assert_int_equal(t.writers, 0);
	writers_free(writers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_mountinfo),
		cmocka_unit_test(of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
