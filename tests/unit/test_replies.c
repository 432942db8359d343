/* SPDX-License-Identifier: BSD-2-Clause */
/* Small replies: MEMORY STATS, CONFIG GET, SLOWLOG GET, LATENCY LATEST and CLUSTER NODES. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "redis/cluster_nodes.h"
#include "redis/info.h"
#include "redis/replies.h"
#include "redis/slowlog.h"
#include "replies.h"

static void test_memory_stats(void **state)
{
	redisReply *reply =
		reply_parse("*8\r\n$14\r\npeak.allocated\r\n:912672\r\n"
			    "$4\r\ndb.0\r\n*4\r\n$4\r\nmain\r\n:112\r\n$7\r\nexpires\r\n:56\r\n"
			    "$7\r\nnothing\r\n$-1\r\n"
			    "$13\r\nfragmentation\r\n$18\r\n4.8700757026672363\r\n");
	struct buf text = { 0 };
	struct info *info;

	(void)state;
	buf_puts(&text, "# kept\n");
	assert_int_equal(memory_stats_flatten(&text, reply), 0);
	assert_string_equal(buf_str(&text), "# kept\npeak.allocated 912672\ndb.0.main 112\n"
					    "db.0.expires 56\nfragmentation 4.8700757026672363\n");
	info = info_parse_pairs(buf_str(&text));
	assert_int_equal(info_int(info, "db.0.expires"), 56);
	assert_true(info_double(info, "fragmentation") > 4.87);
	info_free(info);
	buf_free(&text);
	freeReplyObject(reply);
}

/* Replies nobody expects give an error and no half of a text. */
static void test_memory_stats_refused(void **state)
{
	static const char *const replies[] = {
		"+OK\r\n",
		"-NOPERM\r\n",
		"*3\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n",
		"*4\r\n$1\r\na\r\n:1\r\n:2\r\n:3\r\n",
		"*4\r\n$1\r\na\r\n:1\r\n$3\r\nb c\r\n:3\r\n",
		"*4\r\n$1\r\na\r\n:1\r\n$3\r\nb\nc\r\n:3\r\n",
		"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n*1\r\n:1\r\n",
	};
	struct buf text = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		redisReply *reply = reply_parse(replies[i]);

		assert_int_equal(memory_stats_flatten(&text, reply), -EPROTO);
		assert_int_equal(text.len, 0);
		freeReplyObject(reply);
	}
	assert_int_equal(memory_stats_flatten(&text, NULL), -EPROTO);
	buf_free(&text);
}

/* What @emit makes of a reply, to be freed; its return value in @rc. */
static char *emitted(int (*emit)(const redisReply *, const struct record_sink *),
		     const char *protocol, int *rc)
{
	redisReply *reply = reply_parse(protocol);
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	char *text;

	*rc = emit(reply, &sink);
	text = xstrdup(buf_str(&log));
	buf_free(&log);
	freeReplyObject(reply);
	return text;
}

static void check(int (*emit)(const redisReply *, const struct record_sink *), const char *protocol,
		  int expected_rc, const char *expected)
{
	int rc;
	char *text = emitted(emit, protocol, &rc);

	assert_string_equal(text, expected);
	assert_int_equal(rc, expected_rc);
	free(text);
}

static void test_config(void **state)
{
	(void)state;
	check(config_emit,
	      "*4\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n$4\r\nsave\r\n$16\r\n3600 1 300 100 6\r\n", 0,
	      "config maxmemory=0\nconfig save=3600 1 300 100 6\n");
	check(config_emit, "*0\r\n", 0, "");
	check(config_emit, "*1\r\n$1\r\na\r\n", -EPROTO, "");
	check(config_emit, "*2\r\n:1\r\n:2\r\n", -EPROTO, "");
	for (size_t i = 0; config_patterns[i]; i++) {
		assert_null(strstr(config_patterns[i], "pass"));
		assert_null(strstr(config_patterns[i], "auth"));
		assert_null(strchr(config_patterns[i], ' '));
		assert_true(config_patterns[i][0] != '*');
	}
}

