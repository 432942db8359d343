/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers that the keeper knows: what the watcher saw of each is replayed here, judged once a
 * window, and handed to the metrics and the history.
 */
#pragma once

#include "app/serve_wire.h"
#include "app/web_source.h"
#include "history/history.h"
#include "report/metrics.h"

#define KEPT_WINDOW_SECONDS 10

/* The caller's are @metrics and @history; the rest begins as 0. */
struct kept_all {
	struct metrics *metrics;
	struct history *history; /* NULL = none is kept */
	struct kept *first; /* oldest first */
	size_t count;
	int64_t lost; /* chunks that could not be read */
};

/* A server is named by the watcher. One that comes again takes the place of what it was: its
 * counters go on. */
void kept_server(struct kept_all *all, uint32_t id, const struct wire_server *server);
/* Of a server that was not named, these are nothing. */
void kept_state(struct kept_all *all, uint32_t id, const struct wire_state *state);
void kept_chunk(struct kept_all *all, uint32_t id, const struct wire_chunk *chunk);
/* Chunks are missing: the next begins anew. */
void kept_lost(struct kept_all *all, uint32_t id);
/* Those that have been gone for long are forgotten. To be called now and then. */
void kept_age(struct kept_all *all);
/* A line of the history's events: a restart, an end. */
void kept_note(struct kept_all *all, const char *label, const char *event, const char *detail);
/* @take for each, oldest first; it keeps nothing. */
void kept_each(const struct kept_all *all,
	       void (*take)(void *take_ctx, const struct web_server *server), void *take_ctx);
void kept_free(struct kept_all *all);
