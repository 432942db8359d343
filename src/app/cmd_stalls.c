/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem stalls: each stall as it happens, or as a recording has it, and a summary at the end.
 *
 * A stall that has ended waits a moment for what the server says of it (SLOWLOG, LATENCY,
 * a look at its key) and is then printed; from a server that does not answer it is
 * printed as it is. Of all else that is seen only what explains stalls is kept, and that
 * only as long as it does, so that a watch may go on for months.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "app/commands.h"
#include "app/label.h"
#include "app/print.h"
#include "app/profile_file.h"
#include "app/progress.h"
#include "app/redact.h"
#include "app/watch.h"
#include "model/counted.h"
#include "model/intern.h"
#include "model/stalls.h"
#include "model/stall_context.h"
#include "record/recording.h"
#include "redis/info.h"
#include "redis/keylook.h"
#include "redis/snapshot.h"
#include "sensor/sensor.h"

#define PENDING_MAX    64
#define KEYS_MAX       16 /* looked at for one batch of stalls */
#define ASK_SECONDS    0.3 /* between two questions to the server */
#define ANSWER_SECONDS 2.0 /* how long its answer is waited for */

/* A stall that is not printed yet, with names: the server is asked for its key. */
struct pending {
	struct record seen;
	int64_t used_before; /* used_memory; RECORD_UNKNOWN */
	struct keep *keep; /* what it points to */
};

struct used {
	double t_seconds;
	int64_t bytes;
};

struct follow {
	const struct options *options;
	struct redact *redact; /* NULL = names are shown */
	struct report_style style;
	struct stall_context *context;
	struct record_sink sink; /* to follow_take() */
	struct stall_sum sum;
	struct stall_rows *rows; /* for a page; NULL = none is wanted */
	struct report_profile *profile; /* NULL = none was asked for */
	struct pending pending[PENDING_MAX];
	size_t pending_count;
	struct counted *counted; /* has all INFO */
	size_t asked_count; /* the first of them wait for the server's answers */
	double asked_at; /* -INFINITY = never */
	struct used used[2]; /* used_memory of the newest INFO, and the one before */
	bool failed; /* stdout is gone */
};

/* --- printing ----------------------------------------------------------------------- */

static void print_stall(struct follow *f, const struct stall *stall)
{
	struct buf out = {};

	stall_sum_add(&f->sum, stall);
	if (f->rows)
		stall_rows_add(f->rows, stall_context_model(f->context), stall);
	if (f->profile)
		report_profile_take_stall(f->profile, stall_context_model(f->context), stall);
	if (f->options->json)
		report_stall_json(&out, stall_context_model(f->context), stall);
	else if (print_wants_text(f->options))
		report_stall_text(&out, stall_context_model(f->context), stall, &f->style);
	progress_clear();
	f->failed |= print_out(&out) != 0;
	buf_free(&out);
}

static bool enough(const struct follow *f)
{
	return f->failed || (f->options->count && f->sum.stalls_total >= f->options->count);
}

/* What is less in use now than before it. */
static int64_t freed_bytes(const struct follow *f, const struct pending *pending)
{
	const struct record_stall *stall = &pending->seen.stall;

	if (pending->used_before == RECORD_UNKNOWN ||
	    f->used[0].t_seconds < stall->t_seconds + stall->duration_seconds)
		return RECORD_UNKNOWN;
	return pending->used_before - f->used[0].bytes;
}

/* Print the first @count pending stalls; the others move up. */
static void flush_pending(struct follow *f, size_t count)
{
	for (size_t i = 0; i < count && !enough(f); i++) {
		const struct record *shown = &f->pending[i].seen;
		struct stall stall;

		counted_fill(f->counted, &f->pending[i].seen.stall);
		if (f->redact)
			shown = redact_record(f->redact, shown);
		blame_stall(&stall, &shown->stall, &blame_by_tables);
		stall.freed_bytes = freed_bytes(f, &f->pending[i]);
		print_stall(f, &stall);
	}
	for (size_t i = 0; i < count; i++)
		intern_free(f->pending[i].keep);
	f->pending_count -= count;
	memmove(f->pending, f->pending + count, f->pending_count * sizeof(f->pending[0]));
	f->asked_count = 0;
	stall_context_renew(f->context); /* of those that are left nobody was asked yet */
}

/* --- taking ------------------------------------------------------------------------- */

/* --command: the name, its container ("config" for "config|get"), or "loop". */
static bool wanted(const struct follow *f, const struct record_stall *stall)
{
	const char *name = f->options->command;
	size_t len;

	if (!name)
		return true;
	if (!*stall->command)
		return !strcasecmp(name, "loop");
	len = strlen(name);
	return !strncasecmp(stall->command, name, len) &&
	       (!stall->command[len] || stall->command[len] == '|');
}

static void take_stall(struct follow *f, const struct record *record)
{
	struct pending *pending;

	if (!wanted(f, &record->stall))
		return;
	if (f->pending_count == PENDING_MAX)
		flush_pending(f, PENDING_MAX);
	pending = &f->pending[f->pending_count++];
	pending->keep = intern_new();
	pending->seen = intern_record(pending->keep, record);
	pending->used_before = RECORD_UNKNOWN;
	for (size_t i = 2; i-- > 0;)
		if (f->used[i].t_seconds <= record->stall.t_seconds)
			pending->used_before = f->used[i].bytes;
}

