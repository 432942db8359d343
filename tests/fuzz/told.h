/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One dump, hurt or whole, read into the memory model of a server, with a sum of all that was
 * told of it. An error that says nothing ends the program.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rdb/memory.h"

/* What was told of an input. */
struct told {
	struct rdb_memory *memory; /* while it is read */
	uint64_t sum; /* of all events */
	int64_t keys;
	int ret;
	struct err err;
};

/* In pieces of at most @piece bytes; each from memory of its own, so that a sanitizer sees what
 * is read behind it. */
struct told read_dump(const uint8_t *data, size_t len, size_t piece,
		      const struct server_release *release);
/* One of those the model knows, whatever the number. */
struct server_release release_of(size_t number);
/* Says why on stderr, and aborts. */
void fail(const char *why, const struct err *err);
