/* SPDX-License-Identifier: BSD-2-Clause */
/* A full synchronisation in every form in which servers send it, and in forms they do not; and
 * what reads it ahead. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/commands.h"
#include "app/options.h"
#include "app/read_ahead.h"
#include "base/buf.h"
#include "fake_server.h"
#include "record/record.h"
#include "redis/fullsync.h"

#define PATIENCE_MS 20000
#define AHEAD_BYTES ((size_t)3 << 20)
#define MARK	    "0123456789abcdef0123456789abcdef01234567"
#define OTHER_MARK  "0123456789abcdef0123456789abcdef01234568"

/* What came of asking a server that answers SYNC so. */
struct came {
	struct buf dump;
	struct err err;
	int64_t size;
	char *seen; /* by the server */
};

static void read_all(struct came *came, struct fullsync *sync, size_t size)
{
	char bytes[64];
	ssize_t n;

	while ((n = fullsync_read(sync, bytes, size, &came->err)) > 0)
		buf_add(&came->dump, bytes, (size_t)n);
	assert_int_equal(n, came->err.code);
	came->size = fullsync_size(sync);
	fullsync_free(sync);
}

static struct came ask(const char *answer, bool close, const char *replconf, size_t chunk)
{
	const struct fake_rule rules[] = {
		{ "INFO memory", "$0\r\n\r\n", false },
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "REPLCONF", replconf, false },
		{ "SYNC", answer, close },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, chunk, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server) };
	struct came came = {};
	struct fullsync *sync;
	struct conn *conn;

	assert_int_equal(conn_open(&conn, &options, &came.err), 0);
	assert_int_equal(conn_greet(conn, PATIENCE_MS), 0);
	assert_int_equal(fullsync_start(&sync, conn, &came.err), 0);
	conn_close(conn);
	read_all(&came, sync, chunk % 64 + 1);
	came.seen = fake_server_stop(server);
	return came;
}

static void forget(struct came *came)
{
	buf_free(&came->dump);
	free(came->seen);
}

/* In pieces of every small size and whole. */
static void assert_dump(const char *answer, bool close, const char *dump, int64_t size)
{
	for (size_t chunk = 0; chunk < 48; chunk = chunk ? chunk * 41 : 1) {
		struct came came = ask(answer, close, "+OK\r\n", chunk);

		assert_string_equal(came.err.text, "");
		assert_string_equal(buf_str(&came.dump), dump);
		assert_int_equal(came.size, size);
		forget(&came);
	}
}

static void assert_error(const char *answer, int code, const char *words, const char *dump)
{
	for (size_t chunk = 0; chunk < 2; chunk++) {
		struct came came = ask(answer, true, "+OK\r\n", chunk);

		if (!strstr(came.err.text, words))
			fail_msg("%s", came.err.text);
		assert_int_equal(came.err.code, code);
		assert_string_equal(buf_str(&came.dump), dump);
		forget(&came);
	}
}

static void test_forms(void **state)
{
	(void)state;
	assert_dump("$11\r\nREDIS, or so", false, "REDIS, or s", 11);
	assert_dump("\n\n\n$5\r\nREDIS", true, "REDIS", 5);
	assert_dump("$5\r\nREDIS*1\r\n$4\r\nPING\r\n", false, "REDIS", 5);
	assert_dump("$EOF:" MARK "\r\nREDIS" MARK, false, "REDIS", RECORD_UNKNOWN);
	assert_dump("\n$EOF:" MARK "\r\nREDIS and " OTHER_MARK MARK, true, "REDIS and " OTHER_MARK,
		    RECORD_UNKNOWN);
	assert_dump("$EOF:" MARK "\r\n" MARK, true, "", RECORD_UNKNOWN);
	assert_dump("$0\r\n", true, "", 0);
}

