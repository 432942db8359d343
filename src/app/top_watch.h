/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers that `redmem top` watches: the one that was named, or with --all every one of the
 * host, each in a thread of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/options.h"
#include "base/err.h"
#include "report/screen.h"

struct top_watch;

/* Begin. @wake_fd, an eventfd, is rung when there is something new. */
int top_watch_open(struct top_watch **out, const struct options *o, int wake_fd, struct err *err);
/* Look for servers, begin again what has ended, take over what is new. False: nothing is. */
bool top_watch_turn(struct top_watch *watch, bool paused);
/* Is it over (--duration), or can it not begin at all? Then @err has a code. */
bool top_watch_over(const struct top_watch *watch, struct err *err);
/* For the screen; valid until the next turn. */
const struct screen_server *top_watch_servers(const struct top_watch *watch, size_t *count);
/* End all watches and wait for that. 0, or 1 when a recording could not be written (told). */
int top_watch_close(struct top_watch *watch);
