/* SPDX-License-Identifier: BSD-2-Clause */
/* Records into a pack; see pack.h and pack_format.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "record/pack.h"
#include "record/pack_format.h"

#define TEXT_MAX     512 /* bytes of one that gets a number */
#define NUMBER_BYTES 11 /* that a number may take */

struct text {
	UT_hash_handle hh;
	size_t number, len;
	char data[]; /* with a NUL behind it */
};

struct shape {
	bool told;
	size_t slot;
	struct record before; /* its strings are of texts, or NULL for long ones */
};

struct packer {
	struct text *texts;
	struct shape shapes[RECORD_KINDS];
	size_t slots, records;
	bool begun;
};

struct packer *packer_new(void)
{
	return xcalloc(1, sizeof(struct packer));
}

static void packer_clear(struct packer *p)
{
	struct text *text, *next;

	HASH_ITER(hh, p->texts, text, next) {
		HASH_DEL(p->texts, text);
		free(text);
	}
	memset(p, 0, sizeof(*p));
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	packer_clear(p);
	free(p);
}

static void put_number(struct buf *out, uint64_t n)
{
	char bytes[NUMBER_BYTES];
	size_t len = 0;

	while (n >= 0x80) {
		bytes[len++] = (char)(n | 0x80);
		n >>= 7;
	}
	bytes[len++] = (char)n;
	buf_add(out, bytes, len);
}

static void put_int(struct buf *out, int64_t n, int64_t before)
{
	uint64_t above = (uint64_t)n - (before == RECORD_UNKNOWN ? 0 : (uint64_t)before);

	if (n == RECORD_UNKNOWN) {
		put_number(out, NUMBER_UNKNOWN);
	} else if (zigzag((int64_t)above) > UINT64_MAX - NUMBER_ABOVE) {
		put_number(out, NUMBER_RAW);
		buf_add(out, &n,
			sizeof(n)); /* of the machines redmem runs on the low byte is first */
	} else {
		put_number(out, NUMBER_ABOVE + zigzag((int64_t)above));
	}
}

static size_t number_bytes(uint64_t n)
{
	size_t len = 1;

	while (n >>= 7)
		len++;
	return len;
}

/* As a whole number of something, if that is one and no longer than its bytes. */
static void put_double(struct buf *out, double x, double before)
{
	unsigned char bytes[8];
	size_t len = 8;
	uint64_t bits;
	int64_t n;

	memcpy(&bits, &x, sizeof(bits));
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(bits >> (56 - 8 * i));
	while (len > 1 && !bytes[len - 1])
		len--;
	if (isnan(x))
		len = 0;
	for (enum double_is is = DOUBLE_WHOLE; is <= DOUBLE_BILLIONTHS; is++) {
		uint64_t number;

		if (!whole_of(x, double_parts[is], &n))
			continue;
		number = zigzag(n - double_base(before, is)) << 2 | is;
		if (number_bytes(number) > 1 + len)
			continue;
		put_number(out, number);
		return;
	}
	put_number(out, len << 2 | DOUBLE_BYTES);
	buf_add(out, bytes, len);
}

/* Where @data is kept, NULL for a long one. */
static const char *put_text(struct buf *out, struct packer *p, const char *data, size_t len)
{
	struct text *text = NULL;

	if (!data) {
		put_number(out, TEXT_NONE);
		return NULL;
	}
	if (len <= TEXT_MAX)
		HASH_FIND(hh, p->texts, data, len, text);
	if (text) {
		put_number(out, TEXT_NUMBER + text->number);
		return text->data;
	}
	put_number(out, len <= TEXT_MAX ? TEXT_NEW : TEXT_LONG);
	put_number(out, len);
	buf_add(out, data, len);
	buf_putc(out, '\0');
	if (len > TEXT_MAX)
		return NULL;
	text = xcalloc(1, sizeof(*text) + len + 1);
	text->number = HASH_COUNT(p->texts);
	text->len = len;
	memcpy(text->data, data, len);
	HASH_ADD_KEYPTR(hh, p->texts, text->data, len, text);
	return text->data;
}

static const char *put_string(struct buf *out, struct packer *p, const char *string)
{
	return put_text(out, p, string, strlen(string));
}

static void put_shape(struct buf *out, struct packer *p, enum record_kind kind)
{
	const struct record_schema *schema = record_schema(kind);
	struct shape *shape = &p->shapes[kind];

	put_number(out, ITEM_SHAPE);
	put_string(out, p, schema->name);
	put_number(out, schema->count);
	for (size_t i = 0; i < schema->count; i++) {
		put_string(out, p, schema->fields[i].name);
		buf_putc(out, type_char(schema->fields[i].type));
	}
	shape->told = true;
	shape->slot = p->slots++;
	record_clear(&shape->before, kind);
}

static void put_counts(struct buf *out, struct packer *p, const struct field *field,
		       const int64_t *counts)
{
	size_t rows = 0;

	for (unsigned int i = 0; i < field->names->count; i++)
		rows += counts[i] != 0;
	put_number(out, rows);
	for (unsigned int i = 0; i < field->names->count; i++) {
		if (!counts[i])
			continue;
		put_string(out, p, field->names->name(i));
		put_int(out, counts[i], 0);
	}
}

static void put_shares(struct buf *out, struct packer *p, const struct record_share *shares,
		       struct record_share *before)
{
	size_t rows = 0;

