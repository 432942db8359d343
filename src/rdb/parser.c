/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of a dump: runs the tables of layout.c over a window of bytes, an atom at a
 * time, and stops where the bytes do. An atom that is not whole in the window is begun again
 * when more has come, so that a string is always in one piece; a length only says how far
 * the window may grow, and it grows as bytes come.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/sum.h"
#include "rdb/crc64.h"
#include "rdb/layout.h"
#include "rdb/lzf.h"

#define WINDOW	       ((size_t)256 << 10)
#define HEADER_BYTES   9 /* "REDIS0011", "VALKEY080" */
#define CHECKSUM_BYTES 8
#define CHECKSUM_SINCE 5 /* version */
#define LOOPS_MAX      4
#define DB_MAX	       INT32_MAX
#define TEMPLATES_MAX  (1 << 21) /* they are numbered from 0 */
#define AUX_NAME_MAX   64
#define TEXT_SHOWN     64 /* of a key in a message */

/* What an atom came to; a negative errno is an error. */
enum { MORE = 0, DONE = 1 };

struct loop {
	const struct step *start;
	uint64_t left;
};

struct rdb {
	struct rdb_sink sink;
	struct err *err; /* of the call */
	/* the window: [at, have) is not parsed, [summed, at) not in the checksum */
	uint8_t *window;
	size_t size, at, have, summed;
	int64_t base; /* offset of the window in the dump */
	size_t want; /* bytes from @at without which it does not go on */
	uint64_t skip; /* bytes of a string that is not held */
	/* where in the grammar */
	const struct step *step; /* NULL between items */
	struct loop loops[LOOPS_MAX];
	int depth;
	uint64_t module_opcode; /* whose value comes next; 0 = an opcode comes */
	enum { AT_HEADER, AT_ITEM, AT_KEY, AT_VALUE, AT_END } state;
	int64_t item; /* its offset */
	const struct step *value; /* of the key being read */
	const struct step *opcodes[256], *values[256];
	enum rdb_type types[256];
	uint32_t *templates; /* fields of each, 0 = there is none */
	size_t templates_size;
	uint64_t template; /* the one being read */
	int version;
	bool valkey;
	/* what was read */
	struct rdb_key key; /* its name lies in the window, or in @name */
	struct buf name;
	char aux_name[AUX_NAME_MAX];
	uint8_t *expanded;
	size_t expanded_size;
	char digits[24];
	uint64_t sum;
	struct crc64 crc;
};

/* --- errors --------------------------------------------------------------- */

static int64_t offset(const struct rdb *r)
{
	return r->base + (int64_t)r->at;
}

static int broken(struct rdb *r, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int broken(struct rdb *r, int code, const char *fmt, ...)
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
	err_set(r->err, code, "rdb: offset %lld%s: %s", (long long)offset(r), buf_str(&where),
		what);
	buf_free(&name);
	buf_free(&where);
	return code;
}

/* --- events --------------------------------------------------------------- */

static int emit(struct rdb *r, const struct rdb_event *event)
{
	return r->sink.take(r->sink.ctx, event, r->err);
}

static int emit_key(struct rdb *r, enum rdb_event_kind kind)
{
	return emit(r, &(struct rdb_event){ .kind = kind, .key = &r->key });
}

static void forget_key(struct rdb *r)
{
	r->key.expire_ms = r->key.idle_seconds = r->key.freq = RECORD_UNKNOWN;
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
		return broken(r, -EBADMSG, "template %llu of %llu fields: that cannot be",
			      (unsigned long long)r->template, (unsigned long long)fields);
	if (r->template >= size) {
		r->templates_size = r->template + 1 > size * 2 ? r->template + 1 : size * 2;
		r->templates = xrealloc(r->templates, r->templates_size * sizeof(*r->templates));
		memset(r->templates + size, 0, (r->templates_size - size) * sizeof(*r->templates));
	}
	r->templates[r->template] = (uint32_t)fields;
	return 0;
}

