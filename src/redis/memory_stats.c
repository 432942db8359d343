/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reply of MEMORY STATS in RESP2: name, value, name, value..., where a value
 * is an integer, a string (a double), or such a list again (db.N).
 */
#include <errno.h>
#include <stdbool.h>

#include "redis/memory_stats.h"

#define DEPTH_MAX 4 /* servers use 2 */

/* Text that stays one field of one line. */
static bool is_word(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
		return false;
	for (size_t i = 0; i < reply->len; i++)
		if ((unsigned char)reply->str[i] <= ' ')
			return false;
	return reply->len > 0;
}

static int flatten(struct buf *out, const redisReply *map, const char *prefix, int depth)
{
	int rc = 0;

	if (map->type != REDIS_REPLY_ARRAY || map->elements % 2 || depth > DEPTH_MAX)
		return -EPROTO;
	for (size_t i = 0; i < map->elements && !rc; i += 2) {
		const redisReply *name = map->element[i], *value = map->element[i + 1];
		struct buf path = { 0 };

		if (!is_word(name))
			return -EPROTO;
		buf_printf(&path, "%s%s%s", prefix, *prefix ? "." : "", name->str);
		if (value->type == REDIS_REPLY_INTEGER)
			buf_printf(out, "%s %lld\n", buf_str(&path), value->integer);
		else if (is_word(value))
			buf_printf(out, "%s %s\n", buf_str(&path), value->str);
		else if (value->type == REDIS_REPLY_ARRAY)
			rc = flatten(out, value, buf_str(&path), depth + 1);
		buf_free(&path);
	}
	return rc;
}

int memory_stats_flatten(struct buf *out, const redisReply *reply)
{
	struct buf text = { 0 };
	int rc = reply ? flatten(&text, reply, "", 1) : -EPROTO;

	if (!rc)
		buf_add(out, buf_str(&text), text.len);
	buf_free(&text);
	return rc;
}
