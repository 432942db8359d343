/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread, void *(*work)(void *), void *ctx)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(thread, NULL, work, ctx);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}
