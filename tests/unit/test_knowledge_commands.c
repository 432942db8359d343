/* SPDX-License-Identifier: BSD-2-Clause */
/* Where commands have their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "redis/knowledge_commands.h"
#include "redis/many_keys.h"
#include "redis/slowlog.h"
#include "replies.h"

#define UNASKED (-1)

/* The key of a command line with one space between words, to be freed; NULL = none. */
static char *key_of(const char *name, int first_key, const char *line)
{
	struct command_key_rule rule;
	struct bytes argv[16];
	struct bytes key = { 0 };
	size_t argc = 0;

	while (*line) {
		size_t len = strcspn(line, " ");

		argv[argc++] = (struct bytes){ line, len };
		line += len + (line[len] == ' ');
	}
	if (!command_known_rule(name, &rule))
		rule = first_key == UNASKED ? command_key_rule(name) : command_told_rule(first_key);
	return command_find_key(&rule, argv, argc, &key) ? xmemdup(key.data, key.len) : NULL;
}

static const struct {
	const char *name;
	int first_key; /* as Redis 7.0 says it */
	const char *line, *key;
} key_cases[] = {
	{ "get", 1, "GET k", "k" },
	{ "ping", 0, "PING hello", NULL },
	{ "mset", 1, "MSET a 1 b 2", "a" },
	{ "bitop", 2, "BITOP AND dest a b", "dest" },
	{ "config|get", 0, "CONFIG GET save", NULL },
	{ "config", 0, "CONFIG GET save", NULL },
	{ "eval", 0, "EVAL return 2 k1 k2 arg", "k1" },
	{ "eval", 0, "EVAL return 0 arg", NULL },
	{ "eval", 0, "EVAL return", NULL },
	{ "eval", 0, "EVAL return -1 arg", NULL },
	{ "eval", 0, "EVAL return two k1 k2", NULL },
	{ "evalsha_ro", 0, "EVALSHA_RO abc 1 k", "k" },
	{ "fcall", 0, "FCALL f 1 k", "k" },
	{ "zunion", 0, "ZUNION 2 a b", "a" },
	{ "zdiff", 0, "ZDIFF 0", NULL },
	{ "sintercard", 0, "SINTERCARD 2 a b LIMIT 1", "a" },
	{ "lmpop", 0, "LMPOP 1 list LEFT", "list" },
	{ "blmpop", 0, "BLMPOP 0 1 list LEFT", "list" },
	{ "bzmpop", 0, "BZMPOP 0 2 z1 z2 MIN", "z1" },
	{ "zunionstore", 1, "ZUNIONSTORE dest 2 a b", "dest" },
	{ "xread", 0, "XREAD COUNT 2 streams s1 s2 0 0", "s1" },
	{ "xread", 0, "XREAD COUNT 2", NULL },
	{ "xread", 0, "XREAD STREAMS", NULL },
	{ "xreadgroup", 0, "XREADGROUP GROUP streams c COUNT 1 STREAMS s >", "s" },
	{ "memory|usage", 2, "MEMORY USAGE k", "k" },
	{ "memory|doctor", 0, "MEMORY DOCTOR", NULL },
	{ "memory", 0, "MEMORY USAGE k", "k" },
	{ "memory", 0, "MEMORY DOCTOR", NULL },
	{ "object|encoding", 2, "OBJECT ENCODING k", "k" },
	{ "object", 2, "OBJECT ENCODING k", "k" },
	{ "xinfo|stream", 2, "XINFO STREAM s", "s" },
	{ "xgroup|create", 2, "XGROUP CREATE s g 0", "s" },
	{ "migrate", 3, "MIGRATE host 6379 k 0 1000", "k" },
	{ "rename", 1, "RENAME from over", "over" }, /* what is freed */
	{ "sort", 1, "SORT k BY w_*", "k" },
	{ "georadius", 1, "GEORADIUS k 0 0 1 km STORE dest", "k" },
	{ "spublish", 1, "SPUBLISH channel message", NULL },
	{ "get", 1, "GET", NULL },
	/* Without the server's word. */
	{ "get", -1, "GET k", "k" },
	{ "bitop", -1, "BITOP AND dest a b", "dest" },
	{ "publish", -1, "PUBLISH channel message", NULL },
	{ "acl|getuser", -1, "ACL GETUSER u", NULL },
	{ "scan", -1, "SCAN 0", NULL },
	{ "ft.search", -1, "FT.SEARCH index query", NULL },
	{ "ft.search", 1, "FT.SEARCH index query", "index" },
	{ "zunion", -1, "ZUNION 1 a", "a" },
};

