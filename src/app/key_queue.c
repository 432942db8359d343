/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys on their way between two threads; see key_queue.h. */
#include "app/key_queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/thread.h"

#define BATCH_KEYS  1024
#define BATCH_NAMES (64 * 1024) /* bytes; more when one name is longer */

struct batch {
	struct record_key keys[BATCH_KEYS];
	size_t count;
	char *names;
	size_t used, size;
};

struct key_queue {
	void (*take)(void *ctx, const struct record_key *key);
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved; /* @full or @ended has changed */
	struct batch batches[2];
	struct batch *filling; /* the reader's */
	struct batch *full; /* handed over and not yet done; NULL = none is */
	bool ended;
};

static void *work(void *argument)
{
	struct key_queue *q = argument;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (!q->full && !q->ended)
			pthread_cond_wait(&q->moved, &q->lock);
		if (!q->full)
			break;
		pthread_mutex_unlock(&q->lock);
		for (size_t i = 0; i < q->full->count; i++)
			q->take(q->ctx, &q->full->keys[i]);
		pthread_mutex_lock(&q->lock);
		q->full = NULL;
		pthread_cond_signal(&q->moved);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void wait_done(struct key_queue *q)
{
	while (q->full)
		pthread_cond_wait(&q->moved, &q->lock);
}

/* Hand over what is there, once the batch before is done; the other one is empty then. */
static void hand_over(struct key_queue *q)
{
	pthread_mutex_lock(&q->lock);
	wait_done(q);
	if (q->filling->count) {
		q->full = q->filling;
		pthread_cond_signal(&q->moved);
	}
	pthread_mutex_unlock(&q->lock);
	q->filling = &q->batches[q->filling == q->batches];
	q->filling->count = q->filling->used = 0;
}

struct record_key *key_queue_add(struct key_queue *q, struct bytes name)
{
	struct batch *batch = q->filling;
	struct record_key *key;

	if (batch->count == BATCH_KEYS || batch->size - batch->used < name.len) {
		hand_over(q);
		batch = q->filling;
	}
	if (batch->size < name.len) { /* it is empty, so nothing points into it */
		batch->names = xrealloc(batch->names, name.len);
		batch->size = name.len;
	}
	key = &batch->keys[batch->count++];
	key->key.data = memcpy(batch->names + batch->used, name.data, name.len);
	key->key.len = name.len;
	batch->used += name.len;
	return key;
}

void key_queue_wait(struct key_queue *q)
{
	hand_over(q);
	pthread_mutex_lock(&q->lock);
	wait_done(q);
	pthread_mutex_unlock(&q->lock);
}

struct key_queue *key_queue_new(void (*take)(void *ctx, const struct record_key *key), void *ctx)
{
	struct key_queue *q = xcalloc(1, sizeof(*q));

	q->take = take;
	q->ctx = ctx;
	for (int i = 0; i < 2; i++) {
		q->batches[i].names = xrealloc(NULL, BATCH_NAMES);
		q->batches[i].size = BATCH_NAMES;
	}
	q->filling = q->batches;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->moved, NULL);
	if (thread_start(&q->thread, work, q))
		out_of_memory();
	return q;
}

void key_queue_end(struct key_queue *q)
{
	key_queue_wait(q);
	pthread_mutex_lock(&q->lock);
	q->ended = true;
	pthread_cond_signal(&q->moved);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	pthread_cond_destroy(&q->moved);
	pthread_mutex_destroy(&q->lock);
	for (int i = 0; i < 2; i++)
		free(q->batches[i].names);
	free(q);
}
