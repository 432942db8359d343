/* SPDX-License-Identifier: BSD-2-Clause */
/* The load of the lab: chance by seed, replies counted, and what a server that stalls does to the
 * latencies of either loop. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_server.h"
#include "lab/draw.h"
#include "lab/load.h"
#include "lab/reply.h"

/* --- chance ------------------------------------------------------------------------------- */

static void test_shuffle(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3, 4, 5, 7, 16, 17, 1000, 4096, 4097 };
	bool seen[4097];

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memset(seen, 0, sizeof(seen));
		for (uint64_t k = 0; k < counts[i]; k++) {
			uint64_t to = lab_shuffle(k, counts[i]);

			assert_true(to < counts[i] && !seen[to]);
			seen[to] = true;
		}
	}
	assert_true(lab_shuffle(LAB_SHUFFLE_MAX - 1, LAB_SHUFFLE_MAX) < LAB_SHUFFLE_MAX);
}

/* A quarter of the numbers, shuffled, lies everywhere alike: what a mass delete at random takes. */
static void test_shuffle_is_even(void **state)
{
	enum { N = 100000, PARTS = 10 };
	unsigned int part[PARTS] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < N / 4; i++)
		part[lab_shuffle(i, N) * PARTS / N]++;
	for (int i = 0; i < PARTS; i++)
		assert_true(part[i] > 2250 && part[i] < 2750); /* 2500, deviation 43 */
}

static void test_random(void **state)
{
	struct lab_random a, b;
	double sum = 0;

	(void)state;
	lab_random_seed(&a, 7);
	lab_random_seed(&b, 8);
	assert_true(lab_random_below(&a, UINT64_MAX) != lab_random_below(&b, UINT64_MAX));
	lab_random_seed(&b, 7);
	lab_random_below(&b, UINT64_MAX);
	for (int i = 0; i < 100000; i++) {
		double wait = lab_random_wait(&a, 5);

		assert_true(wait > 0 && wait == lab_random_wait(&b, 5));
		sum += wait;
	}
	assert_true(fabs(sum / 100000 - 5) < 0.1); /* deviation 0.016 */
	lab_random_seed(&a, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(lab_random_below(&a, 1), 0);
		assert_true(lab_random_below(&a, 3) < 3);
	}
}

/* The share of each of the first ranks is that of the law. */
static void test_zipf(void **state)
{
	static const double exponents[] = { 0.2, 0.99, 1, 1.5, 3 };
	enum { COUNT = 1000, DRAWS = 200000 };
	struct lab_random random;

	(void)state;
	lab_random_seed(&random, 1);
	for (size_t e = 0; e < sizeof(exponents) / sizeof(exponents[0]); e++) {
		static unsigned int seen[COUNT];
		struct lab_zipf zipf;
		double all = 0;

		memset(seen, 0, sizeof(seen));
		lab_zipf_init(&zipf, COUNT, exponents[e]);
		for (int i = 0; i < DRAWS; i++) {
			uint64_t k = lab_zipf_draw(&zipf, &random);

			assert_true(k < COUNT);
			seen[k]++;
		}
		for (int k = 1; k <= COUNT; k++)
			all += pow(k, -exponents[e]);
		for (int k = 1; k <= 20; k++) {
			double want = pow(k, -exponents[e]) / all * DRAWS;

			assert_true(fabs(seen[k - 1] - want) < 5 * sqrt(want) + 1);
		}
	}
	for (uint64_t count = 1; count < 4; count++) {
		struct lab_zipf zipf;

		lab_zipf_init(&zipf, count, 0.99);
		for (int i = 0; i < 100; i++)
			assert_true(lab_zipf_draw(&zipf, &random) < count);
	}
}

/* --- replies ------------------------------------------------------------------------------ */

/* What @text is, taken in pieces of @piece bytes: a letter a reply, '.' for one not whole. */
static const char *replies_of(const char *text, size_t len, size_t piece, char *last)
{
	static char out[64];
	struct lab_reply reply = { 0 };
	enum lab_reply_kind kind = LAB_REPLY_MORE;
	size_t n = 0;

	for (size_t at = 0; at < len && kind != LAB_REPLY_BROKEN; at += piece) {
		const char *data = text + at, *end = data + (len - at < piece ? len - at : piece);

		while (data < end && kind != LAB_REPLY_BROKEN) {
			kind = lab_reply_take(&reply, &data, end);
			if (kind == LAB_REPLY_ERROR && last)
				strcpy(last, reply.line);
			if (kind != LAB_REPLY_MORE)
				out[n++] = ".geb"[kind];
		}
	}
	if (kind == LAB_REPLY_MORE)
		out[n++] = '.';
	out[n] = '\0';
	return out;
}

