/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client that notices every pause of the server: one connection, one GET after another.
 * Each time from a reply to the next that is longer than usual is a line on stdout:
 *
 *	end_ns gap_ns net_ns
 *
 * by CLOCK_MONOTONIC. In net_ns the time is taken out in which the server, or this client,
 * could have run and waited for a CPU, as the kernel counted it (run_delay, the second
 * number of /proc/PID/schedstat): that is the machine's doing. Ends after -d seconds, or
 * when stdin ends.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define USUAL_NS 60000

static int64_t mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static pid_t server_pid(redisContext *c)
{
	redisReply *reply = load_call(c, "INFO server");
	const char *field = strstr(reply->str, "process_id:");
	pid_t pid = field ? atoi(field + strlen("process_id:")) : 0;

	freeReplyObject(reply);
	if (pid <= 0)
		load_die("INFO has no process_id");
	return pid;
}

static int stdin_has_ended(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char rest[64];

	return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, rest, sizeof(rest)) <= 0;
}

void load_gaps(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	int server = load_schedstat_open(server_pid(c)), own = load_schedstat_open(getpid());
	int64_t last = mono_ns(), end = last + (int64_t)(o->seconds * 1e9);
	int64_t delay = load_run_delay_ns(server) + load_run_delay_ns(own);

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned int calls = 0; last < end; calls++) {
		int64_t now, delay_now;

		load_do(c, "GET %s%ld", o->key, (long)load_random((uint64_t)o->keys));
		now = mono_ns();
		delay_now = load_run_delay_ns(server) + load_run_delay_ns(own);
		if (now - last > USUAL_NS)
			printf("%lld %lld %lld\n", (long long)now, (long long)(now - last),
			       (long long)(now - last - (delay_now - delay)));
		last = now;
		delay = delay_now;
		if (calls % 1024 == 0 && stdin_has_ended())
			break;
	}
	redisFree(c);
}
