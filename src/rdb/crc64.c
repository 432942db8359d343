/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC-64 by eight tables; see crc64.h. */
#include "rdb/crc64.h"

#include <endian.h>
#include <string.h>

#define POLYNOMIAL 0x95ac9329ac4bc9b5ULL /* ad93d23594c935a9, its bits in reverse */

void crc64_init(struct crc64 *c)
{
	for (unsigned int i = 0; i < 256; i++) {
		uint64_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		c->table[0][i] = crc;
	}
	for (unsigned int i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			c->table[t][i] =
				c->table[0][c->table[t - 1][i] & 0xff] ^ c->table[t - 1][i] >> 8;
}

uint64_t crc64_add(const struct crc64 *c, uint64_t crc, const void *data, size_t len)
{
	const uint8_t *at = data, *end = at + len;
	uint64_t word;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, 8);
		crc ^= le64toh(word);
		crc = c->table[7][crc & 0xff] ^ c->table[6][crc >> 8 & 0xff] ^
		      c->table[5][crc >> 16 & 0xff] ^ c->table[4][crc >> 24 & 0xff] ^
		      c->table[3][crc >> 32 & 0xff] ^ c->table[2][crc >> 40 & 0xff] ^
		      c->table[1][crc >> 48 & 0xff] ^ c->table[0][crc >> 56];
	}
	while (at < end)
		crc = c->table[0][(crc ^ *at++) & 0xff] ^ crc >> 8;
	return crc;
}