static void test_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(key_cases) / sizeof(*key_cases); i++) {
		char *key = key_of(key_cases[i].name, key_cases[i].first_key, key_cases[i].line);

		if (!key != !key_cases[i].key || (key && strcmp(key, key_cases[i].key) != 0))
			fail_msg("%s: key %s instead of %s", key_cases[i].line,
				 key ? key : "(none)",
				 key_cases[i].key ? key_cases[i].key : "(none)");
		free(key);
	}
}

static int first_key(const char *text)
{
	redisReply *reply = reply_parse(text);
	int first = command_info_first_key(reply);

	freeReplyObject(reply);
	return first;
}

/* COMMAND INFO of one command: flags, key positions, subcommands as tenth element. */
static void test_info(void **state)
{
	(void)state;
	assert_int_equal(
		first_key("*1\r\n*6\r\n+ft.add\r\n:2\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n"), 1);
	assert_int_equal(first_key("*1\r\n*10\r\n$6\r\nOBJECT\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n"
				   "*0\r\n*0\r\n*0\r\n*0\r\n"),
			 0);
	assert_int_equal(first_key("*1\r\n*-1\r\n"), -1);
	assert_int_equal(first_key("*1\r\n*4\r\n+x\r\n:1\r\n:1\r\n:99999\r\n"), -1);
	assert_int_equal(first_key("*1\r\n*4\r\n+x\r\n:1\r\n:1\r\n+1\r\n"), -1);
	assert_int_equal(first_key("-NOPERM this user has no permissions\r\n"), -1);
	assert_int_equal(first_key(":1\r\n"), -1);
	assert_int_equal(command_info_first_key(NULL), -1);
}

/* What the table knows need not be asked; a module's command must. */
static void test_known(void **state)
{
	struct command_key_rule rule;

	(void)state;
	assert_true(command_known_rule("hset", &rule));
	assert_true(command_known_rule("config|get", &rule));
	assert_true(command_known_rule("XREAD", &rule));
	assert_false(command_known_rule("ft.search", &rule));
	assert_false(command_known_rule("hgetallnew", &rule));
	assert_int_equal(command_key_rule("ft.search").kind, COMMAND_KEY_NONE);
	assert_int_equal(command_key_rule("hgetallnew").index, 1);
	assert_true(command_is_container("CONFIG"));
	assert_false(command_is_container("get"));
}

static void test_stores(void **state)
{
	(void)state;
	assert_true(command_stores("set") && command_stores("zunionstore"));
	assert_true(command_stores("xgroup|create") && command_stores("eval"));
	assert_false(command_stores("get") || command_stores("del") || command_stores(""));
}

/* An entry of SLOWLOG with these arguments. */
static redisReply *entry_of(const char *line)
{
	struct buf words = { 0 }, protocol = { 0 };
	redisReply *reply;
	int count = 0;

	while (*line) {
		size_t len = strcspn(line, " ");

		buf_printf(&words, "$%zu\r\n%.*s\r\n", len, (int)len, line);
		line += len + (line[len] == ' ');
		count++;
	}
	buf_printf(&protocol, "*1\r\n*6\r\n:7\r\n:1700000000\r\n:50317\r\n*%d\r\n%s", count,
		   buf_str(&words));
	buf_puts(&protocol, "$0\r\n\r\n$0\r\n\r\n");
	reply = reply_parse(buf_str(&protocol));
	buf_free(&words);
	buf_free(&protocol);
	return reply;
}

