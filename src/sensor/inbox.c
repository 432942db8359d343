/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine has for one server; see inbox.h. */
#include "sensor/inbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"

/* Some 20 s of a server at the highest rate in use whose owner takes nothing. */
#define BYTES_MAX  (8U << 20)
#define BYTES_KEPT (256U << 10) /* memory that is not given back when it is empty */
#define ALIGNMENT  8

struct item {
	uint32_t kind;
	uint32_t bytes; /* of the data behind it, before padding */
};

struct inbox {
	pthread_mutex_t lock; /* of what is filled */
	struct buf filled, taken;
	int fd;
};

struct inbox *inbox_new(void)
{
	struct inbox *inbox = xcalloc(1, sizeof(*inbox));

	pthread_mutex_init(&inbox->lock, NULL);
	inbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return inbox;
}

void inbox_free(struct inbox *inbox)
{
	if (!inbox)
		return;
	if (inbox->fd >= 0)
		close(inbox->fd);
	pthread_mutex_destroy(&inbox->lock);
	buf_free(&inbox->filled);
	buf_free(&inbox->taken);
	free(inbox);
}

int inbox_fd(const struct inbox *inbox)
{
	return inbox->fd;
}

static bool is_mark(enum inbox_kind kind)
{
	return kind != INBOX_RECORD && kind != INBOX_ROW;
}

bool inbox_is_crowded(struct inbox *inbox)
{
	bool crowded;

	pthread_mutex_lock(&inbox->lock);
	crowded = inbox->filled.len > BYTES_MAX / 2;
	pthread_mutex_unlock(&inbox->lock);
	return crowded;
}

bool inbox_put(struct inbox *inbox, enum inbox_kind kind, const void *data, size_t bytes)
{
	static const char padding[ALIGNMENT];
	struct item item = { kind, bytes };
	bool fits;

	pthread_mutex_lock(&inbox->lock);
	fits = is_mark(kind) || inbox->filled.len + bytes < BYTES_MAX;
	if (fits) {
		buf_add(&inbox->filled, &item, sizeof(item));
		buf_add(&inbox->filled, data, bytes);
		buf_add(&inbox->filled, padding, -bytes % ALIGNMENT);
	}
	pthread_mutex_unlock(&inbox->lock);
	return fits;
}

void inbox_ring(struct inbox *inbox)
{
	uint64_t one = 1;

	/* Full already: it is awake. */
	if (inbox->filled.len && write(inbox->fd, &one, sizeof(one)) < 0)
		return;
}

void inbox_take(struct inbox *inbox,
		void (*take)(void *ctx, enum inbox_kind kind, const void *data, size_t bytes),
		void *ctx)
{
	struct buf items = inbox->taken;
	const struct item *item;
	uint64_t count;

	if (read(inbox->fd, &count, sizeof(count)) < 0)
		count = 0; /* not rung for; there may be something all the same */
	pthread_mutex_lock(&inbox->lock);
	inbox->taken = inbox->filled;
	inbox->filled = items;
	pthread_mutex_unlock(&inbox->lock);
	for (size_t at = 0; at < inbox->taken.len;
	     at += sizeof(*item) + item->bytes + -item->bytes % ALIGNMENT) {
		item = (const struct item *)(inbox->taken.data + at);
		take(ctx, item->kind, item + 1, item->bytes);
	}
	if (inbox->taken.cap > BYTES_KEPT)
		buf_free(&inbox->taken);
	else
		buf_clear(&inbox->taken);
}
