/* SPDX-License-Identifier: BSD-2-Clause */
/* The progress line; see progress.h. */
#include "app/progress.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/fmt.h"
#include "base/log.h"

struct progress {
	bool terminal;
	double seconds;
};

struct progress *progress_new(pid_t pid, double seconds)
{
	struct progress *progress = xcalloc(1, sizeof(*progress));

	progress->terminal = isatty(STDERR_FILENO);
	progress->seconds = seconds;
	log_msg(LOG_INFO, "watching process %d for %g s", pid, seconds);
	if (progress->terminal)
		fprintf(stderr, "\r\033[Kwatching process %d for %g s; Ctrl-C ends it early", pid,
			seconds);
	return progress;
}

static void line(struct progress *progress, const char *text)
{
	if (progress->terminal)
		fprintf(stderr, "\r\033[K%s", text);
}

void progress_tick(struct progress *progress, double t_seconds)
{
	char text[80];

	snprintf(text, sizeof(text), "watching: %.0f of %g s; Ctrl-C ends it early", t_seconds,
		 progress->seconds);
	line(progress, text);
}

void progress_stall(struct progress *progress, const struct fact_stall *stall)
{
	struct buf text = {};

	fmt_seconds(&text, stall->duration_seconds);
	buf_puts(&text, " so far: ");
	for (const char *c = *stall->command ? stall->command : "the event loop"; *c; c++)
		buf_putc(&text, *stall->command ? toupper((unsigned char)*c) : *c);
	buf_putc(&text, ' ');
	escape_terminal(&text, stall->key.data, stall->key.len, 40);
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
