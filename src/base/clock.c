/* SPDX-License-Identifier: BSD-2-Clause */
/* The clocks redmem reads, in nanoseconds. */
#include <time.h>

#include "base/clock.h"

static int64_t clock_read_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	/* Cannot fail: the clocks below exist on every kernel redmem runs on. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
	return clock_wall_ns() / 1000000;
}

int64_t clock_wall_at_ns(int64_t mono_ns)
{
	int64_t best = INT64_MAX, wall = 0;

	/* Who reads two clocks may wait for a CPU in between: the closest pair counts. */
	for (int tries = 0; tries < 5; tries++) {
		int64_t before = clock_mono_ns(), now = clock_wall_ns();
		int64_t gap = clock_mono_ns() - before;

		if (gap >= best)
			continue;
		best = gap;
		wall = now - (before + gap / 2 - mono_ns);
	}
	return wall;
}

int64_t clock_cpu_ns(void)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t clock_thread_ns(void)
{
	return clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
}
