/* SPDX-License-Identifier: BSD-2-Clause */
/* What a watch asks, and the records that come of the replies. */
#include <errno.h>
#include <math.h>
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
#include "redis/replies.h"
#include "redis/snapshot.h"
#include "replies.h"

#define PATIENCE_MS 20000
#define COMMANDSTATS \
	"$73\r\n# Commandstats\ncmdstat_client|setname:calls=1\ncmdstat_get:calls=9,usec=1\n\r\n"
#define SECTIONS 12

static const struct fake_rule server_70[] = {
	{ "CLIENT SETNAME", "+OK\r\n", false },
	{ "INFO commandstats", COMMANDSTATS, false },
	{ "INFO stats", "$8\r\n# Stats\n\r\n", false },
	{ "INFO ", "$0\r\n\r\n", false },
	{ "INFO", "$15\r\nused_memory:1\r\n\r\n", false },
	{ "MEMORY STATS", "*2\r\n$10\r\nkeys.count\r\n:3\r\n", false },
	{ "MEMORY MALLOC-STATS", "$5\r\ntext\n\r\n", false },
	{ "CONFIG GET hz", "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n", false },
	{ "CONFIG GET", "*0\r\n", false },
	{ "SLOWLOG LEN", ":1\r\n", false },
	{ "SLOWLOG GET 1", "*1\r\n*4\r\n:4\r\n:6\r\n:3000000\r\n*1\r\n$4\r\nEVAL\r\n", false },
	{ "SLOWLOG GET 4", "*1\r\n*4\r\n:5\r\n:7\r\n:3000000\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
	  false },
	{ "LATENCY LATEST", "*1\r\n*4\r\n$4\r\nfork\r\n:7\r\n:3\r\n:4\r\n", false },
	{ NULL, NULL, false },
};

struct watch {
	struct fake_server *server;
	struct own_calls *calls;
	struct conn *conn;
	struct buf log;
	struct snapshot *snapshot;
};

static void watch_open(struct watch *watch, const struct fake_rule *rules, double watch_seconds)
{
	struct conn_options options = { 0 };
	struct record_sink sink = log_sink(&watch->log);

	watch->server = fake_server_start(rules, 0, NULL);
	watch->calls = own_calls_new();
	watch->snapshot = snapshot_new(&sink, watch_seconds);
	options.socket_path = fake_server_path(watch->server);
	options.calls = watch->calls;
	assert_int_equal(conn_open(&watch->conn, &options, NULL), 0);
}

/* Returns the requests the server saw, to be freed. */
static char *watch_close(struct watch *watch)
{
	conn_close(watch->conn);
	snapshot_free(watch->snapshot);
	own_calls_free(watch->calls);
	buf_free(&watch->log);
	return fake_server_stop(watch->server);
}

static void run_loop(struct watch *watch)
{
	while (snapshot_pending(watch->snapshot)) {
		struct pollfd fd = { .fd = conn_fd(watch->conn),
				     .events = conn_poll_events(watch->conn) };

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		conn_dispatch(watch->conn, fd.revents);
	}
}

static size_t count(const char *text, const char *word)
{
	size_t found = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		found++;
	}
	return found;
}