static void expect_keys(const char *command, const char *line, int64_t total, const char *others)
{
	struct record_slowlog slow = { .id = 7, .command = command };
	struct command_key_rule rule = command_key_rule(command);
	redisReply *reply = entry_of(line);
	char *key = key_of(command, rule.index, line);
	struct buf names = { 0 };

	if (key)
		slow.key = (struct bytes){ key, strlen(key) };
	slowlog_keys(reply->element[0]->element[3], &slow);
	buf_add(&names, slow.key_2.len ? slow.key_2.data : "", slow.key_2.len);
	buf_putc(&names, ' ');
	buf_add(&names, slow.key_3.len ? slow.key_3.data : "", slow.key_3.len);
	buf_putc(&names, ' ');
	buf_add(&names, slow.key_4.len ? slow.key_4.data : "", slow.key_4.len);
	assert_string_equal(buf_str(&names), others);
	assert_int_equal(slow.keys_total, total);
	buf_free(&names);
	free(key);
	freeReplyObject(reply);
}

static void test_several(void **state)
{
	struct buf line = { 0 };

	(void)state;
	expect_keys("del", "DEL a", 1, "  ");
	expect_keys("del", "DEL a b a c d e", 6, "b c d");
	expect_keys("mset", "MSET a 1 b 2", 2, "b  ");
	expect_keys("get", "GET a", 0, "  ");
	expect_keys("bitop", "BITOP AND dest a b", 3, "a b ");
	expect_keys("zunion", "ZUNION 2 a b WITHSCORES", 2, "b  ");
	expect_keys("zunionstore", "ZUNIONSTORE dest 2 a b WEIGHTS 1 2", 3, "a b ");
	expect_keys("zrangestore", "ZRANGESTORE dest a 0 -1", 2, "a  ");
	expect_keys("sintercard", "SINTERCARD 2 a b LIMIT 1", 2, "b  ");
	expect_keys("sunion", "SUNION", 0, "  ");
	assert_true(command_takes_keys("mget") && !command_takes_keys("hgetall"));

	buf_puts(&line, "SUNION");
	for (int i = 0; i < 14; i++)
		buf_puts(&line, i % 2 ? " a" : " b");
	expect_keys("sunion", buf_str(&line), 14, "a  ");
	buf_free(&line);
}

static void expect_of_entry(void *ctx, const struct record *record)
{
	const struct record_slowlog *slow = &record->slowlog;

	assert_int_equal(slow->keys_total, slow->id == 7 ? 237060 : 0);
	if (slow->id == 7)
		assert_memory_equal(slow->key_4.data, "k03", 3);
	++*(int *)ctx;
}

/* The log has the first 31 of many arguments, and how many more there were. */
static void test_very_many(void **state)
{
	int entries = 0;
	struct record_sink sink = { expect_of_entry, &entries };
	struct buf protocol = { 0 };
	redisReply *reply;

	(void)state;
	buf_puts(&protocol, "*2\r\n*6\r\n:7\r\n:1700000000\r\n:50317\r\n*32\r\n$3\r\nDEL\r\n");
	for (int i = 0; i < 30; i++)
		buf_printf(&protocol, "$3\r\nk%02d\r\n", i);
	buf_puts(&protocol, "$27\r\n... (237030 more arguments)\r\n$0\r\n\r\n$0\r\n\r\n");
	buf_puts(&protocol, "*6\r\n:8\r\n:1700000000\r\n:50317\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
	buf_puts(&protocol, "$0\r\n\r\n$0\r\n\r\n");
	reply = reply_parse(buf_str(&protocol));
	assert_int_equal(slowlog_emit(reply, "", &sink), 0);
	assert_int_equal(entries, 2);
	freeReplyObject(reply);
	buf_free(&protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	cmocka_unit_test(test_info),
		cmocka_unit_test(test_known),	cmocka_unit_test(test_stores),
		cmocka_unit_test(test_several), cmocka_unit_test(test_very_many),
	};

	return cmocka_run_group_tests_name("knowledge_commands", tests, NULL, NULL);
}
