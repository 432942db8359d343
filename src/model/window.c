/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows over one stream of records; see window.h. */
#include "model/window.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "record/schema.h"
#include "model/private.h"
#include "model/state.h"

/* --- windows ----------------------------------------------------------------- */

/* A mark may come a little before the second it is meant for. */
#define EARLY_SECONDS 0.25
/* What the server is asked at a boundary it answers a little later. */
#define ANSWER_SECONDS 0.5
/* Entries of the slow log that may come again; more than are ever asked for at once. */
#define SLOWLOG_RECENT 1024

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
	int64_t slowlog[SLOWLOG_RECENT]; /* ids of the newest entries, each at its remainder */
	bool begun; /* anything came */
};

struct windows *windows_new(void)
{
	struct windows *windows = xcalloc(1, sizeof(*windows));

	windows->state = state_new();
	windows->wall_start = NAN;
	for (size_t i = 0; i < SLOWLOG_RECENT; i++)
		windows->slowlog[i] = RECORD_UNKNOWN;
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

/* A state that a later window begins with. What the latency monitor told is told once. */
static bool lasts(const struct record *record)
{
	return state_is(record) && record->kind != RECORD_LATENCY;
}

static void seed(void *ctx, const struct record *record)
{
	const struct window *window = ctx;

	if (lasts(record))
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
		model_set_window(m, window.start, window.end - window.start);
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

/* Until when the sensors saw; without any, until the last that came. */
static double stream_end(const struct windows *windows)
{
	const struct record like = { .kind = RECORD_TOTALS };
	const struct record *totals = state_find(windows->state, &like);

	return totals && isfinite(totals->totals.window_seconds) ? totals->totals.window_seconds :
								   windows->now;
}

static void series_end(const struct windows *windows, struct window_series *series)
{
	if (series->count) {
		struct window *last = &series->windows[series->count - 1];

		last->end = fmax(stream_end(windows), last->start);
	}
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
	int64_t id, *seen;

	if (record->kind == RECORD_SLOWLOG) {
		id = record->slowlog.id;
		seen = &windows->slowlog[(uint64_t)id % SLOWLOG_RECENT];
		if (id <= *seen)
			return false;
		*seen = id;
		return !(t < -1);
	}
	if (record->kind != RECORD_LATENCY)
		return true;
	last = state_find(windows->state, record);
	return (!last || last->latency.unix_seconds != record->latency.unix_seconds) && !(t < -1);
}

/* When it was asked for at a boundary, just before that: it is the last that a window has, and
 * what the next begins with. What the watch began with came before all. */
static double boundary_of(const struct windows *windows, const struct record *record)
{
	if (record_is_phase(record, "start"))
		return nextafter(0, -1);
	if (record_is_phase(record, "window") ||
	    (record_is_phase(record, "tick") &&
	     record->info.t_seconds < windows->mark + ANSWER_SECONDS))
		return nextafter(windows->mark, -1);
	return INFINITY;
}

static struct record settled(const struct windows *windows, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	double boundary = boundary_of(windows, record);
	struct record own = *record;

	for (size_t i = 0; i < schema->count && !isinf(boundary); i++) {
		double *t = field_at(&own, &schema->fields[i]);

		if (schema->fields[i].role == ROLE_TIME && *t > boundary)
			*t = boundary;
	}
	return own;
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

/* Is it of the end of that window, or of no moment? */
static bool is_of(const struct window *window, const struct record *record, double t)
{
	return record_schema(record->kind)->of != RECORD_OF_MOMENT ||
	       record_is_phase(record, "end") ||
	       (record_is_phase(record, "window") && t < window->end &&
		nextafter(t, INFINITY) == window->end);
}

static void series_take(const struct window_series *series, const struct record *record, double t)
{
	size_t i = window_of(series, t);

	if (isinf(series->seconds)) {
		give(&series->windows[i], record);
		return;
	}
	if (record_schema(record->kind)->of == RECORD_OF_WHOLE ||
	    !is_of(&series->windows[i], record, t))
		return;
	give(&series->windows[i], record);
	/* A state that comes late is what the windows after it began with. */
	for (i++; i < series->count && lasts(record); i++) {
		state_take(series->windows[i].base, record);
		give(&series->windows[i], record);
	}
}

static bool is_due(const struct window_series *series, double t)
{
	const struct window *last = series->count ? &series->windows[series->count - 1] : NULL;

	return last && t >= last->due - EARLY_SECONDS && t > last->start;
}

bool windows_end_at(const struct windows *windows, double t_seconds)
{
	for (const struct window_series *series = windows->series; series; series = series->next)
		if (is_due(series, t_seconds))
			return true;
	return false;
}

static void series_mark(struct windows *windows, struct window_series *series,
			const struct record_mark *mark)
{
	struct window *last = &series->windows[series->count - 1];

	if (is_due(series, mark->t_seconds)) {
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
	struct record own;
	bool news;
	double t;

	if (!record_schema(record->kind))
		return;
	windows->begun = true;
	if (record->kind == RECORD_SESSION && record->session.wall_start_ns != RECORD_UNKNOWN)
		windows->wall_start = (double)record->session.wall_start_ns / 1e9;
	own = settled(windows, record);
	t = time_of(windows, &own);
	if (t > windows->now && record->kind != RECORD_SLOWLOG && record->kind != RECORD_LATENCY)
		windows->now = t;
	if (record->kind == RECORD_MARK) {
		take_mark(windows, &record->mark);
		return;
	}
	news = is_news(windows, record, t);
	for (struct window_series *series = windows->series; series; series = series->next) {
		if (!series->count)
			continue;
		if (isinf(series->seconds))
			series_take(series, record, t);
		else if (news)
			series_take(series, &own, t);
	}
	state_take(windows->state, &own);
}

struct record_sink windows_sink(struct windows *windows)
{
	return (struct record_sink){ windows_take, windows };
}
