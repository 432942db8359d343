/* SPDX-License-Identifier: BSD-2-Clause */
/* Which server a side of a lab is, and what is said of one that does not start. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "lab/private_server.h"
#include "lab/side.h"

static char dir[] = "/tmp/redmem-test-XXXXXX";

/* A program "server" in the folder that is ours, and the current one. */
static void write_program(const char *text)
{
	FILE *file = fopen("server", "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod("server", 0700), 0);
}

static int setup(void **state)
{
	(void)state;
	return !mkdtemp(dir) || chdir(dir);
}

static int teardown(void **state)
{
	(void)state;
	unlink("server");
	unlink("server.log");
	return chdir("/") || rmdir(dir);
}

/* --- which it is ---------------------------------------------------------------------------- */

static void close_side(struct lab_side *side)
{
	struct lab_about about = { 0 };

	about.side[LAB_A] = *side->about;
	lab_side_close(side);
	lab_about_free(&about);
}

/* A server begins in a folder of its own: there "./server" would be another. */
static void test_relative(void **state)
{
	struct lab_about_side about = { 0 };
	struct lab_side side;
	char path[128];

	(void)state;
	write_program("#!/bin/sh\n");
	snprintf(path, sizeof(path), "%s/./server", dir);
	assert_int_equal(lab_side_open(&side, &about, "./server", NULL), 0);
	assert_string_equal(side.command[0], path);
	assert_string_equal(about.program, path);
	close_side(&side);
}

static int preload(const char *assignment, const char *says)
{
	struct lab_about_side about = { 0 };
	struct lab_side side = { .about = &about };
	struct err err = { 0 };
	int ret = lab_side_environ(&side, assignment, &err);

	assert_true(ret ? strstr(err.text, says) != NULL : !*says);
	close_side(&side);
	return ret;
}

/* The loader would go on without, and A be compared with itself. */
static void test_preload(void **state)
{
	(void)state;
	write_program("");
	assert_int_equal(preload("LD_PRELOAD=/no/such.so", "/no/such.so: No such file"), -ENOENT);
	assert_int_equal(preload("LD_PRELOAD=libc.so.6:/no/such.so", "/no/such.so"), -ENOENT);
	assert_int_equal(preload("LD_PRELOAD=./server", "name it from /"), -EINVAL);
	assert_int_equal(preload("LD_PRELOAD=libjemalloc.so.2", ""), 0);
	assert_int_equal(preload("LD_PRELOAD=", ""), 0);
	assert_int_equal(preload("LD_PATH=/no/such.so", ""), 0);
	assert_int_equal(preload("LD_PRELOAD", "is not NAME=VALUE"), -EINVAL);
}

/* --- one that does not start ---------------------------------------------------------------- */

static int start(const char *text, const volatile sig_atomic_t *stop, struct err *err)
{
	char path[128];
	const char *command[] = { path, NULL };
	const struct private_server_config config = {
		.who = "test", .dir = dir, .command = command, .stop = stop
	};
	struct private_server server;

	snprintf(path, sizeof(path), "%s/server", dir);
	write_program(text);
	return private_server_start(&server, &config, err);
}

static void test_no_start(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
		start("#!/bin/sh\necho 1; echo \">>> 'hzz 10'\"; echo Bad directive\n", NULL, &err),
		-ECHILD);
	assert_non_null(strstr(err.text, "server ended with status 0: >>> 'hzz 10' Bad directive"));
	assert_int_equal(start("#!/bin/sh\nexit 3\n", NULL, &err), -ECHILD);
	assert_non_null(strstr(err.text, "ended with status 3: it said nothing"));
	assert_int_equal(start("#!/bin/sh\necho start; echo '# Redis crashed by signal: 11'\n"
			       "echo stack; echo END; kill -SEGV $$\n",
			       NULL, &err),
			 -ECHILD);
	assert_non_null(strstr(err.text, "by signal 11: # Redis crashed by signal: 11"));
	assert_null(strstr(err.text, "stack"));
	assert_int_equal(start("#!/bin/sh\nkill -KILL $$\n", NULL, &err), -ECHILD);
	assert_non_null(strstr(err.text, "was ended by signal 9: it said nothing"));
	assert_int_equal(start("#!/bin/sh\nexec sleep 1000\n", &stop, &err), -EINTR);
	assert_string_equal(err.text, "test: interrupted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_preload),
		cmocka_unit_test(test_no_start),
	};

	return cmocka_run_group_tests_name("lab_side", tests, setup, teardown);
}
