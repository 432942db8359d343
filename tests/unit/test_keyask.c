/* SPDX-License-Identifier: BSD-2-Clause */
/* One key at length: what is asked of the server, what must not be, and what comes of it. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "fake_server.h"
#include "redis/keyask.h"

#define NAME "k\001\"y"

/* What came of it. */
struct seen {
	struct record_one_key key; /* its texts are not kept */
	char type[32], encoding[32], bytes_reason[128], elements_reason[128], content[32];
	struct record_key_element elements[256];
	size_t elements_count;
	int64_t groups, gone;
	char *asked; /* what the server saw */
	int ret;
	struct err err;
	double dear_seconds;
};

static void take(void *ctx, const struct record *record)
{
	struct seen *seen = ctx;

	if (record->kind == RECORD_KEY_ELEMENT)
		seen->elements[seen->elements_count++] = record->key_element;
	if (record->kind == RECORD_KEY_GROUP) {
		seen->groups++;
		seen->gone += record->key_group.consumers_gone;
	}
	if (record->kind != RECORD_ONE_KEY)
		return;
	seen->key = record->one_key;
	snprintf(seen->type, sizeof(seen->type), "%s", record->one_key.type);
	snprintf(seen->encoding, sizeof(seen->encoding), "%s", record->one_key.encoding);
	snprintf(seen->bytes_reason, sizeof(seen->bytes_reason), "%s",
		 record->one_key.bytes_reason);
	snprintf(seen->elements_reason, sizeof(seen->elements_reason), "%s",
		 record->one_key.elements_reason);
	snprintf(seen->content, sizeof(seen->content), "%s", record->one_key.content);
}

static bool dear(void *ctx, double seconds)
{
	((struct seen *)ctx)->dear_seconds = seconds;
	return false;
}

static struct seen look(const struct fake_rule *rules, int64_t samples, bool touch)
{
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn_options connect = { .socket_path = fake_server_path(server) };
	struct seen seen = { .dear_seconds = NAN };
	const struct keyask_options options = {
		.key = { NAME, sizeof(NAME) - 1 },
		.samples = samples,
		.touch = touch,
		.speed = { 100e-9, 0.1e-9 },
		.dear = dear,
		.ctx = &seen,
	};
	struct conn *conn;

	assert_int_equal(conn_open(&conn, &connect, NULL), 0);
	seen.ret = keyask_run(conn, &options, 0, false, &(struct record_sink){ take, &seen },
			      &seen.err);
	conn_close(conn);
	seen.asked = fake_server_stop(server);
	return seen;
}

#define STATE_RULES                              \
	{ "OBJECT IDLETIME", ":12\r\n", false }, \
	{                                        \
		"PTTL", ":1500\r\n", false       \
	}

static const struct fake_rule hash_72[] = {
	{ "CLIENT", "+OK\r\n", false },
	{ "TYPE", "+hash\r\n", false },
	STATE_RULES,
	{ "OBJECT ENCODING", "$9\r\nhashtable\r\n", false },
	{ "HLEN", ":200000\r\n", false },
	{ "MEMORY USAGE", ":9000000\r\n", false },
	{ "HRANDFIELD", "*1\r\n$5\r\nfield\r\n", false },
	{ "HSTRLEN " NAME " field", ":700\r\n", false },
	{ NULL, NULL, false },
};

/* Values stay where they are: names come, and how long values are. */
static void test_hash(void **state)
{
	struct seen s = look(hash_72, -1, false);

	(void)state;
	assert_int_equal(s.ret, 0);
	assert_string_equal(s.type, "hash");
	assert_int_equal(s.key.elements, 200000);
	assert_int_equal(s.key.bytes, 9000000);
	assert_int_equal(s.key.bytes_samples, 2000);
	assert_int_equal(s.key.idle_seconds, 12);
	assert_true(s.key.no_touch && s.key.ttl_seconds == 1.5);
	assert_true(s.elements_count > 10);
	assert_int_equal(s.elements[0].name_bytes, 5);
	assert_int_equal(s.elements[0].bytes, 700);
	assert_null(strstr(s.asked, "WITHVALUES"));
	assert_null(strstr(s.asked, "HGET"));
	free(s.asked);
}

/* All of it: said before, and left when nobody wants it then. */
static void test_all_is_said_before(void **state)
{
	struct seen s = look(hash_72, 0, false);

	(void)state;
	assert_true(s.dear_seconds > 0.05 && s.dear_seconds < 0.07);
	assert_int_equal(s.key.bytes, RECORD_UNKNOWN);
	assert_non_null(strstr(s.bytes_reason, "interrupted"));
	assert_null(strstr(s.asked, "MEMORY USAGE"));
	free(s.asked);
}

