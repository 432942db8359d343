/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes of keys: what varies in a name is folded away. They are made of segments between
 * separators. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

#define PREFIX_SEPARATORS ":./-_|{}#"
#define PREFIX_MAX	  128 /* bytes of a prefix; the rest becomes "*" */

struct prefix_segment {
	size_t used; /* bytes of the key, without the separator behind it */
	bool varies; /* an identifier: digits, hex, a UUID, an e-mail address... */
	size_t name; /* bytes before the digits at its end; 0 when there is nothing else */
};

/*
 * The segment at the start of @text, which is not a separator; an address or UUID
 * may hold some. See prefix_fold() for what varies. @separators: NULL =
 * PREFIX_SEPARATORS. @has_at: prefix_has_at() of @text or of more around it.
 */
struct prefix_segment prefix_segment(const char *text, size_t len, const char *separators,
				     bool has_at);

/* Without an '@' there is no e-mail address: most names have none, and looking is fast. */
static inline bool prefix_has_at(const char *text, size_t len)
{
	return len && memchr(text, '@', len);
}

/* What a byte is: asked of every byte of every key, so it is a table. */
enum {
	PREFIX_DIGIT = 1,
	PREFIX_HEX = 2,
	PREFIX_LETTER = 4,
	PREFIX_PRINTABLE = 8, /* the last of ASCII */
	PREFIX_SEPARATOR = 16 /* of PREFIX_SEPARATORS */
};
extern const uint8_t prefix_kinds[256];

static inline bool prefix_is(char c, uint8_t kinds)
{
	return prefix_kinds[(unsigned char)c] & kinds;
}

static inline bool prefix_is_separator(char c, const char *separators)
{
	return separators ? c && strchr(separators, c) : prefix_is(c, PREFIX_SEPARATOR);
}

/*
 * Fold the varying segments of a key: segments are split at ':', '.', '/', '-',
 * '_', '|', '{', '}', '#'; one that is digits, hex of 6 or more with a digit, a
 * UUID, an e-mail address, holds bytes that are not printable, or is longer than
 * 32 becomes "*". Digits at the end of a segment become "*" too ("item42" is
 * "item*"). Runs of "*" joined by one separator stay ("user:*:*"). At most 128
 * bytes are appended, the last of a longer one being "*".
 */
void prefix_fold(struct buf *out, const void *key, size_t len);
