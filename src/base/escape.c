/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile bytes made harmless for each output; see escape.h. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/escape.h"

/*
 * Decode one UTF-8 sequence (RFC 3629: no overlong forms, no surrogates, at most
 * U+10FFFF). Returns its length, 0 when the bytes are not well formed.
 */
static size_t utf8_decode(const unsigned char *p, size_t len, uint32_t *cp)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;

	if (!len)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	*cp = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	if (*cp < smallest[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

/*
 * Characters that act on what surrounds them: C0, DEL and C1 controls (C1 holds
 * one-byte forms of terminal escapes), line and paragraph separators, and the
 * bidirectional controls, which can make a line read in another order
 * (CVE-2021-42574, "Trojan Source").
 */
static bool cp_is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x61c ||
	       (cp >= 0x200e && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069);
}

/* Length of the first character when it is plain UTF-8 and no control, else 0. */
static size_t utf8_plain_char(const void *data, size_t len)
{
	uint32_t cp;
	size_t n = utf8_decode(data, len, &cp);

	return n && !cp_is_control(cp) ? n : 0;
}

/*
 * East Asian wide characters and emoji take two columns. Blocks in which some do count
 * as if all did: a line may come out short, it never overflows. wcwidth() would depend
 * on the locale.
 */
static bool cp_is_wide(uint32_t cp)
{
	return (cp >= 0x1100 && cp <= 0x115f) || (cp >= 0x231a && cp <= 0x23ff) ||
	       (cp >= 0x25fd && cp <= 0x27bf) || (cp >= 0x2b1b && cp <= 0x2b55) || cp >= 0x2e80;
}

/* Columns of the first character of @text, its length in @bytes. */
static size_t first_columns(const char *text, size_t len, size_t *bytes)
{
	uint32_t cp = 0;
	size_t n = utf8_decode((const unsigned char *)text, len, &cp);

	*bytes = n ? n : 1;
	return cp_is_wide(cp) ? 2 : 1;
}

size_t utf8_columns(const char *text)
{
	size_t len = strlen(text), columns = 0, n;

	for (; len; text += n, len -= n)
		columns += first_columns(text, len, &n);
	return columns;
}

void utf8_cut(struct buf *text, size_t max_columns)
{
	size_t dots = max_columns < 3 ? max_columns : 3, columns = 0, cut = 0, n;

	for (size_t at = 0; at < text->len; at += n) {
		columns += first_columns(text->data + at, text->len - at, &n);
		if (columns > max_columns) {
			text->len = cut;
			buf_add(text, "...", dots);
			return;
		}
		/* The last place where the dots would still fit. */
		if (columns + dots <= max_columns)
			cut = at + n;
	}
}

bool utf8_is_plain(const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len) {
		size_t n = *p >= 0x20 && *p < 0x7f ? 1 : utf8_plain_char(p, len);

		if (!n)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

void escape_sanitize(char *text)
{
	size_t len = strlen(text);
	char *to = text;

	while (len) {
		size_t n = utf8_plain_char(text, len);

		if (n)
			memmove(to, text, n);
		else
			*to = '?';
		to += n ? n : 1;
		text += n ? n : 1;
		len -= n ? n : 1;
	}
	*to = '\0';
}

/* Escape the first character of @p as redis-cli does. Returns the bytes eaten. */
static size_t escape_redis_char(struct buf *out, const unsigned char *p, size_t len)
{
	static const char from[] = "\n\r\t\a\b\\\"", to[] = "nrtab\\\"";
	const char *special = p[0] ? strchr(from, p[0]) : NULL;
	size_t n;

	if (special) {
		buf_putc(out, '\\');
		buf_putc(out, to[special - from]);
		return 1;
	}
	n = utf8_plain_char(p, len);
	if (n) {
		buf_add(out, p, n);
		return n;
	}
	buf_printf(out, "\\x%02x", p[0]);
	return 1;
}

void escape_redis(struct buf *out, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len) {
		size_t n = escape_redis_char(out, p, len);

		p += n;
		len -= n;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape behind its backslash; how many of @text it takes. */
static size_t unescape_one(struct buf *out, const char *text, size_t len)
{
	static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
	const char *known = memchr(from, *text, sizeof(from) - 1);

	if (*text == 'x' && len > 2 && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
		buf_putc(out, (char)(hex_digit(text[1]) << 4 | hex_digit(text[2])));
		return 3;
	}
	buf_putc(out, known ? to[known - from] : *text);
	return 1;
}

int unescape_redis(struct buf *out, const char *text, size_t len)
{
	size_t before = out->len;

	buf_add(out, "", 0);
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\\') {
			buf_putc(out, text[i]);
		} else if (i + 1 < len) {
			i += unescape_one(out, text + i + 1, len - i - 1);
		} else {
			out->len = before;
			return -EINVAL;
		}
	}
	return 0;
}

void hex_encode(char *out, size_t size, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *byte = data;

	for (; len && size > 2; len--, byte++, size -= 2) {
		*out++ = digits[*byte >> 4];
		*out++ = digits[*byte & 15];
	}
	*out = '\0';
}

int hex_decode(struct buf *out, const char *text)
{
	size_t before = out->len;

	buf_add(out, "", 0);
	for (; *text; text += 2) {
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0) {
			out->len = before;
			return -EINVAL;
		}
		buf_putc(out, (char)(hex_digit(text[0]) << 4 | hex_digit(text[1])));
	}
	return 0;
}

