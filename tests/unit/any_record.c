/* SPDX-License-Identifier: BSD-2-Clause */
/* See any_record.h. */
#include "any_record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* Values that are hard to carry, by type; row i of each goes into one round. */
static const int64_t ints[ANY_ROUNDS] = { 1, RECORD_UNKNOWN, INT64_MAX, INT64_MIN + 1, 0 };
static const double doubles[ANY_ROUNDS] = { 0.1, NAN, 1.7976931348623157e308, -5e-324, 3.0 };
static const char *const strings[ANY_ROUNDS] = { "plain", "", "# Info\r\nused:1\r\n\t\"\\\x01",
						 "broken \xff\xc3 utf-8", "\xc3\xa9t\xc3\xa9" };
static const struct bytes byte_strings[ANY_ROUNDS] = { { "user:1", 6 },
						       { NULL, 0 },
						       { "a\0b\xff\n", 5 },
						       { "", 0 },
						       { "\xe2\x80\xae", 3 } };
static const char chars[ANY_ROUNDS] = { 'R', '?', '\0', '"', '\xff' };

static void fill_shares(struct record_share *shares, size_t count)
{
	static const char *const names[ANY_ROUNDS] = { "set", "config|get", "(unknown)", "x", "y" };

	for (size_t i = 0; i < RECORD_SHARES; i++)
		shares[i] = i < count ? (struct record_share){ names[i], ints[i] } :
					(struct record_share){ "", 0 };
}

void any_record(struct record *record, enum record_kind kind, size_t round)
{
	const struct record_schema *schema = record_schema(kind);

	*record = (struct record){ .kind = kind };
	for (size_t i = 0; i < schema->count; i++) {
		void *at = field_at(record, &schema->fields[i]);
		size_t pick = (round + i) % ANY_ROUNDS;

		switch (schema->fields[i].type) {
		case FIELD_I64:
			*(int64_t *)at = ints[pick];
			break;
		case FIELD_F64:
			*(double *)at = doubles[pick];
			break;
		case FIELD_BOOL:
			*(bool *)at = pick % 2;
			break;
		case FIELD_STRING:
			*(const char **)at = strings[pick];
			break;
		case FIELD_BYTES:
			*(struct bytes *)at = byte_strings[pick];
			break;
		case FIELD_CHAR:
			*(char *)at = chars[pick];
			break;
		case FIELD_ENUM:
			*(unsigned int *)at = pick % schema->fields[i].names->count;
			break;
		case FIELD_COUNTS:
			for (unsigned int j = 0; j < schema->fields[i].names->count; j++)
				((int64_t *)at)[j] = ints[(pick + j) % ANY_ROUNDS];
			break;
		case FIELD_SHARES:
			fill_shares(at, pick);
			break;
		}
	}
}

void assert_same_field(const struct record *a, const struct record *b, const struct field *f)
{
	const void *x = field_of(a, f), *y = field_of(b, f);
	const struct bytes *p = x, *q = y;

	switch (f->type) {
	case FIELD_I64:
		assert_true(*(const int64_t *)x == *(const int64_t *)y);
		break;
	case FIELD_F64:
		assert_true(isnan(*(const double *)x) ? isnan(*(const double *)y) :
							*(const double *)x == *(const double *)y);
		break;
	case FIELD_BOOL:
		assert_true(*(const bool *)x == *(const bool *)y);
		break;
	case FIELD_STRING:
		assert_string_equal(*(const char *const *)x, *(const char *const *)y);
		break;
	case FIELD_BYTES:
		assert_true(!p->data == !q->data);
		assert_int_equal(p->len, q->len);
		if (p->len)
			assert_memory_equal(p->data, q->data, p->len);
		break;
	case FIELD_CHAR:
		assert_int_equal(*(const char *)x, *(const char *)y);
		break;
	case FIELD_ENUM:
	case FIELD_COUNTS:
		assert_memory_equal(x, y, field_size(f));
		break;
	case FIELD_SHARES:
		for (size_t i = 0; i < RECORD_SHARES; i++) {
			assert_string_equal(((const struct record_share *)x)[i].name,
					    ((const struct record_share *)y)[i].name);
			assert_true(((const struct record_share *)x)[i].ns ==
				    ((const struct record_share *)y)[i].ns);
		}
		break;
	}
}
