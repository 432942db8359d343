/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process whose threads come and go, many times as many as are kept at once; each faults
 * a page in and sleeps. It passes for a server, having the two symbols redmem looks for.
 * Prints the number of threads that have ended, over and over.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT_ONCE 16
#define BYTES	(1 << 16)

/* It must begin with the process's id. */
struct {
	int pid;
	char rest[4096];
} server;

void processCommand(void);

void processCommand(void)
{
}

static void *live(void *ctx)
{
	char *memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	memset(memory, 1, BYTES);
	usleep(500);
	munmap(memory, BYTES);
	return ctx;
}

int main(void)
{
	pthread_t threads[AT_ONCE];
	long ended = 0;

	server.pid = getpid();
	for (;;) {
		for (int i = 0; i < AT_ONCE; i++)
			if (pthread_create(&threads[i], NULL, live, NULL))
				return 1;
		for (int i = 0; i < AT_ONCE; i++)
			pthread_join(threads[i], NULL);
		ended += AT_ONCE;
		printf("%ld\n", ended);
		fflush(stdout);
	}
}
