/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings as they lie in the server's memory (src/sds.c): what was asked for one follows from
 * its head, and with it what the allocator's size class added. Servers before 7.2 tell nobody
 * how long a value is without counting that as use.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "redis/footprint.h"

/* @request_bytes: of the allocation that holds it; @class_bytes: its size class. */
typedef void (*sds_found_fn)(void *ctx, int64_t request_bytes, int64_t class_bytes);

/*
 * Hand each string of 32 bytes and more that begins in the first @starts of @len bytes of
 * @memory, which lie at @address in the server, to @found. What is free again and not yet
 * written over is found, too. Shorter ones have no head that tells them from other data.
 */
void sds_find(const unsigned char *memory, size_t len, size_t starts, uint64_t address,
	      const struct footprint_layout *layout, sds_found_fn found, void *ctx);
