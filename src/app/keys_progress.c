/* SPDX-License-Identifier: BSD-2-Clause */
/* The bar of a pass; see keys_progress.h. */
#include "app/keys_progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/progress.h"
#include "base/buf.h"
#include "base/clock.h"

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