static void are(const char *text, size_t len, const char *kinds)
{
	for (size_t piece = 1; piece <= len; piece++)
		assert_string_equal(replies_of(text, len, piece, NULL), kinds);
}

#define ARE(text, kinds) are(text, sizeof(text) - 1, kinds)

static void test_replies(void **state)
{
	char last[LAB_REPLY_TEXT + 1] = "", text[1000] = "-OOM ";

	(void)state;
	ARE("+OK\r\n:12\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n", "gggggg");
	ARE("$5\r\na\r\n+b\r\n", "g");
	ARE("*2\r\n*2\r\n$1\r\nx\r\n:1\r\n*1\r\n$-1\r\n+OK\r\n", "gg");
	ARE("*2\r\n-ERR x\r\n+OK\r\n-ERR y\r\n", "ge");
	ARE("$3\r\nab", ".");
	ARE("*1\r\n", ".");
	ARE("!x\r\n", "b");
	ARE("$x\r\n", "b");
	ARE("$-2\r\n", "b");
	ARE("$\r\n", "b");
	ARE("\r\n", "b");
	ARE("*99999999999999999999\r\n", "b");
	for (size_t piece = 1; piece < 20; piece++) {
		replies_of("+OK\r\n-WRONGTYPE a b\r\n", 21, piece, last);
		assert_string_equal(last, "WRONGTYPE a b");
	}
	memset(text + 5, 'z', 900);
	strcpy(text + 905, "\r\n+OK\r\n");
	for (size_t piece = 1; piece < 950; piece += 13) {
		assert_string_equal(replies_of(text, strlen(text), piece, last), "eg");
		assert_memory_equal(last, "OOM zz", 6);
	}
}

/* --- against a server --------------------------------------------------------------------- */

struct play {
	struct fake_server *server;
	struct lab_scenario *scenario;
	struct lab_load *load;
};

static const struct fake_rule rules[] = { { "SET", "+OK\r\n", false },
					  { "GET", "$3\r\nabc\r\n", false },
					  { "FULL", "-OOM command not allowed\r\n", false },
					  { "WRONG", "-ERR no such thing\r\n", false },
					  { "BYE", "", true },
					  { "STALL", "+OK\r\n", false },
					  { "HANG", "", false },
					  { "LIE", "+OK\r\n+OK\r\n", false },
					  { NULL, NULL, false } };

/* As a handler of signals sets it. */
static volatile sig_atomic_t stop;

/* @text is a scenario of one client, more than which the fake server does not serve. */
static struct play begin(const char *text, size_t chunk)
{
	struct play play = { .server = fake_server_start(rules, chunk, NULL) };
	struct lab_load_options options = {
		.socket = fake_server_path(play.server),
		.pid = getpid(),
		.seed = 42,
		.cpu = -1,
		.stop = &stop,
	};
	struct err err = { 0 };

	fake_server_stall(play.server, "STALL", 200);
	if (lab_scenario_parse(&play.scenario, "test.lab", text, strlen(text), &err))
		fail_msg("%s", err.text);
	options.scenario = play.scenario;
	if (lab_load_open(&play.load, &options, &err))
		fail_msg("%s", err.text);
	return play;
}

/* What the server was asked, to be freed. */
static char *end(struct play *play)
{
	lab_load_close(play->load);
	lab_scenario_free(play->scenario);
	return fake_server_stop(play->server);
}

static size_t count_lines(const char *text, const char *beginning)
{
	size_t count = 0;

	for (; text && *text; text = strchr(text, '\n') + 1)
		count += !strncmp(text, beginning, strlen(beginning));
	return count;
}

#define ONE "about a\nclients 1\nkeys 100 zipf 0.9\n"

