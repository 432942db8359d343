/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator that tells of its bytes as jemalloc 5.3 does, by one function that no symbol
 * names, and (with -DPROGRAM) a process that allocates a known number of them through it. So
 * small that it can be built for any C library. The process passes for a server, having the
 * two symbols redmem looks for; for each line on stdin it makes BLOCKS values of BYTES and
 * says so. With SLOW_BYTES so many are asked for in one call of a hundred, by chance, which
 * takes the allocator 30 ms, and the process says after each what the longest took. With
 * LOCAL_BYTES the allocator has so many of local variables, as jemalloc has in some builds.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef PROGRAM

/* It must begin with the process's id. */
struct {
	int pid;
	char rest[4096];
} server;

void processCommand(void);

void processCommand(void)
{
}

#ifdef SLOW_BYTES

static void slow_call(void)
{
	static double longest;
	struct timespec start, end;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &start);
	free(malloc(SLOW_BYTES));
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds =
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
	if (seconds > longest)
		longest = seconds;
	printf("%.9f\n", longest);
	fflush(stdout);
}

#else

static void slow_call(void)
{
}

#endif

int main(void)
{
	char line[16];

	server.pid = getpid();
	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < BLOCKS; i++) {
			char *block = malloc(BYTES);

			if (!block)
				return 1;
			memset(block, 1, BYTES);
			free(block);
			if (rand() % 100 == 0)
				slow_call();
		}
		puts("done");
		fflush(stdout);
	}
	return 0;
}

#else

#define STEP_BYTES  65536
#define HEAD_BYTES  16 /* in front of a block: its class */
#define PIECE_BYTES (1 << 20) /* got from the kernel at a time */
#define CLASSES	    48 /* powers of two */

/* What jemalloc hands its function: te_ctx_t. */
struct event {
	uint8_t is_alloc;
	uint64_t *current;
	uint64_t *last;
};

static uint64_t counted[2], told[2]; /* of allocated and freed bytes */
static void *unused[CLASSES];

__attribute__((noinline)) static void tell(void *thread, struct event *event)
{
	__asm__ volatile("" : : "r"(thread) : "memory");
	*event->last = *event->current;
}

__attribute__((noinline)) static void count(int freed, size_t bytes)
{
#ifdef LOCAL_BYTES
	volatile char local[LOCAL_BYTES] = { 1 };
#endif
	struct event event = { .is_alloc = !freed,
			       .current = &counted[freed],
			       .last = &told[freed] };

	counted[freed] += bytes;
	if (counted[freed] - told[freed] >= STEP_BYTES)
		tell(&unused, &event);
#ifdef LOCAL_BYTES
	(void)local[0];
#endif
}

static void *fresh(size_t bytes)
{
	static char *piece;
	static size_t left;
	char *block;

	if (left < bytes) {
		left = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
		piece = mmap(NULL, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
		if (piece == MAP_FAILED)
			return NULL;
	}
	block = piece;
	piece += bytes;
	left -= bytes;
	return block;
}

static size_t class_of(size_t bytes)
{
	size_t class = 4;

	while (class < CLASSES && ((size_t)1 << class) < bytes)
		class ++;
	return class;
}

size_t nallocx(size_t bytes, int flags)
{
	(void)flags;
	return (size_t)1 << class_of(bytes);
}

/* Threads of a server come one after another. */
static void enter(int *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void leave(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static int lock;

void *malloc(size_t bytes)
{
	size_t class = class_of(bytes);
	char *block;

#ifdef SLOW_BYTES
	if (bytes == SLOW_BYTES)
		nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
#endif
	enter(&lock);
	count(0, (size_t)1 << class);
	block = unused[class];
	if (block)
		unused[class] = *(void **)block;
	else if ((block = fresh(((size_t)1 << class) + HEAD_BYTES))) {
		*(size_t *)block = class;
		block += HEAD_BYTES;
	}
	leave(&lock);
	return block;
}

void free(void *block)
{
	size_t class;

	if (!block)
		return;
	class = *(size_t *)((char *)block - HEAD_BYTES);
	enter(&lock);
	count(1, (size_t)1 << class);
	*(void **)block = unused[class];
	unused[class] = block;
	leave(&lock);
}

size_t malloc_usable_size(void *block)
{
	return block ? (size_t)1 << *(size_t *)((char *)block - HEAD_BYTES) : 0;
}

void *calloc(size_t number, size_t bytes)
{
	char *block = malloc(number * bytes);

	return block ? memset(block, 0, number * bytes) : NULL;
}

void *realloc(void *block, size_t bytes)
{
	char *larger = malloc(bytes);
	size_t old = malloc_usable_size(block);

	if (!larger || !block)
		return larger;
	memcpy(larger, block, old < bytes ? old : bytes);
	free(block);
	return larger;
}

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
{
	(void)old_len, (void)new, (void)new_len;
	if (old && !strcmp(name, "thread.allocatedp"))
		*(uint64_t **)old = &counted[0];
	else if (old && !strcmp(name, "thread.deallocatedp"))
		*(uint64_t **)old = &counted[1];
	else
		return ENOENT;
	return 0;
}

void malloc_stats_print(void (*write)(void *, const char *), void *to, const char *options)
{
	(void)write, (void)to, (void)options;
}

#endif
