/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys on their way from who reads them to who adds them up, each in a thread of its own: in
 * batches, two of them, so that neither waits for a single key.
 */
#pragma once

#include "record/record.h"

struct key_queue;

/* @take is called in a thread of the queue's own, a key at a time and in their order. */
struct key_queue *key_queue_new(void (*take)(void *ctx, const struct record_key *key), void *ctx);
/* The next key, which has a copy of @name and in its other fields what an earlier key left there:
 * the caller fills them in before the next call. Type and encoding must outlive the queue. */
struct record_key *key_queue_add(struct key_queue *queue, struct bytes name);
/* All that were added have been taken. */
void key_queue_wait(struct key_queue *queue);
/* Wait, end the thread, free. */
void key_queue_end(struct key_queue *queue);
