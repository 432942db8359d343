/* SPDX-License-Identifier: BSD-2-Clause */
/* The experiment finds the function in a stripped libjemalloc, without a table, and
 * refuses a library in which nothing behaves so. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/elf.h"
#include "target/experiment_child.h"

/* A file of this host; -1 when there is none. */
static int open_file(const char *pattern)
{
	int fd = -1;
	glob_t found;

	if (!glob(pattern, 0, NULL, &found)) {
		fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
		globfree(&found);
	}
	return fd;
}

/* @pattern, and what Debian's libjemalloc needs. */
static void open_files(struct experiment_files *files, const char *pattern)
{
	static const char *const needs[] = { "libc.so.6", "libm.so.6", "libgcc_s.so.1",
					     "libstdc++.so.6" };

	*files = (struct experiment_files){ .loader = open_file("/usr/lib/*/ld-linux-*.so.*"),
					    .count = 1 };
	if (files->loader < 0)
		files->loader = open_file("/lib*/ld-linux-*.so.*");
	assert_true(files->loader >= 0);
	files->library[0].fd = open_file(pattern);
	strcpy(files->library[0].name, "tried.so");
	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/usr/lib/*/%s", needs[i]);
		files->library[files->count].fd = open_file(path);
		strcpy(files->library[files->count].name, needs[i]);
		files->count += files->library[files->count].fd >= 0;
	}
}

static void close_files(struct experiment_files *files)
{
	close(files->loader);
	for (size_t i = 0; i < files->count; i++)
		close(files->library[i].fd);
}

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Debian 12's library, whose function was also found by disassembly. */
static const unsigned char debian_12[] = { 0x1d, 0x51, 0x63, 0xc2, 0x46, 0xdc, 0x9c,
					   0xd2, 0xb4, 0xd3, 0x39, 0xf2, 0xac, 0x42,
					   0xef, 0xd9, 0x5c, 0x6e, 0x0a, 0xe1 };

static void test_jemalloc(void **state)
{
	struct experiment_result found;
	struct experiment_files files;
	struct elf_file *library;
	const unsigned char *id;
	struct err err = {};
	size_t len;

	(void)state;
	open_files(&files, "/usr/lib/*/libjemalloc.so.2");
	assert_true(files.library[0].fd >= 0);
	if (experiment_run(&found, &files, &err))
		fail_msg("%s", err.text);
	assert_int_equal(elf_file_open_fd(&library, dup(files.library[0].fd), "library", NULL), 0);
	id = elf_file_build_id(library, &len);
	if (len == sizeof(debian_12) && !memcmp(id, debian_12, len))
		assert_int_equal(found.event_trigger, 0xaceb0);
	assert_true(found.classes.count > 50);
	assert_int_equal(found.classes.bytes[0], 8);
	assert_int_equal(found.classes.bytes[1], 16);
	assert_int_equal(found.classes.bytes[2], 32);
	elf_file_close(library);
	close_files(&files);
	assert_no_child();
}

static void refuse(const char *pattern)
{
	struct experiment_result found;
	struct experiment_files files;
	struct err err = {};

	open_files(&files, pattern);
	assert_true(files.library[0].fd >= 0);
	assert_true(experiment_run(&found, &files, &err) < 0);
	assert_true(strlen(err.text) > 0);
	assert_int_equal(found.event_trigger, 0);
	close_files(&files);
	assert_no_child();
}

static void test_other_library(void **state)
{
	(void)state;
	refuse("/usr/lib/*/libz.so.1");
	refuse("/usr/lib/*/libc.so.6");
}

/* A program cannot be preloaded. */
static void test_program(void **state)
{
	(void)state;
	refuse("/bin/true");
}

/* The child's library may have spoken in its place (B2: the count was used as it came). */
static void test_hello(void **state)
{
	struct child_hello hello = { .block_bytes = 1024,
				     .classes = { .bytes = { 8, 16, 32 }, .count = 3 } };
	struct child_hello bad;

	(void)state;
	assert_true(child_hello_fits(&hello));
	bad = hello;
	bad.classes.count = SIZE_CLASSES_MAX + 1;
	assert_false(child_hello_fits(&bad));
	bad.classes.count = SIZE_MAX;
	assert_false(child_hello_fits(&bad));
	bad.classes.count = 0;
	assert_false(child_hello_fits(&bad));
	bad.classes.count = 4; /* the last one is 0 */
	assert_false(child_hello_fits(&bad));
	bad = hello;
	bad.classes.bytes[1] = 8;
	assert_false(child_hello_fits(&bad));
	bad = hello;
	bad.block_bytes = 1000;
	assert_false(child_hello_fits(&bad));
	bad.block_bytes = UINT64_MAX;
	assert_false(child_hello_fits(&bad));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jemalloc),
		cmocka_unit_test(test_other_library),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_hello),
	};

	return cmocka_run_group_tests_name("experiment", tests, NULL, NULL);
}
