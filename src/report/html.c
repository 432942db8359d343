/* SPDX-License-Identifier: BSD-2-Clause */
/* A report as a page; see html.h. */
#include "report/html.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>
#include <page.inc> /* page_skeleton, page_style, page_script; each has a NUL behind it */

#include "base/escape.h"

/* Where the parts go, in the order in which they stand in the skeleton, each once. */
enum part { PART_POLICY, PART_STYLE, PART_REPORT, PART_SCRIPT, PARTS };

static const char *const marks[PARTS] = {
	[PART_POLICY] = "@POLICY@",
	[PART_STYLE] = "@STYLE@",
	[PART_REPORT] = "@REPORT@",
	[PART_SCRIPT] = "@SCRIPT@",
};

/*
 * JSON has these three in strings only, where \u says the same: "<" would begin a tag that ends
 * the block, or a comment; the others, in UTF-8 e2 80 a8 and e2 80 a9, end a line of a script.
 */
static const char *escape_of(const char *at, const char *end, size_t *len)
{
	*len = 1;
	if (*at == '<')
		return "\\u003c";
	if (end - at < 3 || memcmp(at, "\xe2\x80", 2) != 0 || (at[2] & 0xfe) != 0xa8)
		return NULL;
	*len = 3;
	return at[2] & 1 ? "\\u2029" : "\\u2028";
}

static void put_document(struct buf *out, const struct buf *document)
{
	const char *at = buf_str(document), *end = at + document->len, *from = at;
	size_t len;

	while (at < end) {
		const char *escaped = escape_of(at, end, &len);

		if (escaped) {
			buf_add(out, from, (size_t)(at - from));
			buf_puts(out, escaped);
			from = at + len;
		}
		at += len;
	}
	buf_add(out, from, (size_t)(at - from));
}

/* What CSP calls it: "'sha256-BASE64'". */
static void put_hash(struct buf *out, const void *data, size_t len)
{
	unsigned char hash[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha256;

	/* OpenSSL would read its configuration first, which the keeper may not. */
	sha256_init(&sha256);
	sha256_update(&sha256, len, data);
	sha256_digest(&sha256, sizeof(hash), hash);
	buf_puts(out, "'sha256-");
	base64_encode(out, hash, sizeof(hash));
	buf_putc(out, '\'');
}

void html_policy(struct buf *out, bool live)
{
	buf_puts(out, "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
		      "script-src ");
	put_hash(out, page_script, sizeof(page_script) - 1);
	buf_puts(out, "; style-src ");
	put_hash(out, page_style, sizeof(page_style) - 1);
	if (live)
		buf_puts(out, "; connect-src 'self'");
}

static void put_part(struct buf *out, enum part part, const struct buf *document)
{
	switch (part) {
	case PART_POLICY:
		html_policy(out, !document);
		break;
	case PART_STYLE:
		buf_add(out, page_style, sizeof(page_style) - 1);
		break;
	case PART_REPORT:
		if (document)
			put_document(out, document);
		else
			buf_puts(out, "null");
		break;
	default:
		buf_add(out, page_script, sizeof(page_script) - 1);
	}
}

/* @document NULL = the live page */
static void put_page(struct buf *out, const struct buf *document)
{
	const char *at = (const char *)page_skeleton, *mark;

	for (enum part part = 0; part < PARTS; part++) {
		mark = strstr(at, marks[part]);
		if (!mark)
			continue; /* unit/test_html would have told the builder */
		buf_add(out, at, (size_t)(mark - at));
		put_part(out, part, document);
		at = mark + strlen(marks[part]);
	}
	buf_puts(out, at);
}

void html_page(struct buf *out, const struct buf *document)
{
	put_page(out, document);
}

void html_live(struct buf *out)
{
	put_page(out, NULL);
}
