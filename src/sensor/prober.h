/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that puts probes in and out. The kernel takes 10 ms to put one in (it waits for
 * a grace period first) and 45 ms to take one away (and waits for two afterwards), in which
 * nobody is held up but the caller. While the allocator's probes stand, each call of the
 * server runs into them, so the moment they are to go counts: where both CPUs are busy, a
 * thread of usual priority came to its CPU 3 to 4 ms late. So this one has the lowest
 * priority of real time (SCHED_FIFO, 1), or the best nice value, or what it can get; it runs
 * some 0.1 ms at a time.
 */
#pragma once

#include <stdbool.h>

struct prober;

typedef void prober_job(void *ctx);

/* A thread that waits for jobs; NULL when there can be none. @begins: what it does first, when it
 * has its priority; NULL = nothing. */
struct prober *prober_new(void (*begins)(void));
/* Have @job done; false when the one before is not finished. What @ctx points to is the
 * thread's until prober_is_idle(). Without a thread it is done at once. */
bool prober_run(struct prober *p, prober_job *job, void *ctx);
bool prober_is_idle(const struct prober *p);
/* Wait for the job under way. */
void prober_wait(struct prober *p);
/* Waits for it, too. @p may be NULL. */
void prober_free(struct prober *p);
