/* SPDX-License-Identifier: BSD-2-Clause */
/* Wakes up every millisecond and works for a twentieth of it. */
#include <time.h>

#define PERIOD_NS 1000000
#define WORK_NS	  50000

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	long long next = now_ns();

	for (;;) {
		struct timespec at;

		next += PERIOD_NS;
		at.tv_sec = next / 1000000000;
		at.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		while (now_ns() < next + WORK_NS)
			;
	}
}
