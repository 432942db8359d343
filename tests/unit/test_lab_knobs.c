/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of what a lab changes, with folders that play the host. */
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "host/file.h"
#include "lab/knobs.h"

static char root[64], state[96], knob[96], choice[96];

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *path, const char *text)
{
	struct buf all = {};

	assert_int_equal(file_read(path, 4096, &all, NULL), 0);
	assert_string_equal(buf_str(&all), text);
	buf_free(&all);
}

static int make_host(void **unused)
{
	(void)unused;
	snprintf(root, sizeof(root), "/tmp/redmem-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(state, sizeof(state), "%s/var/state", root);
	snprintf(knob, sizeof(knob), "%s/overcommit", root);
	snprintf(choice, sizeof(choice), "%s/thp", root);
	put(knob, "0\n");
	put(choice, "always [madvise] never\n");
	return 0;
}

static int remove_host(void **unused)
{
	char command[96];

	(void)unused;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* How many journals there are. */
static int journals(void)
{
	char command[160];

	snprintf(command, sizeof(command), "exit $(ls %s 2>/dev/null | wc -l)", state);
	return WEXITSTATUS(system(command));
}

/* --- one that comes to its end ------------------------------------------------------------ */

static void all_is_undone_at_the_end(void **unused)
{
	struct buf folder = {};
	struct knobs *k;
	char file[160];

	(void)unused;
	assert_int_equal(knobs_open(&k, state, NULL), 0);
	assert_int_equal(knobs_set(k, knob, "1", NULL), 0);
	assert_int_equal(knobs_set(k, knob, "2", NULL),
			 0); /* what counts is what was there first */
	assert_int_equal(knobs_set(k, choice, "always", NULL), 0);
	assert_holds(knob, "2");
	assert_int_equal(knobs_folder_make(k, root, &folder, NULL), 0);
	snprintf(file, sizeof(file), "%s/file", buf_str(&folder));
	put(file, "");
	assert_int_equal(journals(), 1);
	assert_int_equal(knobs_close(k, NULL), 0);
	assert_holds(knob, "0");
	assert_holds(choice, "madvise");
	assert_int_not_equal(access(buf_str(&folder), F_OK), 0);
	assert_int_equal(journals(), 0);
	buf_free(&folder);
}

static void a_value_that_is_there_is_not_written(void **unused)
{
	struct knobs *k;

	(void)unused;
	assert_int_equal(knobs_open(&k, state, NULL), 0);
	assert_int_equal(knobs_set(k, choice, "madvise", NULL), 0);
	assert_holds(choice, "always [madvise] never\n");
	assert_int_equal(knobs_reset(k, choice, NULL), 0);
	assert_int_equal(knobs_close(k, NULL), 0);
	assert_holds(choice, "always [madvise] never\n");
}

static void a_side_without_the_knob_gets_what_was(void **unused)
{
	struct knobs *k;

	(void)unused;
	assert_int_equal(knobs_open(&k, state, NULL), 0);
	assert_int_equal(knobs_set(k, choice, "never", NULL), 0);
	assert_int_equal(knobs_reset(k, choice, NULL), 0);
	assert_holds(choice, "madvise");
	assert_int_equal(knobs_close(k, NULL), 0);
}

/* --- one that is killed --------------------------------------------------------------------- */

/* A lab that changes things, with a process that works in its folder, and waits to be killed. */
static pid_t start_lab(void)
{
	struct buf folder = {};
	struct knobs *k;
	int ready[2];
	char byte;
	pid_t lab;

	assert_int_equal(pipe(ready), 0);
	lab = fork();
	if (!lab) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (knobs_open(&k, state, NULL) || knobs_set(k, knob, "1", NULL) ||
		    knobs_set(k, choice, "always", NULL) ||
		    knobs_folder_make(k, root, &folder, NULL) || chdir(buf_str(&folder)))
			_exit(1);
		if (!fork()) {
			if (write(ready[1], "s", 1) != 1)
				_exit(1);
			alarm(60); /* however the test ends */
			pause();
		}
		if (chdir("/"))
			_exit(1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return lab;
}

static void what_a_killed_lab_left_is_undone_once(void **unused)
{
	struct buf said = {};
	pid_t lab = start_lab();

	(void)unused;
	/* It lives: it is its own. */
	assert_int_equal(knobs_recover(state, &said, NULL), 0);
	assert_string_equal(buf_str(&said), "");
	assert_holds(knob, "1");

	kill(lab, SIGKILL);
	assert_int_equal(waitpid(lab, NULL, 0), lab);
	assert_int_equal(knobs_recover(state, &said, NULL), 0);
	assert_non_null(strstr(buf_str(&said), "1 process ended"));
	assert_non_null(strstr(buf_str(&said), "thp is 'madvise' again"));
	assert_holds(knob, "0");
	assert_holds(choice, "madvise");
	assert_int_equal(journals(), 0);

	buf_clear(&said);
	assert_int_equal(knobs_recover(state, &said, NULL), 0);
	assert_string_equal(buf_str(&said), "");
	buf_free(&said);
}

/* As if it had been killed while it wrote. */
static void leave_journal(const char *text, mode_t mode)
{
	struct knobs *k;
	char path[160];

	assert_int_equal(knobs_open(&k, state, NULL), 0);
	assert_int_equal(knobs_close(k, NULL), 0);
	snprintf(path, sizeof(path), "%s/1.journal", state);
	put(path, text);
	assert_int_equal(chmod(path, mode), 0);
}

static void boot_line(struct buf *out)
{
	struct buf id = {};

	assert_int_equal(file_read("/proc/sys/kernel/random/boot_id", 64, &id, NULL), 0);
	buf_printf(out, "boot\t%s", buf_str(&id));
	buf_free(&id);
}

static void half_a_line_was_never_acted_upon(void **unused)
{
	struct buf text = {};

	(void)unused;
	boot_line(&text);
	buf_printf(&text, "file\t%s\t7\nfile\t%s\tnev", knob, choice);
	leave_journal(buf_str(&text), 0600);
	assert_int_equal(knobs_recover(state, NULL, NULL), 0);
	assert_holds(knob, "7");
	assert_holds(choice, "always [madvise] never\n");
	buf_free(&text);
}

static void after_a_reboot_knobs_are_left_alone(void **unused)
{
	struct buf text = {}, said = {};

	(void)unused;
	buf_printf(&text, "boot\tanother\nfile\t%s\t7\n", knob);
	leave_journal(buf_str(&text), 0600);
	assert_int_equal(knobs_recover(state, &said, NULL), 0);
	assert_holds(knob, "0\n");
	assert_string_equal(buf_str(&said), "");
	assert_int_equal(journals(), 0);
	buf_free(&text);
	buf_free(&said);
}

static void what_others_may_have_written_is_not_done(void **unused)
{
	struct buf text = {};
	struct err err = {};

	(void)unused;
	boot_line(&text);
	buf_printf(&text, "file\t%s\t7\n", knob);
	leave_journal(buf_str(&text), 0666);
	assert_int_not_equal(knobs_recover(state, NULL, &err), 0);
	assert_non_null(strstr(err.text, "no journal of this user"));
	assert_holds(knob, "0\n");
	assert_int_equal(chmod(state, 0777), 0);
	assert_int_not_equal(knobs_recover(state, NULL, &err), 0);
	assert_non_null(strstr(err.text, "only its owner"));
	buf_free(&text);
}

static void only_folders_of_a_lab_are_removed(void **unused)
{
	struct buf text = {};
	struct err err = {};
	char dir[96];

	(void)unused;
	snprintf(dir, sizeof(dir), "%s/mine", root);
	assert_int_equal(mkdir(dir, 0700), 0);
	boot_line(&text);
	buf_printf(&text, "folder\t%s\n", dir);
	leave_journal(buf_str(&text), 0600);
	assert_int_not_equal(knobs_recover(state, NULL, &err), 0);
	assert_int_equal(access(dir, F_OK), 0);
	buf_free(&text);
}

#define HOST(test) cmocka_unit_test_setup_teardown(test, make_host, remove_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST(all_is_undone_at_the_end),
		HOST(a_value_that_is_there_is_not_written),
		HOST(a_side_without_the_knob_gets_what_was),
		HOST(what_a_killed_lab_left_is_undone_once),
		HOST(half_a_line_was_never_acted_upon),
		HOST(after_a_reboot_knobs_are_left_alone),
		HOST(what_others_may_have_written_is_not_done),
		HOST(only_folders_of_a_lab_are_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
