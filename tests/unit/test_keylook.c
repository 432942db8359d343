/* SPDX-License-Identifier: BSD-2-Clause */
/* The look at keys: what is asked, and what must not be. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "fake_server.h"
#include "redis/keylook.h"
#include "replies.h"

#define PATIENCE_MS 20000
#define KEY_RULES                                                                                  \
	{ "TYPE gone", "+none\r\n", false }, { "TYPE secret", "-NOPERM\r\n", false },              \
		{ "TYPE module", "+ReJSON-RL\r\n", false }, { "TYPE", "+zset\r\n", false },        \
		{ "OBJECT ENCODING gone", "$-1\r\n", false },                                      \
		{ "OBJECT ENCODING", "$8\r\nskiplist\r\n", false },                                \
		{ "MEMORY USAGE gone", "$-1\r\n", false }, { "MEMORY USAGE", ":1400\r\n", false }, \
		{ "PTTL gone", ":-2\r\n", false }, { "PTTL module", ":1500\r\n", false },          \
		{ "PTTL", ":-1\r\n", false }, { "ZCARD", ":42\r\n", false },                       \
	{                                                                                          \
		NULL, NULL, false                                                                  \
	}

static const struct fake_rule server_72[] = { { "CLIENT", "+OK\r\n", false }, KEY_RULES };
static const struct fake_rule server_70[] = { { "CLIENT SETNAME", "+OK\r\n", false }, KEY_RULES };

/* Of two lists one has more than a node; of a zset more elements are looked at. */
static const struct fake_rule server_lists[] = {
	{ "CLIENT SETNAME", "+OK\r\n", false },
	{ "TYPE zset", "+zset\r\n", false },
	{ "TYPE", "+list\r\n", false },
	{ "OBJECT ENCODING", "$9\r\nquicklist\r\n", false },
	{ "MEMORY USAGE short", ":5000\r\n", false },
	{ "MEMORY USAGE long SAMPLES 20000", ":29000000\r\n", false },
	{ "MEMORY USAGE zset SAMPLES 3000", ":31000000\r\n", false },
	{ "MEMORY USAGE", ":2800000000\r\n", false },
	{ "PTTL", ":-1\r\n", false },
	{ NULL, NULL, false },
};

#define STREAM_RULES                                                                     \
	{ "CLIENT", "+OK\r\n", false }, { "TYPE", "+stream\r\n", false },                \
		{ "OBJECT ENCODING", "$6\r\nstream\r\n", false },                        \
		{ "MEMORY USAGE", ":9000000\r\n", false }, { "PTTL", ":-1\r\n", false }, \
	{                                                                                \
		"XLEN", ":70000\r\n", false                                              \
	}

/* Two groups of a stream, told as a 7.0 and a 5.0 would; the order is not promised. */
static const struct fake_rule server_stream[] = {
	STREAM_RULES,
	{ "XINFO GROUPS",
	  "*2\r\n*8\r\n$4\r\nname\r\n$1\r\na\r\n$9\r\nconsumers\r\n:40000\r\n"
	  "$7\r\npending\r\n:60000\r\n$3\r\nlag\r\n$-1\r\n"
	  "*4\r\n$7\r\npending\r\n:7\r\n$9\r\nconsumers\r\n:2\r\n",
	  false },
	{ NULL, NULL, false },
};

static const struct fake_rule server_small_stream[] = {
	STREAM_RULES,
	{ "XINFO GROUPS", "*0\r\n", false },
	{ NULL, NULL, false },
};

static const struct bytes keys[] = {
	{ "lb:\001", 4 },
	{ "gone", 4 },
	{ "secret", 6 },
	{ "module", 6 },
};

/* Look at @keys on a server with these rules; returns the records' log, to be freed,
 * and what the server saw in @seen. */
static char *look_at(const struct fake_rule *rules, const struct bytes *at, size_t count,
		     char **seen, int db)
{
	struct fake_server *server = fake_server_start(rules, 3, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server), .db = db };
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	struct conn *conn;
	char *text;

	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(keylook_start(conn, &sink, at, count), 0);
	while (conn_pending(conn)) {
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		assert_int_equal(conn_dispatch(conn, fd.revents), 0);
	}
	conn_close(conn);
	*seen = fake_server_stop(server);
	text = xstrdup(buf_str(&log));
	buf_free(&log);
	return text;
}

static char *look(const struct fake_rule *rules, char **seen, int db)
{
	return look_at(rules, keys, 4, seen, db);
}

/* The first few elements say little of a large key: it is asked again, and told rightly. */
static void test_lists(void **state)
{
	static const struct bytes lists[] = { { "long", 4 }, { "short", 5 }, { "zset", 4 } };
	char *seen, *log = look_at(server_lists, lists, 3, &seen, 0);

	(void)state;
	assert_non_null(strstr(log, "key long db=0 type=list encoding=quicklist bytes=29000000 "));
	assert_non_null(strstr(log, "key short db=0 type=list encoding=quicklist bytes=5000 "));
	assert_non_null(strstr(log, "bytes=31000000 "));
	assert_null(strstr(seen, "MEMORY USAGE short SAMPLES"));
	free(log);
	free(seen);
}

