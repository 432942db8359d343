/* SPDX-License-Identifier: BSD-2-Clause */
/* Words and ints of a copied struct of the server; the copy need not be aligned. */
#pragma once

#include <linux/types.h>
#include <stddef.h>
#include <string.h>

static inline __u64 word_at(const __u8 *data, size_t offset)
{
	__u64 word;

	memcpy(&word, data + offset, sizeof(word));
	return word;
}

static inline __u32 int_at(const __u8 *data, size_t offset)
{
	__u32 value;

	memcpy(&value, data + offset, sizeof(value));
	return value;
}