	while (rows < RECORD_SHARES && *shares[rows].name)
		rows++;
	put_number(out, rows);
	for (size_t i = 0; i < RECORD_SHARES; i++) {
		before[i] = (struct record_share){ "", 0 };
		if (i >= rows)
			continue;
		before[i].name = put_string(out, p, shares[i].name);
		before[i].ns = shares[i].ns;
		put_int(out, shares[i].ns, 0);
	}
}

/* A value, which becomes the one before. */
static void put_value(struct buf *out, struct packer *p, const struct field *field, const void *at,
		      void *before)
{
	const struct bytes *bytes = at;

	switch (field->type) {
	case FIELD_I64:
		put_int(out, *(const int64_t *)at, *(int64_t *)before);
		break;
	case FIELD_F64:
		put_double(out, *(const double *)at, *(double *)before);
		break;
	case FIELD_BOOL:
	case FIELD_CHAR:
		buf_putc(out, *(const char *)at);
		break;
	case FIELD_STRING:
		*(const char **)before = put_string(out, p, *(const char *const *)at);
		return;
	case FIELD_BYTES:
		((struct bytes *)before)->data = put_text(out, p, bytes->data, bytes->len);
		((struct bytes *)before)->len = bytes->len;
		return;
	case FIELD_ENUM:
		put_string(out, p, field->names->name(*(const unsigned int *)at));
		break;
	case FIELD_COUNTS:
		put_counts(out, p, field, at);
		break;
	case FIELD_SHARES:
		put_shares(out, p, at, before);
		return;
	}
	memcpy(before, at, field_size(field));
}

static bool same_shares(const struct record_share *a, const struct record_share *b)
{
	for (size_t i = 0; i < RECORD_SHARES; i++)
		if (!b[i].name || a[i].ns != b[i].ns || strcmp(a[i].name, b[i].name) != 0)
			return false;
	return true;
}

static bool same_double(double a, double b)
{
	return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

static bool same_value(const struct field *field, const void *at, const void *before)
{
	const struct bytes *a = at, *b = before;
	const char *string;

	switch (field->type) {
	case FIELD_I64:
		return *(const int64_t *)at == *(const int64_t *)before;
	case FIELD_F64:
		return same_double(*(const double *)at, *(const double *)before);
	case FIELD_STRING: /* of a long one nothing is kept */
		string = *(const char *const *)before;
		return string && !strcmp(*(const char *const *)at, string);
	case FIELD_BYTES:
		return !a->data == !b->data && bytes_same(*a, *b);
	case FIELD_SHARES:
		return same_shares(at, before);
	default:
		return !memcmp(at, before, field_size(field));
	}
}

/* At most so much does a record take, with its shape and all names of tables. */
static size_t most_bytes(const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	size_t bytes = 128;

	for (size_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];
		const void *at = field_of(record, field);

		bytes += 128 + field_size(field) * 16;
		if (field->type == FIELD_STRING)
			bytes += strlen(*(const char *const *)at);
		else if (field->type == FIELD_BYTES)
			bytes += ((const struct bytes *)at)->len;
		for (size_t j = 0; field->type == FIELD_SHARES && j < RECORD_SHARES; j++)
			bytes += strlen(((const struct record_share *)at)[j].name);
		for (unsigned int j = 0; field->type == FIELD_COUNTS && j < field->names->count;
		     j++)
			bytes += strlen(field->names->name(j));
	}
	return bytes;
}

/* Rows that no table has are none of ours. */
static void heed_tables(struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);

	for (size_t i = 0; i < schema->count; i++) {
		unsigned int *row = field_at(record, &schema->fields[i]);

		if (schema->fields[i].type == FIELD_ENUM && *row >= schema->fields[i].names->count)
			*row = 0;
	}
}

int pack_record(struct buf *out, struct packer *p, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	struct record own = *record;
	unsigned char bitmap[FIELDS_MAX / 8] = { 0 };
	struct shape *shape;

	if (!schema)
		return 0;
	shape = &p->shapes[record->kind];
	record_no_null(&own);
	heed_tables(&own);
	if (most_bytes(&own) + out->len > PACK_BYTES_MAX)
		return -EFBIG;
	if (!p->begun)
		buf_add(out, MAGIC, MAGIC_LEN);
	p->begun = true;
	if (!shape->told)
		put_shape(out, p, record->kind);
	for (size_t i = 0; i < schema->count; i++)
		if (!same_value(&schema->fields[i], field_of(&own, &schema->fields[i]),
				field_of(&shape->before, &schema->fields[i])))
			bitmap[i / 8] |= (unsigned char)(1u << i % 8);
	put_number(out, ITEM_RECORD + shape->slot);
	buf_add(out, bitmap, (schema->count + 7) / 8);
	for (size_t i = 0; i < schema->count; i++)
		if (bitmap[i / 8] & (1u << i % 8))
			put_value(out, p, &schema->fields[i], field_of(&own, &schema->fields[i]),
				  field_at(&shape->before, &schema->fields[i]));
	p->records++;
	return 0;
}

void pack_end(struct buf *out, struct packer *p)
{
	if (!p->begun)
		buf_add(out, MAGIC, MAGIC_LEN);
	put_number(out, ITEM_END);
	put_number(out, p->records);
	packer_clear(p);
}