static int take_slowlog(const redisReply *reply, const struct record_sink *sink)
{
	return slowlog_emit(reply, "10.0.0.1:40500", sink);
}

static void test_slowlog(void **state)
{
	(void)state;
	/* redmem's own, of a user that may not name its client, and another's. */
	check(take_slowlog,
	      "*2\r\n"
	      "*6\r\n:2\r\n:1700000000\r\n:99\r\n*1\r\n$4\r\nINFO\r\n$14\r\n10.0.0.1:40500\r\n"
	      "$0\r\n\r\n"
	      "*6\r\n:1\r\n:1700000000\r\n:2\r\n*1\r\n$4\r\nINFO\r\n$14\r\n10.0.0.1:40501\r\n"
	      "$0\r\n\r\n",
	      0, "slowlog 1 at 1700000000 2e-06s info\n");
	/* Entries of 7.0: a key, a script with its key, redmem's own, no key, 3.2's four fields. */
	check(take_slowlog,
	      "*5\r\n"
	      "*6\r\n:9\r\n:1700000000\r\n:50317\r\n*2\r\n$3\r\nDEL\r\n$3\r\na:1\r\n$1\r\nx\r\n$"
	      "0\r\n\r\n"
	      "*6\r\n:8\r\n:1700000000\r\n:1000\r\n*4\r\n$4\r\nEVAL\r\n$8\r\nreturn "
	      "1\r\n$1\r\n1\r\n"
	      "$2\r\nk1\r\n$1\r\nx\r\n$3\r\napp\r\n"
	      "*6\r\n:7\r\n:1700000000\r\n:99\r\n*2\r\n$6\r\nmemory\r\n$12\r\nmalloc-stats\r\n"
	      "$1\r\nx\r\n$6\r\nredmem\r\n"
	      "*6\r\n:6\r\n:1700000000\r\n:2\r\n*1\r\n$8\r\nFLUSHALL\r\n$1\r\nx\r\n$0\r\n\r\n"
	      "*4\r\n:5\r\n:1699999999\r\n:3\r\n*2\r\n$3\r\nGET\r\n$2\r\n\001\"\r\n",
	      0,
	      "slowlog 9 at 1700000000 0.050317s del a:1\n"
	      "slowlog 8 at 1700000000 0.001s eval k1\n"
	      "slowlog 6 at 1700000000 2e-06s flushall\n"
	      "slowlog 5 at 1699999999 3e-06s get \\x01\\\"\n");
	/* Entries that are none are skipped. */
	check(take_slowlog,
	      "*4\r\n:1\r\n*1\r\n:1\r\n*4\r\n:1\r\n:2\r\n:3\r\n*0\r\n*4\r\n:1\r\n:2\r\n:3\r\n*"
	      "1\r\n:4\r\n",
	      0, "");
	check(take_slowlog, "+OK\r\n", -EPROTO, "");
}

static int take_large(const redisReply *reply, const struct record_sink *sink)
{
	return large_emit(reply, true, "10.0.0.1:40500", sink);
}

/* The same entries, but for what is counted. */
static void test_large(void **state)
{
	(void)state;
	check(take_large,
	      "*2\r\n"
	      "*6\r\n:9\r\n:1700000000\r\n:54000000\r\n*2\r\n$3\r\nGET\r\n$3\r\na:1\r\n$1\r\nx\r\n"
	      "$0\r\n\r\n"
	      "*6\r\n:8\r\n:1700000000\r\n:2000000\r\n*1\r\n$4\r\nINFO\r\n$14\r\n10.0.0.1:40500\r\n"
	      "$0\r\n\r\n",
	      0, "large reply 9 at 1700000000 54000000 bytes get a:1\n");
	check(take_large, "+OK\r\n", -EPROTO, "");
}

/* The memory of entries: short arguments lie with their object, long ones beside it, and what
 * was cut has grown to twice its length. redmem's own do not count. */