/* What the parser itself has to know; all of it goes to the sink. */
static int take_number(struct rdb *r, enum rdb_part role, uint64_t number)
{
	switch (role) {
	case PART_NONE:
		return 0;
	case PART_DB:
		if (number > DB_MAX)
			return broken(r, -EBADMSG, "no server has a database %llu",
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
	return emit(r, &(struct rdb_event){ .kind = RDB_NUMBER,
					    .role = role,
					    .number = number,
					    .key = r->state == AT_VALUE ? &r->key : NULL });
}

/* The name is wanted to the end of the value, and what it lies in is not that patient. */
static void hold_name(struct rdb *r)
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
		hold_name(r);
	return 0;
}

static int take_text(struct rdb *r, enum rdb_part role, const struct rdb_text *text)
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
	return emit(r, &event);
}

/* --- atoms: they leave @at alone until they are whole --------------------- */

/* Are @bytes there behind @from of the window's unparsed part? */
static inline bool there(struct rdb *r, size_t from, uint64_t bytes)
{
	if (r->have - r->at >= from && r->have - r->at - from >= bytes)
		return true;
	r->want = from + bytes;
	return false;
}

static uint64_t big_endian(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static uint64_t little_endian(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = bytes; i--;)
		value = value << 8 | at[i];
	return value;
}

/* The length @from bytes on; 11xxxxxx is no length but a form of string: @form, else -1.
 * @from moves behind it. */
static int peek_length(struct rdb *r, size_t *from, uint64_t *value, int *form)
{
	const uint8_t *at;
	int bytes;

	*form = -1;
	if (!there(r, *from, 1))
		return MORE;
	at = r->window + r->at + *from;
	if (*at < 0x40) {
		*value = *at;
		*from += 1;
		return DONE;
	}
	if (*at >= 0xc0) {
		*form = *at & 0x3f;
		*from += 1;
		return DONE;
	}
	bytes = *at < 0x80 ? 2 : *at == 0x80 ? 5 : *at == 0x81 ? 9 : 0;
	if (!bytes)
		return broken(r, -EBADMSG, "0x%02x begins no length", *at);
	if (!there(r, *from, (uint64_t)bytes))
		return MORE;
	*value = bytes == 2 ? big_endian(at, 2) & 0x3fff : big_endian(at + 1, bytes - 1);
	*from += (size_t)bytes;
	return DONE;
}

/* One that is no string's form. */
static int peek_number(struct rdb *r, size_t *from, uint64_t *value)
{
	int form, ret = peek_length(r, from, value, &form);

	if (ret == DONE && form >= 0)
		return broken(r, -EBADMSG, "a length is wanted, and a string's form (%d) is there",
			      form);
	return ret;
}

static int read_length(struct rdb *r, uint64_t *value)
{
	size_t from = 0;
	int ret = peek_number(r, &from, value);

	if (ret == DONE)
		r->at += from;
	return ret;
}

static int read_length_of(struct rdb *r, enum rdb_part role)
{
	uint64_t number;
	int ret = read_length(r, &number);

	if (ret != DONE)
		return ret;
	ret = take_number(r, role, number);
	return ret ? ret : DONE;
}

/* Who needs more of a string than its length. */
static bool is_read(enum rdb_part role)
{
	switch (role) {
	case PART_KEY:
	case PART_AUX_NAME:
	case PART_AUX_VALUE:
	case PART_NODE:
	case PART_ZIPLIST:
	case PART_ZIPMAP:
	case PART_INTSET:
	case PART_LISTPACK:
	case PART_LISTPACK_EXPIRY:
	case PART_STREAM_LISTPACK:
	case PART_TEMPLATE_LISTPACK:
		return true;
	default:
		return false;
	}
}

/* Everything to @from has been understood, and @body bytes follow that are told of. */
static int text_done(struct rdb *r, enum rdb_part role, struct rdb_text *text, size_t from,
		     uint64_t body)
{
	int ret;

	text->stored = from + (size_t)body;
	ret = take_text(r, role, text);
	if (ret)
		return ret;
	if (text->form == TEXT_COMPRESSED && r->state == AT_VALUE && text->len > body)
		sum_add(&r->key.saved, (int64_t)(text->len - body));
	r->at += from;
	if (text->data || body <= r->have - r->at)
		r->at += (size_t)body;
	else
		r->skip = body;
	return DONE;
}

