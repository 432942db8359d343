/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows over one stream, and what is so at their start; see window.h. */
#include "model/window.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "record/schema.h"
#include "model/intern.h"
#include "model/private.h"

/* --- what is so until something else is said --------------------------------- */

/*
 * Of each record that describes a state (the server, a sensor, a setting, the last INFO,
 * the last count of a counter) the newest one. From it a model that begins in the middle of
 * a session knows what it begins with. Its size does not grow with time.
 */
#define NAME_MAX_BYTES 128

/* Of which thing of its kind a record is. */
struct identity {
	enum record_kind kind;
	int64_t pid;
	char name[NAME_MAX_BYTES];
};

struct entry {
	struct identity of;
	struct record record;
	struct keep *keep; /* what its strings point to */
};

struct state {
	struct entry *entries;
	size_t count;
};

static struct state *state_new(void)
{
	return xcalloc(1, sizeof(struct state));
}

static void entry_clear(struct entry *entry)
{
	intern_free(entry->keep);
	entry->keep = NULL;
}

static void state_free(struct state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->count; i++)
		entry_clear(&state->entries[i]);
	free(state->entries);
	free(state);
}

/* Is it a record that the next of its kind replaces? */
static bool state_is(const struct record *record)
{
	switch (record->kind) {
	case RECORD_SESSION:
	case RECORD_TARGET:
	case RECORD_SENSOR:
	case RECORD_HOST:
	case RECORD_CPU_LIMIT:
	case RECORD_CONFIG:
	case RECORD_TICK:
	case RECORD_INFO:
	case RECORD_MEMORY_STATS:
	case RECORD_MALLOC_STATS:
	case RECORD_MAPPING:
	case RECORD_TOTALS:
	case RECORD_CHILD:
	case RECORD_LATENCY:
	case RECORD_OWN_CALLS:
	case RECORD_SELF:
	case RECORD_BUDGET:
		return true;
	default:
		return false;
	}
}

static struct identity identity_of(const struct record *record)
{
	struct identity of = { .kind = record->kind };
	const char *name = record->kind == RECORD_SENSOR    ? record->sensor.id :
			   record->kind == RECORD_CONFIG    ? record->config.name :
			   record->kind == RECORD_LATENCY   ? record->latency.event :
			   record->kind == RECORD_OWN_CALLS ? record->own_calls.command :
			   record->kind == RECORD_CPU_LIMIT ? record->cpu_limit.cgroup :
			   record->kind == RECORD_MAPPING   ? record->mapping.class_name :
							      "";

	if (record->kind == RECORD_MAPPING)
		of.pid = record->mapping.pid;
	else if (record->kind == RECORD_CHILD)
		of.pid = record->child.pid;
	snprintf(of.name, sizeof(of.name), "%s", name ? name : "");
	return of;
}

static struct entry *find(const struct state *state, const struct identity *of)
{
	for (size_t i = 0; i < state->count; i++) {
		struct entry *entry = &state->entries[i];

		if (entry->of.kind == of->kind && entry->of.pid == of->pid &&
		    !strcmp(entry->of.name, of->name))
			return entry;
	}
	return NULL;
}

static void remove_at(struct state *state, size_t i)
{
	entry_clear(&state->entries[i]);
	memmove(&state->entries[i], &state->entries[i + 1],
		(--state->count - i) * sizeof(state->entries[0]));
}

/* A child that has ended is no state any more; mappings are those of the last reading. */
static void forget(struct state *state, const struct record *record)
{
	for (size_t i = state->count; i-- > 0;) {
		const struct record *old = &state->entries[i].record;
		bool ended = record->kind == RECORD_CHILD && old->kind == RECORD_CHILD &&
			     old->child.pid == record->child.pid &&
			     !isnan(record->child.t_end_seconds);
		bool older = record->kind == RECORD_MAPPING && old->kind == RECORD_MAPPING &&
			     strcmp(old->mapping.phase, record->mapping.phase) != 0;

		if (ended || older)
			remove_at(state, i);
	}
}

