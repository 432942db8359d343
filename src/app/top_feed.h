/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the records of one server to what the screen of `redmem top` shows of it: windows of a
 * second and of ten (model/window.h), each judged as `doctor --every` judges them, the stalls of
 * the last minutes, and the one under way. Records come in one thread, which also judges; the
 * screen takes what is new in another, and neither waits for the other's work.
 */
#pragma once

#include <stdbool.h>

#include "record/record.h"
#include "report/screen.h"

struct top_feed;
struct windows;

/* @wake_fd: an eventfd that is rung when there is something new; -1 = nobody waits. */
struct top_feed *top_feed_new(int wake_fd);
void top_feed_free(struct top_feed *feed); /* may be NULL */

/* --- in the thread of the records --- */

struct record_sink top_feed_sink(struct top_feed *feed);
/* For who asks the server where they end. */
const struct windows *top_feed_windows(const struct top_feed *feed);
/* The stall under way; NULL = none. */
void top_feed_stall(struct top_feed *feed, const struct stall *stall);
/* Windows that are over before that time are of no use to anybody: not judged. */
void top_feed_skip(struct top_feed *feed, double until_seconds);
/* The stream is over. */
void top_feed_end(struct top_feed *feed);

/* --- in the thread of the screen --- */

/* What the screen has of a server; owns it. All zeros at first. */
struct top_shown {
	struct screen_window second, longer;
	struct screen_window clients, classes; /* older ones that told of them; m NULL = none */
	struct screen_stall *stalls; /* newest first */
	size_t stalls_count;
	struct buf stall; /* the live line */
	bool stalling;
};

/* Take over what is new; with @paused only of stalls. False: nothing was. */
bool top_feed_adopt(struct top_feed *feed, struct top_shown *shown, bool paused);
/* For the screen: what it points to is @shown's. */
void top_shown_fill(const struct top_shown *shown, struct screen_server *out);
void top_shown_clear(struct top_shown *shown);
