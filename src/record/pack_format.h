/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a pack, for who writes them (pack_write.c) and who reads them (pack_read.c).
 *
 * N is a number in LEB128 (seven bits a byte, low ones first), Z one with a sign folded into it
 * (0, -1, 1, -2...). "Before" is the field in the record of the same kind before, and at the
 * start what record_clear() gives.
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
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "record/schema.h"

#define MAGIC	   "RMPK1"
#define MAGIC_LEN  (sizeof(MAGIC) - 1)
#define FIELDS_MAX 256
/* Whole numbers in doubles are exact below. */
#define WHOLE_MAX 9007199254740992.0

enum item { ITEM_END, ITEM_SHAPE, ITEM_RECORD };
enum text_is { TEXT_NEW, TEXT_LONG, TEXT_NONE, TEXT_NUMBER };
enum number_is { NUMBER_UNKNOWN, NUMBER_RAW, NUMBER_ABOVE };
enum double_is { DOUBLE_WHOLE, DOUBLE_BILLIONTHS, DOUBLE_BYTES };

static inline char type_char(enum field_type type)
{
	static const char chars[] = {
		[FIELD_I64] = 'i',    [FIELD_F64] = 'f',    [FIELD_BOOL] = 'b',
		[FIELD_STRING] = 's', [FIELD_BYTES] = 'y',  [FIELD_CHAR] = 'c',
		[FIELD_ENUM] = 'e',   [FIELD_COUNTS] = 'n', [FIELD_SHARES] = 'h',
	};

	return chars[type];
}

static inline uint64_t zigzag(int64_t n)
{
	return ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t n)
{
	return (int64_t)((n >> 1) ^ -(n & 1));
}

/* Is @x a whole number of 1/@parts that comes back as it was? 0 is, -0 is not. */
static inline bool whole_of(double x, double parts, int64_t *out)
{
	double n = x * parts;

	if (!(fabs(n) < WHOLE_MAX))
		return false;
	*out = llround(n);
	return (double)*out / parts == x && (*out || !signbit(x));
}

static const double double_parts[] = { [DOUBLE_WHOLE] = 1, [DOUBLE_BILLIONTHS] = 1e9 };

/* What such a number is told above. */
static inline int64_t double_base(double before, enum double_is is)
{
	int64_t n;

	return whole_of(before, double_parts[is], &n) ? n : 0;
}
