/* SPDX-License-Identifier: BSD-2-Clause */
/* A pass over keys: what is asked and what not, what is counted, and how it ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/recent.h"
#include "fake_server.h"
#include "redis/keypass.h"
#include "redis/throttle.h"
#include "replies.h"

/* Two batches of keys; the second repeats one. */
#define SCANS                                                                                  \
	{ "SCAN 0", "*2\r\n$2\r\n17\r\n*3\r\n$1\r\na\r\n$2\r\nb\n\r\n$4\r\ngone\r\n", false }, \
	{                                                                                      \
		"SCAN 17", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$4\r\nhash\r\n", false           \
	}
#define INFOS                                                                                    \
	{ "INFO modules", "$11\r\n# Modules\r\n\r\n", false },                                   \
		{ "INFO keyspace",                                                               \
		  "$51\r\n# Keyspace\r\ndb0:keys=4,expires=1,avg_ttl=0,subexp\r\n\r\n", false }, \
		{ "INFO memory", "$27\r\n# Memory\r\nused_memory:5\r\n\r\n\r\n", false },        \
	{                                                                                        \
		"INFO stats", "$9\r\n# Stats\r\n\r\n", false                                     \
	}
#define KEYS                                                                                       \
	{ "OBJECT ENCODING gone", "$-1\r\n", false },                                              \
		{ "OBJECT ENCODING hash", "$8\r\nlistpack\r\n", false },                           \
		{ "OBJECT ENCODING", "$3\r\nraw\r\n", false },                                     \
		{ "MEMORY USAGE gone", "$-1\r\n", false },                                         \
		{ "MEMORY USAGE hash", ":5000\r\n", false }, { "MEMORY USAGE", ":64\r\n", false }, \
		{ "PTTL gone", ":-2\r\n", false }, { "PTTL hash", ":1500\r\n", false },            \
		{ "PTTL", ":-1\r\n", false }, { "TYPE hash", "+hash\r\n", false },                 \
		{ "HLEN hash", ":7\r\n", false }, { "STRLEN", ":3\r\n", false },                   \
	{                                                                                          \
		NULL, NULL, false                                                                  \
	}

struct outcome {
	int rc;
	struct keypass_result result;
	struct err err;
	char *log, *seen;
};

static bool never(void *ctx, const struct keypass_result *so_far)
{
	(void)ctx;
	(void)so_far;
	return false;
}

static struct outcome pass(const struct fake_rule *rules, const struct keypass_options *options)
{
	struct fake_server *server = fake_server_start(rules, 5, NULL);
	struct conn_options where = { .socket_path = fake_server_path(server) };
	struct outcome o = { 0 };
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	struct conn *conn;

	assert_int_equal(conn_open(&conn, &where, NULL), 0);
	o.rc = keypass_run(conn, options, &sink, never, NULL, &o.result, &o.err);
	conn_close(conn);
	o.seen = fake_server_stop(server);
	o.log = xstrdup(buf_str(&log));
	buf_free(&log);
	return o;
}

static void outcome_free(struct outcome *o)
{
	free(o->log);
	free(o->seen);
}

/* Those keys and no others were told, each once. Which comes first is not promised: what is asked
 * next of keys whose replies come in one read is asked of the last of them first. */
static void assert_told(const struct outcome *o, size_t count, const char *const *lines)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (!strstr(o->log, lines[i]))
			fail_msg("not told: %sbut: %s", lines[i], o->log);
		len += strlen(lines[i]);
	}
	assert_int_equal(strlen(o->log), len);
}

static const struct keypass_options plain = { .samples = -1, .max_seconds = 1 };

/* Before 7.2: no lengths; the type is asked only where the encoding leaves it open. */
static void test_no_touch(void **state)
{
	static const struct fake_rule rules[] = { SCANS, INFOS, KEYS };
	struct outcome o = pass(rules, &plain);

	(void)state;
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.result.end, PASS_COMPLETE);
	assert_string_equal(o.result.cursor, "0");
	assert_told(&o, 3,
		    (const char *[]){
			    "key a db=0 type=string encoding=raw bytes=64 ttl=-1\n",
			    "key b\\n db=0 type=string encoding=raw bytes=64 ttl=-1\n",
			    "key hash db=0 type=hash encoding=listpack bytes=5000 ttl=1.5\n" });
	assert_null(strstr(o.seen, "STRLEN"));
	assert_null(strstr(o.seen, "HLEN"));
	assert_null(strstr(o.seen, "TYPE a"));
	assert_non_null(strstr(o.seen, "TYPE hash"));
	assert_int_equal(o.result.scanned_total, 4);
	assert_int_equal(o.result.gone_total, 1);
	assert_int_equal(o.result.repeats_total, 1);
	assert_int_equal(o.result.hits_total, 7); /* 3 encodings, 3 PTTL, 1 TYPE */
	assert_int_equal(o.result.misses_total, 1); /* PTTL: what is gone has no encoding to ask */
	assert_false(o.result.no_touch);
	outcome_free(&o);
}