/* Remember @record when it is one; it is copied. */
static void state_take(struct state *state, const struct record *record)
{
	struct record own = *record;
	struct identity of;
	struct entry *entry;

	if (!state_is(record))
		return;
	record_no_null(&own);
	forget(state, &own);
	if (own.kind == RECORD_CHILD && !isnan(own.child.t_end_seconds))
		return;
	of = identity_of(&own);
	entry = find(state, &of);
	if (entry) {
		entry_clear(entry);
	} else {
		state->entries = array_grow(state->entries, state->count, sizeof(*entry));
		entry = &state->entries[state->count++];
	}
	entry->of = of;
	entry->keep = intern_new();
	entry->record = intern_record(entry->keep, &own);
}

/* The record of the same thing as @like taken last, NULL. Valid until the next is taken. */
static const struct record *state_find(const struct state *state, const struct record *like)
{
	struct identity of = identity_of(like);
	const struct entry *entry = find(state, &of);

	return entry ? &entry->record : NULL;
}

/* Give all to @sink, in the order in which they first came. */
static void state_emit(const struct state *state, const struct record_sink *sink)
{
	for (size_t i = 0; i < state->count; i++)
		record_emit(sink, &state->entries[i].record);
}

/* --- windows ----------------------------------------------------------------- */

/* A mark may come a little before the second it is meant for. */
#define EARLY_SECONDS 0.25

struct window {
	struct model *m;
	double start, end; /* INFINITY = it has not ended */
	double due; /* the second at which it is to end */
	struct state *base; /* counters at its start; NULL = all that is */
};

struct window_series {
	struct window_series *next;
	double seconds;
	window_take take;
	void *ctx;
	struct window *windows; /* oldest first; the last one has not ended */
	size_t count;
};

struct windows {
	struct window_series *series;
	struct state *state;
	double now; /* the newest time in the stream */
	double mark; /* the last boundary; 0 before the first */
	double wall_start; /* of t = 0, since 1970; NAN */
	int64_t slowlog_id; /* the largest seen */
	bool begun; /* anything came */
};

struct windows *windows_new(void)
{
	struct windows *windows = xcalloc(1, sizeof(*windows));

	windows->state = state_new();
	windows->wall_start = NAN;
	windows->slowlog_id = RECORD_UNKNOWN;
	return windows;
}

/* --- records in a window's own terms -------------------------------------------------- */

/* @counter less what it was when the window began. */
static void count_from(void *counter, const void *base, enum field_type type)
{
	int64_t *count = counter;

	if (type == FIELD_F64)
		*(double *)counter -= *(const double *)base;
	else if (type == FIELD_I64 && *count != RECORD_UNKNOWN &&
		 *(const int64_t *)base != RECORD_UNKNOWN)
		*count = sum_less(*count, *(const int64_t *)base);
}

static struct record in_window(const struct window *window, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	const struct record *base =
		window->base && state_is(record) ? state_find(window->base, record) : NULL;
	struct record own = *record;

	if (own.kind == RECORD_SESSION && own.session.wall_start_ns != RECORD_UNKNOWN)
		sum_add(&own.session.wall_start_ns, sum_whole(window->start * 1e9));
	for (size_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];

		if (field->role == ROLE_TIME)
			*(double *)field_at(&own, field) -= window->start;
		else if (field->role == ROLE_COUNTER && base)
			count_from(field_at(&own, field), field_of(base, field), field->type);
	}
	return own;
}

static void give(const struct window *window, const struct record *record)
{
	struct record own = in_window(window, record);

	model_take(window->m, &own);
}

/* --- opening and ending --------------------------------------------------------------- */

static void seed(void *ctx, const struct record *record)
{
	const struct window *window = ctx;

	/* What the latency monitor told is told already. */
	if (record->kind != RECORD_LATENCY)
		give(window, record);
}

static void copy(void *ctx, const struct record *record)
{
	state_take(ctx, record);
}