/* As redis-cli --rdb, and nothing of a second channel or of a listening port. */
static void test_asks(void **state)
{
	struct came came = ask("$1\r\nR", false, "+OK\r\n", 0);

	(void)state;
	assert_non_null(strstr(came.seen, "REPLCONF rdb-only 1\nREPLCONF capa eof\nSYNC\n"));
	forget(&came);
	/* Who knows none of it still sends a dump. */
	came = ask("$1\r\nR", false, "-ERR Unrecognized REPLCONF option: rdb-only\r\n", 0);
	assert_string_equal(buf_str(&came.dump), "R");
	forget(&came);
}

static void test_refused(void **state)
{
	(void)state;
	assert_error("-NOPERM this user has no permissions to run the 'sync' command\r\n", -EACCES,
		     "needs +sync and +replconf", "");
	assert_error("-LOADING Redis is loading the dataset in memory\r\n", -EACCES,
		     "wait until it has loaded", "");
	assert_error("-MASTERDOWN Link with MASTER is down\r\n", -EACCES, "ask its primary", "");
	assert_error("-NOMASTERLINK Can't SYNC while not connected with my master\r\n", -EACCES,
		     "ask its primary", "");
	assert_error("\n-ERR \x1b[31mno\r\n", -EACCES, "refuses a full synchronisation: ERR \\x1b",
		     "");
}

static void test_broken(void **state)
{
	struct buf line = {};

	(void)state;
	assert_error("$20\r\nREDIS", -ECONNRESET, "lost at offset 5 of 20 of the dump", "REDIS");
	assert_error("$EOF:" MARK "\r\nREDIS" OTHER_MARK, -ECONNRESET,
		     "lost at offset 45 of the dump", "REDIS");
	assert_error("$EOF:" MARK "\r\nREDIS", -ECONNRESET, "lost at offset 5 of the dump", "");
	assert_error("\n\n", -ECONNRESET, "lost before the dump began", "");
	assert_error("", -ECONNRESET, "lost before the dump began", "");
	assert_error("$5", -ECONNRESET, "lost before the dump began", "");
	assert_error("$-5\r\nREDIS", -EPROTO, "in place of a dump's length came $-5", "");
	assert_error("$99999999999999999999\r\n", -EPROTO, "in place of a dump's length", "");
	assert_error("$EOF:short\r\n", -EPROTO, "in place of a dump's length came $EOF:short", "");
	assert_error("$\r\n", -EPROTO, "in place of a dump's length", "");
	assert_error("+OK\r\n", -EPROTO, "is it a redis-server", "");
	buf_fill(&line, 'x', 1000);
	assert_error(buf_str(&line), -EPROTO, "in place of a dump's length", "");
	buf_free(&line);
}

/* --- the command ------------------------------------------------------------ */

/* A hash in database 1 of a format without a checksum: not a NUL in it. */
#define DUMP	   "REDIS0003\xfe\x01\x04\x01k\x01\x01\x66\x01v\xff"
#define DUMP_BYTES "20"

/* Run redmem rdb --from against a server that answers SYNC so; what it says on stderr. */
static int run_rdb(const char *answer, bool close_after, char *said, size_t size)
{
	const struct fake_rule rules[] = {
		{ "INFO memory", "$0\r\n\r\n", false },
		{ "INFO", "$18\r\nused_memory:1024\r\n\r\n", false },
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "REPLCONF", "+OK\r\n", false },
		{ "SYNC", answer, close_after },
		{ NULL, NULL, false },
	};
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct rdb_input input = { .name = "here",
				   .server = true,
				   .socket_path = fake_server_path(server) };
	struct options o = { .json = true,
			     .keys = { .samples = -1, .top = 10, .max_ms = NAN },
			     .rdb = { .inputs = &input, .count = 1 } };
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), ret;
	FILE *file = tmpfile();

	assert_non_null(file);
	fflush(NULL);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	ret = cmd_rdb(&o);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
	rewind(file);
	said[fread(said, 1, size - 1, file)] = '\0';
	fclose(file);
	free(fake_server_stop(server));
	return ret;
}

