/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape of each kind of fact: its name and its fields, as data. Recording,
 * replaying and keeping a copy of a fact all walk this table, so a new field is
 * one row in shape.c and nothing else.
 */
#pragma once

#include "fact/fact.h"

enum field_type {
	FIELD_I64,
	FIELD_F64,
	FIELD_BOOL,
	FIELD_STRING,
	FIELD_BYTES,
	FIELD_CHAR,
};

struct field {
	const char *name; /* as in fact.h; the key in a recording */
	size_t offset; /* in struct fact */
	enum field_type type;
};

struct fact_shape {
	const char *name; /* "tick": the value of "fact" in a recording */
	const struct field *fields;
	size_t count;
};

/* The shape of a kind, or NULL when @kind is none. */
const struct fact_shape *fact_shape(enum fact_kind kind);
/* The kind with that name, or FACT_KINDS. */
enum fact_kind fact_kind_of(const char *name);
/* Make @fact one of @kind with every field unknown: FACT_UNKNOWN, NAN, false, "", '?'. */
void fact_clear(struct fact *fact, enum fact_kind kind);

/* Give every string that is NULL the value "". */
void fact_no_null(struct fact *fact);

/* Where a field is. The caller casts to the type the field says. */
static inline void *field_at(struct fact *fact, const struct field *field)
{
	return (char *)fact + field->offset;
}

static inline const void *field_of(const struct fact *fact, const struct field *field)
{
	return (const char *)fact + field->offset;
}