/* Of both loops exactly what was ordered is sent, and the same for the same seed. */
static void test_counts(void **state)
{
	const struct lab_order full = { .loop = LAB_FULL, .ops = 1003 };
	const struct lab_order open = { .loop = LAB_OPEN, .rate = 50000, .ops = 1003 };
	char *seen[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct play play =
			begin(ONE "pipeline 16\nexpect OOM\nop 5 SET k{key} {random:99999}\n"
				  "op 3 GET k{key}:{n}\nop 1 FULL\n",
			      0);
		struct lab_load_counts counts;
		struct err err = { 0 };

		assert_int_equal(lab_load_slice(play.load, i ? &open : &full, &counts, &err), 0);
		seen[i] = end(&play);
		assert_int_equal(counts.sent, 1003);
		assert_int_equal(counts.replies, 1003);
		assert_int_equal(counts.latency.count, 1003);
		assert_int_equal(counts.unsent, 0);
		assert_true(counts.end_ns > counts.start_ns && counts.cpu_ns > 0);
		assert_int_equal(counts.refused, count_lines(seen[i], "FULL"));
		assert_true(counts.refused > 50 && counts.refused < 200);
		assert_int_equal(count_lines(seen[i], ""), 1003);
	}
	assert_string_equal(seen[0], seen[1]);
	free(seen[0]);
	free(seen[1]);
}

/* A bound in time; a stop; and one slice after the other. */
static void test_bounds(void **state)
{
	struct play play = begin(ONE "op 1 GET a\n", 0);
	struct lab_order order = { .loop = LAB_FULL, .seconds = 0.05 };
	struct lab_load_counts counts;
	struct err err = { 0 };
	char *seen;
	uint64_t all = 0;

	(void)state;
	for (int loop = LAB_FULL; loop <= LAB_OPEN; loop++) {
		order = (struct lab_order){ .loop = (enum lab_loop)loop,
					    .rate = 1000,
					    .seconds = 0.05 };
		assert_int_equal(lab_load_slice(play.load, &order, &counts, &err), 0);
		assert_true(counts.replies > 0 && counts.end_ns - counts.start_ns > 10000000);
		all += counts.replies;
		order.seconds = 0;
		assert_int_equal(lab_load_begin(play.load, &order, &err), 0);
		usleep(20000);
		lab_load_stop(play.load);
		assert_int_equal(lab_load_end(play.load, &counts, &err), 0);
		assert_int_equal(counts.sent, counts.replies);
		all += counts.replies;
	}
	seen = end(&play);
	assert_int_equal(count_lines(seen, "GET a"), all);
	free(seen);
}

/* A server that does not answer any more: whoever wants it to end waits for it no minute. */
static void test_stopped_hanging(void **state)
{
	static const struct lab_order forever = { .loop = LAB_FULL };
	struct play play = begin(ONE "op 1 HANG\n", 0);
	struct lab_load_counts counts;
	struct err err = { 0 };
	int ret;

	(void)state;
	do { /* until it was asked before it was to end */
		assert_int_equal(lab_load_begin(play.load, &forever, &err), 0);
		usleep(20000);
		stop = 1;
		ret = lab_load_end(play.load, &counts, &err);
		stop = 0;
	} while (!ret && !counts.sent);
	assert_int_equal(ret, -EINTR);
	assert_true(counts.sent > counts.replies);
	free(end(&play));
}

/*
 * A server that stands still for 200 ms in about a second: whoever comes meanwhile waits, which is
 * a sixth of all. The open loop shows it at p95, and that it waited up to the whole stall; the
 * closed loop, which does not ask meanwhile, has no more than the one command that waited.
 */
static void test_stall(void **state)
{
	struct play play = begin(ONE "op 999 GET a\nop 1 STALL\n", 0);
	struct lab_order order = { .loop = LAB_OPEN, .rate = 1000, .ops = 1000 };
	struct lab_load_counts counts;
	struct err err = { 0 };
	double p95, longest;
	char *seen;

	(void)state;
	assert_int_equal(lab_load_slice(play.load, &order, &counts, &err), 0);
	p95 = hist_quantile_between(&counts.latency, 0.95) / 1e6;
	longest = (double)counts.latency.max / 1e6;
	seen = end(&play);
	assert_int_equal(counts.replies, 1000);
	assert_true(count_lines(seen, "STALL") >= 1);
	assert_true(longest >= 199);
	assert_true(p95 > 50);
	assert_true(counts.late > 100);
	free(seen);

	play = begin(ONE "op 999 GET a\nop 1 STALL\n", 0);
	order.loop = LAB_FULL;
	assert_int_equal(lab_load_slice(play.load, &order, &counts, &err), 0);
	seen = end(&play);
	assert_true(counts.latency.max >= 199000000);
	/* Those behind it did not: of a hundredth a busy machine may have made as much. */
	assert_true(count_lines(seen, "STALL") < 10);
	assert_true(hist_quantile(&counts.latency, 0.98) < 150000000);
	free(seen);
}

