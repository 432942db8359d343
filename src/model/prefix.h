/* SPDX-License-Identifier: BSD-2-Clause */
/* What prefixes of keys are made of: segments between separators. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PREFIX_SEPARATORS ":./-_|{}#"
#define PREFIX_MAX	  128 /* bytes of a prefix; the rest becomes "*" */

struct prefix_segment {
	size_t used; /* bytes of the key, without the separator behind it */
	bool varies; /* an identifier: digits, hex, a UUID, an e-mail address... */
	size_t name; /* bytes before the digits at its end; 0 when there is nothing else */
};

/*
 * The segment at the start of @text, which is not a separator; an address or UUID
 * may hold some. See prefix_fold() in model.h for what varies. @separators: NULL =
 * PREFIX_SEPARATORS.
 */
struct prefix_segment prefix_segment(const char *text, size_t len, const char *separators);
bool prefix_is_separator(char c, const char *separators);
