/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/thread.h"

#include <signal.h>

#define SMALL_STACK (512 << 10)

static int start(pthread_t *thread, const pthread_attr_t *how, void *(*work)(void *), void *ctx)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, how, work, ctx);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

int thread_start(pthread_t *thread, void *(*work)(void *), void *ctx)
{
	return start(thread, NULL, work, ctx);
}

int thread_start_small(pthread_t *thread, void *(*work)(void *), void *ctx)
{
	pthread_attr_t how;
	int ret;

	pthread_attr_init(&how);
	pthread_attr_setstacksize(&how, SMALL_STACK);
	ret = start(thread, &how, work, ctx);
	pthread_attr_destroy(&how);
	return ret;
}