static void take_info(struct follow *f, const struct record *record)
{
	struct record_sink counted = counted_sink(f->counted);
	struct info *info = info_parse(record->info.text);
	int64_t bytes = info_int(info, "used_memory");

	record_emit(&counted, record);
	info_free(info);
	if (bytes < 0)
		return;
	f->used[1] = f->used[0];
	f->used[0] = (struct used){ record->info.t_seconds, bytes };
}

static void follow_take(void *ctx, const struct record *record)
{
	struct follow *f = ctx;

	switch (record->kind) {
	case RECORD_STALL:
		take_stall(f, record);
		break;
	case RECORD_INFO:
		take_info(f, record);
		break;
	default:
		stall_context_take(f->context,
				   f->redact ? redact_record(f->redact, record) : record);
		break;
	}
}

/* --- asking ------------------------------------------------------------------------- */

static bool is_among(const struct bytes *keys, const int64_t *dbs, size_t count,
		     const struct record_stall *stall)
{
	for (size_t i = 0; i < count; i++)
		if (dbs[i] == stall->db && bytes_same(keys[i], stall->key))
			return true;
	return false;
}

static void ask(struct follow *f, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct bytes keys[KEYS_MAX];
	int64_t dbs[KEYS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < f->pending_count && count < KEYS_MAX; i++) {
		const struct record_stall *stall = &f->pending[i].seen.stall;

		if (!stall->key.len || stall->key_truncated || is_among(keys, dbs, count, stall))
			continue;
		dbs[count] = stall->db;
		keys[count++] = stall->key;
	}
	if (count)
		keylook_found(conn, &f->sink, keys, dbs, count);
	snapshot_events(snapshot, conn, t_seconds);
	f->asked_count = f->pending_count;
	f->asked_at = t_seconds;
}

static bool follow_turn(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct follow *f = ctx;
	double waited = t_seconds - f->asked_at;

	if (f->asked_count && (!conn || !conn_pending(conn) || waited > ANSWER_SECONDS))
		flush_pending(f, f->asked_count);
	else if (f->pending_count && !conn)
		flush_pending(f, f->pending_count);
	if (f->pending_count && !f->asked_count && conn && waited >= ASK_SECONDS)
		ask(f, conn, snapshot, t_seconds);
	if (!f->asked_count) /* also where no stall is for days */
		stall_context_renew(f->context);
	return enough(f);
}

/* --- the command -------------------------------------------------------------------- */

static int print_sums(struct follow *f, const struct model *m)
{
	struct print_said said = {};

	stall_sum_sort(&f->sum);
	if (print_wants_text(f->options))
		report_stalls_end_text(&said.text, m, &f->sum, &f->style);
	if (print_wants_document(f->options))
		report_stalls_end_json(&said.document, m, &f->sum, f->rows);
	return print_said(f->options, &said);
}

static int write_profile(struct follow *f, const struct model *m)
{
	struct buf label = {};

	if (!f->profile)
		return 0;
	f->profile->has[PROFILE_STALL] = model_sensor_on(m, "loop"); /* also when there was none */
	label_of_server(&label, f->options, m);
	report_profile_finish(f->profile, m, buf_str(&label));
	buf_free(&label);
	return profile_file_write(f->options, f->profile);
}

static int print_end(struct follow *f)
{
	struct model *m = stall_context_model(f->context);
	int ret;

	model_finish(m);
	ret = print_sums(f, m) | write_profile(f, m);
	if (model_sensor_on(m, "loop"))
		return ret;
	fprintf(stderr, "redmem: stalls could not be seen: the loop sensor was off; "
			"see `redmem check`\n");
	return 1;
}

int cmd_stalls(const struct options *o)
{
	struct follow f = { .options = o,
			    .redact = redact_new_of(o),
			    .style = print_style(o),
			    .asked_at = -INFINITY,
			    .used = { { INFINITY, 0 }, { INFINITY, 0 } } };
	struct watch_plan plan = {
		.seconds = isnan(o->duration_seconds) ? INFINITY : o->duration_seconds,
		.stalls = true,
		.names = true,
		.turn = follow_turn,
		.ctx = &f,
	};
	struct err err = {};
	int ret;

	f.context = stall_context_new();
	if (o->html_path)
		f.rows = stall_rows_new();
	if (profile_file_wanted(o))
		f.profile = report_profile_new();
	f.counted = counted_new(NULL);
	f.sink = (struct record_sink){ follow_take, &f };
	ret = o->replay_path ? recording_replay(o->replay_path, &f.sink, &err) :
			       watch_plan_run(o, &plan, &f.sink, &err);
	if (ret) {
		ret = print_failure(&err);
	} else {
		flush_pending(&f, f.pending_count);
		ret = print_end(&f);
	}
	stall_sum_free(&f.sum);
	stall_rows_free(f.rows);
	report_profile_free(f.profile);
	for (size_t i = 0; i < f.pending_count; i++)
		intern_free(f.pending[i].keep);
	counted_free(f.counted);
	stall_context_free(f.context);
	redact_free(f.redact);
	return ret;
}
