/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection, against a server that behaves, or does not. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "fake_server.h"
#include "redis/conn.h"
#include "redis/info.h"
#include "replies.h"
#include "skipped.h"

#define PATIENCE_MS 20000 /* for what must happen */
#define GREETING                                          \
	{                                                 \
		"CLIENT SETNAME redmem", "+OK\r\n", false \
	}

static const struct fake_rule willing[] = {
	GREETING,
	{ "INFO memory", "$0\r\n\r\n", false },
	{ "AUTH", "+OK\r\n", false },
	{ "SELECT", "+OK\r\n", false },
	{ "PING", "+PONG\r\n", false },
	{ "ECHO", "$12\r\nhello\r\nworld\r\n", false },
	{ "LRANGE", "*3\r\n$1\r\na\r\n:7\r\n*1\r\n$-1\r\n", false },
	{ "HANG", "", false },
	{ "CUT", "$12\r\nhel", true },
	{ "NONSENSE", "what is this\r\n", false },
	{ "EXTRA", "+OK\r\n+more\r\n", false },
	{ "VAST", "*1700000000\r\n", false },
	{ NULL, NULL, false },
};

static struct conn *open_conn(const struct fake_server *server, struct own_calls *calls)
{
	struct conn_options options = { .socket_path = fake_server_path(server), .calls = calls };
	struct err err = { 0 };
	struct conn *conn;

	if (conn_open(&conn, &options, &err))
		fail_msg("%s", err.text);
	return conn;
}

/* Run the caller's loop until nothing is pending or the connection failed. */
static int run_loop(struct conn *conn)
{
	int rc = 0;

	while (!rc && conn_pending(conn)) {
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		rc = conn_dispatch(conn, fd.revents);
	}
	return rc;
}

/* A callback that writes down what it got. */
static void note_reply(void *ctx, redisReply *reply, double seconds)
{
	struct buf *notes = ctx;

	assert_true(seconds >= 0);
	if (!reply)
		buf_puts(notes, "(lost)\n");
	else if (reply->str)
		buf_printf(notes, "%s\n", reply->str);
	else
		buf_printf(notes, "%zu elements\n", reply->elements);
	freeReplyObject(reply);
}

static void check_notes(struct buf *notes, const char *expected)
{
	assert_string_equal(buf_str(notes), expected);
	buf_free(notes);
}

static void test_replies_whole_and_split(void **state)
{
	(void)state;
	for (size_t chunk = 0; chunk <= 7; chunk++) {
		struct fake_server *server = fake_server_start(willing, chunk, NULL);
		struct conn *conn = open_conn(server, NULL);
		struct buf notes = { 0 };
		char *seen;

		assert_false(conn_connected(conn));
		conn_send_line(conn, note_reply, &notes, "PING");
		conn_send_line(conn, note_reply, &notes, "LRANGE list 0 -1");
		conn_send_line(conn, note_reply, &notes, "FOO bar");
		conn_send_line(conn, note_reply, &notes, "ECHO x");
		assert_int_equal(conn_pending(conn), 5);
		assert_true(conn_pending_seconds(conn) >= 0);
		assert_int_equal(run_loop(conn), 0);
		assert_true(conn_connected(conn));
		assert_true(conn_pending_seconds(conn) == 0);
		assert_int_equal(conn_error(conn)->code, 0);
		conn_close(conn);
		check_notes(&notes, "PONG\n3 elements\nERR unknown command\nhello\r\nworld\n");
		seen = fake_server_stop(server);
		assert_string_equal(seen, "INFO memory\nCLIENT SETNAME redmem\nPING\n"
					  "LRANGE list 0 -1\nFOO bar\nECHO x\n");
		free(seen);
	}
}

static void test_greeting(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server),
					.user = "joe",
					.password = "secret",
					.db = 3 };
	redisReply *reply;
	struct conn *conn;
	char *seen;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), 0);
	assert_string_equal(reply->str, "PONG");
	freeReplyObject(reply);
	assert_int_equal(conn_db(conn), 3);
	conn_close(conn);
	seen = fake_server_stop(server);
	assert_string_equal(
		seen, "AUTH joe secret\nINFO memory\nCLIENT SETNAME redmem\nSELECT 3\nPING\n");
	free(seen);
}

