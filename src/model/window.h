/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows over one stream of records: any number, after one another and side by side, each a
 * model of its own. A second for a live view, ten for a recorder, all of it for a report.
 *
 * A record belongs to the window in which it happened, whenever it comes: windows end at the
 * marks of the stream (RECORD_MARK), and one that has ended is finished when a later mark
 * says that all of its time has been handed over. What describes a state is
 * carried into the next window; counters are told as their growth within it. So what adds
 * up adds up: ten windows of a second hold what one of ten does.
 *
 * What the server and the kernel are asked at a boundary (phase "window", and the INFO of
 * its tick) ends one window and begins the next. What memory is made of is told of a
 * window's end, or not at all: numbers of an earlier one are never handed on.
 *
 * In a window t = 0 is its start. A series of endless windows is the stream as it is.
 */
#pragma once

#include "model/model.h"

struct windows;
struct window_series;

/* Takes over a finished model (model_free()); @start_seconds: where it began in the stream. */
typedef void (*window_take)(void *ctx, struct model *m, double start_seconds);

struct windows *windows_new(void);
/* What is under way is thrown away. */
void windows_free(struct windows *windows);
struct record_sink windows_sink(struct windows *windows);
/* What else is asked for once, at the end of all (clients, keys), comes now and then: each belongs
 * to the window under way. */
void windows_keep_whole(struct windows *windows);
/*
 * From the last mark on, a window each @seconds (whole ones, where there are to be several;
 * INFINITY = one, until the end). Freed with @windows.
 */
struct window_series *windows_open(struct windows *windows, double seconds, window_take take,
				   void *ctx);
/* Does any window end at a mark of that time? Who makes the marks asks the server then. */
bool windows_end_at(const struct windows *windows, double t_seconds);
/* Is the longest that ends at all among them? */
bool windows_longest_ends_at(const struct windows *windows, double t_seconds);
/* The stream is over: finish and hand over what is under way. */
void windows_end(struct windows *windows);
/* The model of the window under way, to look at or to tell it something (model_set_rule()). */
struct model *window_model(const struct window_series *series);
