/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of experiments go by what the files hold, and are kept whole or not at all. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "target/experiment.h"

static char directory[] = "/tmp/redmem-test.XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) && !chmod(directory, 0755) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static size_t entries(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return count;
}

static int file_with(const char *text)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	fputs(text, file);
	fflush(file);
	return fileno(file); /* open until the test ends */
}

/* Two libraries that say they are the same build differ by their bytes (B2d); so does one
 * under another loader or C library, which might have had it say something else. */
static void test_digest(void **state)
{
	int one = file_with("build-id 1d51, code x"), other = file_with("build-id 1d51, code y");
	struct experiment_files files = { .loader = one, .count = 2 }, changed;
	char a[EXPERIMENT_DIGEST_CHARS + 1], b[EXPERIMENT_DIGEST_CHARS + 1];

	(void)state;
	files.library[0].fd = file_with("ab");
	files.library[1].fd = file_with("c");
	assert_true(experiment_digest(a, &files));
	assert_int_equal(strlen(a), EXPERIMENT_DIGEST_CHARS);
	assert_true(experiment_digest(b, &files));
	assert_string_equal(a, b);
	changed = files;
	changed.loader = other;
	assert_true(experiment_digest(b, &changed));
	assert_string_not_equal(a, b);
	changed = files;
	changed.library[0].fd = file_with("a");
	changed.library[1].fd = file_with("bc");
	assert_true(experiment_digest(b, &changed));
	assert_string_not_equal(a, b);
	changed = files;
	strcpy(changed.library[1].name, "libc.so.6");
	assert_true(experiment_digest(b, &changed));
	assert_string_not_equal(a, b);
	changed.library[1].fd = -1;
	assert_false(experiment_digest(b, &changed));
}

static void test_round(void **state)
{
	struct experiment_result result = { .event_trigger = 0xaceb0,
					    .classes = { .bytes = { 8, 16, 32 }, .count = 3 } };
	struct experiment_result got;

	(void)state;
	if (geteuid()) /* the cache is root's */
		skip();
	assert_false(experiment_recall(&got, "d1", directory));
	experiment_keep(&result, "d1", directory);
	assert_true(experiment_recall(&got, "d1", directory));
	assert_int_equal(got.event_trigger, 0xaceb0);
	assert_int_equal(got.classes.count, 3);
	assert_int_equal(got.classes.bytes[2], 32);
	assert_false(experiment_recall(&got, "d2", directory));
	result.event_trigger = 0xbd00;
	experiment_keep(&result, "d1", directory);
	assert_true(experiment_recall(&got, "d1", directory));
	assert_int_equal(got.event_trigger, 0xbd00);
	assert_int_equal(entries(), 1);
}

/* A writer that is killed half-way leaves nothing (B25). */
static void test_killed(void **state)
{
	struct experiment_result result = { .event_trigger = 1,
					    .classes = { .bytes = { 8 }, .count = 1 } };
	size_t before = entries();
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		const struct rlimit none = {};

		setrlimit(RLIMIT_FSIZE, &none); /* the first byte written ends it: SIGXFSZ */
		experiment_keep(&result, "d3", directory);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(entries(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests_name("experiment_cache", tests, make_directory,
					   remove_directory);
}