/* Servers that do not let us in. */
static const struct {
	const char *user, *password;
	struct fake_rule rule;
	const char *advice;
} refusals[] = {
	{ NULL,
	  "hunter2",
	  { "AUTH", "-WRONGPASS invalid username-password pair or user is disabled.\r\n", false },
	  "wrong password" },
	{ "joe",
	  "hunter2",
	  { "AUTH", "-WRONGPASS invalid username-password pair or user is disabled.\r\n", false },
	  "user name" },
	{ NULL, "hunter2", { "AUTH", "-ERR invalid password\r\n", false }, "wrong password" },
	{ "joe",
	  "hunter2",
	  { "AUTH", "-ERR wrong number of arguments for 'auth' command\r\n", false },
	  "leave --user out" },
	{ NULL,
	  "hunter2",
	  { "AUTH", "-ERR unknown command 'AUTH', with args beginning with: 'hunter2'\r\n", false },
	  "refused AUTH (ERR)" },
	{ NULL,
	  NULL,
	  { "CLIENT", "-NOAUTH Authentication required.\r\n", false },
	  "REDISCLI_AUTH" },
	{ NULL,
	  NULL,
	  { "CLIENT", "-DENIED Redis is running in protected mode\r\n", true },
	  "protected mode" },
	{ NULL, NULL, { "SELECT", "-ERR DB index is out of range\r\n", false }, "check -n" },
};

/* Each error says what to do, and never the password. */
static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		struct fake_rule rules[] = { refusals[i].rule,
					     GREETING,
					     { "AUTH", "+OK\r\n", false },
					     { NULL, NULL, false } };
		struct fake_server *server = fake_server_start(rules, 0, NULL);
		struct conn_options options = { .socket_path = fake_server_path(server),
						.user = refusals[i].user,
						.password = refusals[i].password,
						.db = 99 };
		redisReply *reply;
		struct conn *conn;

		assert_int_equal(conn_open(&conn, &options, NULL), 0);
		assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), -EACCES);
		assert_null(reply);
		assert_false(conn_connected(conn));
		assert_int_equal(conn_fd(conn), -1);
		assert_int_equal(conn_error(conn)->code, -EACCES);
		assert_non_null(strstr(conn_error(conn)->text, refusals[i].advice));
		assert_null(strstr(conn_error(conn)->text, "hunter2"));
		/* And it stays failed. */
		assert_int_equal(conn_dispatch(conn, 0), -EACCES);
		assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), -EACCES);
		conn_close(conn);
		free(fake_server_stop(server));
	}
}

static void test_no_free_client(void **state)
{
	struct fake_server *server =
		fake_server_start(willing, 0, "-ERR max number of clients reached\r\n");
	struct conn *conn = open_conn(server, NULL);

	(void)state;
	/* The refusal may be overtaken by the hang-up when writing comes first. */
	run_loop(conn);
	if (conn_error(conn)->code != -EPIPE && conn_error(conn)->code != -ECONNRESET) {
		assert_int_equal(conn_error(conn)->code, -EACCES);
		assert_non_null(strstr(conn_error(conn)->text, "maxclients"));
	}
	conn_close(conn);
	free(fake_server_stop(server));
}

/* A password nobody asked for, and a user who may not name its client: fine. */
static void test_tolerated(void **state)
{
	static const struct fake_rule rules[] = {
		{ "AUTH", "-ERR AUTH <password> called without any password configured\r\n",
		  false },
		{ "CLIENT", "-NOPERM this user has no permissions\r\n", false },
		{ "PING", "+PONG\r\n", false },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server), .password = "x" };
	redisReply *reply;
	struct conn *conn;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), 0);
	assert_true(conn_connected(conn));
	assert_int_equal(conn_error(conn)->code, 0);
	freeReplyObject(reply);
	conn_close(conn);
	free(fake_server_stop(server));
}

/* Somebody else than the process that was meant: it hears nothing but PING. */
static void test_another_peer(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server),
					.password = "hunter2",
					.peer_pid = getppid() };
	redisReply *reply;
	struct conn *conn;
	char *seen;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "INFO"), -EPERM);
	assert_null(reply);
	assert_non_null(strstr(conn_error(conn)->text, "not given the password"));
	conn_close(conn);
	seen = fake_server_stop(server);
	assert_string_equal(seen, "PING\n");
	free(seen);
}