static const char *decimal(struct rdb *r, int64_t number, size_t *len)
{
	char *end = r->digits + sizeof(r->digits) - 1, *at = end;
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	*at = '\0';
	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		*--at = '-';
	*len = (size_t)(end - at);
	return at;
}

static int read_number_text(struct rdb *r, enum rdb_part role, size_t from, int bytes)
{
	struct rdb_text text = { .form = TEXT_NUMBER };
	const uint8_t *at = r->window + r->at + from;

	if (!there(r, from, (uint64_t)bytes))
		return MORE;
	text.number = bytes == 1 ? (int8_t)*at :
		      bytes == 2 ? (int16_t)little_endian(at, 2) :
				   (int32_t)little_endian(at, 4);
	text.data = decimal(r, text.number, &text.len);
	return text_done(r, role, &text, from + (size_t)bytes, 0);
}

static int expand(struct rdb *r, struct rdb_text *text, size_t from, size_t packed)
{
	if (r->expanded_size < text->len) {
		r->expanded = xrealloc(r->expanded, text->len);
		r->expanded_size = text->len;
	}
	if (lzf_expand(r->window + r->at + from, packed, r->expanded, text->len))
		return broken(r, -EBADMSG, "a compressed string cannot be expanded");
	text->data = (const char *)r->expanded;
	return 0;
}

static int read_compressed(struct rdb *r, enum rdb_part role, size_t from)
{
	struct rdb_text text = { .form = TEXT_COMPRESSED };
	uint64_t packed, whole;
	int form, ret = peek_length(r, &from, &packed, &form);

	if (ret == DONE && form < 0)
		ret = peek_length(r, &from, &whole, &form);
	if (ret != DONE)
		return ret;
	if (form >= 0 || !packed || !whole || whole / LZF_EXPANSION_MAX > packed)
		return broken(r, -EBADMSG, "a compressed string with impossible lengths");
	text.len = whole;
	if (packed > RDB_HELD_MAX || whole > RDB_HELD_MAX)
		return text_done(r, role, &text, from, packed);
	if (!there(r, from, packed))
		return MORE;
	if (is_read(role)) {
		ret = expand(r, &text, from, (size_t)packed);
		if (ret)
			return ret;
	}
	return text_done(r, role, &text, from, packed);
}

static int read_string(struct rdb *r, enum rdb_part role)
{
	struct rdb_text text = { .form = TEXT_PLAIN };
	size_t from = 0;
	uint64_t len;
	int form, ret = peek_length(r, &from, &len, &form);

	if (ret != DONE)
		return ret;
	if (form == 3)
		return read_compressed(r, role, from);
	if (form > 3)
		return broken(r, -EBADMSG, "no string has the form %d", form);
	if (form >= 0)
		return read_number_text(r, role, from, 1 << form);
	if (len > INT64_MAX / 2)
		return broken(r, -EBADMSG, "a string of %llu bytes", (unsigned long long)len);
	text.len = len;
	if (len > RDB_HELD_MAX)
		return text_done(r, role, &text, from, len);
	if (!there(r, from, len))
		return MORE;
	text.data = (const char *)r->window + r->at + from;
	return text_done(r, role, &text, from, len);
}

static int read_fixed(struct rdb *r, enum rdb_part role, size_t bytes)
{
	int ret;

	if (!there(r, 0, bytes))
		return MORE;
	ret = take_number(r, role,
			  bytes <= 8 ? little_endian(r->window + r->at, (int)bytes) : bytes);
	r->at += bytes;
	return ret ? ret : DONE;
}

static int read_score(struct rdb *r)
{
	size_t len;

	if (!there(r, 0, 1))
		return MORE;
	len = r->window[r->at] < 253 ? r->window[r->at] : 0;
	if (!there(r, 1, len))
		return MORE;
	r->at += 1 + len;
	return DONE;
}

