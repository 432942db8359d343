/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefixes of a keyspace as folded stacks, which flame graph programs draw: a line a
 * prefix, its segments as frames, and the bytes of its keys. The lines add up to all of them.
 */
#include "base/escape.h"
#include "model/keyspace.h"
#include "model/prefix.h"
#include "report/report.h"

/* A frame is as redis-cli shows it, but for what ends one in this form. */
static void put_frame(struct buf *out, const char *text, size_t len)
{
	size_t part;

	for (; len; text += part, len -= part) {
		part = 0;
		while (part < len && text[part] != ';')
			part++;
		escape_redis(out, text, part);
		if (part < len) {
			buf_puts(out, "\\x3b");
			part++;
		}
	}
}

static void put_prefix(struct buf *out, const struct keyspace_prefix *prefix,
		       const char *separators)
{
	size_t begin = 0;

	for (size_t at = 0; at < prefix->prefix_len; at++) {
		bool last = at + 1 == prefix->prefix_len;

		if (!last && !prefix_is_separator(prefix->prefix[at], separators))
			continue;
		if (begin)
			buf_putc(out, ';');
		put_frame(out, prefix->prefix + begin, at + 1 - begin);
		begin = at + 1;
	}
	if (!prefix->prefix_len)
		buf_puts(out, "(no name)");
	buf_printf(out, " %lld\n", (long long)prefix->bytes);
}

void report_keys_folded(struct buf *out, const struct model *m)
{
	const struct keyspace *keys = m->keyspace;

	for (size_t i = 0; i < keys->prefixes.count; i++)
		put_prefix(out, &keys->prefixes.rows[i], keys->options.separators);
}
