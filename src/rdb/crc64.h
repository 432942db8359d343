/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksum at the end of a dump: CRC-64 as Jones gives it (polynomial
 * ad93d23594c935a9, reflected, from 0, not inverted), eight bytes at a time.
 * Source: crc64.c of Redis 2.6 and later; its check value is unit/test_rdb's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Tables of one user; crc64_init() fills them in some 10 us. */
struct crc64 {
	uint64_t table[8][256];
};

void crc64_init(struct crc64 *c);
/* The checksum of what @crc is the checksum of, followed by @len bytes of @data. */
uint64_t crc64_add(const struct crc64 *c, uint64_t crc, const void *data, size_t len);
