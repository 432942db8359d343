/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every server of the host, each watched by a thread of its own, with one engine for all.
 * Servers that start later are found when one looks again; one that restarts is two.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "app/options.h"
#include "app/watch.h"
#include "base/err.h"
#include "record/record.h"
#include "target/find.h"

/* One server. Its thread's while that runs. */
struct watched {
	struct watched *next;
	struct server_candidate who;
	struct options options; /* the user's, for this one */
	struct watch_plan plan;
	struct record_sink sink;
	void *use; /* the caller's */
	struct err err; /* why it was not watched; code 0 = it was */
	pthread_t thread;
	bool running; /* the thread was started and is to be joined */
	bool done; /* atomic: the watch is over */
};

struct watch_list {
	const struct options *options;
	struct engine *engine;
	/* Fill in the plan, the sink and what is the caller's own. False: leave it alone. */
	bool (*prepare)(void *ctx, struct watched *one);
	void *ctx;
	struct watched *servers; /* newest first */
	size_t count;
	struct target_look look;
	int64_t looked_ns; /* 0 = not yet */
};

/* Begin to watch one whose options, plan and sink are filled in; also without a list. False, and
 * why in its err, when no thread can be started. */
bool watched_start(struct watched *one);
/* Open the engine. The rest of @list is the caller's to set before. */
int watch_list_open(struct watch_list *list, bool frugal, struct err *err);
/* Watch those that were not there the last time. */
void watch_list_look(struct watch_list *list);
bool watch_list_done(const struct watch_list *list);
bool watched_done(const struct watched *one);
/* Wait for every thread. */
void watch_list_join(struct watch_list *list);
/* After that. */
void watch_list_close(struct watch_list *list);
