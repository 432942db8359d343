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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_stores),
	};

	return cmocka_run_group_tests_name("knowledge_commands", tests, NULL, NULL);
}
