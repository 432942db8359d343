/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's clients; see demo_load.h. */
#include "app/demo_load.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis/conn.h"

#define BOARD	      "leaderboard:global"
#define BOARD_MEMBERS 500000
#define BOARD_BATCH   100 /* members a ZADD */

#define WINDOW	      256 /* replies waited for at most while filling */
#define NOISE_BYTES   (1 << 16) /* values are cut from this much noise */
#define KEY_MAX	      64
#define SILENCE_MS    60000 /* a server that says nothing for so long is lost */
#define TRAFFIC_BATCH 16
#define TRAFFIC_US    1000 /* between batches, so that the server is busy and not full */

/* Keys BEFORE0AFTER, BEFORE1AFTER, ... with values of any length between two. */
struct family {
	const char *before, *after;
	uint64_t keys;
	size_t value_min, value_max;
};

static const struct family users = { "user:", ":profile", 1000000, 64, 576 };
static const struct family sessions = { "session:", "", 100000, 200, 600 };
static const struct family temps = { "temp:upload:", "", 50000, 100, 400 };

struct load {
	struct conn *conn;
	uint64_t random;
	struct err error; /* the first one the server answered with */
	char noise[NOISE_BYTES];
};

/* --- sending ----------------------------------------------------------------- */

/* Below @limit; xorshift64* (Marsaglia 2003, Vigna 2014). */
static uint64_t draw(struct load *load, uint64_t limit)
{
	load->random ^= load->random >> 12;
	load->random ^= load->random << 25;
	load->random ^= load->random >> 27;
	return (load->random * 0x2545f4914f6cdd1d >> 11) % limit;
}

/* Three quarters of the users are deleted; which, their number tells (splitmix64). */
static bool stays(uint64_t number)
{
	number = (number + 1) * 0x9e3779b97f4a7c15;
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
	return (number ^ (number >> 27)) % 4 == 0;
}

static int load_open(struct load *load, const char *socket, struct err *err)
{
	const struct conn_options options = { .socket_path = socket };

	memset(load, 0, sizeof(*load));
	load->random = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < NOISE_BYTES; i++)
		load->noise[i] = (char)draw(load, 256);
	return conn_open(&load->conn, &options, err);
}

static int load_close(struct load *load, int ret, struct err *err)
{
	if (load->error.code)
		ret = err_set(err, load->error.code, "%s", load->error.text);
	else if (ret)
		err_set(err, ret, "%s", conn_error(load->conn)->text);
	conn_close(load->conn);
	return ret;
}

static void replied(void *ctx, redisReply *reply, double seconds)
{
	struct load *load = ctx;

	(void)seconds;
	if (reply && reply->type == REDIS_REPLY_ERROR && !load->error.code)
		err_set(&load->error, -EIO, "demo: the server answered: %s", reply->str);
	freeReplyObject(reply);
}

/* A BGSAVE while the last one still runs is refused; that is as well. */
static void ignored(void *ctx, redisReply *reply, double seconds)
{
	(void)ctx;
	(void)seconds;
	freeReplyObject(reply);
}

/* Wait until at most @most replies are outstanding. */
static int settle(struct load *load, size_t most)
{
	while (conn_pending(load->conn) > most) {
		struct pollfd fd = { .fd = conn_fd(load->conn),
				     .events = conn_poll_events(load->conn) };
		int ret;

		if (!poll(&fd, 1, SILENCE_MS))
			return -ETIMEDOUT;
		ret = conn_dispatch(load->conn, fd.revents);
		if (ret)
			return ret;
	}
	return load->error.code;
}

static int send_line(struct load *load, conn_reply_fn fn, const char *line)
{
	int ret = conn_send_line(load->conn, fn, load, line);

	return ret ? ret : settle(load, 0);
}

static size_t name(char out[KEY_MAX], const struct family *family, uint64_t number)
{
	return (size_t)snprintf(out, KEY_MAX, "%s%llu%s", family->before,
				(unsigned long long)number, family->after);
}

static int send_set(struct load *load, const struct family *family, uint64_t number)
{
	char key[KEY_MAX];
	size_t value = family->value_min + draw(load, family->value_max - family->value_min);
	const char *argv[] = { "SET", key, load->noise + draw(load, NOISE_BYTES - value) };
	size_t len[] = { 3, name(key, family, number), value };

	return conn_send(load->conn, replied, load, 3, argv, len);
}

static int send_key(struct load *load, const char *command, const struct family *family,
		    uint64_t number)
{
	char key[KEY_MAX];
	const char *argv[] = { command, key };

	name(key, family, number);
	return conn_send(load->conn, replied, load, 2, argv, NULL);
}