static void window_begin(struct windows *windows, struct window_series *series)
{
	struct window *window;

	series->windows = array_grow(series->windows, series->count, sizeof(*window));
	window = &series->windows[series->count++];
	window->m = model_new();
	window->start = windows->mark;
	window->end = INFINITY;
	window->due = round(window->start) + series->seconds;
	if (!windows->begun)
		return;
	window->base = state_new();
	state_emit(windows->state, &(struct record_sink){ copy, window->base });
	state_emit(windows->state, &(struct record_sink){ seed, window });
}

static void window_free(struct window *window)
{
	model_free(window->m);
	state_free(window->base);
}

/* Finish the oldest window and hand it over. */
static void window_finish(struct window_series *series)
{
	struct window window = series->windows[0];
	struct model *m = window.m;

	memmove(&series->windows[0], &series->windows[1],
		--series->count * sizeof(series->windows[0]));
	if (!isinf(series->seconds))
		model_set_window(m, window.end - window.start);
	model_finish(m);
	window.m = NULL;
	window_free(&window);
	series->take(series->ctx, m, window.start);
}

struct window_series *windows_open(struct windows *windows, double seconds, window_take take,
				   void *ctx)
{
	struct window_series *series = xcalloc(1, sizeof(*series));

	series->seconds = seconds;
	series->take = take;
	series->ctx = ctx;
	series->next = windows->series;
	windows->series = series;
	window_begin(windows, series);
	return series;
}

struct model *window_model(const struct window_series *series)
{
	return series->windows[series->count - 1].m;
}

static void series_end(const struct windows *windows, struct window_series *series)
{
	if (series->count)
		series->windows[series->count - 1].end = windows->now;
	while (series->count)
		window_finish(series);
}

static void series_free(struct window_series *series)
{
	while (series->count)
		window_free(&series->windows[--series->count]);
	free(series->windows);
	free(series);
}

void windows_close(struct windows *windows, struct window_series *series)
{
	struct window_series **at = &windows->series;

	series_end(windows, series);
	while (*at != series)
		at = &(*at)->next;
	*at = series->next;
	series_free(series);
}

void windows_end(struct windows *windows)
{
	for (struct window_series *series = windows->series; series; series = series->next)
		series_end(windows, series);
}

void windows_free(struct windows *windows)
{
	struct window_series *series, *next;

	if (!windows)
		return;
	for (series = windows->series; series; series = next) {
		next = series->next;
		series_free(series);
	}
	state_free(windows->state);
	free(windows);
}

/* --- the stream ---------------------------------------------------------------------- */

/* When it happened, seconds since t = 0; NAN when it does not say. */
static double time_of(const struct windows *windows, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);

	switch (record->kind) {
	case RECORD_STALL: /* it is told, and counts, when it is over */
		return record->stall.t_seconds + record->stall.duration_seconds;
	case RECORD_CHILD:
		return record->child.t_end_seconds;
	case RECORD_SLOWLOG: /* whole seconds */
		return (double)record->slowlog.unix_seconds + 0.5 - windows->wall_start;
	case RECORD_LATENCY:
		return (double)record->latency.unix_seconds + 0.5 - windows->wall_start;
	default:
		break;
	}
	for (size_t i = 0; i < schema->count; i++)
		if (schema->fields[i].role == ROLE_TIME)
			return *(const double *)field_of(record, &schema->fields[i]);
	return NAN;
}

/* The server tells of some things again each time it is asked, and of what was before. */
static bool is_news(struct windows *windows, const struct record *record, double t)
{
	const struct record *last;

	if (record->kind == RECORD_SLOWLOG) {
		if (record->slowlog.id <= windows->slowlog_id)
			return false;
		return !(t < -1);
	}
	if (record->kind != RECORD_LATENCY)
		return true;
	last = state_find(windows->state, record);
	return (!last || last->latency.unix_seconds != record->latency.unix_seconds) && !(t < -1);
}

/* The window it happened in; that is over and gone: the oldest there is. What does not
 * say when it was is of now. */
static size_t window_of(const struct window_series *series, double t)
{
	size_t i = 0;

	if (isnan(t))
		return series->count - 1;
	while (i + 1 < series->count && t > series->windows[i].end)
		i++;
	return i;
}

