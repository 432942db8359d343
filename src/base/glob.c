/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns over bytes; see glob.h. */
#include "base/glob.h"

#include <stdint.h>

/* Does @c belong to the set behind '['? @pattern moves behind its ']'. */
static bool in_set(const uint8_t **pattern, const uint8_t *end, uint8_t c)
{
	const uint8_t *p = *pattern;
	bool inverse = p < end && *p == '^', found = false;

	p += inverse;
	for (; p < end && *p != ']'; p++) {
		uint8_t low, high;

		if (*p == '\\' && end - p >= 2)
			p++;
		low = high = *p;
		if (end - p >= 3 && p[1] == '-') {
			high = p[2];
			p += 2;
		}
		found |= low <= high ? c >= low && c <= high : c >= high && c <= low;
	}
	*pattern = p < end ? p + 1 : p;
	return found != inverse;
}

/* One element of the pattern that is no star, against one byte. */
static bool match_one(const uint8_t **pattern, const uint8_t *end, uint8_t c)
{
	const uint8_t *p = *pattern;

	*pattern = p + 1;
	switch (*p) {
	case '?':
		return true;
	case '[':
		return in_set(pattern, end, c);
	case '\\':
		if (end - p >= 2) {
			*pattern = p + 2;
			return p[1] == c;
		}
		return c == '\\';
	default:
		return *p == c;
	}
}

bool glob_fits(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)pattern, *end = p + pattern_len;
	const uint8_t *t = (const uint8_t *)text, *stop = t + len;
	const uint8_t *star = NULL, *again = NULL;

	while (t < stop) {
		if (p < end && *p == '*') {
			star = ++p; /* a later star does all that an earlier one could */
			again = t;
			continue;
		}
		if (p < end && match_one(&p, end, *t)) {
			t++;
			continue;
		}
		if (!star)
			return false;
		p = star;
		t = ++again;
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}
