/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers and strings as dumps have them; see parser.h. One that is not whole in the window is
 * begun again when more has come.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/sum.h"
#include "rdb/lzf.h"
#include "rdb/parser.h"

static uint64_t big_endian(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
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
		return parser_broken(r, -EBADMSG, "0x%02x begins no length", *at);
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
		return parser_broken(r, -EBADMSG,
				     "a length is wanted, and a string's form (%d) is there", form);
	return ret;
}

int atom_length(struct rdb *r, uint64_t *value)
{
	size_t from = 0;
	int ret = peek_number(r, &from, value);

	if (ret == DONE)
		r->at += from;
	return ret;
}

int atom_number(struct rdb *r, enum rdb_part role)
{
	uint64_t number;
	int ret = atom_length(r, &number);

	if (ret != DONE)
		return ret;
	ret = parser_take_number(r, role, number);
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
	ret = parser_take_text(r, role, text);
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
		return parser_broken(r, -EBADMSG, "a compressed string cannot be expanded");
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
		return parser_broken(r, -EBADMSG, "a compressed string with impossible lengths");
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

int atom_string(struct rdb *r, enum rdb_part role)
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
		return parser_broken(r, -EBADMSG, "no string has the form %d", form);
	if (form >= 0)
		return read_number_text(r, role, from, 1 << form);
	if (len > INT64_MAX / 2)
		return parser_broken(r, -EBADMSG, "a string of %llu bytes",
				     (unsigned long long)len);
	text.len = len;
	if (len > RDB_HELD_MAX)
		return text_done(r, role, &text, from, len);
	if (!there(r, from, len))
		return MORE;
	text.data = (const char *)r->window + r->at + from;
	return text_done(r, role, &text, from, len);
}

int atom_fixed(struct rdb *r, enum rdb_part role, size_t bytes)
{
	int ret;

	if (!there(r, 0, bytes))
		return MORE;
	ret = parser_take_number(r, role,
				 bytes <= 8 ? little_endian(r->window + r->at, (int)bytes) : bytes);
	r->at += bytes;
	return ret ? ret : DONE;
}

int atom_score(struct rdb *r)
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
int atom_module(struct rdb *r, enum rdb_part role)
{
	uint64_t opcode = r->module_opcode, number;
	int ret;

	if (!opcode) {
		ret = atom_length(r, &opcode);
		if (ret != DONE || !opcode)
			return ret;
		if (opcode > 5)
			return parser_broken(r, -EBADMSG, "a module's value has no opcode %llu",
					     (unsigned long long)opcode);
		r->module_opcode = opcode;
	}
	if (opcode <= 2)
		ret = atom_length(r, &number);
	else if (opcode <= 4)
		ret = atom_fixed(r, PART_NONE, opcode == 3 ? 4 : 8);
	else
		ret = atom_string(r, role);
	if (ret != DONE)
		return ret;
	r->module_opcode = 0;
	r->step--; /* there is more of it, and as many atoms as the module liked */
	return DONE;
}

/* ARRAY_TAG_*: 0 and 3 a string, 1 a number, 2 a double. The tag waits as a module's opcode
 * does. */
int atom_tagged(struct rdb *r, enum rdb_part role)
{
	uint64_t tag;
	int ret;

	if (!r->module_opcode) {
		ret = atom_length(r, &tag);
		if (ret != DONE)
			return ret;
		if (tag > 3)
			return parser_broken(r, -EBADMSG, "no element of an array has the tag %llu",
					     (unsigned long long)tag);
		r->module_opcode = 1 + tag;
	}
	tag = r->module_opcode - 1;
	ret = tag == 1 || tag == 2 ? atom_fixed(r, PART_NONE, 8) : atom_string(r, role);
	if (ret == DONE)
		r->module_opcode = 0;
	return ret;
}

/* Behind an array's count stands whether it has a place where to insert next, and that. */
int atom_array_count(struct rdb *r, uint64_t *count)
{
	uint64_t has_place = 0, place;
	size_t from = 0;
	int ret = peek_number(r, &from, count);

	if (ret == DONE)
		ret = peek_number(r, &from, &has_place);
	if (ret == DONE && has_place > 1)
		return parser_broken(r, -EBADMSG, "no array says %llu of where it inserts",
				     (unsigned long long)has_place);
	if (ret == DONE && has_place)
		ret = peek_number(r, &from, &place);
	if (ret == DONE)
		r->at += from;
	return ret;
}

int atom_template_count(struct rdb *r, uint64_t *count)
{
	size_t from = 0;
	uint64_t number;
	int ret = peek_number(r, &from, &number);

	if (ret != DONE)
		return ret;
	if (number >= r->templates_size || !r->templates[number])
		return parser_broken(r, -EBADMSG,
				     "a hash of template %llu, which did not come before it",
				     (unsigned long long)number);
	*count = r->templates[number];
	r->at += from;
	return DONE;
}
