/* SPDX-License-Identifier: BSD-2-Clause */
/* The records of a pack; see pack.h and pack_format.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "record/pack.h"
#include "record/pack_format.h"

#define SLOTS_MAX 128

/* A field as the pack has it. */
struct part {
	char type;
	const struct field *field; /* of the record; NULL = not known */
	bool strange; /* its row is of another version */
};

struct slot {
	const struct record_schema *schema; /* NULL = not known */
	size_t count;
	struct part *parts;
	struct record before;
};

struct unpacker {
	const unsigned char *at, *end;
	struct slot *slots;
	size_t slots_count;
	struct bytes *texts; /* each with a NUL behind it */
	size_t texts_count;
	uint64_t records;
	bool bad; /* cut or damaged: all that is got from here on is 0 or "" */
};

static unsigned char get_byte(struct unpacker *u)
{
	if (u->at == u->end)
		u->bad = true;
	return u->bad ? 0 : *u->at++;
}

static uint64_t get_number(struct unpacker *u)
{
	uint64_t n = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		unsigned char byte = get_byte(u);

		if (shift == 63 && byte > 1)
			break;
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return u->bad ? 0 : n;
	}
	u->bad = true;
	return 0;
}

/* @len bytes, or NULL. */
static const unsigned char *get_bytes(struct unpacker *u, uint64_t len)
{
	const unsigned char *bytes = u->at;

	if (u->bad || len > (size_t)(u->end - u->at)) {
		u->bad = true;
		return NULL;
	}
	u->at += len;
	return bytes;
}

static struct bytes get_new_text(struct unpacker *u, bool numbered)
{
	uint64_t len = get_number(u);
	const unsigned char *data = get_bytes(u, len);
	struct bytes text = { (const char *)data, data ? len : 0 };

	if (get_byte(u) || u->bad) {
		u->bad = true;
		return (struct bytes){ NULL, 0 };
	}
	if (!numbered)
		return text;
	u->texts = array_grow(u->texts, u->texts_count, sizeof(*u->texts));
	u->texts[u->texts_count++] = text;
	return text;
}

static struct bytes get_text(struct unpacker *u)
{
	uint64_t n = get_number(u);

	if (n == TEXT_NONE)
		return (struct bytes){ NULL, 0 };
	if (n < TEXT_NONE)
		return get_new_text(u, n == TEXT_NEW);
	if (n - TEXT_NUMBER < u->texts_count)
		return u->texts[n - TEXT_NUMBER];
	u->bad = true;
	return (struct bytes){ NULL, 0 };
}

static const char *get_string(struct unpacker *u)
{
	struct bytes text = get_text(u);

	return text.data ? text.data : "";
}

static int64_t get_int(struct unpacker *u, int64_t before)
{
	uint64_t n = get_number(u);
	const unsigned char *raw;
	int64_t value = 0;

	if (n == NUMBER_UNKNOWN)
		return RECORD_UNKNOWN;
	if (n == NUMBER_RAW) {
		raw = get_bytes(u, sizeof(value));
		if (raw)
			memcpy(&value, raw, sizeof(value));
		return value;
	}
	return (int64_t)((before == RECORD_UNKNOWN ? 0 : (uint64_t)before) +
			 (uint64_t)unzigzag(n - NUMBER_ABOVE));
}