/* RDB_MODULE_OPCODE_*, rdb.h: 0 the end, 1 and 2 numbers, 3 float, 4 double, 5 string */
static int read_module(struct rdb *r, enum rdb_part role)
{
	uint64_t opcode = r->module_opcode, number;
	int ret;

	if (!opcode) {
		ret = read_length(r, &opcode);
		if (ret != DONE || !opcode)
			return ret;
		if (opcode > 5)
			return broken(r, -EBADMSG, "a module's value has no opcode %llu",
				      (unsigned long long)opcode);
		r->module_opcode = opcode;
	}
	if (opcode <= 2)
		ret = read_length(r, &number);
	else if (opcode <= 4)
		ret = read_fixed(r, PART_NONE, opcode == 3 ? 4 : 8);
	else
		ret = read_string(r, role);
	if (ret != DONE)
		return ret;
	r->module_opcode = 0;
	r->step--; /* there is more of it, and as many atoms as the module liked */
	return DONE;
}

/* ARRAY_TAG_*: 0 and 3 a string, 1 a number, 2 a double. The tag waits as a module's opcode
 * does. */
static int read_tagged(struct rdb *r, enum rdb_part role)
{
	uint64_t tag;
	int ret;

	if (!r->module_opcode) {
		ret = read_length(r, &tag);
		if (ret != DONE)
			return ret;
		if (tag > 3)
			return broken(r, -EBADMSG, "no element of an array has the tag %llu",
				      (unsigned long long)tag);
		r->module_opcode = 1 + tag;
	}
	tag = r->module_opcode - 1;
	ret = tag == 1 || tag == 2 ? read_fixed(r, PART_NONE, 8) : read_string(r, role);
	if (ret == DONE)
		r->module_opcode = 0;
	return ret;
}

/* --- the grammar ---------------------------------------------------------- */

/* None of what is counted is there: go on behind the loop, with the loops inside it. */
static void skip_loop(struct rdb *r)
{
	int depth = 1;

	while (depth) {
		r->step++;
		depth += (r->step->kind == STEP_COUNT || r->step->kind == STEP_ARRAY ||
			  r->step->kind == STEP_TEMPLATE) -
			 (r->step->kind == STEP_LOOP);
	}
}

/* Behind an array's count stands whether it has a place where to insert next, and that. */
static int read_array_count(struct rdb *r, uint64_t *count)
{
	uint64_t has_place = 0, place;
	size_t from = 0;
	int ret = peek_number(r, &from, count);

	if (ret == DONE)
		ret = peek_number(r, &from, &has_place);
	if (ret == DONE && has_place > 1)
		return broken(r, -EBADMSG, "no array says %llu of where it inserts",
			      (unsigned long long)has_place);
	if (ret == DONE && has_place)
		ret = peek_number(r, &from, &place);
	if (ret == DONE)
		r->at += from;
	return ret;
}

static int read_template_count(struct rdb *r, uint64_t *count)
{
	size_t from = 0;
	uint64_t number;
	int ret = peek_number(r, &from, &number);

	if (ret != DONE)
		return ret;
	if (number >= r->templates_size || !r->templates[number])
		return broken(r, -EBADMSG, "a hash of template %llu, which did not come before it",
			      (unsigned long long)number);
	*count = r->templates[number];
	r->at += from;
	return DONE;
}

static int begin_loop(struct rdb *r, const struct step *step)
{
	uint64_t count;
	int ret = step->kind == STEP_ARRAY    ? read_array_count(r, &count) :
		  step->kind == STEP_TEMPLATE ? read_template_count(r, &count) :
						read_length(r, &count);

	if (ret != DONE)
		return ret;
	ret = take_number(r, step->role, count);
	if (ret)
		return ret;
	if (!count)
		skip_loop(r);
	else
		r->loops[r->depth++] = (struct loop){ r->step, count };
	return DONE;
}

static void end_loop(struct rdb *r)
{
	struct loop *loop = &r->loops[r->depth - 1];

	if (--loop->left)
		r->step = loop->start;
	else
		r->depth--;
}