void escape_terminal(struct buf *out, const void *data, size_t len, size_t max_columns)
{
	size_t dots = max_columns < 3 ? max_columns : 3;
	size_t columns = 0, cut = out->len;
	const unsigned char *p = data;

	while (len) {
		size_t start = out->len;
		size_t n = escape_redis_char(out, p, len);

		columns += utf8_columns(out->data + start);
		if (max_columns && columns > max_columns) {
			out->len = cut;
			buf_add(out, "...", dots);
			return;
		}
		/* The last place where the dots would still fit. */
		if (columns + dots <= max_columns)
			cut = out->len;
		p += n;
		len -= n;
	}
}

/* @text, which has no control characters, between the quotes of a label. */
static void quote_label(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, text[i]);
	}
}

void escape_label(struct buf *out, const void *data, size_t len, size_t max_bytes)
{
	size_t dots = max_bytes < 3 ? max_bytes : 3, cut = 0;
	const unsigned char *p = data;
	struct buf text = { 0 };

	while (len && text.len <= max_bytes) {
		size_t n = escape_redis_char(&text, p, len);

		/* The last place where the dots would still fit. */
		if (text.len + dots <= max_bytes)
			cut = text.len;
		p += n;
		len -= n;
	}
	if (text.len > max_bytes) {
		text.len = cut;
		buf_add(&text, "...", dots);
	}
	quote_label(out, buf_str(&text), text.len);
	buf_free(&text);
}

/* What means nothing to a shell, wherever it stands in a word. */
static bool shell_harmless(const char *text, size_t len)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789:._/@+,=-";

	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(harmless, text[i]))
			return false;
	return len > 0;
}

void escape_shell(struct buf *out, const void *data, size_t len)
{
	bool plain = utf8_is_plain(data, len);
	const unsigned char *p = data;

	if (shell_harmless(data, len)) {
		buf_add(out, data, len);
		return;
	}
	buf_puts(out, plain ? "'" : "$'");
	while (len) {
		size_t n = utf8_plain_char(p, len);

		if (!n)
			buf_printf(out, "\\%03o", p[0]);
		else if (plain && p[0] == '\'')
			buf_puts(out, "'\\''");
		else if (!plain && (p[0] == '\'' || p[0] == '\\'))
			buf_printf(out, "\\%c", p[0]);
		else
			buf_add(out, p, n);
		p += n ? n : 1;
		len -= n ? n : 1;
	}
	buf_putc(out, '\'');
}

void escape_csv(struct buf *out, const void *data, size_t len)
{
	static const char formula[] = { '=', '+', '-', '@', '\t', '\r', '\'' };
	const char *p = data;

	buf_putc(out, '"');
	if (len && memchr(formula, p[0], sizeof(formula)))
		buf_putc(out, '\'');
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"')
			buf_putc(out, '"');
		buf_putc(out, p[i]);
	}
	buf_putc(out, '"');
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (; len; p += 3) {
		size_t n = len < 3 ? len : 3;
		uint32_t v = (uint32_t)p[0] << 16;

		if (n > 1)
			v |= (uint32_t)p[1] << 8;
		if (n > 2)
			v |= p[2];
		buf_putc(out, base64_digits[v >> 18]);
		buf_putc(out, base64_digits[v >> 12 & 63]);
		buf_putc(out, n > 1 ? base64_digits[v >> 6 & 63] : '=');
		buf_putc(out, n > 2 ? base64_digits[v & 63] : '=');
		len -= n;
	}
}

/* Decode four characters, the last @pad of them '='. */
static int base64_quad(struct buf *out, const char *text, unsigned int pad)
{
	unsigned char byte[3];
	uint32_t v = 0;

	for (unsigned int i = 0; i < 4; i++) {
		const char *digit = i < 4 - pad ? strchr(base64_digits, text[i]) : base64_digits;

		if (!digit)
			return -EINVAL;
		v = v << 6 | (uint32_t)(digit - base64_digits);
	}
	byte[0] = (unsigned char)(v >> 16);
	byte[1] = (unsigned char)(v >> 8);
	byte[2] = (unsigned char)v;
	/* Bits behind the last byte must be zero (RFC 4648, 3.5). */
	for (unsigned int i = 3 - pad; i < 3; i++)
		if (byte[i])
			return -EINVAL;
	buf_add(out, byte, 3 - pad);
	return 0;
}

int base64_decode(struct buf *out, const char *text)
{
	size_t len = strlen(text), before = out->len;
	unsigned int pad = 0;

	if (len % 4)
		return -EINVAL;
	if (len)
		pad = (text[len - 1] == '=') + (text[len - 1] == '=' && text[len - 2] == '=');
	buf_add(out, "", 0); /* an empty text decodes to "", not to NULL */
	for (size_t i = 0; i < len; i += 4) {
		if (base64_quad(out, text + i, i + 4 == len ? pad : 0)) {
			out->len = before;
			out->data[before] = '\0';
			return -EINVAL;
		}
	}
	return 0;
}
