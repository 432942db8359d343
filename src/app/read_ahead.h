/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that reads ahead of who takes. What waits is bounded, and only what waits costs
 * memory. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "app/source.h"

struct read_ahead;

/* At most @bound bytes wait. @source is called in the thread, until it gives 0 or a negative
 * errno. */
struct read_ahead *read_ahead_new(size_t bound, source_fn source, void *ctx);
/* At most @size bytes; waits. 0 = there are no more, a negative errno with @err as @source gave it
 * once all that came before has been taken, or -EINTR when the user has interrupted. */
ssize_t read_ahead_take(struct read_ahead *ahead, void *data, size_t size, struct err *err);
/* Whoever waits in @source has to be woken by the caller before. May be NULL. */
void read_ahead_free(struct read_ahead *ahead);
