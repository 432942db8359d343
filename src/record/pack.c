/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records as bytes; see pack.h. N is a number in LEB128 (seven bits a byte, low ones first), Z one
 * with a sign folded into it (0, -1, 1, -2...). "Before" is the field in the record of the same
 * kind before, and at the start what record_clear() gives.
 *
 *	pack	"RMPK1" item... end
 *	item	N 1: a shape follows, the next slot's:	text name, N fields, { text name, type }
 *		N 2 + slot: a record of that shape:	bitmap of the fields that follow, { value }
 *	end	N 0, N records
 *	text	N 0: N length, bytes, a 0; it gets the next number (from 0)
 *		N 1: the same, without a number: it is long
 *		N 2: no data; N 3 + number
 *	type	a byte:
 *		'i'	N 0: not known; N 1: 8 bytes, low first; N 2 + Z: so much above the one
 *			before (above 0 when that is not known)
 *		'f'	N of what follows times four, plus
 *			0: Z, a whole number, above the one before (when that was one, else 0)
 *			1: Z, billionths, likewise
 *			2: so many bytes, the high ones of its 8; all others are 0; none = not known
 *		'b' 'c'	a byte
 *		's' 'y'	text
 *		'e'	text, the name of a row
 *		'n'	N rows, { text name, 'i' above 0 }: of counts by the rows of a table
 *		'h'	N rows, { text name, 'i' above 0 }: of shares
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "record/pack.h"
#include "record/schema.h"

#define MAGIC	  "RMPK1"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define TEXT_MAX  512 /* bytes of one that gets a number */
/* Bytes that a number may take. */
#define NUMBER_BYTES 11
#define FIELDS_MAX   256
#define SLOTS_MAX    128
/* Whole numbers in doubles are exact below. */
#define WHOLE_MAX 9007199254740992.0

enum item { ITEM_END, ITEM_SHAPE, ITEM_RECORD };
enum text_is { TEXT_NEW, TEXT_LONG, TEXT_NONE, TEXT_NUMBER };
enum number_is { NUMBER_UNKNOWN, NUMBER_RAW, NUMBER_ABOVE };
enum double_is { DOUBLE_WHOLE, DOUBLE_BILLIONTHS, DOUBLE_BYTES };

static char type_char(enum field_type type)
{
	static const char chars[] = {
		[FIELD_I64] = 'i',    [FIELD_F64] = 'f',    [FIELD_BOOL] = 'b',
		[FIELD_STRING] = 's', [FIELD_BYTES] = 'y',  [FIELD_CHAR] = 'c',
		[FIELD_ENUM] = 'e',   [FIELD_COUNTS] = 'n', [FIELD_SHARES] = 'h',
	};

	return chars[type];
}

static uint64_t zigzag(int64_t n)
{
	return ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)((n >> 1) ^ -(n & 1));
}

/* Is @x a whole number of 1/@parts that comes back as it was? 0 is, -0 is not. */
static bool whole_of(double x, double parts, int64_t *out)
{
	double n = x * parts;

	if (!(fabs(n) < WHOLE_MAX))
		return false;
	*out = llround(n);
	return (double)*out / parts == x && (*out || !signbit(x));
}

static const double double_parts[] = { [DOUBLE_WHOLE] = 1, [DOUBLE_BILLIONTHS] = 1e9 };

/* What such a number is told above. */
static int64_t double_base(double before, enum double_is is)
{
	int64_t n;

	return whole_of(before, double_parts[is], &n) ? n : 0;
}

/* --- writing ------------------------------------------------------------------------- */

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

/* --- reading ------------------------------------------------------------------------- */

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
	if (!(u->texts_count & (u->texts_count - 1)))
		u->texts = xrealloc(u->texts,
				    (u->texts_count ? 2 * u->texts_count : 1) * sizeof(*u->texts));
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
