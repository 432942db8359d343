/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that reads ahead; see read_ahead.h. */
#include "app/read_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "app/progress.h"
#include "base/buf.h"
#include "base/thread.h"

#define READ_MAX     ((size_t)256 << 10)
#define INTERRUPT_NS 50000000 /* how often a wait looks whether it was interrupted */

/* Bytes [taken, read) wait, counted from when the buffer was last empty; byte n stands at
 * n % @bound. */
struct read_ahead {
	source_fn source;
	void *ctx;
	char *bytes;
	size_t bound;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	size_t taken, read;
	bool ended, stop;
	struct err err; /* why it ended; code 0 = there was no more */
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Room in one piece, 0 = we are to stop. An empty buffer begins at its front again, so that as
 * little of it as is needed is ever touched. */
static size_t wait_room(struct read_ahead *a, char **room)
{
	size_t at, waiting;

	pthread_mutex_lock(&a->lock);
	while (a->read - a->taken == a->bound && !a->stop)
		pthread_cond_wait(&a->moved, &a->lock);
	if (a->read == a->taken)
		a->read = a->taken = 0;
	waiting = a->read - a->taken;
	at = a->read % a->bound;
	*room = a->bytes + at;
	at = least(a->bound - at, a->bound - waiting);
	if (a->stop)
		at = 0;
	pthread_mutex_unlock(&a->lock);
	return least(at, READ_MAX);
}

static void *work(void *ctx)
{
	struct read_ahead *a = ctx;
	ssize_t n = 1;
	size_t size;
	char *room;

	while (n > 0 && (size = wait_room(a, &room))) {
		n = a->source(a->ctx, room, size, &a->err);
		pthread_mutex_lock(&a->lock);
		if (n > 0)
			a->read += (size_t)n;
		else
			a->ended = true;
		pthread_cond_signal(&a->moved);
		pthread_mutex_unlock(&a->lock);
	}
	return NULL;
}

/* Until there is something, or no more, or the user has interrupted: signals wake no
 * condition. */
static void wait_bytes(struct read_ahead *a)
{
	struct timespec until;

	while (a->read == a->taken && !a->ended && !interrupted()) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += INTERRUPT_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&a->moved, &a->lock, &until);
	}
}

ssize_t read_ahead_take(struct read_ahead *a, void *data, size_t size, struct err *err)
{
	size_t n, at;
	int code = 0;

	pthread_mutex_lock(&a->lock);
	wait_bytes(a);
	n = least(a->read - a->taken, size);
	at = a->taken % a->bound;
	n = least(n, a->bound - at);
	if (!n)
		code = a->ended ? a->err.code : -EINTR;
	pthread_mutex_unlock(&a->lock);
	if (!n)
		return code ? err_set(err, code, "%s", a->ended ? a->err.text : "interrupted") : 0;
	memcpy(data, a->bytes + at, n);
	pthread_mutex_lock(&a->lock);
	a->taken += n;
	pthread_cond_signal(&a->moved);
	pthread_mutex_unlock(&a->lock);
	return (ssize_t)n;
}

struct read_ahead *read_ahead_new(size_t bound, source_fn source, void *ctx)
{
	struct read_ahead *a = xcalloc(1, sizeof(*a));

	a->source = source;
	a->ctx = ctx;
	a->bound = bound;
	a->bytes = mmap(NULL, bound, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->bytes == MAP_FAILED)
		out_of_memory();
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->moved, NULL);
	if (thread_start(&a->thread, work, a))
		out_of_memory();
	return a;
}

void read_ahead_free(struct read_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->moved);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->moved);
	pthread_mutex_destroy(&a->lock);
	munmap(a->bytes, a->bound);
	free(a);
}