static void test_lengths(void **state)
{
	static const struct fake_rule touching[] = { SCANS, INFOS, KEYS };
	static const struct fake_rule no_touch[] = {
		{ "CLIENT NO-TOUCH", "+OK\r\n", false }, SCANS, INFOS, KEYS
	};
	struct keypass_options options = plain;
	struct outcome o = pass(no_touch, &options);

	(void)state;
	assert_true(o.result.no_touch);
	assert_non_null(strstr(o.log, "key hash db=0 type=hash encoding=listpack bytes=5000 "
				      "elements=7 ttl=1.5"));
	assert_non_null(strstr(o.log, "key a db=0 type=string encoding=raw bytes=64 elements=3"));
	assert_int_equal(o.result.hits_total, 10);
	outcome_free(&o);
	options.elements = ELEMENTS_BIG;
	options.big_bytes = 1000;
	o = pass(touching, &options);
	assert_non_null(strstr(o.log, "elements=7"));
	assert_null(strstr(o.log, "elements=3"));
	outcome_free(&o);
}

/* MEMORY USAGE of a stream takes time with its consumers, and waits for how many there are; where
 * one of a name's shape was a stream, so does that of all others. */
static void test_streams(void **state)
{
#define GROUP(consumers)                                                             \
	"*1\r\n*6\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:" consumers "\r\n" \
	"$7\r\npending\r\n:3\r\n"
	static const struct fake_rule no_touch[] = {
		{ "CLIENT NO-TOUCH", "+OK\r\n", false },
		{ "SCAN 0",
		  "*2\r\n$1\r\n0\r\n*4\r\n$4\r\nbusy\r\n$3\r\nfew\r\n$4\r\nlost\r\n$1\r\ns\r\n",
		  false },
		INFOS,
		{ "OBJECT ENCODING s", "$3\r\nraw\r\n", false },
		{ "OBJECT ENCODING", "$6\r\nstream\r\n", false },
		{ "XINFO GROUPS busy", GROUP("1000000"), false },
		{ "XINFO GROUPS few", GROUP("10"), false },
		{ "XINFO GROUPS lost", "-ERR no such key\r\n", false },
		{ "MEMORY USAGE s", ":64\r\n", false },
		{ "MEMORY USAGE", ":5000\r\n", false },
		{ "PTTL", ":-1\r\n", false },
		{ "XLEN", ":7\r\n", false },
		{ "STRLEN", ":3\r\n", false },
		{ NULL, NULL, false },
	};
	struct outcome o = pass(no_touch, &plain);

	(void)state;
	assert_null(strstr(o.seen, "MEMORY USAGE busy"));
	assert_null(strstr(o.seen, "XINFO GROUPS s"));
	assert_non_null(strstr(o.log, "key few db=0 type=stream encoding=stream bytes=5000"));
	assert_non_null(strstr(o.log, "key busy db=0 type=stream"));
	assert_non_null(strstr(o.log, "key s db=0 type=string encoding=raw bytes=64"));
	assert_true(strstr(o.seen, "OBJECT ENCODING few") < strstr(o.seen, "MEMORY USAGE few"));
	assert_int_equal(o.result.gone_total, 1);
	assert_int_equal(o.result.refused_total, 0);
	outcome_free(&o);
}

/* With a module, "raw" may be its value: the type has to be asked. */
/* A large table is asked again for more of its elements, but where it was said for how many. */
static void test_more_samples(void **state)
{
	static const struct fake_rule rules[] = {
		{ "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$5\r\ntable\r\n", false },
		INFOS,
		{ "OBJECT ENCODING", "$9\r\nhashtable\r\n", false },
		{ "TYPE", "+hash\r\n", false },
		{ "MEMORY USAGE table SAMPLES 2000", ":410000\r\n", false },
		{ "MEMORY USAGE table SAMPLES 7", ":70000\r\n", false },
		{ "MEMORY USAGE", ":300000\r\n", false },
		{ "PTTL", ":-1\r\n", false },
		{ NULL, NULL, false },
	};
	struct keypass_options options = plain;
	struct outcome o = pass(rules, &options);

	(void)state;
	assert_non_null(strstr(o.log, "encoding=hashtable bytes=410000 "));
	outcome_free(&o);

	options.samples = 7;
	o = pass(rules, &options);
	assert_non_null(strstr(o.log, "encoding=hashtable bytes=70000 "));
	outcome_free(&o);
}

