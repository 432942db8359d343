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
	FIELD_ENUM, /* of a table of redmem/tables.h, by name */
	FIELD_COUNTS, /* int64_t by the rows of such a table; those of 0 are left out */
	FIELD_SHARES, /* struct fact_share[FACT_SHARES] */
};

/* Names of the rows of a table of redmem/tables.h. */
struct name_list {
	const char *(*name)(unsigned int row);
	unsigned int count;
};

/* What a number is over time. */
enum field_role {
	ROLE_VALUE, /* as it was then */
	ROLE_TIME, /* seconds since t = 0 of the session */
	ROLE_COUNTER, /* grows from the start of the session on */
};

struct field {
	const char *name; /* as in fact.h; the key in a recording */
	size_t offset; /* in struct fact */
	enum field_type type;
	const struct name_list *names; /* FIELD_ENUM, FIELD_COUNTS */
	enum field_role role;
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
/* Make @fact one of @kind with every field unknown: FACT_UNKNOWN, NAN, false, "", '?', the first
 * row of a table, counts of 0. */
void fact_clear(struct fact *fact, enum fact_kind kind);

/* Give every string that is NULL the value "". */
void fact_no_null(struct fact *fact);

/* Bytes it takes in the struct. */
size_t field_size(const struct field *field);
/* The row of that name, or names->count. */
unsigned int name_list_find(const struct name_list *names, const char *name);

/* Where a field is. The caller casts to the type the field says. */
static inline void *field_at(struct fact *fact, const struct field *field)
{
	return (char *)fact + field->offset;
}

static inline const void *field_of(const struct fact *fact, const struct field *field)
{
	return (const char *)fact + field->offset;
}
