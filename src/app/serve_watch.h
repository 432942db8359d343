/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers `redmem serve` watches: found as they start, a thread each, tried again when they
 * cannot be watched yet. What comes of them goes into the pipe to the keeper. All of it is called
 * in one thread.
 */
#pragma once

#include <stddef.h>

#include "app/options.h"
#include "app/serve_config.h"
#include "app/serve_pipe.h"

struct engine;
struct serve_watch;

/* @o names the one server that is wanted, or none: all. Takes @config over; borrows the rest. */
struct serve_watch *serve_watch_new(const struct options *o, struct serve_config *config,
				    struct engine *engine, struct serve_pipe *pipe);
/* Readable when serve_watch_turn() has something to do. */
int serve_watch_fd(const struct serve_watch *all);
/* Look for servers that came, if there may be any; once a second. */
void serve_watch_look(struct serve_watch *all);
/* Begin and end what is due. */
void serve_watch_turn(struct serve_watch *all);
/* From now on by @config, which it takes over: watches that would be others begin anew. */
void serve_watch_configure(struct serve_watch *all, struct serve_config *config);
/* Servers that have been found and are not left alone. */
size_t serve_watch_count(const struct serve_watch *all);
/* Watches that have begun so far. */
unsigned long serve_watch_begun(const struct serve_watch *all);
/* End all watches and wait for them. */
void serve_watch_free(struct serve_watch *all);
