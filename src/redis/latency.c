/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries: [event, unix time, latest ms, maximum ms, ...]; src/latency.c. */
#include <errno.h>

#include "redis/latency.h"

int latency_emit(const redisReply *reply, const struct record_sink *sink)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (size_t i = 0; i < reply->elements; i++) {
		const redisReply *entry = reply->element[i];
		struct record record = { .kind = RECORD_LATENCY };

		if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 4 ||
		    entry->element[0]->type != REDIS_REPLY_STRING ||
		    entry->element[1]->type != REDIS_REPLY_INTEGER ||
		    entry->element[2]->type != REDIS_REPLY_INTEGER ||
		    entry->element[3]->type != REDIS_REPLY_INTEGER)
			continue;
		record.latency.event = entry->element[0]->str;
		record.latency.unix_seconds = entry->element[1]->integer;
		record.latency.latest_seconds = (double)entry->element[2]->integer / 1e3;
		record.latency.max_seconds = (double)entry->element[3]->integer / 1e3;
		record_emit(sink, &record);
	}
	return 0;
}
