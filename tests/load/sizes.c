/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least a pass over all keys can be: SCAN, and MEMORY USAGE of each key, a SCAN's worth in a
 * pipeline. What others do is measured beside it.
 */
#include "load.h"

#include <stdio.h>
#include <string.h>

static redisReply *reply_of(redisContext *c)
{
	void *reply = NULL;

	if (redisGetReply(c, &reply) != REDIS_OK)
		load_die("%s", c->errstr);
	return reply;
}

void load_sizes(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	char cursor[24] = "0";
	long long keys = 0, bytes = 0;

	do {
		redisReply *scan = load_call(c, "SCAN %s COUNT 1000", cursor);
		const redisReply *names = scan->element[1];

		for (size_t i = 0; i < names->elements; i++)
			redisAppendCommand(c, "MEMORY USAGE %b", names->element[i]->str,
					   names->element[i]->len);
		for (size_t i = 0; i < names->elements; i++) {
			redisReply *usage = reply_of(c);

			keys += usage->type == REDIS_REPLY_INTEGER;
			bytes += usage->type == REDIS_REPLY_INTEGER ? usage->integer : 0;
			freeReplyObject(usage);
		}
		snprintf(cursor, sizeof(cursor), "%s", scan->element[0]->str);
		freeReplyObject(scan);
	} while (strcmp(cursor, "0") != 0);
	printf("%lld %lld\n", keys, bytes);
	redisFree(c);
}
