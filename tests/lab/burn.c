/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that is slower by a known share: preloaded, it has the event loop waste, each time it
 * goes to wait, LAB_BURN (0.03) of the CPU time that it took since it last came back. So of a CPU
 * second 1 / (1 + LAB_BURN) is left for work.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
	static int (*wait_for)(int, struct epoll_event *, int, int);
	static __thread double back, owed;
	static double share;
	double now = cpu_seconds();
	int ret;

	if (!wait_for) {
		const char *text = getenv("LAB_BURN");

		wait_for = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT,
									       "epoll_wait");
		share = text ? atof(text) : 0.03;
		back = now;
	}
	owed += (now - back) * share;
	while (owed > 0) {
		double then = now;

		now = cpu_seconds();
		owed -= now - then;
	}
	ret = wait_for(fd, events, most, timeout);
	back = cpu_seconds();
	return ret;
}