static void test_watch(void **state)
{
	struct watch watch = { 0 };
	struct buf expected = { 0 };
	int patterns = 0;
	double seconds;
	char *seen;

	(void)state;
	watch_open(&watch, server_70, 60);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_START, 0), 0);
	run_loop(&watch);
	assert_string_equal(buf_str(&watch.log),
			    "info start # Stats\n# Commandstats\ncmdstat_client|setname:calls=1\n"
			    "cmdstat_get:calls=9,usec=1\nmemory_stats start keys.count 3\n"
			    "malloc_stats start text\nheld slowlog 1: 0 of 0 bytes\n"
			    "config hz=10\n");
	buf_clear(&watch.log);

	assert_false(snapshot_tick_answered(watch.snapshot, &seconds));
	assert_true(isnan(seconds));
	assert_int_equal(snapshot_tick(watch.snapshot, watch.conn, 1), 0);
	assert_int_equal(snapshot_tick(watch.snapshot, watch.conn, 2), -EBUSY);
	run_loop(&watch);
	assert_true(snapshot_tick_answered(watch.snapshot, &seconds));
	assert_true(seconds >= 0);
	assert_string_equal(buf_str(&watch.log), "info tick used_memory:1\r\n");
	buf_clear(&watch.log);

	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 60), 0);
	run_loop(&watch);
	/* Between the two INFO commandstats: from the first on the sections of the start, a
	 * tick, the sections of the end; and the rest of the start. */
	while (config_patterns[patterns])
		patterns++;
	buf_printf(&expected,
		   "own info=%d\nown memory|stats=1\n"
		   "own memory|malloc-stats=1\nown slowlog|len=1\nown config|get=%d\n"
		   "own slowlog|get=1\n"
		   "info end # Stats\n"
		   "# Commandstats\ncmdstat_client|setname:calls=1\n"
		   "cmdstat_get:calls=9,usec=1\nmemory_stats end keys.count 3\n"
		   "malloc_stats end text\nheld slowlog 1: 0 of 0 bytes\n"
		   "latency fork at 7 0.003s max 0.004s\n"
		   "slowlog 5 at 7 3s get k\n",
		   SECTIONS + 1, patterns);
	assert_string_equal(buf_str(&watch.log), buf_str(&expected));
	assert_null(snapshot_reason_at(watch.snapshot, 0));
	seen = watch_close(&watch);
	assert_int_equal(count(seen, "CONFIG GET hz\n"), 1); /* once in a watch */
	assert_int_equal(count(seen, "SLOWLOG LEN"), 2);
	assert_int_equal(count(seen, "SLOWLOG GET 1\n"), 1);
	assert_int_equal(count(seen, "SLOWLOG GET"), 2);
	assert_int_equal(count(seen, "MEMORY STATS\nMEMORY MALLOC-STATS\n"), 2);
	assert_null(strstr(seen, "CONFIG SET"));
	free(seen);
	buf_free(&expected);
}

/* Valkey remembers large requests and replies as well; nobody else is asked for them, and not when
 * something has just happened. */
static void test_large_logs(void **state)
{
	for (int old = 0; old < 2; old++) {
		const struct fake_rule rules[] = {
			{ "INFO server",
			  old ? "$25\r\n# S\nvalkey_version:8.0.9\n\r\n" :
				"$25\r\n# S\nvalkey_version:8.1.0\n\r\n",
			  false },
			{ "INFO", "$0\r\n\r\n", false },
			{ "SLOWLOG GET", "*0\r\n", false },
			{ "COMMANDLOG LEN large-request", ":0\r\n", false },
			{ "COMMANDLOG LEN large-reply", ":7\r\n", false },
			{ "COMMANDLOG GET 4 large-request", "*0\r\n", false },
			{ "COMMANDLOG GET 4 large-reply",
			  "*1\r\n*4\r\n:5\r\n:7\r\n:3000000\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
			  false },
			{ NULL, NULL, false },
		};
		struct watch watch = { 0 };
		char *seen;

		(void)state;
		watch_open(&watch, rules, 10);
		assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 0), 0);
		run_loop(&watch);
		assert_int_equal(
			count(buf_str(&watch.log), "large reply 5 at 7 3000000 bytes get k"), !old);
		assert_int_equal(count(buf_str(&watch.log), "held large-request"), 0);
		assert_int_equal(count(buf_str(&watch.log), "held large-reply 7: 0"), !old);
		snapshot_events(watch.snapshot, watch.conn, 1);
		run_loop(&watch);
		seen = watch_close(&watch);
		assert_int_equal(count(seen, "SLOWLOG GET"), 2);
		assert_int_equal(count(seen, "COMMANDLOG GET"), old ? 0 : 2);
		assert_int_equal(count(seen, "COMMANDLOG LEN"), old ? 0 : 2);
		free(seen);
	}
}

/* Of a log that was made very long some entries tell what it takes. */
static void test_long_large_log(void **state)
{
	static const struct fake_rule rules[] = {
		{ "INFO server", "$25\r\n# S\nvalkey_version:9.0.0\n\r\n", false },
		{ "INFO", "$0\r\n\r\n", false },
		{ "COMMANDLOG LEN large-request", ":120000\r\n", false },
		{ "COMMANDLOG LEN large-reply", ":0\r\n", false },
		{ "COMMANDLOG GET 8 large-request",
		  "*1\r\n*6\r\n:5\r\n:7\r\n:30\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n$3\r\na:1\r\n"
		  "$0\r\n\r\n",
		  false },
		{ NULL, NULL, false },
	};
	struct watch watch = { 0 };

	(void)state;
	watch_open(&watch, rules, 10);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_START, 0), 0);
	run_loop(&watch);
	assert_int_equal(count(buf_str(&watch.log), "held large-request 120000: 1 of "), 1);
	free(watch_close(&watch));
}

