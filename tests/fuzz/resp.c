/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies in the protocol of the servers, each taken for what any of redmem's questions may get. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "redis/cluster_nodes.h"
#include "redis/info.h"
#include "redis/knowledge_commands.h"
#include "redis/own_calls.h"
#include "redis/reader.h"
#include "redis/replies.h"
#include "redis/slowlog.h"

static void touch(void *ctx, const struct record *record)
{
	size_t *count = ctx;

	*count += record->kind + 1;
}

static void take_nodes(const char *text)
{
	struct cluster_node *nodes = NULL;
	size_t count = cluster_nodes_parse(text, &nodes);
	const struct cluster_node **chosen = malloc((count + 1) * sizeof(*chosen));

	must(cluster_nodes_choose(nodes, count, false, chosen) <= count);
	must(cluster_nodes_choose(nodes, count, true, chosen) <= count);
	free(chosen);
	free(nodes);
}

static void take_stats(const redisReply *reply)
{
	struct buf flat = { 0 };

	if (!memory_stats_flatten(&flat, reply))
		info_free(info_parse_pairs(buf_str(&flat)));
	buf_free(&flat);
}

static void take(const redisReply *reply)
{
	struct own_calls *calls = own_calls_new();
	size_t count = 0;
	struct record_sink sink = { touch, &count };
	int64_t a, b, c;

	slowlog_emit(reply, "127.0.0.1:51234", &sink);
	large_emit(reply, count % 2, "127.0.0.1:51234", &sink);
	slowlog_measure(reply, "", &a, &b);
	client_list_emit(reply, "127.0.0.1:51234", &sink);
	latency_emit(reply, &sink);
	take_stats(reply);
	config_emit(reply, &sink);
	stream_groups_count(reply, &a, &b, &c);
	command_info_first_key(reply);
	own_calls_add(calls, "get");
	own_calls_lookup(calls, "get", reply);
	if (reply->type == REDIS_REPLY_ERROR)
		own_calls_error(calls, "get", reply->str);
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		take_nodes(reply->str);
	own_calls_free(calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	redisReader *reader = reader_new();
	void *reply = NULL;

	redisReaderFeed(reader, (const char *)data, len);
	while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
		take(reply);
		freeReplyObject(reply);
	}
	redisReaderFree(reader);
	return 0;
}