static void test_slowlog_measure(void **state)
{
	struct buf text = { 0 };
	int64_t entries, bytes;
	redisReply *reply;

	(void)state;
	buf_puts(&text, "*3\r\n*6\r\n:3\r\n:7\r\n:3\r\n*3\r\n$3\r\nSET\r\n$60\r\n");
	buf_fill(&text, 'x', 60);
	buf_puts(&text, "\r\n$150\r\n");
	buf_fill(&text, 'y', 150);
	buf_puts(&text, "\r\n$15\r\n10.0.0.1:405001\r\n$0\r\n\r\n"
			"*6\r\n:2\r\n:7\r\n:99\r\n*1\r\n$4\r\nINFO\r\n$1\r\nx\r\n$6\r\nredmem\r\n"
			":1\r\n");
	reply = reply_parse(buf_str(&text));
	assert_int_equal(slowlog_measure(reply, "", &entries, &bytes), 0);
	assert_int_equal(entries, 1);
	assert_int_equal(bytes, 64 + 32 + 32 + 32 + 8 + 32 + (16 + 64) + (16 + 320));
	freeReplyObject(reply);
	buf_free(&text);
	/* Without a name and over a unix socket it may be redmem's greeting, but no GET is. */
	reply = reply_parse(
		"*3\r\n*6\r\n:3\r\n:7\r\n:3\r\n*1\r\n$4\r\nInfo\r\n$3\r\n/s:\r\n$0\r\n\r\n"
		"*6\r\n:2\r\n:7\r\n:3\r\n*1\r\n$3\r\nGET\r\n$3\r\n/s:\r\n$0\r\n\r\n"
		"*6\r\n:1\r\n:7\r\n:3\r\n*1\r\n$4\r\nINFO\r\n$3\r\n/s:\r\n$3\r\napp\r\n");
	assert_int_equal(slowlog_measure(reply, "", &entries, &bytes), 0);
	assert_int_equal(entries, 2);
	assert_int_equal(slowlog_measure(reply, "10.0.0.1:1", &entries, &bytes), 0);
	assert_int_equal(entries, 3);
	freeReplyObject(reply);
	reply = reply_parse("+OK\r\n");
	assert_int_equal(slowlog_measure(reply, "", &entries, &bytes), -EPROTO);
	freeReplyObject(reply);
}

struct client_seen {
	int count;
	int64_t query_free, queued, commands, reply, subscriptions, watched;
};

static void see_client(void *ctx, const struct record *record)
{
	struct client_seen *seen = ctx;

	assert_int_equal(record->kind, RECORD_CLIENT);
	seen->count++;
	seen->query_free = record->client.query_free_bytes;
	seen->queued = record->client.queued_bytes;
	seen->commands = record->client.queued_total;
	seen->reply = record->client.reply_bytes;
	seen->subscriptions = record->client.subscriptions_total;
	seen->watched = record->client.watched_total;
}

/* Where a client's memory is, as 7.0 and 8.0 tell it; what is not told is not 0. */
static void test_client_parts(void **state)
{
	static const char seven[] =
		"id=7 addr=10.0.0.7:1 name= age=1 idle=1 flags=N db=0 sub=2 psub=3 "
		"ssub=4 multi=3 qbuf=0 qbuf-free=20474 argv-mem=10 "
		"multi-mem=77 rbs=1024 rbp=5 obl=0 oll=0 omem=0 tot-mem=22298 "
		"events=r cmd=get user=default redir=-1 resp=2\n";
	struct client_seen seen = { 0 };
	struct record_sink sink = { see_client, &seen };
	redisReply reply = { .type = REDIS_REPLY_STRING };
	char eight[] = "id=8 addr=10.0.0.7:1 name= age=1 idle=1 flags=N db=0 watch=12 qbuf=0\n";

	(void)state;
	reply.str = (char *)seven;
	reply.len = strlen(seven);
	assert_int_equal(client_list_emit(&reply, "", &sink), 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.query_free, 20474);
	assert_int_equal(seen.queued, 77);
	assert_int_equal(seen.commands, 3);
	assert_int_equal(seen.reply, 1024);
	assert_int_equal(seen.subscriptions, 9);
	assert_true(seen.watched == RECORD_UNKNOWN);
	reply.str = eight;
	reply.len = strlen(eight);
	assert_int_equal(client_list_emit(&reply, "", &sink), 0);
	assert_int_equal(seen.watched, 12);
	assert_true(seen.subscriptions == RECORD_UNKNOWN);
	assert_true(seen.reply == RECORD_UNKNOWN);
}

