/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Some pages of a process's memory, drawn at random from a few ranges of addresses: only such
 * as are there, so that to read them brings nothing in from swap.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/maps.h"

struct drawn_page {
	uint64_t address;
	size_t bytes; /* from there on that are there: one page, or the next one, too */
};

/*
 * Draw @wanted pages, with repetition. Writes those that are there to @out and returns how many
 * that are, 0 when the ranges are empty; negative errno where pagemap cannot be read. What the
 * ranges have in memory, by that share, goes to @resident_bytes.
 */
int pages_draw(pid_t pid, const struct map_range *ranges, size_t count, size_t wanted,
	       struct drawn_page *out, int64_t *resident_bytes, struct err *err);
