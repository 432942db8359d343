/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames on their way to the keeper; see serve_pipe.h. */
#include "app/serve_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

/* Chunks that wait: a window of some hundred servers. Other frames are short, and few. */
#define WAITING_MAX (8u << 20)
#define KEPT_MAX    (256u << 10) /* memory that is not given back when it is empty */

struct serve_pipe {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t change;
	struct buf waiting;
	bool writing; /* some is on its way */
	bool end, broken;
	int64_t lost;
	struct buf taken; /* the thread's own */
};

static bool write_all(struct serve_pipe *pipe)
{
	size_t done = 0;

	while (done < pipe->taken.len) {
		ssize_t n = write(pipe->fd, pipe->taken.data + done, pipe->taken.len - done);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Wait for frames and take them; false when there will be none. */
static bool take_frames(struct serve_pipe *pipe)
{
	struct buf empty = pipe->taken;

	pthread_mutex_lock(&pipe->lock);
	pipe->writing = false;
	pthread_cond_broadcast(&pipe->change);
	while (!pipe->waiting.len && !pipe->end)
		pthread_cond_wait(&pipe->change, &pipe->lock);
	pipe->taken = pipe->waiting;
	pipe->waiting = empty;
	pipe->writing = pipe->taken.len > 0;
	pthread_mutex_unlock(&pipe->lock);
	return pipe->taken.len > 0;
}

static void *run(void *ctx)
{
	struct serve_pipe *pipe = ctx;
	bool whole = true;

	while (whole && take_frames(pipe)) {
		whole = write_all(pipe);
		if (pipe->taken.cap > KEPT_MAX)
			buf_free(&pipe->taken);
		else
			buf_clear(&pipe->taken);
	}
	pthread_mutex_lock(&pipe->lock);
	pipe->broken = true;
	pipe->writing = false;
	pthread_cond_broadcast(&pipe->change);
	pthread_mutex_unlock(&pipe->lock);
	return NULL;
}

struct serve_pipe *serve_pipe_new(int fd)
{
	struct serve_pipe *pipe = xcalloc(1, sizeof(*pipe));
	pthread_condattr_t clock;

	pipe->fd = fd;
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&pipe->change, &clock);
	pthread_condattr_destroy(&clock);
	if (!thread_start(&pipe->thread, run, pipe))
		return pipe;
	free(pipe);
	return NULL;
}

void serve_pipe_put(struct serve_pipe *pipe, const struct wire_frame *frame)
{
	const struct wire_frame lost = { .kind = WIRE_LOST, .id = frame->id };
	bool chunk = frame->kind == WIRE_CHUNK;

	pthread_mutex_lock(&pipe->lock);
	if (pipe->broken) {
		pipe->lost += chunk;
	} else if ((chunk && pipe->waiting.len + frame->chunk.len > WAITING_MAX) ||
		   wire_put(&pipe->waiting, frame)) {
		pipe->lost++;
		wire_put(&pipe->waiting, &lost);
	}
	pthread_cond_broadcast(&pipe->change);
	pthread_mutex_unlock(&pipe->lock);
}

int64_t serve_pipe_lost(const struct serve_pipe *pipe)
{
	return __atomic_load_n(&pipe->lost, __ATOMIC_RELAXED);
}

void serve_pipe_end(struct serve_pipe *pipe, double seconds)
{
	int64_t until_ns = clock_mono_ns() + (int64_t)(seconds * 1e9);
	struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };
	int ret = 0;

	if (!pipe)
		return;
	pthread_mutex_lock(&pipe->lock);
	while (!ret && !pipe->broken && (pipe->waiting.len || pipe->writing))
		ret = pthread_cond_timedwait(&pipe->change, &pipe->lock, &until);
	pipe->end = true;
	pthread_cond_broadcast(&pipe->change);
	pthread_mutex_unlock(&pipe->lock);
	if (ret) /* the keeper takes nothing: it is stuck in write() */
		pthread_cancel(pipe->thread);
	pthread_join(pipe->thread, NULL);
	close(pipe->fd);
	pthread_cond_destroy(&pipe->change);
	pthread_mutex_destroy(&pipe->lock);
	buf_free(&pipe->waiting);
	buf_free(&pipe->taken);
	free(pipe);
}
