/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings redmem reads; see config.h. */
#include <errno.h>

#include "redis/config.h"

const char *const config_patterns[] = {
	"maxmemory*", /* with -policy, -samples, -clients, -eviction-tenacity */
	"activedefrag",
	"active-defrag-*",
	"active-expire-effort",
	"save",
	"appendonly",
	"appendfsync",
	"no-appendfsync-on-rewrite",
	"auto-aof-rewrite-*",
	"lazyfree-*",
	"replica-lazy-flush",
	"activerehashing",
	"io-threads*",
	"hz",
	"dynamic-hz",
	"jemalloc-bg-thread",
	"repl-backlog-size",
	"client-output-buffer-limit",
	"client-query-buffer-limit",
	"replica-ignore-maxmemory",
	"latency-monitor-threshold",
	"slowlog-log-slower-than",
	"commandlog-execution-slower-than",
	"hash-max-*",
	"list-max-*",
	"list-compress-depth",
	"set-max-*",
	"zset-max-*",
	"stream-node-max-*",
	"disable-thp",
	"oom-score-adj",
	"databases",
	"maxclients",
	NULL,
};

int config_emit(const redisReply *reply, const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];
		struct record record = { .kind = RECORD_CONFIG };

		if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
			return -EPROTO;
		record.config.name = name->str;
		record.config.value = value->str;
		record_emit(sink, &record);
	}
	return 0;
}

int config_read(struct conn *conn, int timeout_ms, const struct record_sink *sink)
{
	for (size_t i = 0; config_patterns[i]; i++) {
		const char *words[] = { "CONFIG", "GET", config_patterns[i] };
		redisReply *reply;
		int rc = conn_call(conn, timeout_ms, &reply, 3, words, NULL);

		if (rc)
			return rc;
		config_emit(reply, sink); /* a refusal is no list of pairs: nothing comes */
		freeReplyObject(reply);
	}
	return 0;
}
