/* SPDX-License-Identifier: BSD-2-Clause */
/* The line on a terminal stays one line, whatever the key of a stall is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/progress.h"
#include "base/escape.h"
#include "skipped.h"

static int master = -1, saved = -1;

/* A terminal of @columns takes the place of stderr. */
static bool terminal_open(unsigned short columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int slave;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) || unlockpt(master))
		return false;
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (slave < 0 || ioctl(slave, TIOCSWINSZ, &size))
		return false;
	saved = dup(STDERR_FILENO);
	dup2(slave, STDERR_FILENO);
	close(slave);
	return true;
}

/* With nobody writing any more, what was shown can be read to its end. */
static void terminal_close(char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	while (len < size - 1 && (n = read(master, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(master);
	out[len] = '\0';
}

/* Every line that was shown fits: as wide as the terminal it would wrap. */
static void assert_lines(char *shown, size_t columns)
{
	size_t lines = 0;

	for (char *line = strtok(shown, "\r"); line; line = strtok(NULL, "\r"), lines++) {
		assert_memory_equal(line, "\033[K", 3);
		assert_true(utf8_columns(line + 3) < columns);
		assert_null(strchr(line, '\n'));
	}
	assert_true(lines > 0);
}

static void show(unsigned short columns, struct bytes key, char *out, size_t size)
{
	struct stall stall = {
		.duration_seconds = 12.34,
		.command = "georadiusbymember",
		.inner = "",
		.key = key,
		.activity = { { "freeing", 9 }, { "giving pages back", 2 } },
		.commands_total = INT64_MIN,
		.wait_call = "",
		.wait_file = "",
	};
	struct progress *progress;

	if (!terminal_open(columns))
		skip_because("no terminal can be had here");
	progress = progress_new(4242, INFINITY, false);
	progress_tick(progress, 1);
	progress_stall(progress, &stall);
	progress_tick(progress, 2);
	progress_stall(progress, NULL);
	progress_end(progress);
	terminal_close(out, size);
}

static void test_fits(void **state)
{
	static const struct bytes keys[] = {
		{ "leaderboard:global:of:the:whole:world:this:week:and:the:one:before", 64 },
		{ "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5", 18 },
		{ "\xe2\x9c\x85\xe2\x9a\xa1\xf0\x9f\x98\x80\xe2\x9c\x85\xe2\x9a\xa1\xe2\x9c\x85",
		  19 },
		{ "line\nfeed\033[2J", 13 },
	};
	char shown[4096];

	(void)state;
	for (unsigned short columns = 10; columns <= 80; columns += 7)
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			show(columns, keys[i], shown, sizeof(shown));
			assert_lines(shown, columns);
		}
}

static void test_whole_where_it_fits(void **state)
{
	char shown[4096];

	(void)state;
	show(200, (struct bytes){ "k", 1 }, shown, sizeof(shown));
	assert_non_null(strstr(shown, "12 s so far: GEORADIUSBYMEMBER k, 73 % freeing, "
				      "16 % giving pages back"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_whole_where_it_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
