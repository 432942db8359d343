/* SPDX-License-Identifier: BSD-2-Clause */
/* Every server of the host at once; see watch_all.h. */
#include "app/watch_all.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/metrics_file.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/watch.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "host/elf.h"
#include "host/proc.h"
#include "report/report.h"
#include "sensor/engine.h"
#include "target/find.h"

#define TURN_MS	      100
#define LOOK_NS	      1000000000LL /* how often new servers are looked for */
#define ROOM_FOR_MORE 16 /* servers that may start while others are watched */
#define SHORTEST      0.5 /* seconds that are worth a watch */

/* One server. Its thread's while that runs. */
struct watched {
	struct watched *next;
	struct server_candidate who;
	struct options options; /* the user's, for this one */
	struct watch_plan plan;
	struct model *model;
	struct err err; /* why it was not watched */
	pthread_t thread;
	bool running; /* the thread was started and is to be joined */
	bool done;
	bool from_start; /* it was there when redmem was started */
	int64_t begun_ns; /* 0 = not yet */
};

struct watch_all {
	const struct options *options;
	struct engine *engine;
	struct watched *servers; /* newest first */
	size_t count;
	struct target_look look;
	double seconds;
	int64_t looked_ns; /* 0 = not yet */
};

static bool note_begin(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct watched *one = ctx;

	(void)conn;
	(void)snapshot;
	if (!one->begun_ns)
		__atomic_store_n(&one->begun_ns, clock_mono_ns() - (int64_t)(t_seconds * 1e9),
				 __ATOMIC_RELEASE);
	return false;
}

/* For how long those that were there at the start are watched yet: each for the whole time,
 * from when it could be. */
static double seconds_left(const struct watch_all *all)
{
	double most = all->looked_ns ? 0 : all->seconds;

	for (const struct watched *one = all->servers; one; one = one->next) {
		int64_t begun = __atomic_load_n(&one->begun_ns, __ATOMIC_ACQUIRE);
		double left = all->seconds;

		if (!one->from_start || !one->running ||
		    __atomic_load_n(&one->done, __ATOMIC_ACQUIRE))
			continue;
		if (begun)
			left -= (double)(clock_mono_ns() - begun) / 1e9;
		if (left > most)
			most = left;
	}
	return most;
}