static double get_double(struct unpacker *u, double before)
{
	uint64_t n = get_number(u), bits = 0;
	enum double_is is = n & 3;
	const unsigned char *bytes;
	double x;

	if (is < DOUBLE_BYTES)
		return (double)(int64_t)((uint64_t)double_base(before, is) +
					 (uint64_t)unzigzag(n >> 2)) /
		       double_parts[is];
	bytes = is == DOUBLE_BYTES && n >> 2 <= 8 ? get_bytes(u, n >> 2) : NULL;
	if (!bytes) {
		u->bad = true;
		return NAN;
	}
	if (!(n >> 2))
		return NAN;
	for (unsigned int i = 0; i < n >> 2; i++)
		bits |= (uint64_t)bytes[i] << (56 - 8 * i);
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Rows of another version's table are left out. @counts: NULL = nobody wants them. */
static void get_counts(struct unpacker *u, const struct field *field, int64_t *counts)
{
	uint64_t rows = get_number(u);

	if (counts)
		memset(counts, 0, field_size(field));
	for (uint64_t i = 0; i < rows && !u->bad; i++) {
		const char *name = get_string(u);
		int64_t count = get_int(u, 0);
		unsigned int row = counts ? name_list_find(field->names, name) : 0;

		if (counts && row < field->names->count)
			counts[row] = count;
	}
}

static void get_shares(struct unpacker *u, struct record_share *shares)
{
	uint64_t rows = get_number(u);

	for (size_t i = 0; shares && i < RECORD_SHARES; i++)
		shares[i] = (struct record_share){ "", 0 };
	for (uint64_t i = 0; i < rows && !u->bad; i++) {
		const char *name = get_string(u);
		int64_t ns = get_int(u, 0);

		if (shares && i < RECORD_SHARES)
			shares[i] = (struct record_share){ name, ns };
	}
}

static void get_row(struct unpacker *u, struct part *part, unsigned int *at)
{
	const char *name = get_string(u);

	if (!at)
		return;
	*at = name_list_find(part->field->names, name);
	part->strange = *at == part->field->names->count;
	if (part->strange)
		*at = 0;
}

/* @at: NULL = skip it. */
static void get_value(struct unpacker *u, struct part *part, void *at)
{
	union {
		int64_t number;
		double real;
		unsigned char byte;
		const char *string;
		struct bytes bytes;
	} skipped = { 0 };
	bool fixed = !strchr("enh", part->type);

	if (!at && fixed)
		at = &skipped;
	switch (part->type) {
	case 'i':
		*(int64_t *)at = get_int(u, *(int64_t *)at);
		break;
	case 'f':
		*(double *)at = get_double(u, *(double *)at);
		break;
	case 'b':
		*(bool *)at = get_byte(u) != 0;
		break;
	case 'c':
		*(char *)at = (char)get_byte(u);
		break;
	case 's':
		*(const char **)at = get_string(u);
		break;
	case 'y':
		*(struct bytes *)at = get_text(u);
		break;
	case 'e':
		get_row(u, part, at);
		break;
	case 'n':
		get_counts(u, part->field, at);
		break;
	default:
		get_shares(u, at);
		break;
	}
}

static const struct field *field_named(const struct record_schema *schema, const char *name,
				       char type)
{
	for (size_t i = 0; schema && i < schema->count; i++)
		if (!strcmp(schema->fields[i].name, name) &&
		    type_char(schema->fields[i].type) == type)
			return &schema->fields[i];
	return NULL;
}

static void get_shape(struct unpacker *u)
{
	enum record_kind kind = record_kind_of(get_string(u));
	uint64_t count = get_number(u);
	struct slot *slot;

	if (u->bad || u->slots_count == SLOTS_MAX || count > FIELDS_MAX) {
		u->bad = true;
		return;
	}
	slot = &u->slots[u->slots_count++];
	slot->schema = record_schema(kind);
	slot->count = count;
	slot->parts = xcalloc(count + 1, sizeof(*slot->parts));
	if (slot->schema)
		record_clear(&slot->before, kind);
	for (size_t i = 0; i < count && !u->bad; i++) {
		struct part *part = &slot->parts[i];
		const char *name = get_string(u);

		part->type = (char)get_byte(u);
		part->field = field_named(slot->schema, name, part->type);
		u->bad |= !part->type || !strchr("ifbcsyenh", part->type);
	}
}

static void get_record(struct unpacker *u, struct slot *slot, const struct record_sink *sink)
{
	const unsigned char *bitmap = get_bytes(u, (slot->count + 7) / 8);
	bool strange = !slot->schema;
	struct record record;

	for (size_t i = 0; bitmap && i < slot->count && !u->bad; i++) {
		struct part *part = &slot->parts[i];

		if (bitmap[i / 8] & (1u << i % 8))
			get_value(u, part,
				  part->field ? field_at(&slot->before, part->field) : NULL);
		strange |= part->strange;
	}
	u->records++;
	if (u->bad || strange)
		return;
	record = slot->before; /* whoever takes it may change it */
	record_emit(sink, &record);
}

static bool get_end(struct unpacker *u)
{
	return get_number(u) == u->records && !u->bad && u->at == u->end;
}

static bool get_items(struct unpacker *u, const struct record_sink *sink)
{
	const unsigned char *magic = get_bytes(u, MAGIC_LEN);

	if (!magic || memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return false;
	while (!u->bad) {
		uint64_t item = get_number(u);

		if (u->bad)
			break;
		if (item == ITEM_END)
			return get_end(u);
		if (item == ITEM_SHAPE)
			get_shape(u);
		else if (item - ITEM_RECORD < u->slots_count)
			get_record(u, &u->slots[item - ITEM_RECORD], sink);
		else
			u->bad = true;
	}
	return false;
}

int pack_replay(const void *data, size_t len, const struct record_sink *sink, struct err *err)
{
	struct unpacker u = { .at = data, .end = (const unsigned char *)data + len };
	bool good;

	if (len > PACK_BYTES_MAX)
		return err_set(err, -EBADMSG, "pack: %zu bytes are more than any has", len);
	u.slots = xcalloc(SLOTS_MAX, sizeof(*u.slots));
	good = get_items(&u, sink);
	for (size_t i = 0; i < u.slots_count; i++)
		free(u.slots[i].parts);
	free(u.slots);
	free(u.texts);
	return good ? 0 :
		      err_set(err, -EBADMSG,
			      "pack: cut or damaged at byte %zu of %zu; make it again",
			      (size_t)(u.at - (const unsigned char *)data), len);
}
