/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem doctor, alloc and memory: watch (or replay), and report: each window of --every as
 * it ends, then the whole. A window is printed a second after its end, when all that
 * happened in it has come and the server has said how it stood.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/progress.h"
#include "app/keys_run.h"
#include "app/metrics_file.h"
#include "app/print.h"
#include "app/profile_file.h"
#include "app/redact.h"
#include "app/watch.h"
#include "app/watch_all.h"
#include "model/window.h"
#include "record/recording.h"
#include "redis/keysample.h"

/* Of `redmem memory`: enough for a child's growth and who writes; the state itself needs
 * no time at all. */
#define MEMORY_SECONDS 3.0

struct run {
	const struct options *options;
	const struct print_command *command;
	struct windows *windows;
	struct window_series *whole;
	struct model *model; /* of the whole, when it is finished */
	struct print_windows printed;
	struct metrics *metrics; /* instead of a report; NULL */
	int failed; /* stdout is gone */
};

/* --- what windows become ------------------------------------------------------------ */

static void take_whole(void *ctx, struct model *m, double start_seconds)
{
	struct run *run = ctx;

	(void)start_seconds;
	run->model = m;
}

/* One exposition stands alone: on stdout there is only the last. */
static int write_window(const struct run *run, const struct model *m)
{
	metrics_file_take(run->metrics, run->options, m);
	return options_is_stdout(run->options->metrics_path) ?
		       0 :
		       metrics_file_write(run->metrics, run->options->metrics_path);
}

static void take_window(void *ctx, struct model *m, double start_seconds)
{
	struct run *run = ctx;

	(void)start_seconds;
	progress_clear();
	run->failed |= run->metrics ? write_window(run, m) :
				      print_window(run->options, run->command, &run->printed, m);
	model_free(m);
}

static int write_whole(const struct run *run)
{
	if (isnan(run->options->every_seconds))
		metrics_file_take(run->metrics, run->options, run->model);
	return metrics_file_write(run->metrics, run->options->metrics_path);
}

/* --- a watch ------------------------------------------------------------------------ */

/* Records go to the windows and into a recording. */
struct fork_sink {
	struct record_sink windows, recording;
};

static void take_both(void *ctx, const struct record *record)
{
	struct fork_sink *both = ctx;

	record_emit(&both->windows, record);
	record_emit(&both->recording, record);
}

/* Nobody reads any more. */
static bool stop_when_failed(void *ctx, struct conn *conn, struct snapshot *snapshot,
			     double t_seconds)
{
	const struct run *run = ctx;

	(void)conn;
	(void)snapshot;
	(void)t_seconds;
	return run->failed;
}

static double watch_seconds(const struct options *o)
{
	if (!isnan(o->duration_seconds))
		return o->duration_seconds;
	return isnan(o->every_seconds) ? WATCH_SECONDS : INFINITY;
}

/* Negative when there is nothing to report of, 1 when a part failed. */
static int watch_and_pass(struct run *run, const struct record_sink *sink, struct err *err)
{
	const struct options *o = run->options;
	const struct watch_plan plan = {
		.seconds = watch_seconds(o),
		.turn = isnan(o->every_seconds) ? NULL : stop_when_failed,
		.ctx = run,
		.windows = run->windows,
	};
	struct err why = {};
	int ret = watch_plan_run(o, &plan, sink, err);

	if (ret || !o->keys.wanted)
		return ret;
	interrupt_catch(); /* Ctrl-C has ended the watch, perhaps; the next ends the pass */
	/* A pass that fails loses nothing of the watch. */
	ret = keys_run_beside(o, sink, window_model(run->whole), &why);
	return ret ? print_failure(&why) : 0;
}

