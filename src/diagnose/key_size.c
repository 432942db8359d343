/* SPDX-License-Identifier: BSD-2-Clause */
/* How big is big for a key: the table of the users' guide (key_size.h). */
#include <string.h>
#include <strings.h>

#include "diagnose/key_size.h"
#include "diagnose/measure.h"
#include "model/prefix.h"

#define BIG_BYTES		(1 * MIB)
#define VERY_BIG_BYTES		(10 * MIB)
#define BIG_ELEMENTS		10000
#define VERY_BIG_ELEMENTS	100000
#define BIG_STREAM_ENTRIES	100000
#define VERY_BIG_STREAM_ENTRIES 1000000

static enum key_level level_of(int64_t n, int64_t big, int64_t very_big)
{
	return n > very_big ? KEY_VERY_BIG : n > big ? KEY_BIG : KEY_NORMAL;
}

enum key_level key_level(const struct fact_key *key)
{
	enum key_level by_bytes = level_of(key->bytes, BIG_BYTES, VERY_BIG_BYTES);
	enum key_level by_elements;

	if (key->type == NULL || strcmp(key->type, "none") == 0)
		return KEY_NORMAL; /* gone: nothing is known of its size */
	if (strcmp(key->type, "string") == 0 || key->elements == FACT_UNKNOWN)
		return by_bytes;
	if (strcmp(key->type, "stream") == 0)
		by_elements = level_of(key->elements, BIG_STREAM_ENTRIES, VERY_BIG_STREAM_ENTRIES);
	else
		by_elements = level_of(key->elements, BIG_ELEMENTS, VERY_BIG_ELEMENTS);
	if (by_elements == KEY_VERY_BIG && key->bytes != FACT_UNKNOWN && by_bytes < KEY_VERY_BIG)
		return KEY_BIG;
	return by_elements > KEY_NORMAL || by_bytes == KEY_NORMAL ? by_elements : KEY_BIG;
}

bool key_temporary(const struct bytes *name, bool cache_may_evict)
{
	static const char *const words[] = { "temp", "tmp",   "lock",	 "session", "sess",
					     "otp",  "token", "captcha", "cache" };

	for (size_t start = 0; start < name->len;) {
		size_t end = start;

		while (end < name->len && !prefix_is_separator(name->data[end], NULL))
			end++;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (cache_may_evict && strcmp(words[i], "cache") == 0)
				continue;
			if (strlen(words[i]) == end - start &&
			    strncasecmp(words[i], name->data + start, end - start) == 0)
				return true;
		}
		start = end + 1;
	}
	return false;
}
