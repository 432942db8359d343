/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work that takes too long for a loop, done one after the other by a thread beside it. The loop
 * puts jobs in and takes finished ones out; only the work itself is done outside of it. A queue
 * has an end: who comes when it is full is told so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct work;

/* The caller's, as a part of something larger; untouched by the loop until it is done. */
struct work_job {
	void (*run)(struct work_job *job); /* in the thread */
	struct work_job *next; /* work.c's own */
};

/*
 * At most @most jobs wait or are done at a time. Each that is finished is told to @event_fd, an
 * eventfd. The thread begins with the first job, and does not keep others from a CPU.
 */
struct work *work_new(size_t most, int event_fd);
/* False when there are too many, or no thread can be had: it was not taken. */
bool work_put(struct work *work, struct work_job *job);
/* One that is finished, in the order in which they were put in; NULL = none. */
struct work_job *work_take(struct work *work);
/* Waits for the one that is being done. All jobs are the caller's again then: first those that
 * were not begun, which never will. @left is called for each job that was not taken yet. */
void work_end(struct work *work, void (*left)(void *ctx, struct work_job *job), void *ctx);