/* The process that was meant, which wants a password: what was asked meanwhile comes after. */
static void test_right_peer(void **state)
{
	static const struct fake_rule rules[] = {
		{ "PING", "-NOAUTH Authentication required.\r\n", false },
		{ "AUTH", "+OK\r\n", false },
		GREETING,
		{ "ECHO", "$1\r\nx\r\n", false },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server),
					.password = "hunter2",
					.peer_pid = getpid() };
	redisReply *reply;
	struct conn *conn;
	char *seen;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "ECHO x"), 0);
	assert_string_equal(reply->str, "x");
	assert_true(conn_connected(conn));
	freeReplyObject(reply);
	conn_close(conn);
	seen = fake_server_stop(server);
	assert_string_equal(seen,
			    "PING\nAUTH hunter2\nINFO memory\nCLIENT SETNAME redmem\nECHO x\n");
	free(seen);
}

/* A server near its limit is asked only by commands it has executed before. */
static void test_tight(void **state)
{
	static const struct fake_rule rules[] = {
		{ "INFO memory", "$33\r\nused_memory:3000000\nmaxmemory:70\n\r\n", false },
		{ "INFO commandstats",
		  "$54\r\n# Commandstats\ncmdstat_get:calls=1\ncmdstat_slowlog:c=1\r\n", false },
		{ "GET", "$-1\r\n", false },
		{ "MEMORY PURGE", "+OK\r\n", false },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn *conn = open_conn(server, NULL);
	struct buf raw = { 0 };
	struct err err;
	redisReply *reply;
	char *seen, *text;

	(void)state;
	assert_int_equal(conn_greet(conn, PATIENCE_MS), 0);
	assert_true(conn_tight(conn));
	assert_true(conn_may(conn, "slowlog|get")); /* by its container: before 7.0 */
	assert_false(conn_may(conn, "memory|stats"));
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "MEMORY STATS"), CONN_WITHHELD);
	assert_int_equal(conn_send_line(conn, note_reply, NULL, "PING"), CONN_WITHHELD);
	assert_int_equal(conn_send_raw(conn, note_reply, NULL, &raw, 1,
				       (const char *[]){ "get", "ping", NULL }),
			 CONN_WITHHELD);
	assert_int_equal(conn_call_text(conn, PATIENCE_MS, &text, "ECHO x", &err), CONN_WITHHELD);
	assert_non_null(strstr(err.text, "ECHO x: not asked: the server is within 4 MB"));
	assert_string_equal(conn_withheld(conn), "client|setname, memory|stats, ping, echo");
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "GET x"), 0);
	freeReplyObject(reply);
	/* It gives memory back. */
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "MEMORY PURGE"), 0);
	freeReplyObject(reply);
	conn_close(conn);
	seen = fake_server_stop(server);
	assert_string_equal(seen, "INFO memory\nINFO replication\nINFO commandstats\nGET x\n"
				  "MEMORY PURGE\n");
	free(seen);
}

/* A replica above its limit leaves eviction to its master: it is asked as any other, unless it has
 * evicted keys itself. */
static void test_above_replica(void **state)
{
	static const char *const stats[] = { "$16\r\nevicted_keys:0\r\n\r\n",
					     "$16\r\nevicted_keys:9\r\n\r\n" };

	(void)state;
	for (int evicts = 0; evicts < 2; evicts++) {
		const struct fake_rule rules[] = {
			{ "INFO memory", "$33\r\nused_memory:3000000\nmaxmemory:70\n\r\n", false },
			{ "INFO replication", "$12\r\nrole:slave\r\n\r\n", false },
			{ "INFO stats", stats[evicts], false },
			{ "CLIENT SETNAME", "+OK\r\n", false },
			{ NULL, NULL, false },
		};
		struct fake_server *server = fake_server_start(rules, 0, NULL);
		struct conn *conn = open_conn(server, NULL);

		assert_int_equal(conn_greet(conn, PATIENCE_MS), 0);
		assert_int_equal(conn_tight(conn), evicts);
		assert_int_equal(conn_may(conn, "memory|stats"), !evicts);
		conn_close(conn);
		free(fake_server_stop(server));
	}
}

/* But one of ours is asked all the same, and counts as one with room: the lab has it save when it
 * is full, and its watches learn their offsets from it. */
