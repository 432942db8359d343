/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread beside a loop; see work.h. */
#define _GNU_SOURCE 1 /* gettid() */
#include "app/work.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/thread.h"

#define NICE 10 /* what serves a server comes first */

struct list {
	struct work_job *first, **end;
};

struct work {
	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t come; /* something is to be done, or the end */
	struct list waiting, finished;
	size_t count; /* put in and not taken out */
	size_t most;
	bool over;
	bool begun; /* the thread: the loop's own */
	pthread_t thread;
	int event_fd;
};

static void append(struct list *list, struct work_job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct work_job *take_first(struct list *list)
{
	struct work_job *job = list->first;

	if (job && !(list->first = job->next))
		list->end = &list->first;
	return job;
}

static void tell(int event_fd)
{
	const uint64_t one = 1;

	/* It fails when the counter is full, and then the loop has been told often enough. */
	if (write(event_fd, &one, sizeof(one)) < 0)
		return;
}

static void *work_loop(void *ctx)
{
	struct work *work = ctx;
	struct work_job *job;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	pthread_mutex_lock(&work->mutex);
	while (!work->over) {
		job = take_first(&work->waiting);
		if (!job) {
			pthread_cond_wait(&work->come, &work->mutex);
			continue;
		}
		pthread_mutex_unlock(&work->mutex);
		job->run(job);
		pthread_mutex_lock(&work->mutex);
		append(&work->finished, job);
		tell(work->event_fd);
	}
	pthread_mutex_unlock(&work->mutex);
	return NULL;
}

struct work *work_new(size_t most, int event_fd)
{
	struct work *work = xcalloc(1, sizeof(*work));

	pthread_mutex_init(&work->mutex, NULL);
	pthread_cond_init(&work->come, NULL);
	work->waiting.end = &work->waiting.first;
	work->finished.end = &work->finished.first;
	work->most = most;
	work->event_fd = event_fd;
	return work;
}

bool work_put(struct work *work, struct work_job *job)
{
	bool room;

	if (!work->begun && thread_start(&work->thread, work_loop, work))
		return false;
	work->begun = true;
	pthread_mutex_lock(&work->mutex);
	room = work->count < work->most;
	if (room) {
		append(&work->waiting, job);
		work->count++;
		pthread_cond_signal(&work->come);
	}
	pthread_mutex_unlock(&work->mutex);
	return room;
}

struct work_job *work_take(struct work *work)
{
	struct work_job *job;

	pthread_mutex_lock(&work->mutex);
	job = take_first(&work->finished);
	if (job)
		work->count--;
	pthread_mutex_unlock(&work->mutex);
	return job;
}

void work_end(struct work *work, void (*left)(void *ctx, struct work_job *job), void *ctx)
{
	struct work_job *job;

	pthread_mutex_lock(&work->mutex);
	work->over = true;
	pthread_cond_signal(&work->come);
	pthread_mutex_unlock(&work->mutex);
	if (work->begun)
		pthread_join(work->thread, NULL);
	while ((job = take_first(&work->waiting)) || (job = take_first(&work->finished)))
		left(ctx, job);
	pthread_mutex_destroy(&work->mutex);
	pthread_cond_destroy(&work->come);
	free(work);
}