/* Refusals cost their records only, and each leaves one reason. */
static void test_refusals(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "INFO memory", "$15\r\nused_memory:1\r\n\r\n", false },
		{ "INFO commandstats", "$15\r\n# Commandstats\n\r\n", false },
		{ "INFO", "$0\r\n\r\n", false },
		{ "MEMORY STATS", "-NOPERM \033[31mno\r\n", false },
		{ "MEMORY MALLOC-STATS", "*1\r\n:1\r\n", false },
		{ "CONFIG", "-NOPERM config\r\n", false },
		{ "COMMANDLOG GET 4 slow",
		  "*1\r\n*4\r\n:5\r\n:7\r\n:3000000\r\n*1\r\n$4\r\nKEYS\r\n", false },
		{ "LATENCY", "-NOPERM latency\r\n", false },
		{ "SLOWLOG LEN", ":0\r\n", false },
		{ NULL, NULL, false },
	};
	static const char *const reasons[] = {
		"MEMORY STATS: NOPERM \\x1b[31mno",
		"MEMORY MALLOC-STATS: the reply was not understood",
		"CONFIG GET: NOPERM config",
		"LATENCY LATEST: NOPERM latency",
		"SLOWLOG: ERR unknown command",
	};
	struct watch watch = { 0 };

	(void)state;
	watch_open(&watch, rules, 10);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 0), 0);
	run_loop(&watch);
	/* No commandstats in this INFO: calls by container, as servers before 7.0 have them. */
	assert_string_equal(buf_str(&watch.log),
			    "own info=9\nown client=1\ninfo end used_memory:1\r\n# Commandstats\n"
			    "held slowlog 0: 0 of 0 bytes\nslowlog 5 at 7 3s keys\n");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		const char *reason;
		size_t j = 0;

		while ((reason = snapshot_reason_at(watch.snapshot, j)) &&
		       strcmp(reason, reasons[i]) != 0)
			j++;
		if (!reason)
			fail_msg("no reason \"%s\"", reasons[i]);
	}
	assert_null(snapshot_reason_at(watch.snapshot, 5));
	free(watch_close(&watch));
}

/* Of a server near its limit only little is asked. */
static void test_tight(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "INFO memory", "$38\r\nused_memory:3000000\nmaxmemory:7000000\n\r\n", false },
		{ "INFO stats", "$8\r\n# Stats\n\r\n", false },
		{ "INFO errorstats", "$34\r\n# Errorstats\nerrorstat_OOM:count=1\r\n", false },
		{ "INFO commandstats", "$37\r\n# Commandstats\ncmdstat_memory|stats:1\r\n", false },
		{ "INFO", "$0\r\n\r\n", false },
		{ "MEMORY STATS", "*2\r\n$10\r\nkeys.count\r\n:3\r\n", false },
		{ "CONFIG", "*0\r\n", false },
		{ "SLOWLOG", "*0\r\n", false },
		{ "LATENCY", "*0\r\n", false },
		{ NULL, NULL, false },
	};
	struct watch watch = { 0 };
	char *seen;

	(void)state;
	watch_open(&watch, rules, 60);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_START, 0), 0);
	run_loop(&watch);
	assert_int_equal(snapshot_tick(watch.snapshot, watch.conn, 1), 0);
	assert_int_equal(snapshot_tick(watch.snapshot, watch.conn, 2), -EBUSY);
	run_loop(&watch);
	assert_true(snapshot_tick_answered(watch.snapshot, NULL));
	/* What it refused is told as often as of others: a border's reply may come late. */
	assert_non_null(strstr(buf_str(&watch.log),
			       "info tick used_memory:3000000\nmaxmemory:7000000\n# Stats\n"
			       "# Errorstats\nerrorstat_OOM:count=1"));
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 60), 0);
	run_loop(&watch);
	assert_non_null(strstr(conn_withheld(watch.conn), "memory|malloc-stats"));
	seen = watch_close(&watch);
	assert_int_equal(count(seen, "MALLOC-STATS"), 0);
	assert_int_equal(count(seen, "INFO\n"), 0);
	/* Commands it has not executed before would take its memory for good. */
	assert_int_equal(count(seen, "MEMORY STATS\n"), 2);
	assert_int_equal(count(seen, "CONFIG"), 0);
	assert_int_equal(count(seen, "SLOWLOG"), 0);
	assert_int_equal(count(seen, "CLIENT"), 0);
	free(seen);
}

