/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that reads ahead of who takes: what waits is held in a buffer of READ_AHEAD_BYTES at
 * most, and only what is held costs memory.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * A server whose dump is read too slowly holds its child, and so the copies of all pages that
 * are written meanwhile, for longer, and before Redis 6.2 all writes, too: at 64 MB for a
 * minute (the soft client-output-buffer-limit of replicas) it hangs up. A server writes a dump
 * at some 100 to 200 MB/s, and it is taken faster; what is to be evened out are the pauses of
 * one large value and of a terminal that takes its time. So much is a third of a second of a
 * full 10 GbE link, less than a model of a large keyspace takes, and small beside any server.
 */
#define READ_AHEAD_BYTES ((size_t)64 << 20)

struct read_ahead;

/* As read(2) with an error's text; called in the thread, until it gives 0 or a negative errno. */
typedef ssize_t (*read_ahead_fn)(void *ctx, void *data, size_t size, struct err *err);

struct read_ahead *read_ahead_new(read_ahead_fn read, void *ctx);
/* At most @size bytes; waits. 0 = there are no more, a negative errno with @err as @read gave it
 * once all that came before has been taken, or -EINTR when the user has interrupted. */
ssize_t read_ahead_take(struct read_ahead *ahead, void *data, size_t size, struct err *err);
/* Whoever waits in @read has to be woken by the caller before. May be NULL. */
void read_ahead_free(struct read_ahead *ahead);
