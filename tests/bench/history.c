/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The history of a busy server that is not there: what it takes, and whether it survives kill -9.
 *
 *	history size DIR DAYS PAIRS	a line of JSON: bytes after each fineness
 *	history keep DIR RECORDING	the same of a real watch
 *	history kill DIR RUNS SEED	a line of JSON; exits 1 when anything was lost
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/past_stream.h"
#include "base/clock.h"
#include "history/internal.h"
#include "record/recording.h"

#define START_MS 1700002800000LL

static void fail(const char *what, const struct err *err)
{
	fprintf(stderr, "history: %s: %s\n", what, err->text);
	exit(1);
}

static struct history *open_writer(const char *dir, int64_t size_bytes)
{
	struct history_config config = { .size_bytes = size_bytes };
	struct history *history;
	struct err err = {};

	if (history_open(&history, dir, &config, &err))
		fail("open", &err);
	return history;
}

/* --- size ------------------------------------------------------------------------------------ */

static void keep_all(struct history *history, int64_t now_ms)
{
	struct err err = {};
	int ret;

	while ((ret = history_keep(history, now_ms, &err)) == 1)
		;
	if (ret < 0)
		fail("keep", &err);
}

static void keep_one(struct past_keeper *k, const struct history_window *window)
{
	struct err err = {};

	if (history_keep(k->history, window->end_ms, &err) < 0)
		fail("keep", &err);
}

/* Bytes of the pages in use. */
static int64_t bytes_of(struct history *history)
{
	int64_t all, unused, size;

	if (db_number(history, &all, "PRAGMA page_count", "") ||
	    db_number(history, &unused, "PRAGMA freelist_count", "") ||
	    db_number(history, &size, "PRAGMA page_size", ""))
		exit(1);
	return (all - unused) * size;
}

/* @pairs of prefix and command are at work in every window: each prefix has its two. */
static int measure_size(const char *dir, int days, int pairs)
{
	struct history *history = open_writer(dir, 16LL << 30);
	int64_t fine, minute, coarse, start = clock_mono_ns(), end_ms = START_MS + days * DAY_MS;
	struct history_stats stats;
	struct past_stream s;
	struct past_keeper k;

	past_keeper_begin(&k, history, "cache1", &s, START_MS * 1000000, 1);
	k.look = keep_one;
	s.prefixes = pairs / 2;
	while (s.t <= days * 86400.0)
		past_second(&s);
	chunker_free(k.chunker);
	windows_free(k.windows);
	history_stats(history, &stats);
	fine = bytes_of(history);
	printf("{\"days\":%d,\"pairs\":%d,\"windows\":%d,\"bytes\":%lld,\"write_seconds\":%.1f",
	       days, pairs, k.appended, (long long)fine, stats.write_seconds_total);
	if (days == 1) {
		keep_all(history, end_ms + DAY_MS);
		minute = bytes_of(history);
		keep_all(history, end_ms + 7 * DAY_MS);
		coarse = bytes_of(history);
		printf(",\"minute_bytes\":%lld,\"coarse_bytes\":%lld,\"month_bytes\":%lld",
		       (long long)minute, (long long)coarse,
		       (long long)(fine + 6 * minute + 23 * coarse));
	}
	printf(",\"seconds\":%.0f}\n", (double)(clock_mono_ns() - start) / 1e9);
	history_close(history);
	return 0;
}

/* A recording of `redmem doctor --every 10`, as if it had been watched by `redmem serve`. */
static int keep_recording(const char *dir, const char *path)
{
	struct history *history = open_writer(dir, 0);
	struct history_stats stats;
	struct past_keeper k = { .history = history,
				 .server = "recorded",
				 .wall_start_ns = START_MS * 1000000 };
	struct record_sink sink;
	struct err err = {};
	int64_t bytes;

	k.chunker = chunker_new(PAST_SECONDS, past_chunk, &k);
	sink = chunker_sink(k.chunker);
	if (recording_replay(path, &sink, &err))
		fail("replay", &err);
	past_keeper_end(&k);
	history_stats(history, &stats);
	bytes = bytes_of(history);
	printf("{\"windows\":%d,\"bytes\":%lld,\"write_seconds\":%.3f}\n", k.appended,
	       (long long)bytes, stats.write_seconds_total);
	history_close(history);
	return k.errors > 0;
}

/* --- kill -9 --------------------------------------------------------------------------------- */

/* What a writer says: a window is kept. */
struct said {
	int64_t end_ms;
};

static int said_fd;

