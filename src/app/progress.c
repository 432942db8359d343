/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal while something goes on: how far it is, and Ctrl-C; see progress.h. */
#include "app/progress.h"

#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"
#include "report/report.h"

/* --- a watch ----------------------------------------------------------------- */

#define DEFAULT_COLUMNS 80

struct progress {
	bool terminal;
	bool stall; /* the line shows one */
	double seconds;
};

/* A line that fills the last column wraps, and \r comes back to its second half only. */
void progress_line(struct buf *text)
{
	struct winsize size = {};

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2)
		size.ws_col = DEFAULT_COLUMNS;
	utf8_cut(text, size.ws_col - 1u);
	fprintf(stderr, "\r\033[K%s", buf_str(text));
}

static void line(struct progress *progress, struct buf *text)
{
	if (progress->terminal)
		progress_line(text);
	buf_free(text);
}

struct progress *progress_new(pid_t pid, double seconds, bool quiet)
{
	struct progress *progress = xcalloc(1, sizeof(*progress));
	char length[32] = "until Ctrl-C", who[32] = "the server";
	struct buf text = {};

	if (!isinf(seconds))
		snprintf(length, sizeof(length), "for %g s", seconds);
	progress->terminal = !quiet && isatty(STDERR_FILENO);
	progress->seconds = seconds;
	if (pid)
		snprintf(who, sizeof(who), "process %d", pid);
	log_msg(LOG_INFO, "watching %s %s", who, length);
	buf_printf(&text, "watching %s %s%s", who, length,
		   isinf(seconds) ? "" : "; Ctrl-C ends it early");
	line(progress, &text);
	return progress;
}

void progress_clear(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

void progress_tick(struct progress *progress, double t_seconds)
{
	struct buf text = {};

	if (progress->stall)
		return;
	if (isinf(progress->seconds))
		buf_printf(&text, "watching: %.0f s; Ctrl-C ends it", t_seconds);
	else
		buf_printf(&text, "watching: %.0f of %g s; Ctrl-C ends it early", t_seconds,
			   progress->seconds);
	line(progress, &text);
}

void progress_stall(struct progress *progress, const struct stall *stall)
{
	struct buf text = {};

	if (stall)
		report_stall_live(&text, stall);
	if (stall || progress->stall)
		line(progress, &text);
	progress->stall = stall != NULL;
}

void progress_end(struct progress *progress)
{
	if (!progress)
		return;
	if (progress->terminal)
		progress_clear();
	free(progress);
}

/* --- a pass over the keys ---------------------------------------------------- */

#define BAR_COLUMNS 30

struct keys_progress {
	bool terminal;
	int64_t keys_total;
	int64_t start_ns;
};

struct keys_progress *keys_progress_new(int64_t keys_total)
{
	struct keys_progress *progress = xcalloc(1, sizeof(*progress));

	progress->terminal = isatty(STDERR_FILENO);
	progress->keys_total = keys_total;
	progress->start_ns = clock_mono_ns();
	return progress;
}

static void bar(struct buf *line, double share)
{
	size_t full = (size_t)(share * BAR_COLUMNS);

	buf_putc(line, '[');
	buf_fill(line, '#', full);
	buf_fill(line, '.', BAR_COLUMNS - full);
	buf_printf(line, "] %3.0f %%, ", share * 100);
}

void keys_progress_show(struct keys_progress *progress, int64_t keys_done)
{
	double seconds = (double)(clock_mono_ns() - progress->start_ns) / 1e9;
	double rate = (double)keys_done / seconds;
	struct buf line = { 0 };
	double share;

	if (!progress->terminal)
		return;
	/* Keys come and go meanwhile: the total is that of the start. */
	share = progress->keys_total ? (double)keys_done / (double)progress->keys_total : 0;
	share = share > 1 ? 1 : share;
	if (progress->keys_total)
		bar(&line, share);
	fmt_count(&line, keys_done);
	buf_puts(&line, " keys, ");
	fmt_count(&line, (int64_t)rate);
	buf_puts(&line, "/s");
	if (share > 0.01 && rate > 0) {
		buf_puts(&line, ", left ");
		fmt_seconds(&line, (double)progress->keys_total * (1 - share) / rate);
	}
	progress_line(&line);
	buf_free(&line);
}

void keys_progress_end(struct keys_progress *progress)
{
	if (!progress)
		return;
	progress_clear();
	free(progress);
}

/* --- Ctrl-C ------------------------------------------------------------------ */

static volatile sig_atomic_t came;

static void on_signal(int sig)
{
	(void)sig;
	came = 1;
}

void interrupt_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	came = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool interrupted(void)
{
	return came;
}

const volatile sig_atomic_t *interrupted_flag(void)
{
	return &came;
}
