/* SPDX-License-Identifier: BSD-2-Clause */
/* What records are made of: bytes that are nobody's text, and what is not known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RECORD_UNKNOWN INT64_MIN

struct bytes {
	const char *data; /* may hold any byte, also NUL; NULL when there is none */
	size_t len;
};

/* Bytes of a key that the sensors keep; of a longer one these are the first. */
#define RECORD_KEY_MAX 64

/* Names of types and encodings, which are few and short: mostly they are the very same constant,
 * or the first letter tells them apart. Asked of every key, so it costs no call. */
static inline bool name_is(const char *a, const char *b)
{
	if (a == b)
		return true;
	for (; *a == *b; a++, b++)
		if (!*a)
			return true;
	return false;
}

/* As strcmp(), for qsort(): of two that begin alike the shorter first. */
static inline int bytes_order(struct bytes a, struct bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool bytes_same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}
