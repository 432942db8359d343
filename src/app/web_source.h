/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the web side's answers come from: what its caller tells it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct findings;
struct model;

/* A server, as /api/v1/servers and /api/v1/findings tell of it. */
struct web_server {
	const char *label; /* as the label `server` of the metrics */
	const char *address; /* "127.0.0.1:6379"; NULL = not known */
	const char *state; /* a word: "watched", "starting", "gone"... */
	const char *reason; /* why it is not watched; NULL = it is */
	int64_t window_end_ms; /* wall clock, where the window of @m ended; 0 = none yet */
	const struct model *m; /* the newest window, finished; NULL = none yet */
	const struct findings *f; /* of it */
};

/* What a report is asked for. */
struct web_report {
	const char *server; /* its label */
	int64_t from_ms, to_ms; /* wall clock */
};

/*
 * Where answers come from. All but report() are called inside web_run(), and must be quick.
 * Each appends to @out, and gives 0, or a negative errno with one line in @err that the client
 * is told: -ENOENT becomes 404, -EINVAL 400, all others 503.
 */
struct web_source {
	void *ctx;
	/* The whole text, with its # EOF in OpenMetrics. @only_server: a label, NULL = all. */
	int (*metrics)(void *ctx, struct buf *out, bool openmetrics, const char *only_server,
		       struct err *err);
	/* @take for each server, in the order in which they shall be told; it keeps nothing. */
	void (*servers)(void *ctx, void (*take)(void *take_ctx, const struct web_server *server),
			void *take_ctx);
	/*
	 * The document of `redmem doctor` for that time. Called in a thread of its own, one
	 * report at a time: it may use nothing of the loop's, but a reader of the history that it
	 * opens itself. NULL = there is no history.
	 */
	int (*report)(void *ctx, const struct web_report *what, struct buf *out, struct err *err);
	/* 0 = well; else why not. */
	int (*health)(void *ctx, struct err *err);
	/* Begin to read the configuration again. NULL = that cannot be done here. */
	int (*reload)(void *ctx, struct err *err);
};