/* A layout has come to its end. */
static int end_item(struct rdb *r)
{
	int ret = 0;

	r->step = NULL;
	if (r->state == AT_KEY) {
		r->state = AT_VALUE;
		r->step = r->value;
		r->key.saved = r->key.groups = r->key.consumers = r->key.pending = 0;
		return emit_key(r, RDB_KEY);
	}
	if (r->state == AT_VALUE) {
		r->key.stored = offset(r) - r->item;
		ret = emit_key(r, RDB_KEY_END);
		forget_key(r);
		r->state = AT_ITEM;
	}
	return ret;
}

static int run_step(struct rdb *r)
{
	const struct step *step = r->step;
	int ret;

	switch (step->kind) {
	case STEP_STRING:
		ret = read_string(r, step->role);
		break;
	case STEP_LENGTH:
		ret = read_length_of(r, step->role);
		break;
	case STEP_FIXED:
		ret = read_fixed(r, step->role, step->bytes);
		break;
	case STEP_SCORE:
		ret = read_score(r);
		break;
	case STEP_COUNT:
	case STEP_ARRAY:
	case STEP_TEMPLATE:
		ret = begin_loop(r, step);
		break;
	case STEP_MODULE:
		ret = read_module(r, step->role);
		break;
	case STEP_TAGGED:
		ret = read_tagged(r, step->role);
		break;
	case STEP_LOOP:
		end_loop(r);
		ret = DONE;
		break;
	default:
		ret = end_item(r);
		return ret ? ret : DONE;
	}
	if (ret == DONE)
		r->step++;
	return ret;
}

/* --- items ---------------------------------------------------------------- */

/* As far as it has come. */
static bool begins_right(const struct rdb *r)
{
	return !memcmp(r->window, "REDIS", r->have < 5 ? r->have : 5) ||
	       !memcmp(r->window, "VALKEY", r->have < 6 ? r->have : 6);
}

static int no_dump(struct rdb *r)
{
	return broken(r, -EINVAL,
		      "this is no dump: it begins with neither REDIS nor VALKEY and a version");
}

static int read_header(struct rdb *r)
{
	struct rdb_event event = { .kind = RDB_BEGIN };
	char head[HEADER_BYTES + 1] = "";
	const char *digits = head + 5;
	int ret;

	if (!there(r, 0, HEADER_BYTES))
		return MORE;
	memcpy(head, r->window, HEADER_BYTES);
	r->valkey = !memcmp(head, "VALKEY", 6);
	digits += r->valkey;
	if (!begins_right(r) || strspn(digits, "0123456789") != strlen(digits))
		return no_dump(r);
	r->version = atoi(digits);
	for (unsigned int i = 0; i < 256; i++) {
		r->opcodes[i] = layout_of_opcode((uint8_t)i, r->valkey);
		r->values[i] = layout_of_value((uint8_t)i, r->valkey, &r->types[i]);
	}
	r->at += HEADER_BYTES;
	r->state = AT_ITEM;
	event.number = (uint64_t)r->version;
	event.valkey = r->valkey;
	ret = emit(r, &event);
	return ret ? ret : DONE;
}

static void sum_up(struct rdb *r)
{
	r->sum = crc64_add(&r->crc, r->sum, r->window + r->summed, r->at - r->summed);
	r->summed = r->at;
}

static int read_end(struct rdb *r)
{
	struct rdb_event event = { .kind = RDB_END };
	uint64_t sum = 0;
	int ret;

	if (r->version >= CHECKSUM_SINCE) {
		if (!there(r, 1, CHECKSUM_BYTES))
			return MORE;
		sum = little_endian(r->window + r->at + 1, CHECKSUM_BYTES);
	}
	r->at++;
	sum_up(r);
	if (r->version >= CHECKSUM_SINCE)
		r->at += CHECKSUM_BYTES;
	r->state = AT_END;
	if (sum && sum != r->sum)
		return broken(r, -EBADMSG,
			      "the checksum is wrong: the dump has changed since it "
			      "was written, and what was read of it may be, too");
	event.number = sum != 0;
	ret = emit(r, &event);
	return ret ? ret : DONE;
}