static void test_tight_ours(void **state)
{
	static const struct fake_rule rules[] = {
		{ "INFO memory", "$33\r\nused_memory:3000000\nmaxmemory:70\n\r\n", false },
		{ "BGSAVE", "+Background saving started\r\n", false },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	const struct conn_options options = { .socket_path = fake_server_path(server),
					      .ours = true };
	struct conn *conn;
	redisReply *reply;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_greet(conn, PATIENCE_MS), 0);
	assert_true(!conn_tight(conn) && conn_may(conn, "memory|stats"));
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "BGSAVE"), 0);
	freeReplyObject(reply);
	assert_string_equal(conn_withheld(conn), "");
	conn_close(conn);
	free(fake_server_stop(server));
}

/* A call that times out leaves the connection working; its reply is dropped. */
static void test_timeout(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct conn *conn = open_conn(server, NULL);
	struct buf notes = { 0 };
	redisReply *reply;

	(void)state;
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), 0);
	freeReplyObject(reply);
	assert_int_equal(conn_call_line(conn, 20, &reply, "HANG"), -ETIMEDOUT);
	assert_null(reply);
	assert_int_equal(conn_pending(conn), 1);
	assert_true(conn_pending_seconds(conn) >= 0.02);
	assert_true(conn_connected(conn));
	assert_int_equal(conn_error(conn)->code, 0);
	assert_int_equal(conn_send_line(conn, note_reply, &notes, "HANG again"), 0);
	conn_close(conn);
	check_notes(&notes, "(lost)\n");
	free(fake_server_stop(server));
}

/* What a timed-out call waited for is still its own: the next reply is the next call's. */
static void test_late_reply(void **state)
{
	static const struct fake_rule rules[] = {
		GREETING,
		{ "FIRST", "", false },
		{ "SECOND", "+one\r\n+two\r\n", false },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn *conn = open_conn(server, NULL);
	redisReply *reply;

	(void)state;
	assert_int_equal(conn_call_line(conn, 20, &reply, "FIRST"), -ETIMEDOUT);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "SECOND"), 0);
	assert_string_equal(reply->str, "two");
	freeReplyObject(reply);
	conn_close(conn);
	free(fake_server_stop(server));
}

static void test_hang_up(void **state)
{
	(void)state;
	for (int chunk = 0; chunk <= 2; chunk++) {
		struct fake_server *server = fake_server_start(willing, (size_t)chunk, NULL);
		struct conn *conn = open_conn(server, NULL);
		struct buf notes = { 0 };

		conn_send_line(conn, note_reply, &notes, "PING");
		conn_send_line(conn, note_reply, &notes, "CUT");
		conn_send_line(conn, note_reply, &notes, "PING");
		assert_int_equal(run_loop(conn), -ECONNRESET);
		assert_int_equal(conn_pending(conn), 0);
		assert_false(conn_connected(conn));
		assert_int_equal(conn_poll_events(conn), 0);
		assert_int_equal(conn_send_line(conn, note_reply, &notes, "PING"), -ENOTCONN);
		conn_close(conn);
		check_notes(&notes, "PONG\n(lost)\n(lost)\n");
		free(fake_server_stop(server));
	}
}

static void test_no_redis(void **state)
{
	static const char *const requests[] = { "NONSENSE", "EXTRA" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fake_server *server = fake_server_start(willing, 0, NULL);
		struct conn *conn = open_conn(server, NULL);
		redisReply *reply;
		int rc = conn_call_line(conn, PATIENCE_MS, &reply, requests[i]);

		freeReplyObject(reply);
		while (conn_fd(conn) >= 0) { /* EXTRA: its own reply may come alone first */
			struct pollfd fd = { .fd = conn_fd(conn), .events = POLLIN };

			assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
			rc = conn_dispatch(conn, fd.revents);
		}
		assert_true(rc == -EPROTO || i == 1);
		assert_int_equal(conn_error(conn)->code, -EPROTO);
		conn_close(conn);
		free(fake_server_stop(server));
	}
}

/* Whoever asked for a text is told why there is none. */
static void test_why_no_text(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct conn *conn = open_conn(server, NULL);
	struct err err = { 0 };
	char *text;

	(void)state;
	assert_int_equal(conn_call_text(conn, PATIENCE_MS, &text, "NONSENSE", &err), -EPROTO);
	assert_non_null(strstr(err.text, "is it a redis-server"));
	conn_close(conn);
	free(fake_server_stop(server));
}

