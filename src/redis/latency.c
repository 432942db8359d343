/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries: [event, unix time, latest ms, maximum ms, ...]; src/latency.c. */
#include <errno.h>

#include "redis/latency.h"

int latency_emit(const redisReply *reply, const struct fact_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *entry = reply->element[i];
		struct fact fact = { .kind = FACT_LATENCY };

		if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 4 ||
		    entry->element[0]->type != REDIS_REPLY_STRING ||
		    entry->element[1]->type != REDIS_REPLY_INTEGER ||
		    entry->element[2]->type != REDIS_REPLY_INTEGER ||
		    entry->element[3]->type != REDIS_REPLY_INTEGER)
			continue;
		fact.latency.event = entry->element[0]->str;
		fact.latency.unix_seconds = entry->element[1]->integer;
		fact.latency.latest_seconds = (double)entry->element[2]->integer / 1e3;
		fact.latency.max_seconds = (double)entry->element[3]->integer / 1e3;
		fact_emit(sink, &fact);
	}
	return 0;
}
