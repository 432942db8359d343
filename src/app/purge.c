/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMORY PURGE on request; see purge.h. */
#include "app/purge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "host/maps.h"
#include "redis/malloc_stats.h"

/* Returning tens of GiB page by page takes the kernel seconds. */
#define PATIENCE_SECONDS 60.0
#define ERROR_COLUMNS	 200

int64_t purge_expected(const char *malloc_stats)
{
	struct malloc_stats *stats;
	int64_t bytes = RECORD_UNKNOWN;

	if (malloc_stats_parse(&stats, malloc_stats, NULL))
		return RECORD_UNKNOWN;
	if (stats->dirty_bytes >= 0)
		bytes = stats->dirty_bytes + (stats->muzzy_bytes > 0 ? stats->muzzy_bytes : 0);
	malloc_stats_free(stats);
	return bytes;
}

struct answer {
	bool came;
	double seconds;
	struct buf error;
};

static void replied(void *ctx, redisReply *reply, double seconds)
{
	struct answer *answer = ctx;

	if (reply) {
		answer->came = true;
		answer->seconds = seconds;
		if (reply->type == REDIS_REPLY_ERROR)
			escape_terminal(&answer->error, reply->str, (size_t)reply->len,
					ERROR_COLUMNS);
		freeReplyObject(reply);
	}
}

static int64_t resident(pid_t pid)
{
	struct smaps_rollup rollup;

	return smaps_rollup_read(pid, &rollup, NULL) ? RECORD_UNKNOWN : rollup.rss_bytes;
}

void purge_run(const struct purge_try *how, const struct record_sink *sink)
{
	/* Lives on: an answer may come after we have given up. */
	static struct answer answer;
	struct record record = { .kind = RECORD_PURGE };
	struct buf expected = {};

	answer = (struct answer){ .seconds = NAN };
	fmt_bytes(&expected, how->expected_bytes);
	fprintf(stderr, "memory: running MEMORY PURGE, which should free %s\n", buf_str(&expected));
	buf_free(&expected);
	record.purge.t_seconds = how->t_seconds;
	record.purge.rss_before_bytes = resident(how->pid);
	if (!conn_send_line(how->conn, replied, &answer, "MEMORY PURGE"))
		how->drain(how->ctx, PATIENCE_SECONDS);
	record.purge.rss_after_bytes = resident(how->pid);
	record.purge.reply_seconds = answer.seconds;
	record.purge.error = answer.came ? buf_str(&answer.error) : "the server did not answer";
	record_emit(sink, &record);
	buf_free(&answer.error);
}
