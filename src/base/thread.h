/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <pthread.h>

/* A thread that no signal comes to: they are for the one that started the program, which waits
 * for events and ends the watch. 0 or an errno, as pthread_create(). */
int thread_start(pthread_t *thread, void *(*work)(void *), void *ctx);
/* One of very many: with a stack of half a MiB. */
int thread_start_small(pthread_t *thread, void *(*work)(void *), void *ctx);
