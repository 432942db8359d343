/* SPDX-License-Identifier: BSD-2-Clause */
/* The scratch child finds the function in a stripped libjemalloc, without a table, and
 * refuses a library in which nothing behaves so. */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "host/elf.h"
#include "target/scratch_internal.h"

static struct elf_file *open_library(const char *pattern)
{
	struct elf_file *file = NULL;
	glob_t found;

	if (!glob(pattern, 0, NULL, &found)) {
		elf_file_open_path(&file, found.gl_pathv[0], NULL);
		globfree(&found);
	}
	return file;
}

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* ASan's malloc takes the place of any library's, so there is nothing to find then. */
#ifndef __SANITIZE_ADDRESS__
/* Debian 12's library, whose function was also found by disassembly. */
static const unsigned char debian_12[] = { 0x1d, 0x51, 0x63, 0xc2, 0x46, 0xdc, 0x9c,
					   0xd2, 0xb4, 0xd3, 0x39, 0xf2, 0xac, 0x42,
					   0xef, 0xd9, 0x5c, 0x6e, 0x0a, 0xe1 };

static void test_jemalloc(void **state)
{
	struct elf_file *library = open_library("/usr/lib/*/libjemalloc.so.2");
	struct scratch_result found;
	const unsigned char *id;
	struct err err = {};
	size_t len;

	(void)state;
	assert_non_null(library);
	if (scratch_find(&found, library, &err))
		fail_msg("%s", err.text);
	id = elf_file_build_id(library, &len);
	if (len == sizeof(debian_12) && !memcmp(id, debian_12, len))
		assert_int_equal(found.event_trigger, 0xaceb0);
	assert_true(found.classes.count > 50);
	assert_int_equal(found.classes.bytes[0], 8);
	assert_int_equal(found.classes.bytes[1], 16);
	assert_int_equal(found.classes.bytes[2], 32);
	elf_file_close(library);
	assert_no_child();
}
#endif

static void refuse(const char *pattern)
{
	struct elf_file *library = open_library(pattern);
	struct scratch_result found;
	struct err err = {};

	assert_non_null(library);
	assert_true(scratch_find(&found, library, &err) < 0);
	assert_true(strlen(err.text) > 0);
	assert_int_equal(found.event_trigger, 0);
	elf_file_close(library);
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
	struct scratch_hello hello = { .block_bytes = 1024,
				       .classes = { .bytes = { 8, 16, 32 }, .count = 3 } };
	struct scratch_hello bad;

	(void)state;
	assert_true(scratch_hello_fits(&hello));
	bad = hello;
	bad.classes.count = SIZE_CLASSES_MAX + 1;
	assert_false(scratch_hello_fits(&bad));
	bad.classes.count = SIZE_MAX;
	assert_false(scratch_hello_fits(&bad));
	bad.classes.count = 0;
	assert_false(scratch_hello_fits(&bad));
	bad.classes.count = 4; /* the last one is 0 */
	assert_false(scratch_hello_fits(&bad));
	bad = hello;
	bad.classes.bytes[1] = 8;
	assert_false(scratch_hello_fits(&bad));
	bad = hello;
	bad.block_bytes = 1000;
	assert_false(scratch_hello_fits(&bad));
	bad.block_bytes = UINT64_MAX;
	assert_false(scratch_hello_fits(&bad));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(test_jemalloc),
#endif
		cmocka_unit_test(test_other_library),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_hello),
	};

	if (argc && scratch_is_child(argv[0]))
		return scratch_child_main();
	return cmocka_run_group_tests_name("scratch", tests, NULL, NULL);
}
