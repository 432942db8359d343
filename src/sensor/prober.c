/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that puts probes in and out; see prober.h. */
#include "sensor/prober.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/thread.h"

#define BEST_NICE (-20)

struct prober {
	pthread_t thread;
	void (*begins)(void);
	pthread_mutex_t lock;
	pthread_cond_t changed;
	prober_job *job; /* NULL = idle */
	void *ctx;
	bool end;
};

static void hurry(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	/* Of this thread alone; threads it makes have the same. */
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		(void)!setpriority(PRIO_PROCESS, 0, BEST_NICE);
}

static void *work(void *ctx)
{
	struct prober *p = ctx;

	hurry();
	if (p->begins)
		p->begins();
	pthread_mutex_lock(&p->lock);
	while (!p->end || p->job) {
		if (!p->job) {
			pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		p->job(p->ctx);
		pthread_mutex_lock(&p->lock);
		__atomic_store_n(&p->job, NULL, __ATOMIC_RELEASE);
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct prober *prober_new(void (*begins)(void))
{
	struct prober *p = xcalloc(1, sizeof(*p));

	p->begins = begins;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	if (!thread_start(&p->thread, work, p))
		return p;
	free(p);
	return NULL;
}

bool prober_run(struct prober *p, prober_job *job, void *ctx)
{
	if (!p) {
		job(ctx);
		return true;
	}
	if (!prober_is_idle(p))
		return false;
	pthread_mutex_lock(&p->lock);
	p->ctx = ctx;
	__atomic_store_n(&p->job, job, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	return true;
}

bool prober_is_idle(const struct prober *p)
{
	return !p || !__atomic_load_n(&p->job, __ATOMIC_ACQUIRE);
}

void prober_wait(struct prober *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	while (p->job)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void prober_free(struct prober *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->end = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