static const struct step key_name[] = { { STEP_STRING, PART_KEY, 0 }, { STEP_END, PART_NONE, 0 } };

static int begin_item(struct rdb *r)
{
	uint8_t number;

	if (!there(r, 0, 1))
		return MORE;
	number = r->window[r->at];
	r->depth = 0;
	if (number == OPCODE_END)
		return read_end(r);
	/* What stands before a key belongs to it. */
	if (r->opcodes[number]) {
		r->step = r->opcodes[number];
	} else if (r->values[number]) {
		r->step = key_name;
		r->value = r->values[number];
		r->key.number = number;
		r->key.type = r->types[number];
		r->state = AT_KEY;
	} else {
		return broken(r, -EPROTONOSUPPORT, "%s %u of %s RDB %d is not known to this redmem",
			      number > 200 ? "opcode" : "type", number,
			      r->valkey ? "Valkey's" : "Redis's", r->version);
	}
	r->item = offset(r);
	r->at++;
	return DONE;
}

static bool skip_on(struct rdb *r)
{
	size_t left = r->have - r->at;
	size_t now = r->skip < left ? (size_t)r->skip : left;

	r->at += now;
	r->skip -= now;
	return !r->skip;
}

static int parse(struct rdb *r)
{
	int ret = DONE;

	while (ret == DONE && r->state != AT_END) {
		if (r->skip && !skip_on(r))
			return MORE;
		if (r->state == AT_HEADER)
			ret = read_header(r);
		else
			ret = r->step ? run_step(r) : begin_item(r);
	}
	return ret;
}

/* --- the window ----------------------------------------------------------- */

struct rdb *rdb_new(const struct rdb_sink *sink)
{
	struct rdb *r = xcalloc(1, sizeof(*r));

	r->sink = *sink;
	r->size = WINDOW;
	r->window = xrealloc(NULL, r->size);
	r->key.slot = RECORD_UNKNOWN;
	forget_key(r);
	crc64_init(&r->crc);
	return r;
}

void rdb_free(struct rdb *r)
{
	if (!r)
		return;
	buf_free(&r->name);
	free(r->expanded);
	free(r->templates);
	free(r->window);
	free(r);
}

void *rdb_room(struct rdb *r, size_t *size)
{
	size_t wanted = WINDOW;

	if (r->state == AT_VALUE && r->key.name.data != r->name.data)
		hold_name(r);
	sum_up(r);
	memmove(r->window, r->window + r->at, r->have - r->at);
	r->base += (int64_t)r->at;
	r->have -= r->at;
	r->at = r->summed = 0;
	/* Twice what has come: a length alone takes no memory. */
	if (r->want > wanted)
		wanted = r->want < r->have * 2 ? r->want : r->have * 2;
	if (wanted < r->have + 1)
		wanted = r->have + 1;
	if (r->size < wanted || (r->size > WINDOW && wanted <= WINDOW)) {
		r->window = xrealloc(r->window, wanted);
		r->size = wanted;
	}
	*size = r->size - r->have;
	return r->window + r->have;
}

int rdb_take(struct rdb *r, size_t len, struct err *err)
{
	int ret;

	r->err = err;
	r->have += len;
	if (r->have - r->at < r->want)
		return 0;
	r->want = 0;
	ret = parse(r);
	return ret < 0 ? ret : r->state == AT_END;
}

int rdb_close(struct rdb *r, struct err *err)
{
	r->err = err;
	if (r->state == AT_END)
		return 0;
	if (r->state == AT_HEADER && !begins_right(r))
		return no_dump(r);
	return broken(r, -ENODATA, "the dump ends here, before its end");
}

const void *rdb_rest(const struct rdb *r, size_t *len)
{
	*len = r->have - r->at;
	return r->window + r->at;
}

int64_t rdb_offset(const struct rdb *r)
{
	return offset(r);
}

const char *rdb_type_name(enum rdb_type type)
{
	static const char *const names[RDB_TYPES] = { "string", "list",	  "set",    "zset",
						      "hash",	"stream", "module", "array" };

	return names[type];
}