static void assert_run(const char *answer, bool close_after, int status, const char *words)
{
	char said[2048];
	int ret = run_rdb(answer, close_after, said, sizeof(said));
	const char *warning = strstr(said, "here: a full synchronisation makes the server fork");

	if (ret != status || !strstr(said, words) || !warning || !strstr(said, "1.0 KiB"))
		fail_msg("exit status %d: %s", ret, said);
}

static void test_command(void **state)
{
	(void)state;
	assert_run("$" DUMP_BYTES "\r\n" DUMP, false, 0, "");
	assert_run("\n$EOF:" MARK "\r\n" DUMP MARK, false, 0, "");
	assert_run("$19\r\n" DUMP, true, 1, "offset 19: the dump ends here, before its end");
	assert_run("$21\r\n" DUMP "\n", true, 1, "the length it told is wrong");
	assert_run("$" DUMP_BYTES "\r\nREDIS0003\xfe", true, 1,
		   "lost at offset 10 of " DUMP_BYTES " of the dump");
	assert_run("$" DUMP_BYTES "\r\nREDIS0003\xfe\x01\x63garbage12345", true, 1, "type 99");
	assert_run("-NOPERM no\r\n", false, 1, "needs +sync");
}

/* --- reading ahead ------------------------------------------------------------ */

/* Bytes that tell where they stand, up to an end. */
struct source {
	atomic_size_t given;
	size_t end;
	int code; /* then */
};

static char byte_at(size_t at)
{
	return (char)(at ^ at >> 8 ^ at >> 16);
}

static ssize_t give(void *ctx, void *data, size_t size, struct err *err)
{
	struct source *source = ctx;
	size_t given = atomic_load(&source->given), n = source->end - given;

	n = n < size ? n : size;
	if (!n)
		return source->code ? err_set(err, source->code, "lost") : 0;
	for (size_t i = 0; i < n; i++)
		((char *)data)[i] = byte_at(given + i);
	atomic_store(&source->given, given + n);
	return (ssize_t)n;
}

static void await_given(struct source *source, size_t bytes)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; i < PATIENCE_MS && atomic_load(&source->given) < bytes; i++)
		nanosleep(&pause, NULL);
	assert_int_equal(atomic_load(&source->given), bytes);
}

/* All of it comes, in order, and no more than the bound waits. */
static void take_all(struct source *source)
{
	struct read_ahead *ahead = read_ahead_new(AHEAD_BYTES, give, source);
	char bytes[100000];
	struct err err = {};
	size_t taken = 0;
	ssize_t n;

	await_given(source, source->end < AHEAD_BYTES ? source->end : AHEAD_BYTES);
	while ((n = read_ahead_take(ahead, bytes, sizeof(bytes), &err)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != byte_at(taken + (size_t)i))
				fail_msg("byte %zu is another", taken + (size_t)i);
		taken += (size_t)n;
		assert_true(atomic_load(&source->given) <= taken + AHEAD_BYTES);
	}
	assert_int_equal(taken, source->end);
	assert_int_equal(n, source->code);
	assert_string_equal(err.text, source->code ? "lost" : "");
	read_ahead_free(ahead);
}

static void test_read_ahead(void **state)
{
	struct source none = {}, lost = { .end = 70000, .code = -ECONNRESET },
		      more = { .end = AHEAD_BYTES + AHEAD_BYTES / 8 + 1 };

	(void)state;
	take_all(&none);
	take_all(&lost);
	take_all(&more);
}

/* Whoever has enough does not wait for the rest. */
static void test_read_ahead_left(void **state)
{
	struct source source = { .end = AHEAD_BYTES + 1 };
	struct read_ahead *ahead = read_ahead_new(AHEAD_BYTES, give, &source);

	(void)state;
	await_given(&source, AHEAD_BYTES);
	read_ahead_free(ahead);
	read_ahead_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_refused),		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_command),		cmocka_unit_test(test_read_ahead),
		cmocka_unit_test(test_read_ahead_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
