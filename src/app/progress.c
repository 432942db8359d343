/* SPDX-License-Identifier: BSD-2-Clause */
/* The progress line; see progress.h. */
#include "app/progress.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "report/report.h"

struct progress {
	bool terminal;
	bool stall; /* the line shows one */
	double seconds;
};

struct progress *progress_new(pid_t pid, double seconds)
{
	struct progress *progress = xcalloc(1, sizeof(*progress));
	char length[32] = "until Ctrl-C";

	if (!isinf(seconds))
		snprintf(length, sizeof(length), "for %g s", seconds);
	progress->terminal = isatty(STDERR_FILENO);
	progress->seconds = seconds;
	log_msg(LOG_INFO, "watching process %d %s", pid, length);
	if (progress->terminal)
		fprintf(stderr, "\r\033[Kwatching process %d %s%s", pid, length,
			isinf(seconds) ? "" : "; Ctrl-C ends it early");
	return progress;
}

static void line(struct progress *progress, const char *text)
{
	if (progress->terminal)
		fprintf(stderr, "\r\033[K%s", text);
}

void progress_clear(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

void progress_tick(struct progress *progress, double t_seconds)
{
	char text[80];

	if (progress->stall)
		return;
	if (isinf(progress->seconds))
		snprintf(text, sizeof(text), "watching: %.0f s; Ctrl-C ends it", t_seconds);
	else
		snprintf(text, sizeof(text), "watching: %.0f of %g s; Ctrl-C ends it early",
			 t_seconds, progress->seconds);
	line(progress, text);
}

void progress_stall(struct progress *progress, const struct fact_stall *stall)
{
	struct buf text = {};

	if (!stall && progress->stall)
		line(progress, "");
	progress->stall = stall != NULL;
	if (!stall)
		return;
	report_stall_live(&text, stall);
	line(progress, buf_str(&text));
	buf_free(&text);
}

void progress_end(struct progress *progress)
{
	if (!progress)
		return;
	line(progress, "");
	free(progress);
}