static void test_modules(void **state)
{
	static const struct fake_rule rules[] = {
		{ "INFO modules", "$30\r\n# Modules\r\nmodule:name=x,ver=1\r\n", false },
		{ "TYPE a", "+ReJSON-RL\r\n", false },
		{ "TYPE b", "+string\r\n", false },
		SCANS,
		INFOS,
		KEYS
	};
	struct outcome o = pass(rules, &plain);

	(void)state;
	assert_non_null(strstr(o.log, "key a db=0 type=ReJSON-RL"));
	outcome_free(&o);
}

static void test_lost(void **state)
{
	static const struct fake_rule rules[] = {
		{ "OBJECT ENCODING hash", "$8\r\nlist", true }, SCANS, INFOS, KEYS
	};
	struct outcome o = pass(rules, &plain);

	(void)state;
	assert_int_equal(o.rc, -ECONNRESET);
	assert_int_equal(o.result.end, PASS_LOST);
	assert_string_equal(o.result.cursor, "17"); /* what came with it is not all done */
	assert_non_null(strstr(o.log, "key a "));
	outcome_free(&o);
}

static void test_refused(void **state)
{
	static const struct fake_rule scan[] = { { "SCAN", "-NOPERM no\r\n", false }, INFOS, KEYS };
	static const struct fake_rule usage[] = {
		{ "MEMORY USAGE", "-NOPERM this user has no permissions\r\n", false },
		SCANS,
		INFOS,
		KEYS
	};
	static const struct fake_rule moved[] = {
		{ "MEMORY USAGE hash", "-MOVED 1 h:1\r\n", false },
		{ "OBJECT ENCODING hash", "-MOVED 1 h:1\r\n", false },
		{ "PTTL hash", "-MOVED 1 h:1\r\n", false },
		{ "TYPE hash", "-MOVED 1 h:1\r\n", false },
		SCANS,
		INFOS,
		KEYS
	};
	struct outcome o = pass(scan, &plain);

	(void)state;
	assert_int_equal(o.rc, -EACCES);
	assert_non_null(strstr(o.err.text, "SCAN"));
	outcome_free(&o);
	o = pass(usage, &plain);
	assert_int_equal(o.rc, -EACCES);
	assert_non_null(strstr(o.err.text, "MEMORY USAGE"));
	outcome_free(&o);
	o = pass(moved, &plain); /* of one key: counted, and the pass goes on */
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.result.refused_total, 4);
	assert_string_equal(o.result.refused, "MOVED 1 h:1");
	outcome_free(&o);
}

#define NEAR_LIMIT                                                                                 \
	{                                                                                          \
		"INFO memory", "$43\r\n# Memory\r\nused_memory:5000000\nmaxmemory:60\n\r\n", false \
	}
#define USED(text)                               \
	{                                        \
		"INFO commandstats", text, false \
	}

/* A server near its limit: the pass goes by small chunks where it has used all of its commands
 * before, and is not begun where it has not. */
static void test_no_room(void **state)
{
	static const struct fake_rule fresh[] = {
		NEAR_LIMIT, USED("$35\r\n# Commandstats\ncmdstat_scan:calls=1\r\n"), SCANS, INFOS,
		KEYS
	};
	static const struct fake_rule used[] = {
		NEAR_LIMIT,
		USED("$110\r\n# Commandstats\ncmdstat_scan:c\ncmdstat_memory|usage:c\n"
		     "cmdstat_object|encoding:c\ncmdstat_type:c\ncmdstat_pttl:c\n\n\r\n"),
		SCANS, INFOS, KEYS
	};
	struct outcome o = pass(fresh, &plain);

	(void)state;
	assert_int_equal(o.rc, -EDQUOT);
	assert_non_null(strstr(o.err.text, "within 4 MB of its maxmemory"));
	assert_non_null(strstr(o.err.text, "memory|usage, object|encoding, type, pttl"));
	assert_non_null(strstr(o.err.text, "CONFIG SET maxmemory 8388668"));
	assert_null(strstr(o.seen, "SCAN"));
	assert_string_equal(o.log, "");
	outcome_free(&o);
	o = pass(used, &plain);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.result.end, PASS_COMPLETE);
	assert_int_equal(o.result.scanned_total, 4);
	assert_non_null(strstr(o.seen, "SCAN 0 COUNT 32\n"));
	assert_null(strstr(o.seen, "CLIENT"));
	outcome_free(&o);
}

