/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls of known kind and length: between quiet moments, one thing at a time holds the
 * server. One line each on stdout says what was done:
 *
 *	start_seconds end_seconds cause command run_delay_seconds
 *
 * with times since 1970 as seen from outside, "loop" for no command, and how long the server
 * waited for a CPU meanwhile, as the kernel counted it. What has to be
 * prepared is prepared in small steps. The cause "any" says that there may have been a
 * stall or not.
 */
#define _GNU_SOURCE 1 /* sched_setaffinity() */
#include "load.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SHORTEST_MS	6.0
#define LONGEST_MS	200.0
#define MEMBERS_PER_ADD 200
#define QUIET_US	20000

struct injector {
	redisContext *c;
	pid_t server;
	int schedstat; /* of the server */
	int64_t run_delay_ns; /* of the server, when the stall under way began */
	int cpu; /* the server is pinned there */
	double turns_per_ms; /* of a Lua loop */
	double members_per_ms; /* of a sorted set that is deleted */
	double elements_per_ms; /* of a list that is read */
};

static double wall_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A stall begins now. */
static double begin(struct injector *in)
{
	in->run_delay_ns = load_run_delay_ns(in->schedstat);
	return wall_now();
}

static void tell(const struct injector *in, double start, double end, const char *cause,
		 const char *command)
{
	int64_t delay_ns = load_run_delay_ns(in->schedstat) - in->run_delay_ns;

	printf("%.6f %.6f %s %s %.6f\n", start, end, cause, command, (double)delay_ns / 1e9);
	fflush(stdout);
}

static void sleep_ms(double ms)
{
	usleep((useconds_t)(ms * 1000));
}

/* Busy for @ms, without sleeping. */
static void spin(double ms)
{
	for (double end = load_now() + ms / 1e3; load_now() < end;)
		;
}

/* --- preparing ------------------------------------------------------------------ */

static void make_zset(struct injector *in, const char *key, long members)
{
	for (long i = 0; i < members;) {
		char command[MEMBERS_PER_ADD * 32];
		int len = snprintf(command, sizeof(command), "ZADD %s", key);

		for (int n = 0; n < MEMBERS_PER_ADD; n++, i++)
			len += snprintf(command + len, sizeof(command) - (size_t)len, " %ld m%ld",
					i, i);
		load_do(in->c, command);
	}
}

static void make_list(struct injector *in, const char *key, long elements)
{
	for (long i = 0; i < elements;) {
		char command[MEMBERS_PER_ADD * 32];
		int len = snprintf(command, sizeof(command), "RPUSH %s", key);

		for (int n = 0; n < MEMBERS_PER_ADD; n++, i++)
			len += snprintf(command + len, sizeof(command) - (size_t)len, " element%ld",
					i);
		load_do(in->c, command);
	}
}

/* --- one stall each --------------------------------------------------------------- */

static void inject_eval(struct injector *in, double ms)
{
	double start = begin(in);

	load_do(in->c, "EVAL %s 1 inject:eval %ld",
		"local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end return 'done'",
		(long)(ms * in->turns_per_ms));
	tell(in, start, wall_now(), "command", "eval");
}

static void inject_lrange(struct injector *in, double ms)
{
	double start;

	make_list(in, "inject:list", (long)(ms * in->elements_per_ms));
	sleep_ms(20);
	start = begin(in);
	/* The reply is read by a loop in the server, so that sending it is no part of it. */
	load_do(in->c, "EVAL %s 1 inject:list", "return #redis.call('LRANGE', KEYS[1], 0, -1)");
	tell(in, start, wall_now(), "command", "eval");
	load_do(in->c, "UNLINK inject:list");
}

static void inject_del(struct injector *in, double ms)
{
	double start;

	make_zset(in, "inject:zset", (long)(ms * in->members_per_ms));
	sleep_ms(20);
	start = begin(in);
	load_do(in->c, "DEL inject:zset");
	tell(in, start, wall_now(), "allocator", "del");
}

/* A big key expires, and is freed by the server's own cycle. */
static void inject_expire(struct injector *in, double ms)
{
	double start;

	make_zset(in, "inject:expire", (long)(ms * in->members_per_ms));
	sleep_ms(20);
	start = begin(in);
	load_do(in->c, "PEXPIRE inject:expire 1");
	sleep_ms(150); /* the cycle comes ten times a second */
	for (double end = load_now() + 2; load_now() < end; sleep_ms(10)) {
		redisReply *reply = load_call(in->c, "DBSIZE");
		long long left = reply->integer;

		freeReplyObject(reply);
		if (!left)
			break;
	}
	tell(in, start, wall_now(), "expiry", "loop");
}

static void inject_sleep(struct injector *in, double ms)
{
	double start = begin(in);

	load_do(in->c, "DEBUG SLEEP %f", ms / 1e3);
	tell(in, start, wall_now(), "other", "debug");
}

static void inject_stop(struct injector *in, double ms)
{
	double start = begin(in);

	kill(in->server, SIGSTOP);
	sleep_ms(ms);
	kill(in->server, SIGCONT);
	tell(in, start, wall_now(), "other", "loop");
	load_do(in->c, "PING");
}

struct hog {
	const struct injector *in;
	double ms, start, end;
	bool late; /* the script was over before */
};

