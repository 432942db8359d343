/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys drawn at random: what is asked, in which databases, and that it ends. */
#include <poll.h>
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
#include "redis/keysample.h"
#include "replies.h"

#define PATIENCE_MS 20000
#define LOOK_RULES                                                                       \
	{ "CLIENT", "+OK\r\n", false }, { "SELECT", "+OK\r\n", false },                  \
		{ "ECHO", "$6\r\nredmem\r\n", false }, { "TYPE", "+string\r\n", false }, \
		{ "OBJECT ENCODING", "$3\r\nraw\r\n", false },                           \
		{ "MEMORY USAGE", ":168\r\n", false }, { "PTTL", ":-1\r\n", false },     \
		{ "STRLEN", ":100\r\n", false },                                         \
	{                                                                                \
		NULL, NULL, false                                                        \
	}

static const struct fake_rule full[] = {
	{ "SCAN", "*2\r\n$1\r\n0\r\n*2\r\n$6\r\nuser:1\r\n$6\r\nuser:2\r\n", false },
	LOOK_RULES,
};
static const struct fake_rule sparse[] = { { "SCAN", "*2\r\n$1\r\n0\r\n*0\r\n", false },
					   LOOK_RULES };
static const struct fake_rule refused[] = { { "SCAN", "-NOPERM\r\n", false }, LOOK_RULES };

static const struct fake_rule type_refused[] = {
	{ "SCAN", "*2\r\n$1\r\n0\r\n*1\r\n$6\r\nuser:1\r\n", false },
	{ "TYPE", "-NOPERM this user has no permissions to run the 'type' command\r\n", false },
	LOOK_RULES,
};
static char refusal[256]; /* of the drawing before */

static char *draw(const struct fake_rule *rules, const char *keyspace, size_t keys, char **seen)
{
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server) };
	struct info *info = info_parse(keyspace);
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	struct keysample *sample;
	struct conn *conn;
	char *text;

	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	sample = keysample_start(conn, &sink, info, keys);
	while (conn_pending(conn)) {
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		assert_int_equal(conn_dispatch(conn, fd.revents), 0);
	}
	conn_close(conn);
	snprintf(refusal, sizeof(refusal), "%s", keysample_refusal(sample));
	keysample_free(sample);
	info_free(info);
	*seen = fake_server_stop(server);
	text = xstrdup(buf_str(&log));
	buf_free(&log);
	return text;
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
		n++;
	return n;
}

/* Three of four keys are in database 3: it gives three of four. */
static void test_databases(void **state)
{
	char *seen, *log = draw(full,
				"# Keyspace\r\ndb0:keys=100000,expires=0\r\n"
				"db3:keys=300000,expires=5\r\n",
				8, &seen);

	(void)state;
	assert_int_equal(count(log, "db=0 type=string encoding=raw bytes=168 elements=100"), 2);
	assert_int_equal(count(log, "db=3 "), 6);
	assert_int_equal(count(seen, "SCAN "), 4);
	assert_int_equal(count(seen, "COUNT 10"), 4);
	assert_int_equal(count(seen, "SELECT 3\n"), 1);
	/* The connection is left as it was. */
	assert_non_null(strstr(strstr(seen, "SELECT 3\n"), "SELECT 0\n"));
	free(log);
	free(seen);
}

/* Where there are few keys all of them are asked for, whatever is wanted. */
static void test_few(void **state)
{
	char *seen, *log = draw(full,
				"# Keyspace\r\ndb0:keys=1,expires=0\r\n"
				"db3:keys=2,expires=0\r\n",
				1, &seen);

	(void)state;
	assert_int_equal(count(log, "db=0 "), 1);
	assert_int_equal(count(log, "db=3 "), 2);
	free(log);
	free(seen);
}

/* A table so sparse that steps find nothing must not be scanned for ever. */
static void test_sparse(void **state)
{
	char *seen, *log = draw(sparse, "db0:keys=10,expires=0\r\n", 64, &seen);

	(void)state;
	assert_string_equal(log, "");
	assert_in_range(count(seen, "SCAN "), 1, 16);
	free(log);
	free(seen);
}

static void test_refused(void **state)
{
	char *seen, *log = draw(refused, "db0:keys=10,expires=0\r\n", 64, &seen);

	(void)state;
	assert_string_equal(log, "");
	assert_int_equal(count(seen, "SCAN "), 1);
	assert_string_equal(refusal, "NOPERM");
	free(log);
	free(seen);
	log = draw(type_refused, "db0:keys=10,expires=0\r\n", 64, &seen);
	assert_string_equal(log, "");
	assert_string_equal(refusal,
			    "NOPERM this user has no permissions to run the 'type' command");
	free(log);
	free(seen);
	/* That there is nothing to tell is no refusal. */
	log = draw(full, "db0:keys=10,expires=0\r\n", 2, &seen);
	assert_string_equal(refusal, "");
	free(log);
	free(seen);
}

static void test_empty(void **state)
{
	char *seen, *log = draw(full, "# Keyspace\r\n", 64, &seen);

	(void)state;
	assert_string_equal(log, "");
	assert_int_equal(count(seen, "SCAN "), 0);
	free(log);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_databases), cmocka_unit_test(test_few),
		cmocka_unit_test(test_sparse),	  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("keysample", tests, NULL, NULL);
}