/* A list without end is an error at once: nothing waits for it, and it gets no memory. */
static void test_vast_list(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct conn *conn = open_conn(server, NULL);
	redisReply *reply;

	(void)state;
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "VAST"), -EPROTO);
	conn_close(conn);
	free(fake_server_stop(server));
}

/* Nor does one line, one text, or a list of them, however it comes. */
static void test_endless_reply(void **state)
{
	static const struct {
		const char *begin, *again;
		size_t bytes;
		const char *reason;
	} rows[] = {
		{ "-", "endless ", 200000, "a line of more than 65536 bytes" },
		{ "$", "1", 200000, "a line of more than 65536 bytes" },
		{ "$500000000\r\n", "endless ", 70 << 20, "a reply of more than 67108864 bytes" },
		{ "*1000000\r\n",
		  "$96\r\nforty times two thousandforty times two "
		  "thousandforty times two thousandforty times two thousand\r\n",
		  75 << 20, "a reply of more than 67108864 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf reply = { 0 };
		struct fake_rule rules[] = { GREETING, { "PING", NULL, false }, { 0 } };
		struct fake_server *server;
		struct conn *conn;
		redisReply *got;

		buf_puts(&reply, rows[i].begin);
		while (reply.len < rows[i].bytes)
			buf_puts(&reply, rows[i].again);
		rules[1].reply = buf_str(&reply);
		server = fake_server_start(rules, 0, NULL);
		conn = open_conn(server, NULL);
		assert_int_equal(conn_call_line(conn, PATIENCE_MS, &got, "PING"), -EPROTO);
		if (!strstr(conn_error(conn)->text, rows[i].reason))
			fail_msg("%s: %s", rows[i].begin, conn_error(conn)->text);
		conn_close(conn);
		free(fake_server_stop(server));
		buf_free(&reply);
	}
}

struct conn_and_notes {
	struct conn *conn;
	struct buf notes;
};

/* A callback may send; arguments may hold any byte. */
static void send_again(void *ctx, redisReply *reply, double seconds)
{
	struct conn_and_notes *both = ctx;
	const char *argv[] = { "ECHO", "a\0b" };
	const size_t argvlen[] = { 4, 3 };

	(void)seconds;
	freeReplyObject(reply);
	assert_int_equal(conn_send(both->conn, note_reply, &both->notes, 2, argv, argvlen), 0);
}

static void test_send_from_callback(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct conn_and_notes both = { 0 };

	(void)state;
	both.conn = open_conn(server, NULL);
	conn_send_line(both.conn, send_again, &both, "PING");
	assert_int_equal(run_loop(both.conn), 0);
	conn_close(both.conn);
	check_notes(&both.notes, "hello\r\nworld\n");
	free(fake_server_stop(server));
}

static void test_own_calls(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct own_calls *calls = own_calls_new();
	struct conn *conn = open_conn(server, calls);
	struct buf log = { 0 }, notes = { 0 };
	struct record_sink sink = log_sink(&log);
	const struct record_own_calls like = { .phase = "end" };

	(void)state;
	conn_send_line(conn, note_reply, &notes, "PING");
	conn_send_line(conn, note_reply, &notes, "REFUSED x"); /* not in the server's calls */
	conn_send_line(conn, note_reply, &notes, "ping");
	assert_int_equal(run_loop(conn), 0);
	own_calls_emit(calls, OWN_COMMANDS, true, &like, &sink);
	assert_string_equal(
		buf_str(&log),
		"own info=1\nown client|setname=1\nown ping=2\nown refused refused=1\n");
	buf_clear(&log);
	own_calls_emit(calls, OWN_ERRORS, true, &like, &sink);
	assert_string_equal(buf_str(&log), "own errorstat_ERR=1\n");
	buf_clear(&log);
	own_calls_mark(calls, OWN_COMMANDS);
	own_calls_add(calls, "config|get");
	own_calls_add(calls, "config|rewrite");
	own_calls_error(calls, "config|get", "NOPERM this user has no permissions");
	own_calls_error(calls, "memory|stats", "WITHOUT_A_TEXT");
	own_calls_emit(calls, OWN_COMMANDS, false, &like, &sink);
	assert_string_equal(buf_str(&log),
			    "own config=2\nown refused config=1\nown refused memory=1\n");
	buf_clear(&log);
	own_calls_emit(calls, OWN_ERRORS, true, &like, &sink);
	assert_string_equal(buf_str(&log), "own errorstat_ERR=2\nown errorstat_NOPERM=1\n");
	conn_close(conn);
	own_calls_free(calls);
	buf_free(&log);
	buf_free(&notes);
	free(fake_server_stop(server));
}

/* What a look at keys adds to keyspace_hits and keyspace_misses. */
static void test_own_lookups(void **state)
{
	static const struct fake_rule rules[] = {
		GREETING,
		{ "TYPE there", "+hash\r\n", false },
		{ "TYPE", "+none\r\n", false },
		{ "OBJECT ENCODING there", "$9\r\nhashtable\r\n", false },
		{ "OBJECT ENCODING", "$-1\r\n", false },
		{ "PTTL there", ":-1\r\n", false },
		{ "PTTL", ":-2\r\n", false },
		{ "MEMORY USAGE", ":100\r\n", false },
		{ "HLEN there", ":5\r\n", false },
		{ "HRANDFIELD there", "*1\r\n$1\r\na\r\n", false },
		{ "XINFO GROUPS there", "*0\r\n", false },
		{ NULL, NULL, false },
	};
	static const char *const lines[] = {
		"TYPE there",		"TYPE gone",  "OBJECT ENCODING there",
		"OBJECT ENCODING gone", "PTTL there", "PTTL gone",
		"MEMORY USAGE there",	"HLEN there", "HRANDFIELD there 1",
		"XINFO GROUPS there"
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct own_calls *calls = own_calls_new();
	struct conn *conn = open_conn(server, calls);
	struct buf log = { 0 }, notes = { 0 };
	struct record_sink sink = log_sink(&log);
	const struct record_own_calls like = { .phase = "end" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		conn_send_line(conn, note_reply, &notes, lines[i]);
	assert_int_equal(run_loop(conn), 0);
	own_calls_emit(calls, OWN_LOOKUPS, true, &like, &sink);
	assert_string_equal(buf_str(&log), "own keyspace_hits=6\nown keyspace_misses=3\n");
	conn_close(conn);
	own_calls_free(calls);
	buf_free(&log);
	buf_free(&notes);
	free(fake_server_stop(server));
}

/* CLIENT NO-TOUCH is not asked of servers that do not know it. */
static void test_release(void **state)
{
	static const struct {
		const char *info;
		enum conn_no_touch no_touch;
	} releases[] = {
		{ "redis_version:7.0.15\r\n", NO_TOUCH_REFUSED },
		{ "redis_version:6.2.14\r\n", NO_TOUCH_REFUSED },
		{ "redis_version:7.2.6\r\n", NO_TOUCH_UNKNOWN },
		{ "redis_version:8.0.6\r\n", NO_TOUCH_UNKNOWN },
		{ "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n",
		  NO_TOUCH_UNKNOWN },
		{ "used_memory:1\r\n", NO_TOUCH_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(releases) / sizeof(*releases); i++) {
		struct fake_server *server = fake_server_start(willing, 0, NULL);
		struct conn *conn = open_conn(server, NULL);
		struct info *info = info_parse(releases[i].info);

		conn_learn(conn, info);
		assert_int_equal(conn_no_touch(conn), releases[i].no_touch);
		info_free(info);
		conn_close(conn);
		free(fake_server_stop(server));
	}
}

static void test_nobody_there(void **state)
{
	struct conn_options options = { .socket_path = "/nonexistent/redmem-test.sock" };
	struct err err = { 0 };
	struct conn *conn;

	(void)state;
	assert_int_equal(conn_open(&conn, &options, &err), -ENOENT);
	assert_null(conn);
	assert_non_null(strstr(err.text, options.socket_path));
	options.tls = true;
	assert_int_equal(conn_open(&conn, &options, &err), -ENOENT);
	options.tls_ca_cert = "/nonexistent/ca.pem";
	assert_int_equal(conn_open(&conn, &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--cacert /nonexistent/ca.pem"));
	options.tls_ca_cert = NULL;
	options.tls_cert = "/nonexistent/cert.pem";
	assert_int_equal(conn_open(&conn, &options, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--cert and --key"));
	conn_close(NULL);
}

static uint16_t port_of(int listener)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (void *)&address, sizeof(address)))
		return 0;
	getsockname(listener, (void *)&address, &len);
	return ntohs(address.sin_port);
}

static void test_tcp_refused(void **state)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct conn_options options = { .port = port_of(listener) }; /* bound, not listening */
	struct err err = { 0 };
	redisReply *reply;
	struct conn *conn;
	int rc;

	(void)state;
	if (!options.port)
		skip_because("no port can be had on the loopback interface");
	rc = conn_open(&conn, &options, &err);
	if (!rc) {
		rc = conn_call_line(conn, PATIENCE_MS, &reply, "PING");
		err = *conn_error(conn);
	}
	conn_close(conn);
	close(listener);
	assert_int_equal(rc, -ECONNREFUSED);
	assert_int_equal(err.code, -ECONNREFUSED);
	assert_non_null(strstr(err.text, "127.0.0.1:"));
}

/* A name is looked up without anybody waiting for it. */
static void test_name(void **state)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct conn_options options = { .host = "localhost", .port = port_of(listener) };
	redisReply *reply;
	struct conn *conn;

	(void)state;
	if (!options.port)
		skip_because("no port can be had on the loopback interface");
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_false(conn_reached(conn));
	assert_int_equal(conn_poll_events(conn), POLLIN);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), -ECONNREFUSED);
	assert_non_null(strstr(conn_error(conn)->text, "localhost:"));
	conn_close(conn);
	/* And whoever closes first does not wait for the answer either. */
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	conn_close(conn);
	close(listener);
}

/* A full backlog drops connects; nobody but our own timeout ends that. */
static void test_connect_timeout(void **state)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct conn_options options = { .port = port_of(listener), .connect_timeout_ms = 50 };
	struct conn *conns[8] = { 0 };
	redisReply *reply;
	int rc = 0;

	(void)state;
	if (!options.port || listen(listener, 0))
		skip_because("no port can be had on the loopback interface");
	for (size_t i = 0; i < 8 && rc != -ETIMEDOUT; i++) {
		assert_int_equal(conn_open(&conns[i], &options, NULL), 0);
		/* Connected, but never answered: the call times out, the connection lives. */
		rc = conn_call_line(conns[i], 200, &reply, "PING");
		assert_int_equal(rc, -ETIMEDOUT);
		rc = conn_error(conns[i])->code;
	}
	assert_int_equal(rc, -ETIMEDOUT);
	for (size_t i = 0; i < 8; i++)
		conn_close(conns[i]);
	close(listener);
}

