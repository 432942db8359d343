/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench's load: one thread, some connections, each with the same number of
 * commands under way all the time. It never stops between slices, so attaching
 * and detaching meet the same server as the measuring does.
 *
 * Writing is one buffer made once, with fresh keys patched in; replies are
 * parsed without making objects. So the load costs less than the server, and the
 * server is what is measured.
 */
#include "load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define KEY_DIGITS  8
#define READ_BYTES  (64 << 10)
#define LATENCY_MAX (4 << 20) /* batches of one slice whose latency is kept */

struct conn {
	redisContext *c;
	redisReader *reader;
	int pending; /* replies of the batch still to come */
	double sent_at;
	double due; /* the next batch, of a load with a rate */
};

struct steady {
	struct conn *conns;
	int count, depth, epoll_fd;
	long keys;
	char *batch; /* depth commands */
	size_t batch_len, command_len, key_at;
	double apart; /* seconds between two batches of a connection; 0 = none */
	/* the slice under way; ends at 0 when there is none */
	double start, end;
	long calls;
	float *latency;
	size_t latencies;
};

/* Make the command once; its key's digits are at key_at. */
static void make_batch(struct steady *s, const struct load_options *o)
{
	bool set = !strcmp(o->operation, "set");
	char *value = calloc(1, o->value_bytes + 1), *command;
	int len;

	if (!value)
		load_die("no memory for a value of %zu bytes", o->value_bytes);
	memset(value, 'v', o->value_bytes);
	len = redisFormatCommand(&command, set ? "SET bench:%s %b" : "GET bench:%s", "00000000",
				 value, o->value_bytes);
	if (len < 0)
		load_die("cannot format the command");
	s->command_len = (size_t)len;
	s->key_at = (size_t)(strstr(command, "bench:") - command) + strlen("bench:");
	s->batch_len = s->command_len * (size_t)s->depth;
	s->batch = malloc(s->batch_len);
	if (!s->batch)
		load_die("no memory for a batch of %d commands", s->depth);
	for (int i = 0; i < s->depth; i++)
		memcpy(s->batch + (size_t)i * s->command_len, command, s->command_len);
	redisFreeCommand(command);
	free(value);
}

static void patch_keys(struct steady *s)
{
	for (int i = 0; i < s->depth; i++) {
		char *digits = s->batch + (size_t)i * s->command_len + s->key_at;
		uint64_t key = load_random((uint64_t)s->keys);

		for (int d = KEY_DIGITS; d-- > 0; key /= 10)
			digits[d] = (char)('0' + key % 10);
	}
}

/* The socket is blocking: a batch is far smaller than what the server reads. */
static void send_batch(struct steady *s, struct conn *conn)
{
	size_t done = 0;

	patch_keys(s);
	conn->sent_at = load_now();
	conn->pending = s->depth;
	while (done < s->batch_len) {
		ssize_t n = write(conn->c->fd, s->batch + done, s->batch_len - done);

		if (n < 0 && errno != EINTR)
			load_die("write: %s", strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
}

static void finish_batch(struct steady *s, struct conn *conn)
{
	double now = load_now();

	if (s->end > 0 && conn->sent_at >= s->start && now <= s->end) {
		s->calls += s->depth;
		if (s->latencies < LATENCY_MAX)
			s->latency[s->latencies++] = (float)(now - conn->sent_at);
	}
	conn->due += s->apart;
	if (!s->apart || conn->due <= now)
		send_batch(s, conn);
}

/* Those whose turn has come; one that was late sends the next batch the sooner. */
static void send_due(struct steady *s)
{
	double now = load_now();

	for (int i = 0; i < s->count; i++)
		if (!s->conns[i].pending && s->conns[i].due <= now)
			send_batch(s, &s->conns[i]);
}

static void read_replies(struct steady *s, struct conn *conn)
{
	static char data[READ_BYTES];
	ssize_t n = read(conn->c->fd, data, sizeof(data));
	void *type;

	if (n == 0)
		load_die("the server closed the connection");
	if (n < 0)
		load_die("read: %s", strerror(errno));
	redisReaderFeed(conn->reader, data, (size_t)n);
	while (conn->pending > 0) {
		if (redisReaderGetReply(conn->reader, &type) != REDIS_OK)
			load_die("reply: %s", conn->reader->errstr);
		if (!type)
			return; /* the rest is still under way */
		if ((size_t)type == REDIS_REPLY_ERROR)
			load_die("the server answered with an error");
		conn->pending--;
	}
	finish_batch(s, conn);
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void report_slice(struct steady *s)
{
	size_t n = s->latencies;

	qsort(s->latency, n, sizeof(s->latency[0]), compare);
	printf("%.1f %.9f %.9f\n", (double)s->calls / (s->end - s->start),
	       n ? (double)s->latency[n / 2] : 0.0, n ? (double)s->latency[n * 99 / 100] : 0.0);
	fflush(stdout);
	s->end = 0;
}

/* False when stdin has ended. */
static bool read_order(struct steady *s)
{
	char line[64];
	double seconds;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (sscanf(line, "slice %lf", &seconds) != 1 || !(seconds > 0))
		load_die("steady: not \"slice SECONDS\": %s", line);
	s->start = load_now();
	s->end = s->start + seconds;
	s->calls = 0;
	s->latencies = 0;
	return true;
}

static void watch(const struct steady *s, int fd, uint32_t number)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = number };

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		load_die("epoll: %s", strerror(errno));
}

static void open_steady(struct steady *s, const struct load_options *o)
{
	s->count = o->clients;
	s->depth = o->depth;
	s->keys = o->keys;
	s->conns = calloc((size_t)s->count, sizeof(*s->conns));
	s->latency = malloc(LATENCY_MAX * sizeof(s->latency[0]));
	s->epoll_fd = epoll_create1(0);
	if (!s->conns || !s->latency || s->epoll_fd < 0)
		load_die("cannot set up %d clients", s->count);
	make_batch(s, o);
	s->apart = o->rate > 0 ? s->count * s->depth / o->rate : 0;
	for (int i = 0; i < s->count; i++) {
		struct conn *conn = &s->conns[i];

		conn->c = load_connect(o);
		conn->due = load_now() + s->apart * i / s->count;
		conn->reader = redisReaderCreateWithFunctions(NULL);
		if (!conn->reader)
			load_die("no memory for a reader");
		watch(s, conn->c->fd, (uint32_t)i);
		send_batch(s, conn);
	}
	watch(s, STDIN_FILENO, (uint32_t)s->count);
}

void load_steady(const struct load_options *o)
{
	static struct steady s;
	struct epoll_event events[64];

	setvbuf(stdin, NULL, _IONBF, 0); /* epoll must see every line */
	open_steady(&s, o);
	for (;;) {
		int n = epoll_wait(s.epoll_fd, events, 64, s.apart > 0 ? 1 : 10);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 < (uint32_t)s.count)
				read_replies(&s, &s.conns[events[i].data.u32]);
			else if (!read_order(&s))
				return;
		}
		if (s.apart > 0)
			send_due(&s);
		if (s.end > 0 && load_now() > s.end)
			report_slice(&s);
	}
}
