/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem key: ask the server for all it tells of one key, watch who uses it, ask again,
 * report. Where the server's process is not on this host, or may not be watched, that part is
 * left out and said so.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/redact.h"
#include "app/server.h"
#include "app/watch.h"
#include "base/clock.h"
#include "host/sysmem.h"
#include "model/one_key.h"
#include "record/recording.h"
#include "redis/keyask.h"

#define THINK_SECONDS 3.0 /* on a terminal, to leave a look that is dear */

struct run {
	const struct options *options;
	struct model *model;
	struct redact *redact; /* NULL = names are shown */
	struct recording *recording; /* NULL = none is made */
	int failed; /* it could not be written */
	struct server server;
	int64_t start_ns;
};

static void take(void *ctx, const struct record *record)
{
	struct run *run = ctx;

	model_take(run->model, record);
	if (run->recording) {
		struct record_sink recording = recording_sink(run->recording);

		record_emit(&recording, record);
	}
}

static double now(const struct run *run)
{
	return (double)(clock_mono_ns() - run->start_ns) / 1e9;
}

/* --- waiting ---------------------------------------------------------------------- */

/* Said before it is asked, and on a terminal with time to say no. */
static bool say_dear(void *ctx, double seconds)
{
	struct run *run = ctx;
	struct buf line = {};
	bool terminal = isatty(STDERR_FILENO);

	buf_puts(&line, "redmem: MEMORY USAGE of so many elements will hold the server for some ");
	fmt_seconds(&line, seconds);
	fprintf(stderr, "%s%s\n", buf_str(&line), terminal ? "; Ctrl-C leaves it" : "");
	buf_free(&line);
	if (terminal)
		server_drive(run->server.conn, THINK_SECONDS, false);
	return !interrupted();
}

/* --- who uses it ------------------------------------------------------------------ */

static double watch_seconds(const struct options *o)
{
	return isnan(o->duration_seconds) ? WATCH_SECONDS : o->duration_seconds;
}

static void not_watched(struct run *run, const struct record_sink *sink, const char *reason)
{
	struct record_sink shown = redact_sink(run->redact, sink);
	struct record record = { .kind = RECORD_SENSOR };

	record.sensor.id = "cpu";
	record.sensor.reason = reason;
	record.sensor.fix = "";
	record_emit(&shown, &record);
}

/* Without a process to watch, only what is seen to grow is worth a wait. */
static bool is_queue(const struct model *m)
{
	return !strcmp(m->one_key->first.type, "list") || !strcmp(m->one_key->first.type, "stream");
}

static void watch_users(struct run *run, const struct record_sink *sink)
{
	const struct options *o = run->options;
	struct watch_plan plan = { .seconds = watch_seconds(o), .stalls = true };
	struct err err = {};

	if (run->server.where.pid && !o->no_bpf) {
		if (watch_plan_run(o, &plan, sink, &err))
			not_watched(run, sink, err.text);
		return;
	}
	not_watched(run, sink,
		    o->no_bpf ? "needs BPF, which is off" : run->server.where_error.text);
	if (is_queue(run->model) || !isnan(o->duration_seconds))
		server_drive(run->server.conn, plan.seconds, false);
}

/* --- the command ------------------------------------------------------------------- */

static bool keeps_frequency(const struct model *m)
{
	const char *policy = model_config(m, "maxmemory-policy");

	return policy && strstr(policy, "-lfu");
}

static int look(struct run *run, const struct record_sink *sink, struct err *err)
{
	const struct options *o = run->options;
	struct keyask_options options = {
		.key = { o->key, o->key_len },
		.samples = o->key_samples,
		.touch = o->touch,
		.dear = say_dear,
		.ctx = run,
	};
	struct record_sink shown = redact_sink(run->redact, sink);
	int ret = server_open_connected(&run->server, o, err);

	if (ret)
		return ret;
	host_session_emit(sink, run->server.where.pid, clock_mono_ns());
	ret = server_ask(&run->server, o, sink, err);
	if (ret)
		return ret;
	options.lfu = keeps_frequency(run->model);
	host_speed_measure(&options.speed);
	run->start_ns = clock_mono_ns();
	ret = keyask_run(run->server.conn, &options, now(run), false, &shown, err);
	if (ret)
		return ret;
	watch_users(run, sink); /* hides names itself */
	options.samples = -1;
	/* What was seen before stays, whatever comes of this. */
	if (keyask_run(run->server.conn, &options, now(run), true, &shown, err))
		log_msg(LOG_INFO, "not asked again: %s", err->text);
	return 0;
}

static int look_and_record(struct run *run, const struct record_sink *sink, struct err *err)
{
	struct err why = {};
	int ret;

	if (!run->options->record_path)
		return look(run, sink, err);
	ret = recording_create(&run->recording, run->options->record_path, err);
	if (ret)
		return ret;
	ret = look(run, sink, err);
	if (ret)
		recording_abandon(run->recording);
	else if (recording_close(run->recording, &why))
		run->failed = print_failure(&why); /* nothing of the report is lost */
	return ret;
}

static int replay(struct run *run, const struct record_sink *sink, struct err *err)
{
	struct record_sink shown = redact_sink(run->redact, sink);
	int ret = recording_replay(run->options->replay_path, &shown, err);

	if (!ret && !run->model->one_key)
		ret = err_set(err, -ENOENT, "%s: not a recording of `redmem key`",
			      run->options->replay_path);
	return ret;
}

static int report(const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose_some(m, "key.");
	struct report_style style = print_style(o);
	struct print_said said = {};

	if (print_wants_text(o))
		report_key_text(&said.text, m, findings, &style);
	if (print_wants_document(o))
		report_key_json(&said.document, m, findings);
	findings_free(findings);
	return print_said(o, &said);
}

int cmd_key(const struct options *o)
{
	struct run run = { .options = o,
			   .model = model_new(),
			   .redact = redact_new_of(o),
			   .server.where.pidfd = -1 };
	struct record_sink sink = { take, &run };
	struct err err = {};
	int ret;

	interrupt_catch();
	ret = o->replay_path ? replay(&run, &sink, &err) : look_and_record(&run, &sink, &err);
	if (ret) {
		ret = print_failure(&err);
	} else {
		model_finish(run.model);
		ret = report(o, run.model) | run.failed;
	}
	server_close(&run.server);
	model_free(run.model);
	redact_free(run.redact);
	return ret;
}