static void say(struct past_keeper *k, const struct history_window *window)
{
	struct said said = { window->end_ms };
	struct err err = {};

	if (k->err.code)
		fail("append", &k->err);
	if (write(said_fd, &said, sizeof(said)) != sizeof(said))
		exit(1);
	/* All but the last minutes are more than a day old: there is always some to thin. */
	for (int i = 0; i < 3; i++)
		if (history_keep(k->history, window->end_ms + DAY_MS, &err) < 0)
			fail("keep", &err);
}

static void write_until_killed(const char *dir, int64_t start_ms, uint64_t seed)
{
	struct history *history = open_writer(dir, 24 << 20);
	struct past_stream s;
	struct past_keeper k;

	past_keeper_begin(&k, history, "cache1", &s, start_ms * 1000000, seed);
	k.look = say;
	for (;;)
		past_second(&s);
}

struct kept {
	int64_t first_ms, last_ms;
};

static void take_server(void *ctx, const struct history_server *server)
{
	*(struct kept *)ctx = (struct kept){ server->first_ms, server->last_ms };
}

#define KILL_NS 200000000 /* after a window was said, at a random time of this */

/* Read what was said, and kill: one of eight at a random time after its start, the others after
 * the first window. The last that was said. */
static int64_t kill_at(pid_t pid, int fd, uint64_t random)
{
	int64_t after_ns = (int64_t)(random % KILL_NS), last_ms = 0;
	int64_t until_ns = random >> 40 & 7 ? INT64_MAX : clock_mono_ns() + after_ns;
	struct said said;

	for (;;) {
		int64_t left = until_ns - clock_mono_ns();
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

		if (left <= 0)
			break;
		if (poll(&poll_fd, 1, left > KILL_NS ? -1 : (int)(left / 1000000)) <= 0)
			continue;
		if (read(fd, &said, sizeof(said)) != sizeof(said))
			break; /* it has ended by itself */
		last_ms = said.end_ms;
		if (until_ns == INT64_MAX)
			until_ns = clock_mono_ns() + after_ns;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(fd, &said, sizeof(said)) == sizeof(said))
		last_ms = said.end_ms;
	return last_ms;
}

/* The file is whole, holds all that was said, and a minute of it can be reported of. */
static bool is_good(const char *dir, int64_t said_ms, uint64_t random, struct kept *kept)
{
	struct history *history;
	struct history_span span;
	struct model *m = NULL;
	struct err err = {};
	int64_t at;
	bool good;

	*kept = (struct kept){};
	if (history_open_reader(&history, dir, &err)) {
		fprintf(stderr, "history: %s\n", err.text);
		return said_ms == 0;
	}
	good = !db_check(history, 3600, &err) && !history_servers(history, take_server, kept, &err);
	if (good && kept->last_ms < said_ms) {
		err_set(&err, -EIO, "windows until %lld were kept, and %lld is the last there",
			(long long)said_ms, (long long)kept->last_ms);
		good = false;
	}
	at = kept->first_ms + (int64_t)(random % (uint64_t)(kept->last_ms - kept->first_ms + 1));
	if (good && kept->last_ms > kept->first_ms) {
		good = !history_model(history, "cache1", at, at + 60000, &m, &span, &err) ||
		       err.code == -ENOENT; /* between two runs */
		model_free(m);
	}
	if (!good)
		fprintf(stderr, "history: %s\n", err.text);
	history_close(history);
	return good;
}

static int measure_kills(const char *dir, int runs, uint64_t seed)
{
	int64_t start_ms = START_MS, windows = 0, said;
	uint64_t random = seed * 2654435761u + 88172645463325252u;
	int bad = 0;

	for (int run = 0; run < runs; run++) {
		struct kept kept;
		int fds[2];
		pid_t pid;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		if (pipe(fds) || (pid = fork()) < 0)
			exit(1);
		if (!pid) {
			close(fds[0]);
			said_fd = fds[1];
			write_until_killed(dir, start_ms, random);
		}
		close(fds[1]);
		said = kill_at(pid, fds[0], random);
		close(fds[0]);
		if (said)
			windows += (said - start_ms) / (PAST_SECONDS * 1000);
		bad += !is_good(dir, said, random >> 20, &kept);
		if (kept.last_ms >= start_ms) /* the next session begins behind it */
			start_ms = kept.last_ms + 7000;
	}
	printf("{\"seed\":%llu,\"runs\":%d,\"windows\":%lld,\"bad\":%d}\n",
	       (unsigned long long)seed, runs, (long long)windows, bad);
	return bad > 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "size"))
		return measure_size(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (argc == 4 && !strcmp(argv[1], "keep"))
		return keep_recording(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "kill"))
		return measure_kills(argv[2], atoi(argv[3]), strtoull(argv[4], NULL, 10));
	fputs("usage: history size DIR DAYS PAIRS | history keep DIR RECORDING | history kill DIR "
	      "RUNS "
	      "SEED\n",
	      stderr);
	return 2;
}