/* --- filling ------------------------------------------------------------------ */

static int fill_family(struct load *load, const struct family *family)
{
	int ret = 0;

	for (uint64_t i = 0; i < family->keys && !ret; i++) {
		ret = send_set(load, family, i);
		if (!ret)
			ret = settle(load, WINDOW);
	}
	return ret ? ret : settle(load, 0);
}

static int delete_users(struct load *load)
{
	int ret = 0;

	for (uint64_t i = 0; i < users.keys && !ret; i++) {
		if (stays(i))
			continue;
		ret = send_key(load, "DEL", &users, i);
		if (!ret)
			ret = settle(load, WINDOW);
	}
	return ret ? ret : settle(load, 0);
}

static int build_board(struct load *load)
{
	char score[BOARD_BATCH][24], member[BOARD_BATCH][24];
	const char *argv[2 + 2 * BOARD_BATCH] = { "ZADD", BOARD };
	int ret = 0;

	for (int i = 0; i < BOARD_BATCH; i++) {
		argv[2 + 2 * i] = score[i];
		argv[3 + 2 * i] = member[i];
	}
	for (long n = 0; n < BOARD_MEMBERS && !ret; n += BOARD_BATCH) {
		for (int i = 0; i < BOARD_BATCH; i++) {
			snprintf(score[i], sizeof(score[i]), "%llu",
				 (unsigned long long)draw(load, 1000000));
			snprintf(member[i], sizeof(member[i]), "player:%07ld", n + i);
		}
		ret = conn_send(load->conn, replied, load, 2 + 2 * BOARD_BATCH, argv, NULL);
		if (!ret)
			ret = settle(load, 4);
	}
	return ret ? ret : settle(load, 0);
}

int demo_load_fill(const char *socket, struct err *err)
{
	static struct load load;
	int ret = load_open(&load, socket, err);

	if (ret)
		return ret;
	fprintf(stderr, "demo: filling 1,000,000 keys user:N:profile, 100,000 sessions, "
			"50,000 temporary keys, none with an expiry\n");
	ret = fill_family(&load, &temps);
	if (!ret)
		ret = fill_family(&load, &sessions);
	if (!ret)
		ret = fill_family(&load, &users);
	if (!ret)
		fprintf(stderr, "demo: building " BOARD " with 500,000 members\n");
	if (!ret)
		ret = build_board(&load);
	if (!ret)
		fprintf(stderr, "demo: deleting three quarters of the users at random\n");
	if (!ret)
		ret = delete_users(&load);
	return load_close(&load, ret, err);
}

/* --- trouble -------------------------------------------------------------------- */

/* One batch: reads of users that stayed, and writes of the others. */
static int send_batch(struct load *load, unsigned int writes)
{
	int ret = 0;

	for (unsigned int i = 0; i < TRAFFIC_BATCH && !ret; i++) {
		uint64_t user = draw(load, users.keys);

		if (i < writes)
			ret = send_set(load, &sessions, draw(load, sessions.keys));
		else if (i == TRAFFIC_BATCH - 1)
			ret = send_set(load, &temps, draw(load, temps.keys));
		else if (stays(user))
			ret = send_key(load, "GET", &users, user);
	}
	return ret ? ret : settle(load, 0);
}

/* @writes of each batch write sessions. */
static int traffic(struct load *load, double seconds, unsigned int writes)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);
	int ret = 0;

	while (!ret && clock_mono_ns() < end) {
		ret = send_batch(load, writes);
		usleep(TRAFFIC_US);
	}
	return ret;
}

static int one_round(struct load *load)
{
	int ret = traffic(load, 3, 3);

	if (!ret)
		ret = send_line(load, replied, "ZRANGE " BOARD " 0 -1");
	if (!ret)
		ret = send_line(load, replied, "SORT " BOARD " ALPHA LIMIT 0 10");
	if (!ret)
		ret = traffic(load, 1, 3);
	if (!ret)
		ret = send_line(load, ignored, "BGSAVE");
	if (!ret)
		ret = traffic(load, 4, 14);
	if (!ret)
		ret = send_line(load, replied, "DEL " BOARD);
	if (!ret)
		ret = traffic(load, 1, 3);
	return ret ? ret : build_board(load);
}

int demo_load_trouble(const char *socket, struct err *err)
{
	static struct load load;
	int ret = load_open(&load, socket, err);

	if (ret)
		return ret;
	ret = one_round(&load);
	/* Then calm: the watch ends with questions the server should have time for. */
	while (!ret)
		ret = traffic(&load, 1, 3);
	return load_close(&load, ret, err);
}
