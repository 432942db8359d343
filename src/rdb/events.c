/* SPDX-License-Identifier: BSD-2-Clause */
/* What was read on its way to the sink, and what cannot be; see parser.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/sum.h"
#include "rdb/parser.h"

#define DB_MAX	      INT32_MAX
#define TEMPLATES_MAX (1 << 21) /* they are numbered from 0 */
#define TEXT_SHOWN    64 /* of a key in a message */

int parser_broken(struct rdb *r, int code, const char *fmt, ...)
{
	struct buf where = {}, name = {};
	char what[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (r->state == AT_VALUE) {
		size_t len = r->key.name.len < TEXT_SHOWN ? r->key.name.len : TEXT_SHOWN;

		escape_redis(&name, r->key.name.data, len);
		buf_printf(&where, ", in the value of key %s (type %u) that begins at %lld",
			   buf_str(&name), r->key.number, (long long)r->item);
	}
	err_set(r->err, code, "rdb: offset %lld%s: %s", (long long)parser_offset(r),
		buf_str(&where), what);
	buf_free(&name);
	buf_free(&where);
	return code;
}

int parser_emit(struct rdb *r, const struct rdb_event *event)
{
	return r->sink.take(r->sink.ctx, event, r->err);
}

int parser_emit_key(struct rdb *r, enum rdb_event_kind kind)
{
	return parser_emit(r, &(struct rdb_event){ .kind = kind, .key = &r->key });
}

static void count_up(int64_t *total, uint64_t number)
{
	sum_add(total, (int64_t)(number & INT64_MAX));
}

/* How many fields it has is kept: hashes of it say only its number. */
static int take_template(struct rdb *r, uint64_t fields)
{
	size_t size = r->templates_size;

	if (r->template >= TEMPLATES_MAX || !fields || fields > UINT32_MAX)
		return parser_broken(r, -EBADMSG, "template %llu of %llu fields: that cannot be",
				     (unsigned long long)r->template, (unsigned long long)fields);
	if (r->template >= size) {
		r->templates_size = r->template + 1 > size * 2 ? r->template + 1 : size * 2;
		r->templates = xrealloc(r->templates, r->templates_size * sizeof(*r->templates));
		memset(r->templates + size, 0, (r->templates_size - size) * sizeof(*r->templates));
	}
	r->templates[r->template] = (uint32_t)fields;
	return 0;
}

int parser_take_number(struct rdb *r, enum rdb_part role, uint64_t number)
{
	switch (role) {
	case PART_NONE:
		return 0;
	case PART_DB:
		if (number > DB_MAX)
			return parser_broken(r, -EBADMSG, "no server has a database %llu",
					     (unsigned long long)number);
		r->key.db = (int64_t)number;
		r->key.slot = RECORD_UNKNOWN;
		break;
	case PART_SLOT:
		r->key.slot = (int64_t)(number & INT64_MAX);
		break;
	case PART_EXPIRE_MS:
		r->key.expire_ms = (int64_t)number;
		return 0;
	case PART_EXPIRE_SECONDS:
		r->key.expire_ms = (int64_t)(int32_t)(uint32_t)number * 1000;
		return 0;
	case PART_IDLE:
		r->key.idle_seconds = (int64_t)(number & INT64_MAX);
		return 0;
	case PART_FREQ:
		r->key.freq = (int64_t)number;
		return 0;
	case PART_GROUPS:
		count_up(&r->key.groups, number);
		break;
	case PART_CONSUMERS:
		count_up(&r->key.consumers, number);
		break;
	case PART_PENDING:
		count_up(&r->key.pending, number);
		break;
	case PART_TEMPLATE:
		r->template = number;
		break;
	case PART_TEMPLATE_FIELDS:
		if (take_template(r, number))
			return -EBADMSG;
		break;
	case PART_ENTRY_MS: /* the highest byte first, as they are ordered in the server */
	case PART_ENTRY_SEQ:
		number = __builtin_bswap64(number);
		break;
	default:
		break;
	}
	return parser_emit(r, &(struct rdb_event){ .kind = RDB_NUMBER,
						   .role = role,
						   .number = number,
						   .key = r->state == AT_VALUE ? &r->key : NULL });
}

void parser_hold_name(struct rdb *r)
{
	buf_clear(&r->name);
	buf_add(&r->name, r->key.name.data, r->key.name.len);
	r->key.name.data = buf_str(&r->name);
}

static int take_name(struct rdb *r, const struct rdb_text *text)
{
	r->key.name = (struct bytes){ text->data ? text->data : "", text->data ? text->len : 0 };
	r->key.name_len = text->len;
	if (text->form != TEXT_PLAIN)
		parser_hold_name(r);
	return 0;
}

int parser_take_text(struct rdb *r, enum rdb_part role, const struct rdb_text *text)
{
	struct rdb_event event = { .kind = RDB_TEXT, .role = role, .text = text };
	size_t len = text->len < AUX_NAME_MAX - 1 ? text->len : AUX_NAME_MAX - 1;

	switch (role) {
	case PART_NONE:
		return 0;
	case PART_KEY:
		return take_name(r, text);
	case PART_AUX_NAME:
		memcpy(r->aux_name, text->data ? text->data : "", text->data ? len : 0);
		r->aux_name[text->data ? len : 0] = '\0';
		return 0;
	case PART_AUX_VALUE:
		event.kind = RDB_AUX;
		event.name = r->aux_name;
		break;
	default:
		if (r->state == AT_VALUE)
			event.key = &r->key;
	}
	return parser_emit(r, &event);
}
