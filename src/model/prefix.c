/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys folded to prefixes: "user:1042:profile" becomes "user:*:profile", so that
 * a million keys of one family stand in one row. The rules are in prefix.h; here
 * they are a walk over the segments between separators.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/escape.h"
#include "model/prefix.h"

#define SEGMENT_MAX	 32 /* a longer segment is an identifier, not a name */
#define HEX_MIN		 6 /* shorter hex ("cafe", "add") is more often a word */
#define UUID_LEN	 36
#define EMAIL_LOCAL_MAX	 64 /* RFC 5321, 4.5.3.1.1 */
#define EMAIL_DOMAIN_MAX 255 /* RFC 5321, 4.5.3.1.2 */

enum {
	DIGIT = PREFIX_PRINTABLE | PREFIX_DIGIT | PREFIX_HEX,
	HEX_LETTER = PREFIX_PRINTABLE | PREFIX_LETTER | PREFIX_HEX,
	LETTER = PREFIX_PRINTABLE | PREFIX_LETTER,
	SEPARATOR = PREFIX_PRINTABLE | PREFIX_SEPARATOR,
};

/* clang-format off */
const uint8_t prefix_kinds[256] = {
	[' ' ... '"'] = PREFIX_PRINTABLE,
	['#'] = SEPARATOR,
	['$' ... ','] = PREFIX_PRINTABLE,
	['-' ... '/'] = SEPARATOR,
	['0' ... '9'] = DIGIT,
	[':'] = SEPARATOR,
	[';' ... '@'] = PREFIX_PRINTABLE,
	['A' ... 'F'] = HEX_LETTER,
	['G' ... 'Z'] = LETTER,
	['[' ... '^'] = PREFIX_PRINTABLE,
	['_'] = SEPARATOR,
	['`'] = PREFIX_PRINTABLE,
	['a' ... 'f'] = HEX_LETTER,
	['g' ... 'z'] = LETTER,
	['{' ... '}'] = SEPARATOR,
	['~'] = PREFIX_PRINTABLE,
};
/* clang-format on */

static bool is_alnum(char c)
{
	return prefix_is(c, PREFIX_DIGIT | PREFIX_LETTER);
}

/* Length of the UUID (8-4-4-4-12) that fills a segment from here, or 0. */
static size_t uuid_length(const char *text, size_t len, const char *separators)
{
	if (len < UUID_LEN || text[8] != '-' ||
	    (len > UUID_LEN && !prefix_is_separator(text[UUID_LEN], separators)))
		return 0;
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !prefix_is(text[i], PREFIX_HEX))
			return 0;
	}
	return UUID_LEN;
}

/* Length of the e-mail address that starts here, or 0. It may hold separators. */
static size_t email_length(const char *text, size_t len)
{
	size_t at = 0, end;
	bool dot = false;

	while (at < len && at < EMAIL_LOCAL_MAX &&
	       (is_alnum(text[at]) || (text[at] && strchr("._%+-", text[at]))))
		at++;
	if (at == 0 || at == len || text[at] != '@')
		return 0;
	for (end = at + 1; end < len && end - at <= EMAIL_DOMAIN_MAX; end++) {
		if (!is_alnum(text[end]) && text[end] != '.' && text[end] != '-')
			break;
		dot |= text[end] == '.' && end > at + 1;
	}
	while (end > at + 1 && !is_alnum(text[end - 1]))
		end--;
	return dot && end > at + 1 ? end : 0;
}

/* What the bytes of a segment all are, and what any of them is. */
struct letters {
	uint8_t all, any;
};

static bool is_identifier(const char *segment, size_t len, struct letters letters)
{
	if (len > SEGMENT_MAX ||
	    (!(letters.all & PREFIX_PRINTABLE) && !utf8_is_plain(segment, len)))
		return true;
	return letters.all & PREFIX_DIGIT ||
	       (letters.all & PREFIX_HEX && len >= HEX_MIN && letters.any & PREFIX_DIGIT);
}

struct prefix_segment prefix_segment(const char *text, size_t len, const char *separators,
				     bool has_at)
{
	struct prefix_segment segment = { .used = uuid_length(text, len, separators) };
	struct letters letters = { .all = UINT8_MAX };

	if (!segment.used && has_at)
		segment.used = email_length(text, len);
	segment.varies = segment.used > 0;
	if (segment.varies)
		return segment;
	for (; segment.used < len; segment.used++) {
		uint8_t kinds = prefix_kinds[(unsigned char)text[segment.used]];

		if (separators ? prefix_is_separator(text[segment.used], separators) :
				 kinds & PREFIX_SEPARATOR)
			break;
		letters.all &= kinds;
		letters.any |= kinds;
		if (!(kinds & PREFIX_DIGIT))
			segment.name = segment.used + 1;
	}
	segment.varies = is_identifier(text, segment.used, letters);
	return segment;
}

/* Append what starts at @text, up to the next separator, folded; the bytes of the key used. */
static size_t fold_next(struct buf *out, const char *text, size_t len)
{
	struct prefix_segment segment = prefix_segment(text, len, NULL, prefix_has_at(text, len));

	if (!segment.varies)
		buf_add(out, text, segment.name);
	if (segment.varies || segment.name < segment.used)
		buf_putc(out, '*');
	return segment.used;
}

void prefix_fold(struct buf *out, const void *key, size_t len)
{
	const char *text = key;
	struct buf segment = { 0 };
	size_t before = out->len, at = 0;

	buf_add(out, "", 0); /* "" also for an empty key, never NULL */
	while (at < len) {
		buf_clear(&segment);
		if (prefix_is_separator(text[at], NULL))
			buf_putc(&segment, text[at++]);
		else
			at += fold_next(&segment, text + at, len - at);
		/* Room for the "*" that stands for the rest stays free. */
		if (out->len - before + segment.len >= PREFIX_MAX) {
			buf_putc(out, '*');
			break;
		}
		buf_add(out, segment.data, segment.len);
	}
	buf_free(&segment);
}
