/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows over one stream of records; see window.h. */
#include "model/window.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "record/schema.h"
#include "model/counted.h"
#include "model/private.h"
#include "model/state.h"
#include "model/moments.h"

/* --- windows ----------------------------------------------------------------- */

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
	struct counted *counted; /* all that comes goes through it first */
	struct moments stream;
	bool begun; /* anything came */
	bool whole; /* windows_keep_whole() */
};

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

	model_take_counted(window->m, &own);
}

/* --- opening and ending --------------------------------------------------------------- */

static void seed(void *ctx, const struct record *record)
{
	const struct window *window = ctx;

	if (moments_lasts(record))
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
	window->start = windows->stream.mark;
	window->end = INFINITY;
	window->due = moments_due(window->start, series->seconds);
	if (!windows->begun)
		return;
	window->base = state_new();
	state_emit(windows->stream.state, &(struct record_sink){ copy, window->base });
	state_emit(windows->stream.state, &(struct record_sink){ seed, window });
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
	const struct record *totals = state_find(windows->stream.state, &like);

	return totals && isfinite(totals->totals.window_seconds) ? totals->totals.window_seconds :
								   windows->stream.now;
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

void windows_end(struct windows *windows)
{
	counted_flush(windows->counted);
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
	counted_free(windows->counted);
	moments_clear(&windows->stream);
	free(windows);
}

/* --- the stream ---------------------------------------------------------------------- */

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

static void series_take(const struct windows *windows, const struct window_series *series,
			const struct record *record, double t)
{
	size_t i = window_of(series, t);

	if (isinf(series->seconds)) {
		give(&series->windows[i], record);
		return;
	}
	if ((record_schema(record->kind)->of == RECORD_OF_WHOLE && !windows->whole) ||
	    !is_of(&series->windows[i], record, t))
		return;
	give(&series->windows[i], record);
	/* A state that comes late is what the windows after it began with. */
	for (i++; i < series->count && moments_lasts(record); i++) {
		state_take(series->windows[i].base, record);
		give(&series->windows[i], record);
	}
}

static bool is_due(const struct window_series *series, double t)
{
	const struct window *last = series->count ? &series->windows[series->count - 1] : NULL;

	return last && moments_is_due(last->due, last->start, t);
}

bool windows_end_at(const struct windows *windows, double t_seconds)
{
	for (const struct window_series *series = windows->series; series; series = series->next)
		if (is_due(series, t_seconds))
			return true;
	return false;
}

bool windows_longest_ends_at(const struct windows *windows, double t_seconds)
{
	const struct window_series *longest = NULL;

	for (const struct window_series *series = windows->series; series; series = series->next)
		if (!isinf(series->seconds) && (!longest || series->seconds > longest->seconds))
			longest = series;
	return longest && is_due(longest, t_seconds);
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
	for (struct window_series *series = windows->series; series; series = series->next)
		if (series->count)
			series_mark(windows, series, mark);
}

static void windows_take(void *ctx, const struct record *record)
{
	struct windows *windows = ctx;
	struct moment moment;

	if (!record_schema(record->kind))
		return;
	windows->begun = true;
	if (!moments_read(&windows->stream, record, &moment))
		return;
	if (record->kind == RECORD_MARK) {
		take_mark(windows, &record->mark);
		return;
	}
	for (struct window_series *series = windows->series; series; series = series->next) {
		if (!series->count)
			continue;
		if (isinf(series->seconds))
			series_take(windows, series, record, moment.t);
		else if (!moment.again && !moment.old)
			series_take(windows, series, &moment.record, moment.t);
	}
	moments_keep(&windows->stream, &moment);
}

struct windows *windows_new(void)
{
	struct windows *windows = xcalloc(1, sizeof(*windows));

	windows->counted = counted_new(&(struct record_sink){ windows_take, windows });
	moments_init(&windows->stream);
	return windows;
}

void windows_keep_whole(struct windows *windows)
{
	windows->whole = true;
}

struct record_sink windows_sink(struct windows *windows)
{
	return counted_sink(windows->counted);
}