/* A server that cannot keep up: the slice ends, and what was not sent is in the latencies. */
static void test_behind(void **state)
{
	struct play play = begin(ONE "op 1 STALL\n", 0);
	struct lab_order order = { .loop = LAB_OPEN, .rate = 1000, .seconds = 0.1 };
	struct lab_load_counts counts;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(lab_load_slice(play.load, &order, &counts, &err), 0);
	free(end(&play));
	assert_int_equal(counts.sent, counts.replies);
	assert_true(counts.unsent > 0);
	assert_int_equal(counts.latency.count, counts.replies + counts.unsent);
	/* Half of them were due 1 s before it was given up, or longer. */
	assert_true(hist_quantile_between(&counts.latency, 0.5) > 1e9);
}

static void fails(const char *text, int code, const char *says)
{
	struct play play = begin(text, 0);
	const struct lab_order order = { .loop = LAB_FULL, .ops = 100 };
	struct lab_load_counts counts;
	struct err err = { 0 };

	assert_int_equal(lab_load_slice(play.load, &order, &counts, &err), code);
	if (!strstr(err.text, says))
		fail_msg("it is said: %s", err.text);
	/* And it stays so. */
	memset(&err, 0, sizeof(err));
	assert_int_equal(lab_load_begin(play.load, &order, &err), code);
	assert_non_null(strstr(err.text, says));
	free(end(&play));
}

static void test_failures(void **state)
{
	(void)state;
	fails(ONE "pipeline 8\nop 9 GET a\nop 1 WRONG way {key}\n", -EIO,
	      "lab: test: the server answered to \"WRONG way {key}\": ERR no such thing");
	fails(ONE "op 9 GET a\nop 1 FULL\n", -EIO, "\"FULL\": OOM command not allowed");
	fails(ONE "op 9 GET a\nop 1 BYE\n", -ECONNRESET, "the server is gone");
	fails(ONE "op 9 GET a\nop 1 LIE\n", -EPROTO, "something it was not asked");
}

/* Nobody but the server that the lab started is asked. */
static void test_another_server(void **state)
{
	struct play play = begin(ONE "op 1 GET a\n", 0);
	struct lab_load_options options = { .scenario = play.scenario,
					    .socket = fake_server_path(play.server),
					    .pid = getpid() + 1,
					    .cpu = -1 };
	struct lab_load *load;
	struct err err = { 0 };
	char *seen;

	(void)state;
	assert_int_equal(lab_load_open(&load, &options, &err), -EPERM);
	assert_null(load);
	assert_non_null(strstr(err.text, "not the lab's server"));
	options.socket = "/tmp/redmem-no-such-socket";
	assert_int_equal(lab_load_open(&load, &options, &err), -ENOENT);
	seen = end(&play);
	assert_string_equal(seen, "");
	free(seen);
}

/* What is filled in comes exactly, in order, whatever the pieces of the replies. */
static void test_fill(void **state)
{
	struct play play = begin("about a\nload redis-benchmark\nfill 1500 SET k{n} {random:9999}\n"
				 "fill 2 GET k{n}\n",
				 7);
	struct err err = { 0 };
	const char *at;
	char *seen;

	(void)state;
	if (lab_load_fill(play.load, &err))
		fail_msg("%s", err.text);
	at = seen = end(&play);
	for (int i = 0; i < 1500; i++, at = strchr(at, '\n') + 1) {
		int number = -1;

		assert_int_equal(sscanf(at, "SET k%d ", &number), 1);
		assert_int_equal(number, i);
	}
	assert_string_equal(at, "GET k0\nGET k1\n");
	free(seen);
	play = begin("about a\nload redis-benchmark\nfill 700 SET a b\nfill 5 WRONG {n}\n", 0);
	assert_int_equal(lab_load_fill(play.load, &err), -EIO);
	assert_non_null(strstr(err.text, "\"WRONG {n}\": ERR no such thing"));
	free(end(&play));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shuffle),	       cmocka_unit_test(test_shuffle_is_even),
		cmocka_unit_test(test_random),	       cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_replies),	       cmocka_unit_test(test_counts),
		cmocka_unit_test(test_bounds),	       cmocka_unit_test(test_stopped_hanging),
		cmocka_unit_test(test_stall),	       cmocka_unit_test(test_behind),
		cmocka_unit_test(test_failures),       cmocka_unit_test(test_fill),
		cmocka_unit_test(test_another_server),
	};

	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
