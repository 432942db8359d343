/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the engine has for one server, in order, until the server's own thread takes it.
 * One thread puts, one takes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inbox;

enum inbox_kind {
	INBOX_RECORD, /* of the ring, as it is */
	INBOX_MAP, /* struct inbox_map: rows of that profile map follow */
	INBOX_ROW, /* struct inbox_row */
	INBOX_LEFT, /* struct inbox_map: programs write the other one from here on */
	INBOX_TICK, /* int64_t: the monotonic time in ns */
	INBOX_FLUSHED, /* all that was there is in front of this */
};

struct inbox_map {
	uint32_t map;
	uint32_t unused;
	int64_t until_ns; /* when its last row was made, at the latest */
};

struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox);
/* Readable while something is in it. */
int inbox_fd(const struct inbox *inbox);
/* Copy @bytes of @data in; no descriptor is woken before inbox_ring(). False when its owner
 * has let it fill up: the newest is lost then, but marks always fit. */
/* Is it half full, as its owner takes nothing? */
bool inbox_is_crowded(struct inbox *inbox);
bool inbox_put(struct inbox *inbox, enum inbox_kind kind, const void *data, size_t bytes);
/* Wake the owner when there is something. */
void inbox_ring(struct inbox *inbox);
/* Hand what is there to @take, oldest first. */
void inbox_take(struct inbox *inbox,
		void (*take)(void *ctx, enum inbox_kind kind, const void *data, size_t bytes),
		void *ctx);
