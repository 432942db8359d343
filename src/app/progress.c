/* SPDX-License-Identifier: BSD-2-Clause */
/* The progress line; see progress.h. */
#include "app/progress.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/escape.h"
#include "report/report.h"

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
	char length[32] = "until Ctrl-C";
	struct buf text = {};

	if (!isinf(seconds))
		snprintf(length, sizeof(length), "for %g s", seconds);
	progress->terminal = !quiet && isatty(STDERR_FILENO);
	progress->seconds = seconds;
	log_msg(LOG_INFO, "watching process %d %s", pid, length);
	buf_printf(&text, "watching process %d %s%s", pid, length,
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
