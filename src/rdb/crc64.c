/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC-64 by carryless multiplication or by eight tables; see crc64.h. */
#include "rdb/crc64.h"

#include <endian.h>
#include <string.h>

#define POLYNOMIAL 0x95ac9329ac4bc9b5ULL /* ad93d23594c935a9, its bits in reverse */
#define FOLD	   64 /* bytes that are folded at once */

/* --- by tables ------------------------------------------------------------ */

static uint64_t add_by_tables(const struct crc64 *c, uint64_t crc, const void *data, size_t len)
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

/* --- by carryless multiplication ------------------------------------------ */

#ifdef __x86_64__
#include <immintrin.h>

/*
 * 16 bytes are a polynomial of degree 127, its highest coefficient in the lowest bit. Times a
 * power of x, without its multiples of the checksum's polynomial, it stands as far behind as
 * the power says and leaves the same remainder. A product of two such halves of 64 bits comes
 * out one power too high, which the powers make up for.
 */
__attribute__((target("pclmul"))) static __m128i carry(__m128i bytes, __m128i powers)
{
	return _mm_xor_si128(_mm_clmulepi64_si128(bytes, powers, 0x00),
			     _mm_clmulepi64_si128(bytes, powers, 0x11));
}

__attribute__((target("pclmul"))) static __m128i load(const uint8_t *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* @len is FOLD at least; what it has not taken of it is less than 16 bytes. */
__attribute__((target("pclmul"))) static uint64_t add_folded(const struct crc64 *c, uint64_t crc,
							     const uint8_t *at, size_t len)
{
	__m128i over_64 = load((const uint8_t *)c->over_64);
	__m128i over_16 = load((const uint8_t *)c->over_16);
	__m128i part[FOLD / 16];
	uint8_t rest[16];

	for (size_t i = 0; i < FOLD / 16; i++)
		part[i] = load(at + 16 * i);
	part[0] = _mm_xor_si128(part[0], _mm_cvtsi64_si128((long long)crc));
	for (at += FOLD, len -= FOLD; len >= FOLD; at += FOLD, len -= FOLD)
		for (size_t i = 0; i < FOLD / 16; i++)
			part[i] = _mm_xor_si128(carry(part[i], over_64), load(at + 16 * i));
	for (size_t i = 1; i < FOLD / 16; i++)
		part[0] = _mm_xor_si128(carry(part[0], over_16), part[i]);
	for (; len >= 16; at += 16, len -= 16)
		part[0] = _mm_xor_si128(carry(part[0], over_16), load(at));
	_mm_storeu_si128((__m128i *)(void *)rest, part[0]);
	return add_by_tables(c, add_by_tables(c, 0, rest, sizeof(rest)), at, len);
}

static bool is_carryless(void)
{
	return __builtin_cpu_supports("pclmul");
}
#else
static uint64_t add_folded(const struct crc64 *c, uint64_t crc, const uint8_t *at, size_t len)
{
	return add_by_tables(c, crc, at, len);
}

static bool is_carryless(void)
{
	return false;
}
#endif

/* x to this power, without its multiples of the polynomial. */
static uint64_t power_of_x(int power)
{
	uint64_t x = (uint64_t)1 << 63; /* x to the 0 */

	while (power--)
		x = x >> 1 ^ (x & 1 ? POLYNOMIAL : 0);
	return x;
}

/* --- all ------------------------------------------------------------------ */

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
	c->carryless = is_carryless();
	/* The first eight of sixteen bytes stand 64 powers higher than the others. */
	c->over_64[0] = power_of_x(8 * 64 + 64 - 1);
	c->over_64[1] = power_of_x(8 * 64 - 1);
	c->over_16[0] = power_of_x(8 * 16 + 64 - 1);
	c->over_16[1] = power_of_x(8 * 16 - 1);
}

uint64_t crc64_add(const struct crc64 *c, uint64_t crc, const void *data, size_t len)
{
	if (c->carryless && len >= FOLD)
		return add_folded(c, crc, data, len);
	return add_by_tables(c, crc, data, len);
}
