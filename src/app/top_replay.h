/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording on the screen of `redmem top`, as fast as it went, faster or slower, from any time
 * on. It is read as the time comes: never held in memory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/options.h"
#include "base/err.h"
#include "report/screen.h"

#define TOP_SPEED_MOST	64.0
#define TOP_SPEED_LEAST 0.125

struct top_replay;

/* Of the recording that the options name, and with or without names as they say. */
int top_replay_open(struct top_replay **out, const struct options *o, struct err *err);
/* Read on until it has caught up with the clock, for some 50 ms at most; fills in @view->replay and
 * its clock. False: nothing new. What cannot be read ends it, and is in @err. */
bool top_replay_turn(struct top_replay *replay, struct screen_view *view, int64_t now_ns,
		     struct err *err);
/* As fast again; within the two above. */
void top_replay_speed(struct top_replay *replay, double factor);
/* So many seconds on, or back. */
void top_replay_seek(struct top_replay *replay, double seconds);
const struct screen_server *top_replay_server(const struct top_replay *replay);
void top_replay_close(struct top_replay *replay); /* may be NULL */
