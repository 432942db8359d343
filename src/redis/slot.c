/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots of a cluster; see slot.h. */
#include "redis/slot.h"

#include <string.h>

static uint16_t crc16(struct bytes text)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < text.len; i++) {
		crc ^= (uint16_t)((unsigned char)text.data[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

int key_slot(struct bytes key)
{
	const char *open = key.len ? memchr(key.data, '{', key.len) : NULL, *close;

	if (open) {
		open++;
		close = memchr(open, '}', key.len - (size_t)(open - key.data));
		if (close && close > open)
			key = (struct bytes){ open, (size_t)(close - open) };
	}
	return crc16(key) % SLOTS;
}