/* Longer than a socket address can hold: reached all the same. */
static void test_long_path(void **state)
{
	struct fake_server *server = fake_server_start(willing, 0, NULL);
	struct buf path = { 0 };
	struct conn_options options = { 0 };
	redisReply *reply;
	struct conn *conn;

	(void)state;
	for (int i = 0; i < 60; i++)
		buf_puts(&path, "/.");
	buf_puts(&path, fake_server_path(server));
	options.socket_path = buf_str(&path);
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), 0);
	freeReplyObject(reply);
	conn_close(conn);
	/* In another process's root, here our own. */
	options.netns_pid = getpid();
	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	assert_int_equal(conn_call_line(conn, PATIENCE_MS, &reply, "PING"), 0);
	freeReplyObject(reply);
	conn_close(conn);
	buf_free(&path);
	free(fake_server_stop(server));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies_whole_and_split),
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_free_client),
		cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_another_peer),
		cmocka_unit_test(test_right_peer),
		cmocka_unit_test(test_tight),
		cmocka_unit_test(test_above_replica),
		cmocka_unit_test(test_tight_ours),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_late_reply),
		cmocka_unit_test(test_hang_up),
		cmocka_unit_test(test_no_redis),
		cmocka_unit_test(test_why_no_text),
		cmocka_unit_test(test_vast_list),
		cmocka_unit_test(test_endless_reply),
		cmocka_unit_test(test_send_from_callback),
		cmocka_unit_test(test_own_calls),
		cmocka_unit_test(test_own_lookups),
		cmocka_unit_test(test_release),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_tcp_refused),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_connect_timeout),
		cmocka_unit_test(test_long_path),
	};

	return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
