/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksum at the end of a dump: CRC-64 as Jones gives it (polynomial
 * ad93d23594c935a9, reflected, from 0, not inverted). Where the CPU multiplies without
 * carries, 64 bytes at a time; else eight at a time, by tables.
 * Source: crc64.c of Redis 2.6 and later; its check value is unit/test_rdb_parts's. Folding:
 * Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", 2009.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one user; crc64_init() fills it in some 10 us. */
struct crc64 {
	uint64_t table[8][256];
	/* Powers of x that carry 16 bytes over the 64 or the 16 behind them. */
	uint64_t over_64[2], over_16[2];
	bool carryless; /* the CPU can; false = by the tables all the same */
};

void crc64_init(struct crc64 *c);
/* The checksum of what @crc is the checksum of, followed by @len bytes of @data. */
uint64_t crc64_add(const struct crc64 *c, uint64_t crc, const void *data, size_t len);
