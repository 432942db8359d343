/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMORY PURGE on request: what it should free, then what it did. */
#pragma once

#include <sys/types.h>

#include "record/record.h"
#include "redis/conn.h"

/* What it should free by the text of MALLOC-STATS; RECORD_UNKNOWN when that is not jemalloc's. */
int64_t purge_expected(const char *malloc_stats);

struct purge_try {
	struct conn *conn;
	pid_t pid;
	double t_seconds; /* now */
	int64_t expected_bytes; /* said on stderr first */
	/* Drive the connection until it has answered or so much time has passed. */
	void (*drain)(void *ctx, double seconds);
	void *ctx;
};

/* Run it and emit RECORD_PURGE. */
void purge_run(const struct purge_try *how, const struct record_sink *sink);