/* Where the server would count the look as use, only what never touches is asked. */
static void test_no_touch(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "TYPE", "+zset\r\n", false },
		STATE_RULES,
		{ "OBJECT ENCODING", "$8\r\nskiplist\r\n", false },
		{ "MEMORY USAGE", ":9000000\r\n", false },
		{ "ZCARD", ":7\r\n", false },
		{ NULL, NULL, false },
	};
	static const char *const touching[] = { "ZCARD", "ZRANGE", "ZRANDMEMBER" };
	struct seen s = look(rules, -1, false);

	(void)state;
	assert_int_equal(s.ret, 0);
	assert_int_equal(s.key.elements, RECORD_UNKNOWN);
	assert_int_equal(s.key.bytes, 9000000);
	assert_non_null(strstr(s.elements_reason, "--touch"));
	for (size_t i = 0; i < sizeof(touching) / sizeof(*touching); i++)
		assert_null(strstr(s.asked, touching[i]));
	free(s.asked);
	s = look(rules, -1, true);
	assert_int_equal(s.key.elements, 7);
	assert_true(s.key.touched);
	free(s.asked);
}

#define STREAM_RULES(consumers)                                                                   \
	{ "CLIENT", "+OK\r\n", false }, { "TYPE", "+stream\r\n", false }, STATE_RULES,            \
		{ "OBJECT ENCODING", "$6\r\nstream\r\n", false }, { "XLEN", ":8000\r\n", false }, \
		{ "XINFO STREAM",                                                                 \
		  "*6\r\n$6\r\ngroups\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:90\r\n"                \
		  "$11\r\nfirst-entry\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",        \
		  false },                                                                        \
		{ "XINFO GROUPS",                                                                 \
		  "*1\r\n*6\r\n$4\r\nname\r\n$4\r\nmail\r\n$9\r\nconsumers\r\n:" consumers        \
		  "\r\n$7\r\npending\r\n:3\r\n",                                                  \
		  false },                                                                        \
		{ "XINFO CONSUMERS",                                                              \
		  "*2\r\n*4\r\n$7\r\npending\r\n:3\r\n$4\r\nidle\r\n:90000000\r\n"                \
		  "*4\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:5\r\n",                            \
		  false },                                                                        \
		{ "XPENDING " NAME " mail - + 1",                                                 \
		  "*1\r\n*4\r\n$3\r\n1-0\r\n$1\r\na\r\n:90000000\r\n:1\r\n", false },             \
		{ "XRANGE", "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$4\r\nvvvv\r\n", false },  \
		{ "XREVRANGE", "*0\r\n", false },                                                 \
	{                                                                                         \
		"MEMORY USAGE", ":210000000\r\n", false                                           \
	}

/* MEMORY USAGE of a stream walks all consumers: it is asked only where they are few. */
static void test_stream(void **state)
{
	static const struct fake_rule few[] = { STREAM_RULES("2"), { NULL, NULL, false } };
	static const struct fake_rule many[] = { STREAM_RULES("1000000"), { NULL, NULL, false } };
	struct seen s = look(few, -1, false);

	(void)state;
	assert_int_equal(s.key.bytes, 210000000);
	assert_int_equal(s.key.groups_total, 1);
	assert_int_equal(s.groups, 1);
	assert_int_equal(s.gone, 1);
	assert_int_equal(s.elements[0].bytes, 5);
	free(s.asked);
	s = look(many, -1, false);
	assert_int_equal(s.key.bytes, RECORD_UNKNOWN);
	assert_non_null(strstr(s.bytes_reason, "consumers"));
	assert_null(strstr(s.asked, "MEMORY USAGE"));
	assert_null(strstr(s.asked, "XINFO CONSUMERS"));
	free(s.asked);
}

static void test_string(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT", "+OK\r\n", false },
		{ "TYPE", "+string\r\n", false },
		STATE_RULES,
		{ "OBJECT ENCODING", "$3\r\nraw\r\n", false },
		{ "STRLEN", ":50\r\n", false },
		{ "MEMORY USAGE", ":120\r\n", false },
		{ "GETRANGE", "$50\r\n{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\r\n",
		  false },
		{ NULL, NULL, false },
	};
	struct seen s = look(rules, -1, false);

	(void)state;
	assert_string_equal(s.content, "json");
	assert_true(s.key.compressed_ratio < 0.6);
	assert_int_equal(s.key.bytes_samples, 0);
	free(s.asked);
}

static void test_refusals(void **state)
{
	static const struct fake_rule gone[] = { { "CLIENT", "+OK\r\n", false },
						 { "TYPE", "+none\r\n", false },
						 { NULL, NULL, false } };
	static const struct fake_rule moved[] = { { "CLIENT", "+OK\r\n", false },
						  { "TYPE", "-MOVED 7 h:1\r\n", false },
						  { NULL, NULL, false } };
	struct seen s = look(gone, -1, false);

	(void)state;
	assert_int_equal(s.ret, -ENOENT);
	assert_non_null(strstr(s.err.text, "\"k\\x01\\\"y\" in database 0"));
	free(s.asked);
	s = look(moved, -1, false);
	assert_int_equal(s.ret, -EACCES);
	assert_non_null(strstr(s.err.text, "MOVED 7 h:1"));
	free(s.asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),	 cmocka_unit_test(test_all_is_said_before),
		cmocka_unit_test(test_no_touch), cmocka_unit_test(test_stream),
		cmocka_unit_test(test_string),	 cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