/* How often MALLOC-STATS was asked in a watch planned for @planned seconds that ended after one. */
static int asked_malloc_stats(double planned)
{
	struct watch watch = { 0 };
	char *seen;
	int asked;

	watch_open(&watch, server_70, planned);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_START, 0), 0);
	run_loop(&watch);
	assert_int_equal(!strstr(buf_str(&watch.log), "malloc_stats"), planned < 20);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 1), 0);
	run_loop(&watch);
	assert_non_null(strstr(buf_str(&watch.log), "malloc_stats end"));
	seen = watch_close(&watch);
	asked = count(seen, "MALLOC-STATS");
	free(seen);
	return asked;
}

/* It holds the server for most of a millisecond: twice only where the watch was to be long
 * enough for it. The end's is never an older one, also when the watch was broken off. */
static void test_malloc_stats_rarely(void **state)
{
	(void)state;
	assert_int_equal(asked_malloc_stats(10), 1);
	assert_int_equal(asked_malloc_stats(600), 2);
}

/* The slow log is asked in steps as long as it has more and the next step fits. */
static void test_slowlog_steps(void **state)
{
	static struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "INFO", "$0\r\n\r\n", false },
		{ "MEMORY", "-ERR no\r\n", false },
		{ "CONFIG", "*0\r\n", false },
		{ "LATENCY", "*0\r\n", false },
		{ "SLOWLOG GET 4", NULL, false },
		{ "SLOWLOG GET 8", NULL, false },
		{ "SLOWLOG", "*0\r\n", false },
		{ NULL, NULL, false },
	};
	struct buf four = { 0 }, eight = { 0 };
	struct watch watch = { 0 };
	char *seen;

	(void)state;
	buf_puts(&four, "*4\r\n");
	buf_puts(&eight, "*8\r\n");
	for (int i = 0; i < 4; i++)
		buf_printf(&four, "*4\r\n:%d\r\n:7\r\n:3\r\n*1\r\n$3\r\nGET\r\n", i);
	for (int i = 0; i < 8; i++) {
		buf_printf(&eight, "*4\r\n:%d\r\n:7\r\n:3\r\n*2\r\n$3\r\nGET\r\n$2000\r\n", i);
		buf_fill(&eight, 'x', 2000);
		buf_puts(&eight, "\r\n");
	}
	rules[5].reply = buf_str(&four);
	rules[6].reply = buf_str(&eight);
	watch_open(&watch, rules, 10);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 10), 0);
	run_loop(&watch);
	seen = watch_close(&watch);
	assert_int_equal(count(seen, "SLOWLOG GET 8\n"), 1);
	assert_int_equal(count(seen, "SLOWLOG GET"), 2); /* sixteen would be 32 KB */
	free(seen);
	buf_free(&four);
	buf_free(&eight);
}

/* Of the entries with ids below 6 at the end those that ended before the watch are left out; that
 * which held up the question at its start is of the watch. */
static void test_slowlog_before(void **state)
{
	static const char *const sixth = "*4\r\n:6\r\n:8\r\n:3000000\r\n*1\r\n$4\r\nSORT\r\n";
	static const char *const fifth = "*4\r\n:5\r\n:7\r\n:3000000\r\n*1\r\n$4\r\nEVAL\r\n";
	static const char *const restarted = "*4\r\n:4\r\n:9\r\n:3000000\r\n*1\r\n$4\r\nKEYS\r\n";
	struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "INFO", "$0\r\n\r\n", false },
		{ "MEMORY", "-ERR no\r\n", false },
		{ "CONFIG", "*0\r\n", false },
		{ "LATENCY", "*0\r\n", false },
		{ "SLOWLOG LEN", ":2\r\n", false },
		{ "SLOWLOG GET 1", NULL, false },
		{ "SLOWLOG GET 4", NULL, false },
		{ NULL, NULL, false },
	};

	(void)state;
	for (int late = 0; late < 2; late++) {
		struct buf one = { 0 }, all = { 0 };
		struct watch watch = { 0 };

		buf_printf(&one, "*1\r\n%s", fifth);
		buf_printf(&all, "*3\r\n%s%s%s", sixth, fifth, restarted);
		rules[6].reply = buf_str(&one);
		rules[7].reply = buf_str(&all);
		watch_open(&watch, rules, 10);
		assert_int_equal(
			snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_START, late ? 2 : 0),
			0);
		run_loop(&watch);
		assert_int_equal(count(buf_str(&watch.log), "slowlog 5"), 0);
		assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 10), 0);
		run_loop(&watch);
		assert_int_equal(count(buf_str(&watch.log), "slowlog 6 at 8"), 1);
		assert_int_equal(count(buf_str(&watch.log), "slowlog 5 at 7"), late);
		assert_int_equal(count(buf_str(&watch.log), "slowlog 4 at 9"), 1);
		free(watch_close(&watch));
		buf_free(&one);
		buf_free(&all);
	}
}