static void test_latency(void **state)
{
	(void)state;
	check(latency_emit,
	      "*3\r\n*4\r\n$7\r\ncommand\r\n:1700000000\r\n:50\r\n:1250\r\n"
	      "*6\r\n$4\r\nfork\r\n:1700000001\r\n:3\r\n:4\r\n:7\r\n:2\r\n*1\r\n:1\r\n",
	      0,
	      "latency command at 1700000000 0.05s max 1.25s\n"
	      "latency fork at 1700000001 0.003s max 0.004s\n");
	check(latency_emit, "*0\r\n", 0, "");
	check(latency_emit, ":1\r\n", -EPROTO, "");
}

/* --- cluster ------------------------------------------------------------------------------ */

static const char text[] =
	"bbb 10.0.0.2:7001@17001,host-b,shard-id=x master - 0 1426238317239 2 connected "
	"5461-10922\r\n"
	"aaa 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460 [5461->-bbb]\r\n"
	"ccc fe80::1:7002@17002 master - 0 1 3 connected 10923-16383\r\n"
	"ddd 10.0.0.4:7003@17003 slave bbb 0 1 2 connected\r\n"
	"eee 10.0.0.5:7004@17004 slave,fail ccc 1 1 3 disconnected\r\n"
	"fff 10.0.0.6:7005@17005 master - 0 1 6 connected\r\n" /* no slots: no keys */
	"ggg :0@0 master,noaddr - 1 1 7 disconnected 5\r\n"
	"nonsense\r\n\r\n";

static void test_parse(void **state)
{
	struct cluster_node *nodes;
	size_t count = cluster_nodes_parse(text, &nodes);

	(void)state;
	assert_int_equal(count, 6);
	assert_string_equal(nodes[0].id, "bbb");
	assert_string_equal(nodes[0].host, "10.0.0.2");
	assert_int_equal(nodes[0].port, 7001);
	assert_true(nodes[1].myself && nodes[1].is_primary && nodes[1].usable);
	assert_string_equal(nodes[2].host, "fe80::1");
	assert_string_equal(nodes[3].primary, "bbb");
	assert_false(nodes[4].usable);
	free(nodes);
	assert_int_equal(cluster_nodes_parse("", &nodes), 0);
	free(nodes);
}

static void test_choose(void **state)
{
	const struct cluster_node *chosen[8];
	struct cluster_node *nodes;
	size_t count = cluster_nodes_parse(text, &nodes);

	(void)state;
	assert_int_equal(cluster_nodes_choose(nodes, count, false, chosen), 3);
	assert_string_equal(chosen[0]->id, "aaa");
	assert_string_equal(chosen[1]->id, "bbb");
	assert_string_equal(chosen[2]->id, "ccc");
	/* A primary without a usable replica stands for itself. */
	assert_int_equal(cluster_nodes_choose(nodes, count, true, chosen), 3);
	assert_string_equal(chosen[0]->id, "aaa");
	assert_string_equal(chosen[1]->id, "ddd");
	assert_string_equal(chosen[2]->id, "ccc");
	free(nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_stats),	cmocka_unit_test(test_memory_stats_refused),
		cmocka_unit_test(test_config),		cmocka_unit_test(test_slowlog),
		cmocka_unit_test(test_large),		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_slowlog_measure), cmocka_unit_test(test_client_parts),
		cmocka_unit_test(test_parse),		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests_name("replies", tests, NULL, NULL);
}