/* On the server's CPU, before it in everything. */
static void *hog_run(void *ctx)
{
	struct sched_param first = { .sched_priority = 1 };
	struct hog *hog = ctx;
	struct pollfd reply = { .fd = hog->in->c->fd, .events = POLLIN };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(hog->in->cpu, &cpus);
	/* In this order: once there, it would have to wait for its turn. */
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) ||
	    pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		load_die("cannot take the server's CPU");
	pthread_setname_np(pthread_self(), "inject-hog");
	hog->late = poll(&reply, 1, 0) > 0;
	hog->start = wall_now();
	spin(hog->ms);
	hog->end = wall_now();
	return NULL;
}

/* The script is long enough to be under way when the hog comes. */
static void inject_hog(struct injector *in, double ms)
{
	struct hog hog = { .in = in, .ms = ms + 8 };
	double start = begin(in);
	pthread_t thread;
	void *reply;

	redisAppendCommand(in->c, "EVAL %s 1 inject:eval %ld",
			   "local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end",
			   (long)(5 * in->turns_per_ms));
	redisBufferWrite(in->c, NULL);
	if (pthread_create(&thread, NULL, hog_run, &hog))
		load_die("cannot start a thread");
	pthread_join(thread, NULL);
	redisGetReply(in->c, &reply);
	freeReplyObject(reply);
	if (hog.late) /* and the script about as long as the threshold */
		tell(in, start, wall_now(), "any", "eval");
	else
		tell(in, hog.start, hog.end, "cpu_wait", "any");
}

/* --- all of them ------------------------------------------------------------------ */

/* How much of something fills a millisecond here. */
static void measure_speeds(struct injector *in)
{
	const long turns = 300000, members = 40000, elements = 40000;
	double start = load_now();

	in->turns_per_ms = in->members_per_ms = in->elements_per_ms = 1;
	inject_eval(in, (double)turns);
	in->turns_per_ms = (double)turns / ((load_now() - start) * 1e3);
	make_zset(in, "inject:zset", members);
	start = load_now();
	load_do(in->c, "DEL inject:zset");
	in->members_per_ms = (double)members / ((load_now() - start) * 1e3);
	make_list(in, "inject:list", elements);
	start = load_now();
	load_do(in->c, "EVAL %s 1 inject:list", "return #redis.call('LRANGE', KEYS[1], 0, -1)");
	in->elements_per_ms = (double)elements / ((load_now() - start) * 1e3);
	load_do(in->c, "UNLINK inject:list");
}

static pid_t server_of(const redisContext *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		load_die("the server's process is not known: use a unix socket");
	return peer.pid;
}

static void pin_server(struct injector *in)
{
	cpu_set_t cpus;

	in->server = server_of(in->c);
	CPU_ZERO(&cpus);
	CPU_SET(in->cpu, &cpus);
	if (sched_setaffinity(in->server, sizeof(cpus), &cpus))
		load_die("cannot pin the server to a CPU");
	in->schedstat = load_schedstat_open(in->server);
}

void load_inject(const struct load_options *o)
{
	static void (*const kinds[])(struct injector * in, double ms) = {
		inject_eval,  inject_lrange, inject_del, inject_expire,
		inject_sleep, inject_stop,   inject_hog,
	};
	struct injector in = { .c = load_connect(o) };

	pin_server(&in);
	measure_speeds(&in);
	sleep_ms(100);
	puts("begin");
	for (long i = 0; i < o->keys; i++) {
		double part = (double)load_random(1000000) / 1e6;
		double ms = SHORTEST_MS * pow(LONGEST_MS / SHORTEST_MS, part);
		size_t kind = load_random(sizeof(kinds) / sizeof(kinds[0]));

		usleep(QUIET_US);
		/* What has to be filled takes ten times as long to prepare. */
		if (kind >= 1 && kind <= 3 && ms > 60)
			ms = 60;
		kinds[kind](&in, ms);
	}
	redisFree(in.c);
}

/* --- pipelines -------------------------------------------------------------------- */

/* Stops a process, and returns when it has stopped. */
static void stop(pid_t pid)
{
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	kill(pid, SIGSTOP);
	while (state != 'T') {
		FILE *f = fopen(path, "re");

		if (!f || fscanf(f, "%*d %*[^)]) %c", &state) != 1)
			load_die("the server has gone");
		fclose(f);
		sleep_ms(1);
	}
}

/* Small SETs from several clients, all there before the server reads the first: it is stopped
 * until then, however long that takes. */
void load_pipeline(const struct load_options *o)
{
	redisContext **c = calloc((size_t)o->clients, sizeof(redisContext *));
	redisContext *first = load_connect(o);

	if (!c)
		load_die("no memory");
	for (int i = 0; i < o->clients; i++) {
		c[i] = load_connect(o);
		for (long n = 0; n < o->keys / o->clients; n++)
			redisAppendCommand(c[i], "SET %s%ld value", o->key, n);
	}
	stop(server_of(first));
	for (int i = 0; i < o->clients; i++) {
		int done = 0;

		while (!done && redisBufferWrite(c[i], &done) == REDIS_OK)
			;
	}
	kill(server_of(first), SIGCONT);
	for (int i = 0; i < o->clients; i++) {
		load_drain(c[i], o->keys / o->clients);
		redisFree(c[i]);
	}
	redisFree(first);
	free(c);
}
