/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of a server as calibration copies it, made up word by word. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void put_word(void *data, size_t offset, uint64_t word)
{
	memcpy((uint8_t *)data + offset, &word, sizeof(word));
}

static inline void put_int(void *data, size_t offset, uint32_t value)
{
	memcpy((uint8_t *)data + offset, &value, sizeof(value));
}

/* Words that are neither 0, nor small, nor an address in use here. */
static inline void put_noise(void *data, size_t bytes)
{
	for (size_t offset = 0; offset + 8 <= bytes; offset += 8)
		put_word(data, offset, 0x9e3779b97f4a7c15ULL * (offset + 8));
}
