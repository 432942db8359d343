/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that calls the allocator in a known way and times it itself, by its own CPU time:
 * what redmem says of its calls, from which it takes what they waited for a CPU, must come to
 * the same. It passes for a server, having the two symbols redmem looks for, and prints the
 * seconds of all calls so far, and how many they are, over and over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LARGE_BYTES (1 << 20)
#define SMALL_CALLS 3

/* It must begin with the process's id. */
struct {
	int pid;
	char rest[4096];
} server;

void processCommand(void);

void processCommand(void)
{
}

static double spent;
static long calls;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* calloc() clears memory that was used before, which takes some time. */
static void *timed_calloc(size_t bytes)
{
	double start = now();
	void *p = calloc(1, bytes);

	spent += now() - start;
	calls++;
	return p;
}

static void timed_free(void *p)
{
	double start = now();

	free(p);
	spent += now() - start;
	calls++;
}

int main(void)
{
	double end = now() + 60;

	server.pid = getpid();
	while (now() < end) {
		char *p = timed_calloc(LARGE_BYTES);

		if (!p)
			return 1;
		memset(p, 1, LARGE_BYTES);
		timed_free(p);
		for (int i = 0; i < SMALL_CALLS; i++)
			timed_free(timed_calloc(64));
		if (calls % 4000 == 0) {
			printf("%.9f %ld\n", spent, calls);
			fflush(stdout);
		}
	}
	return 0;
}
