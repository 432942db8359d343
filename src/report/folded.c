/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Folded stacks, which flame graph programs draw. Of a keyspace: a line a prefix, its segments as
 * frames, and the bytes of its keys, which add up to all of them. Of a profile: a line a stack.
 */
#include <inttypes.h>
#include <string.h>

#include "base/escape.h"
#include "model/keyspace.h"
#include "model/prefix.h"
#include "report/profile.h"
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

static void put_stack(struct buf *out, const struct report_profile *p,
		      const struct profile_sample *sample, enum profile_kind kind)
{
	const char *direction = profile_direction(sample, kind);

	if (direction)
		put_frame(out, direction, strlen(direction));
	for (size_t i = 0; i < sample->depth; i++) {
		struct bytes name = p->names[sample->frames[i]];

		if (i || direction)
			buf_putc(out, ';');
		put_frame(out, name.data, name.len);
	}
	buf_printf(out, " %" PRId64 "\n", profile_width(sample, kind));
}

void report_profile_folded(struct buf *out, const struct report_profile *p, enum profile_kind kind)
{
	for (size_t i = 0; i < p->samples_count; i++)
		if (p->samples[i].values[kind])
			put_stack(out, p, &p->samples[i], kind);
}