/* Entries of the slow log, the first @own of them redmem's. */
static void put_entries(struct buf *reply, int entries, int own)
{
	buf_printf(reply, "*%d\r\n", entries);
	for (int i = 0; i < entries; i++)
		buf_printf(
			reply,
			"*6\r\n:%d\r\n:7\r\n:3\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n$0\r\n\r\n%s\r\n",
			9999 - i, i < own ? "$6\r\nredmem" : "$0\r\n");
}

/* Of a long one it is looked up what an entry takes, behind those of redmem's own beginning. */
static void test_slowlog_sizes(void **state)
{
	static struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "INFO", "$0\r\n\r\n", false },
		{ "MEMORY", "-ERR no\r\n", false },
		{ "CONFIG", "*0\r\n", false },
		{ "SLOWLOG LEN", ":5000\r\n", false },
		{ "SLOWLOG GET 8", NULL, false },
		{ "SLOWLOG GET 16", NULL, false },
		{ "SLOWLOG GET 24", NULL, false },
		{ "SLOWLOG GET 32", NULL, false },
		{ "SLOWLOG GET 40", NULL, false },
		{ NULL, NULL, false },
	};
	struct buf replies[5] = { 0 };
	struct watch watch = { 0 };
	char *seen;

	(void)state;
	for (int i = 0; i < 5; i++) {
		put_entries(&replies[i], 8 * (i + 1), 8);
		rules[5 + i].reply = buf_str(&replies[i]);
	}
	watch_open(&watch, rules, 10);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_START, 0), 0);
	run_loop(&watch);
	/* Its struct and place 96, two arguments 16 + 2 x 32, two names 2 x 8. */
	assert_non_null(strstr(buf_str(&watch.log), "held slowlog 5000: 32 of 6144 bytes\n"));
	buf_clear(&watch.log);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 10), 0);
	run_loop(&watch);
	/* At the end, when most are redmem's, they are only counted. */
	assert_non_null(strstr(buf_str(&watch.log), "held slowlog 5000: 32 of 6144 bytes\n"));
	seen = watch_close(&watch);
	assert_int_equal(count(seen, "SLOWLOG GET 8\nSLOWLOG GET 16\nSLOWLOG GET 24\n"), 1);
	assert_int_equal(count(seen, "SLOWLOG GET 40"), 1);
	assert_int_equal(count(seen, "SLOWLOG GET 48"), 0);
	free(seen);
	for (int i = 0; i < 5; i++)
		buf_free(&replies[i]);
}

/* The server hangs: nothing but a tick that stays unanswered, then all is let go. */
static void test_hang(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "", "", false },
		{ NULL, NULL, false },
	};
	struct watch watch = { 0 };
	redisReply *reply;

	(void)state;
	watch_open(&watch, rules, 10);
	assert_int_equal(snapshot_tick(watch.snapshot, watch.conn, 0), 0);
	assert_int_equal(conn_call_line(watch.conn, 20, &reply, "PING"), -ETIMEDOUT);
	assert_int_equal(snapshot_tick(watch.snapshot, watch.conn, 1), -EBUSY);
	assert_int_equal(snapshot_begin(watch.snapshot, watch.conn, SNAPSHOT_END, 1), 0);
	assert_false(snapshot_tick_answered(watch.snapshot, NULL));
	assert_int_equal(snapshot_pending(watch.snapshot), 2);
	conn_close(watch.conn);
	watch.conn = NULL;
	assert_int_equal(snapshot_pending(watch.snapshot), 0);
	assert_false(snapshot_tick_answered(watch.snapshot, NULL));
	assert_string_equal(buf_str(&watch.log), "");
	free(watch_close(&watch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watch),	      cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_tight),	      cmocka_unit_test(test_malloc_stats_rarely),
		cmocka_unit_test(test_slowlog_steps), cmocka_unit_test(test_slowlog_before),
		cmocka_unit_test(test_slowlog_sizes), cmocka_unit_test(test_hang),
		cmocka_unit_test(test_large_logs),    cmocka_unit_test(test_long_large_log),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