static int watch_and_record(struct run *run, const struct record_sink *sink, struct err *err)
{
	struct fork_sink both = { .windows = *sink };
	struct recording *recording;
	struct err why = {};
	int ret;

	ret = recording_create(&recording, run->options->record_path, err);
	if (ret)
		return ret;
	both.recording = recording_sink(recording);
	ret = watch_and_pass(run, &(struct record_sink){ take_both, &both }, err);
	if (ret < 0) {
		recording_abandon(recording);
		return ret;
	}
	/* A recording that could not be written loses nothing of the report. */
	if (recording_close(recording, &why))
		print_failure(&why);
	return ret || why.code;
}

static int replay(const struct options *o, const struct record_sink *sink, struct err *err)
{
	struct redact *redact = redact_new_of(o);
	struct record_sink shown = redact_sink(redact, sink);
	int ret = recording_replay(o->replay_path, &shown, err);

	redact_free(redact);
	return ret;
}

/* --- the commands ------------------------------------------------------------------- */

static void run_open(struct run *run, const struct options *o, const struct print_command *command)
{
	struct keyspace_options keyspace = keys_keyspace_options(o);

	*run = (struct run){ .options = o, .command = command, .windows = windows_new() };
	run->whole = windows_open(run->windows, INFINITY, take_whole, run);
	model_set_keyspace(window_model(run->whole), &keyspace);
	if (!isnan(o->every_seconds))
		windows_open(run->windows, o->every_seconds, take_window, run);
	if (o->metrics_path)
		run->metrics = metrics_new(
			&(struct metrics_options){ .prefixes = METRICS_PREFIXES, .redis = true });
}

static void run_close(struct run *run)
{
	windows_free(run->windows);
	print_windows_end(&run->printed);
	model_free(run->model);
	metrics_free(run->metrics);
}

/* Of the whole: the report, or metrics, and profiles. */
static int write_all(const struct run *run)
{
	int ret = run->metrics ? write_whole(run) :
				 print_report(run->options, run->command, run->model);

	return profile_file_of(run->options, run->model, NULL) ? 1 : ret;
}

static int watch_and_print(const struct options *o, const struct print_command *command)
{
	struct record_sink sink;
	struct err err = {};
	struct run run;
	int ret, failed;

	run_open(&run, o, command);
	sink = windows_sink(run.windows);
	if (o->replay_path)
		failed = replay(o, &sink, &err);
	else if (o->record_path)
		failed = watch_and_record(&run, &sink, &err);
	else
		failed = watch_and_pass(&run, &sink, &err);
	if (failed < 0) {
		run_close(&run);
		return print_failure(&err);
	}
	windows_end(run.windows);
	ret = write_all(&run);
	if (failed || run.failed)
		ret = 1;
	ret = ret ? ret : run.printed.status;
	run_close(&run);
	return ret;
}

/* A checklist asks for the big keys, where there is a server to ask. */
static bool wants_keys(const struct options *o)
{
	return o->keys.wanted ||
	       ((o->checklist == CHECKLIST_WEEKLY || o->checklist == CHECKLIST_MONTHLY) &&
		!o->replay_path && !o->no_connect);
}

int cmd_doctor(const struct options *o)
{
	const struct print_command *page = &print_doctor;
	struct options look = *o;

	if (o->checklist)
		page = &print_checklists[o->checklist];
	else if (o->oom)
		page = &print_oom;
	look.keys.wanted = wants_keys(o);
	if (!look.keys.wanted) /* a pass over all of them says more than a few */
		look.sample_keys = KEYSAMPLE_MAX;
	return o->all ? watch_all(&look) : watch_and_print(&look, page);
}

int cmd_alloc(const struct options *o)
{
	return watch_and_print(o, &print_alloc);
}

int cmd_memory(const struct options *o)
{
	struct options look = *o;

	if (isnan(look.duration_seconds) && isnan(look.every_seconds))
		look.duration_seconds = MEMORY_SECONDS;
	look.sample_keys = KEYSAMPLE_MAX;
	return watch_and_print(&look, &print_memory);
}