/* --- throttle ----------------------------------------------------------------------------- */

/* How fast a pass may go: large chunks alone, small ones beside others, rests when late. */

/* A server that takes 0.5 us a command and 25 us a trip. */
static void chunks(struct throttle *t, int count)
{
	while (count--) {
		double seconds = 25e-6 + 0.5e-6 * (double)t->window;

		throttle_chunk(t, t->window, seconds, seconds);
	}
}

static void test_alone_and_shared(void **state)
{
	struct throttle t;
	size_t alone;

	(void)state;
	throttle_init(&t, 0.001);
	assert_in_range(t.window, 16, 32); /* careful until it is known */
	throttle_others(&t, 0);
	chunks(&t, 100);
	alone = t.window;
	assert_in_range(alone, 400, 1200); /* 0.4 ms of work */
	assert_int_equal(throttle_depth(&t), 2);
	throttle_others(&t, 5000);
	chunks(&t, 100);
	assert_in_range(t.window, 16, 64);
	throttle_others(&t, 0);
	assert_in_range(t.window, alone / 2, alone * 2);
}

static void test_bound(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 1);
	throttle_others(&t, 0);
	chunks(&t, 100);
	assert_int_equal(t.window, 2048); /* whatever the bound allows */
	throttle_init(&t, 1e-6);
	throttle_others(&t, 0);
	chunks(&t, 1);
	assert_int_equal(t.window, 16); /* and never nothing */
}

static void test_late(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 0.001);
	chunks(&t, 1); /* a small one: how long the way is */
	throttle_others(&t, 0);
	chunks(&t, 10);
	throttle_chunk(&t, t.window, 0.004, 0.004);
	assert_true(t.rest_seconds > 0.0029 && t.rest_seconds < 0.0031);
	assert_int_equal(t.window, 16);
	assert_int_equal(throttle_depth(&t), 1);
	throttle_chunk(&t, t.window, 100, 100);
	assert_true(t.rest_seconds <= 0.1); /* a hang is no reason to sleep as long */
	throttle_chunk(&t, t.window, 0.0001, 0.0001);
	assert_true(t.rest_seconds == 0);
	assert_int_equal(throttle_depth(&t), 2);
}

static void test_hopeless(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 0.001);
	for (int i = 0; i < 50; i++) {
		assert_false(throttle_hopeless(&t));
		throttle_chunk(&t, 16, 0.05, 0.05);
	}
	throttle_chunk(&t, 16, 0.0005, 0.0005); /* once in time, and it counts anew */
	assert_false(throttle_hopeless(&t));
	for (int i = 0; i < 150; i++)
		throttle_chunk(&t, 16, 0.05, 0.05);
	assert_true(throttle_hopeless(&t));
}

/* A network of 50 ms is nobody's lateness, and no reason for small chunks. */
static void test_remote(void **state)
{
	struct throttle t;

	(void)state;
	throttle_init(&t, 0.001);
	throttle_others(&t, 0);
	for (int i = 0; i < 1000; i++) {
		throttle_chunk(&t, t.window, 0.05 + 0.5e-6 * (double)t.window, 0.025);
		assert_false(throttle_hopeless(&t));
	}
	assert_true(t.window > 500);
	throttle_chunk(&t, t.window, 0.055, 0.05);
	assert_true(t.rest_seconds > 0.003 && t.rest_seconds < 0.005);
}

/* --- recent ------------------------------------------------------------------------------- */

/* The window of recent names: repeats inside it, none of what is new. */

static bool seen(struct recent *recent, long n)
{
	char name[32];
	int len = snprintf(name, sizeof(name), "key:%ld", n);

	return recent_seen(recent, name, (size_t)len);
}

static void test_window(void **state)
{
	struct recent *recent = recent_new();

	(void)state;
	assert_false(recent_seen(recent, "", 0));
	assert_true(recent_seen(recent, "", 0));
	for (long i = 0; i < 5L * RECENT_MAX; i++) {
		assert_false(seen(recent, i));
		if (i >= 100) /* well inside the window */
			assert_true(seen(recent, i - 100));
	}
	/* The oldest are forgotten, the newest are not. */
	assert_false(seen(recent, 0));
	assert_true(seen(recent, 5L * RECENT_MAX - 1));
	recent_free(recent);
	recent_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_touch),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_more_samples),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_alone_and_shared),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_hopeless),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests_name("keypass", tests, NULL, NULL);
}
