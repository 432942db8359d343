/* SPDX-License-Identifier: BSD-2-Clause */
/* The experiment finds the function in a stripped libjemalloc, without a table, and
 * refuses a library in which nothing behaves so. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
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

#include "host/elf.h"
#include "skipped.h"
#include "target/experiment.h"
#include "target/experiment_cache.h"

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

/* The threads that watch have all signals blocked: under `redmem serve` no experiment found the
 * function, since its child had inherited that. */
static void test_blocked_signals(void **state)
{
	sigset_t all, before;

	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	test_jemalloc(state);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
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

/* --- experiment cache --------------------------------------------------------------------- */

/* Results of experiments go by what the files hold, and are kept whole or not at all. */

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
	if (geteuid())
		skip_because("the cache is root's");
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
		cmocka_unit_test(test_jemalloc),      cmocka_unit_test(test_blocked_signals),
		cmocka_unit_test(test_other_library), cmocka_unit_test(test_program),
		cmocka_unit_test(test_hello),	      cmocka_unit_test(test_digest),
		cmocka_unit_test(test_round),	      cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests_name("experiment", tests, make_directory, remove_directory);
}
