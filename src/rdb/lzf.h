/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings that a dump keeps compressed, by LZF: runs of up to 32 bytes as they are, and
 * copies of up to 264 bytes of what came at most 8 KiB before.
 */
#pragma once

#include <stddef.h>

/* The longest that @len compressed bytes can stand for: three bytes for each copy. */
#define LZF_EXPANSION_MAX 88

/* Exactly @out_len bytes come out of all @len of @data, or it is -EINVAL. */
int lzf_expand(const void *data, size_t len, void *out, size_t out_len);