static void *watch_one(void *ctx)
{
	struct watched *one = ctx;
	struct record_sink sink = model_sink(one->model);

	if (!watch_plan_run(&one->options, &one->plan, &sink, &one->err))
		one->err.code = 0;
	elf_thread_end();
	__atomic_store_n(&one->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Takes @context. */
static void add(struct watch_all *all, const struct server_candidate *who)
{
	double seconds = seconds_left(all);
	struct watched *one;

	if (seconds < SHORTEST) {
		target_release(&(struct server_candidate){ .pidfd = who->pidfd });
		return;
	}
	one = xcalloc(1, sizeof(*one));
	one->who = *who;
	one->options = *all->options;
	one->options.pid = who->pid;
	one->from_start = !all->looked_ns;
	one->plan = (struct watch_plan){
		.seconds = seconds, .turn = note_begin, .ctx = one, .engine = all->engine
	};
	one->model = model_new();
	one->next = all->servers;
	all->servers = one;
	all->count++;
	/* Whoever can start a process of that name would be told the password. */
	if (target_trusted(who->pid, &one->err))
		return;
	if (thread_start(&one->thread, watch_one, one))
		err_set(&one->err, -EAGAIN, "no thread can be started to watch it");
	else
		one->running = true;
}

static bool is_watched(const struct watch_all *all, pid_t pid)
{
	for (const struct watched *one = all->servers; one; one = one->next)
		if (one->who.pid == pid && !proc_held_ended(one->who.pidfd))
			return true;
	return false;
}

/* Servers that were not there the last time. */
static void look_around(struct watch_all *all)
{
	struct server_candidate *list;
	size_t count;

	if (target_list_new(&all->look, &list, &count, NULL))
		return;
	for (size_t i = 0; i < count; i++) {
		if (is_watched(all, list[i].pid))
			target_release(&list[i]);
		else
			add(all, &list[i]);
	}
	all->looked_ns = clock_mono_ns();
	free(list);
}

static bool all_done(const struct watch_all *all)
{
	for (const struct watched *one = all->servers; one; one = one->next)
		if (one->running && !__atomic_load_n(&one->done, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void progress(const struct watch_all *all)
{
	struct buf text = {};

	if (!isatty(STDERR_FILENO))
		return;
	buf_printf(&text, "watching %zu servers: %.0f of %g s; Ctrl-C ends it early", all->count,
		   all->seconds - seconds_left(all), all->seconds);
	progress_line(&text);
	buf_free(&text);
}

/* Until every server's thread has come to its end. */
static void wait_for_all(struct watch_all *all)
{
	while (!all_done(all)) {
		poll(NULL, 0, TURN_MS);
		if (!interrupted() && clock_mono_ns() - all->looked_ns >= LOOK_NS) {
			look_around(all);
			progress(all);
		}
	}
	progress_clear();
	for (struct watched *one = all->servers; one; one = one->next)
		if (one->running)
			pthread_join(one->thread, NULL);
}

/* Who could not be watched is told on stderr. */
static int write_metrics(const struct watch_all *all, const struct report_server *rows)
{
	struct metrics *metrics = metrics_new(
		&(struct metrics_options){ .prefixes = METRICS_PREFIXES, .redis = true });
	int ret;

	for (size_t i = 0; i < all->count; i++) {
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

static int print(const struct watch_all *all)
{
	struct report_server *rows = xcalloc(all->count, sizeof(*rows)), *row = rows;
	struct report_style style = print_style(all->options);
	struct print_said said = {};
	int ret;

	for (struct watched *one = all->servers; one; one = one->next, row++) {
		row->pid = one->who.pid;
		row->title = one->who.title;
		row->reason = one->err.text;
		if (one->err.code)
			continue;
		model_finish(one->model);
		row->m = one->model;
		row->f = diagnose(one->model);
	}
	qsort(rows, all->count, sizeof(*rows), report_server_compare);
	if (print_wants_document(all->options))
		report_all_json(&said.document, rows, all->count);
	if (print_wants_text(all->options) && !all->options->metrics_path)
		report_all_text(&said.text, rows, all->count, &style);
	ret = all->options->metrics_path ? write_metrics(all, rows) :
					   print_said(all->options, &said);
	ret = ret || !rows[0].m;
	for (size_t i = 0; i < all->count && !ret && rows[i].m; i++)
		ret = print_status(all->options, rows[i].m, rows[i].f);
	for (size_t i = 0; i < all->count; i++)
		findings_free((struct findings *)rows[i].f);
	free(rows);
	return ret;
}

static void close_all(struct watch_all *all)
{
	while (all->servers) {
		struct watched *one = all->servers;

		all->servers = one->next;
		target_release(&one->who);
		model_free(one->model);
		free(one);
	}
	engine_close(all->engine);
	target_look_free(&all->look);
}

/* How many servers are there now, and room for as many as may come. */
static size_t room_wanted(void)
{
	struct server_candidate *list;
	size_t count = 0;

	if (!target_list(&list, &count, NULL)) {
		for (size_t i = 0; i < count; i++)
			target_release(&list[i]);
		free(list);
	}
	count += ROOM_FOR_MORE;
	return count < ENGINE_SERVERS_MAX ? count : ENGINE_SERVERS_MAX;
}

int watch_all(const struct options *o)
{
	struct engine_config machine = {
		.servers = room_wanted(),
		.wanted = o->sensors,
		.disabled = o->no_bpf,
	};
	struct watch_all all = {
		.options = o,
		.seconds = isnan(o->duration_seconds) ? WATCH_SECONDS : o->duration_seconds,
	};
	struct err err = {};
	int ret;

	interrupt_catch();
	if (engine_open(&all.engine, &machine, &err))
		return print_failure(&err);
	look_around(&all);
	log_msg(LOG_INFO, "watching %zu servers for %g s", all.count, all.seconds);
	if (all.count) {
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