static void series_take(const struct window_series *series, const struct record *record, double t)
{
	size_t i = window_of(series, t);

	give(&series->windows[i], record);
	/* A state that comes late is what the windows after it began with. */
	for (i++; i < series->count && state_is(record); i++)
		give(&series->windows[i], record);
}

static void series_mark(struct windows *windows, struct window_series *series,
			const struct record_mark *mark)
{
	struct window *last = &series->windows[series->count - 1];

	if (mark->t_seconds >= last->due - EARLY_SECONDS && mark->t_seconds > last->start) {
		last->end = mark->t_seconds;
		window_begin(windows, series);
	}
	while (series->count > 1 && series->windows[0].end <= mark->drained_seconds)
		window_finish(series);
}

static void take_mark(struct windows *windows, const struct record_mark *mark)
{
	if (!(mark->t_seconds >= windows->mark) || isinf(mark->t_seconds)) /* of a recording */
		return;
	windows->mark = mark->t_seconds;
	for (struct window_series *series = windows->series; series; series = series->next)
		if (series->count)
			series_mark(windows, series, mark);
}

static void windows_take(void *ctx, const struct record *record)
{
	struct windows *windows = ctx;
	bool news;
	double t;

	if (!record_schema(record->kind))
		return;
	windows->begun = true;
	if (record->kind == RECORD_SESSION && record->session.wall_start_ns != RECORD_UNKNOWN)
		windows->wall_start = (double)record->session.wall_start_ns / 1e9;
	t = time_of(windows, record);
	if (t > windows->now && record->kind != RECORD_SLOWLOG && record->kind != RECORD_LATENCY)
		windows->now = t;
	if (record->kind == RECORD_MARK) {
		take_mark(windows, &record->mark);
		return;
	}
	news = is_news(windows, record, t);
	for (struct window_series *series = windows->series; series; series = series->next)
		if (series->count && (news || isinf(series->seconds)))
			series_take(series, record, t);
	if (record->kind == RECORD_SLOWLOG && record->slowlog.id > windows->slowlog_id)
		windows->slowlog_id = record->slowlog.id;
	state_take(windows->state, record);
}

struct record_sink windows_sink(struct windows *windows)
{
	return (struct record_sink){ windows_take, windows };
}

/* --- what explains a stall --------------------------------------------------------------- */

/* Rows of the server's words, and records, from which on they are worth forgetting. */
#define CONTEXT_ROWS	512
#define CONTEXT_RECORDS 8192

struct stall_context {
	struct state *state;
	struct model *m;
	size_t records; /* it has taken; of each it may keep a name */
};

struct stall_context *stall_context_new(void)
{
	struct stall_context *context = xcalloc(1, sizeof(*context));

	context->state = state_new();
	context->m = model_new();
	return context;
}

void stall_context_free(struct stall_context *context)
{
	if (!context)
		return;
	state_free(context->state);
	model_free(context->m);
	free(context);
}

void stall_context_take(struct stall_context *context, const struct record *record)
{
	switch (record->kind) {
	case RECORD_SESSION:
	case RECORD_TARGET:
	case RECORD_SENSOR:
	case RECORD_HOST:
	case RECORD_CPU_LIMIT:
	case RECORD_CONFIG:
	case RECORD_TOTALS:
	case RECORD_SLOWLOG:
	case RECORD_LATENCY:
	case RECORD_KEY:
	case RECORD_SELF:
		state_take(context->state, record);
		model_take(context->m, record);
		context->records++;
		break;
	default:
		break;
	}
}

struct model *stall_context_model(struct stall_context *context)
{
	return context->m;
}

void stall_context_renew(struct stall_context *context)
{
	const struct model *m = context->m;
	struct record_sink sink;

	if (m->slowlog_count + m->latency_count + m->keys_count < CONTEXT_ROWS &&
	    context->records < CONTEXT_RECORDS)
		return;
	context->records = 0;
	model_free(context->m);
	context->m = model_new();
	sink = model_sink(context->m);
	state_emit(context->state, &sink);
}
