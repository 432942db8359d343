/* SPDX-License-Identifier: BSD-2-Clause */
/* waker PERIOD WORK: wakes up every PERIOD microseconds and works for WORK of them. */
#include <stdlib.h>
#include <time.h>

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	long long period_ns = argc == 3 ? atoll(argv[1]) * 1000 : 0, next = now_ns();

	if (period_ns <= 0)
		return 2;
	for (;;) {
		struct timespec at;

		next += period_ns;
		at.tv_sec = next / 1000000000;
		at.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		while (now_ns() < next + atoll(argv[2]) * 1000)
			;
	}
}