static void test_stream(void **state)
{
	static const struct bytes stream = { "events", 6 };
	char *seen, *log = look_at(server_stream, &stream, 1, &seen, 0);

	(void)state;
	assert_non_null(strstr(log, " elements=70000 "));
	assert_non_null(strstr(log, " groups=2 consumers=40002 pending=60007"));
	/* It would walk them all, and hold the server for as long. */
	assert_null(strstr(seen, "MEMORY USAGE"));
	free(log);
	free(seen);

	log = look_at(server_small_stream, &stream, 1, &seen, 0);
	assert_non_null(strstr(log, " bytes=9000000 "));
	free(log);
	free(seen);
}

static void test_no_touch(void **state)
{
	char *seen, *log = look(server_72, &seen, 0);

	(void)state;
	assert_string_equal(
		log, "key gone db=0 type=none encoding=\n"
		     "key lb:\\x01 db=0 type=zset encoding=skiplist bytes=1400 elements=42 "
		     "ttl=-1\n"
		     "key module db=0 type=ReJSON-RL encoding=skiplist bytes=1400 ttl=1.5\n");
	assert_non_null(strstr(seen, "ZCARD lb:\001\n"));
	free(log);
	free(seen);
}

/* Where the server would count the look as use, the number of elements stays unknown. */
static void test_would_touch(void **state)
{
	static const char *const touching[] = { "ZCARD", "STRLEN", "LLEN", "SCARD",
						"HLEN",	 "XLEN",   "XINFO" };
	char *seen, *log = look(server_70, &seen, 0);

	(void)state;
	assert_string_equal(
		log, "key gone db=0 type=none encoding=\n"
		     "key lb:\\x01 db=0 type=zset encoding=skiplist bytes=1400 ttl=-1\n"
		     "key module db=0 type=ReJSON-RL encoding=skiplist bytes=1400 ttl=1.5\n");
	for (size_t i = 0; i < sizeof(touching) / sizeof(*touching); i++)
		assert_null(strstr(seen, touching[i]));
	free(log);
	free(seen);
}

/* Keys of other databases are looked up there, and told as theirs; where SELECT is refused
 * nothing is told. The connection comes back to its own. */
static void test_databases(void **state)
{
	static const struct fake_rule rules[] = { { "CLIENT", "+OK\r\n", false },
						  { "SELECT 9", "-ERR out of range\r\n", false },
						  { "SELECT", "+OK\r\n", false },
						  KEY_RULES };
	static const int64_t dbs[] = { 3, RECORD_UNKNOWN, 9, 3 };
	struct fake_server *server = fake_server_start(rules, 3, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server), .db = 1 };
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	struct conn *conn;
	char *seen;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(keylook_found(conn, &sink, keys, dbs, 4), 0);
	while (conn_pending(conn)) {
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		assert_int_equal(conn_dispatch(conn, fd.revents), 0);
	}
	conn_close(conn);
	seen = fake_server_stop(server);
	assert_non_null(strstr(buf_str(&log), "key lb:\\x01 db=3 "));
	assert_non_null(strstr(buf_str(&log), "key gone db=1 "));
	assert_non_null(strstr(buf_str(&log), "key module db=3 "));
	assert_null(strstr(buf_str(&log), "secret"));
	assert_non_null(strstr(seen, "SELECT 9\n"));
	/* What is asked once the type is known, too, and then back. */
	assert_non_null(strstr(seen, "SELECT 3\nZCARD lb:\001\nSELECT 1\n"));
	assert_string_equal(seen + strlen(seen) - 9, "SELECT 1\n");
	buf_free(&log);
	free(seen);
}

/* More keys than the bound, and a connection that ends: no record, no leak. */
static void test_bound_and_loss(void **state)
{
	static const struct fake_rule rules[] = { { "", "", false }, { NULL, NULL, false } };
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server) };
	struct bytes many[KEYLOOK_MAX + 10];
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	struct conn *conn;

	(void)state;
	for (size_t i = 0; i < KEYLOOK_MAX + 10; i++)
		many[i] = keys[0];
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(keylook_start(conn, &sink, many, KEYLOOK_MAX + 10), 0);
	assert_int_equal(conn_pending(conn), 2 + 3 * KEYLOOK_MAX);
	conn_close(conn);
	assert_int_equal(log.len, 0);
	free(fake_server_stop(server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),	  cmocka_unit_test(test_stream),
		cmocka_unit_test(test_no_touch),  cmocka_unit_test(test_would_touch),
		cmocka_unit_test(test_databases), cmocka_unit_test(test_bound_and_loss),
	};

	return cmocka_run_group_tests_name("keylook", tests, NULL, NULL);
}
