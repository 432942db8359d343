/* SPDX-License-Identifier: BSD-2-Clause */
/* Every server of the host at once; see watch_all.h. */
#include "app/watch_all.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/metrics_file.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/redact.h"
#include "app/watch.h"
#include "app/watch_list.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "report/report.h"

#define TURN_MS	 100
#define LOOK_NS	 1000000000LL /* how often new servers are looked for */
#define SHORTEST 0.5 /* seconds that are worth a watch */

/* What is ours of one server. */
struct use {
	struct model *model;
	char *title, *reason; /* as they are shown */
	bool from_start; /* it was there when redmem was started */
	int64_t begun_ns; /* 0 = not yet */
};

struct watch_all {
	const struct options *options;
	struct watch_list list;
	double seconds;
};

static bool note_begin(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct use *use = ctx;

	(void)conn;
	(void)snapshot;
	if (!use->begun_ns)
		__atomic_store_n(&use->begun_ns, clock_mono_ns() - (int64_t)(t_seconds * 1e9),
				 __ATOMIC_RELEASE);
	return false;
}

/* For how long those that were there at the start are watched yet: each for the whole time,
 * from when it could be. */
static double seconds_left(const struct watch_all *all)
{
	double most = all->list.looked_ns ? 0 : all->seconds;

	for (const struct watched *one = all->list.servers; one; one = one->next) {
		const struct use *use = one->use;
		int64_t begun = __atomic_load_n(&use->begun_ns, __ATOMIC_ACQUIRE);
		double left = all->seconds;

		if (!use->from_start || watched_done(one))
			continue;
		if (begun)
			left -= (double)(clock_mono_ns() - begun) / 1e9;
		if (left > most)
			most = left;
	}
	return most;
}

static bool prepare(void *ctx, struct watched *one)
{
	const struct watch_all *all = ctx;
	double seconds = seconds_left(all);
	struct use *use;

	if (seconds < SHORTEST)
		return false;
	use = xcalloc(1, sizeof(*use));
	use->from_start = !all->list.looked_ns;
	use->model = model_new();
	one->use = use;
	one->plan.seconds = seconds;
	one->plan.turn = note_begin;
	one->plan.ctx = use;
	one->sink = model_sink(use->model);
	return true;
}

static void progress(const struct watch_all *all)
{
	struct buf text = {};

	if (!isatty(STDERR_FILENO))
		return;
	buf_printf(&text, "watching %zu servers: %.0f of %g s; Ctrl-C ends it early",
		   all->list.count, all->seconds - seconds_left(all), all->seconds);
	progress_line(&text);
	buf_free(&text);
}

/* Until every server's thread has come to its end. */
static void wait_for_all(struct watch_all *all)
{
	while (!watch_list_done(&all->list)) {
		poll(NULL, 0, TURN_MS);
		if (!interrupted() && clock_mono_ns() - all->list.looked_ns >= LOOK_NS) {
			watch_list_look(&all->list);
			progress(all);
		}
	}
	progress_clear();
	watch_list_join(&all->list);
}

/* Who could not be watched is told on stderr. */
static int write_metrics(const struct watch_all *all, const struct report_server *rows)
{
	struct metrics *metrics = metrics_new(
		&(struct metrics_options){ .prefixes = METRICS_PREFIXES, .redis = true });
	int ret;

	for (size_t i = 0; i < all->list.count; i++) {
		if (rows[i].m)
			metrics_file_take(metrics, all->options, rows[i].m);
		else
			fprintf(stderr, "redmem: process %ld: %s\n", (long)rows[i].pid,
				rows[i].reason);
	}
	ret = metrics_file_write(metrics, all->options->metrics_path);
	metrics_free(metrics);
	return ret;
}

static void fill_row(struct report_server *row, struct watched *one, struct redact *redact)
{
	struct use *use = one->use;

	use->title = redact_text(redact, one->who.title);
	use->reason = redact_reason(redact, one->err.text);
	row->pid = one->who.pid;
	row->title = use->title;
	row->reason = use->reason;
	if (one->err.code)
		return;
	model_finish(use->model);
	row->m = use->model;
	row->f = diagnose(use->model);
}

static int print(const struct watch_all *all)
{
	struct report_server *rows = xcalloc(all->list.count, sizeof(*rows)), *row = rows;
	struct report_style style = print_style(all->options);
	struct redact *redact = redact_new_of(all->options);
	struct print_said said = {};
	int ret;

	for (struct watched *one = all->list.servers; one; one = one->next)
		fill_row(row++, one, redact);
	redact_free(redact);
	qsort(rows, all->list.count, sizeof(*rows), report_server_compare);
	if (print_wants_document(all->options))
		report_all_json(&said.document, rows, all->list.count);
	if (print_wants_text(all->options) && !all->options->metrics_path)
		report_all_text(&said.text, rows, all->list.count, &style);
	ret = all->options->metrics_path ? write_metrics(all, rows) :
					   print_said(all->options, &said);
	ret = ret || !rows[0].m;
	for (size_t i = 0; i < all->list.count && !ret && rows[i].m; i++)
		ret = print_status(all->options, rows[i].m, rows[i].f);
	for (size_t i = 0; i < all->list.count; i++)
		findings_free((struct findings *)rows[i].f);
	free(rows);
	return ret;
}

static void close_all(struct watch_all *all)
{
	for (struct watched *one = all->list.servers; one; one = one->next) {
		struct use *use = one->use;

		model_free(use->model);
		free(use->title);
		free(use->reason);
		free(use);
	}
	watch_list_close(&all->list);
}

int watch_all(const struct options *o)
{
	struct watch_all all = {
		.options = o,
		.list = { .options = o, .prepare = prepare, .ctx = &all },
		.seconds = isnan(o->duration_seconds) ? WATCH_SECONDS : o->duration_seconds,
	};
	struct err err = {};
	int ret;

	interrupt_catch();
	if (watch_list_open(&all.list, false, &err))
		return print_failure(&err);
	watch_list_look(&all.list);
	log_msg(LOG_INFO, "watching %zu servers for %g s", all.list.count, all.seconds);
	if (all.list.count) {
		wait_for_all(&all);
		ret = print(&all);
	} else {
		err_set(&err, -ENOENT,
			"no redis-server or valkey-server runs on this host; see `redmem check`");
		ret = print_failure(&err);
	}
	close_all(&all);
	return ret;
}
