/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape of each kind of record: its name and its fields, as data. Recording,
 * replaying and keeping a copy of a record all walk this table, so a new field is
 * one row in schema.c and nothing else.
 */
#pragma once

#include "record/record.h"
#include "record/schema.h"
#include "redmem/tables.h"

enum field_type {
	FIELD_I64,
	FIELD_F64,
	FIELD_BOOL,
	FIELD_STRING,
	FIELD_BYTES,
	FIELD_CHAR,
	FIELD_ENUM, /* of a table of redmem/tables.h, by name */
	FIELD_COUNTS, /* int64_t by the rows of such a table; those of 0 are left out */
	FIELD_SHARES, /* struct record_share[RECORD_SHARES] */
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

/*
 * Whose words a text is: what app/redact.h shows of it where names are hidden. Only of texts and
 * bytes. What is not said to be anything else is a name.
 */
enum field_says {
	SAYS_NAME, /* somebody chose it: key, client, user, file, cgroup */
	SAYS_WORD, /* one of few, or a number, of redmem's own, the kernel's or the server's */
	SAYS_COMMAND, /* the server's, or a module's, or renamed */
	SAYS_COUNTER, /* a name INFO has, which may end in a command's or an error's */
	SAYS_EVENT, /* of LATENCY */
	SAYS_TYPE, /* of a key; a module's has a name */
	SAYS_ADDRESS, /* host and port, or a socket's path */
	SAYS_TASK, /* what a process or a thread calls itself */
	SAYS_FRAMES, /* functions, and modules of the program */
	SAYS_SENTENCE, /* redmem's own, which may name files */
	SAYS_REFUSAL, /* an error, perhaps in the server's words */
	SAYS_INFO, /* "name:value" lines of INFO */
	SAYS_PAIRS, /* "name value" lines */
	SAYS_TABLES, /* of the allocator: texts are quoted */
};

struct field {
	const char *name; /* as in record.h; the key in a recording */
	size_t offset; /* in struct record */
	enum field_type type;
	const struct name_list *names; /* FIELD_ENUM, FIELD_COUNTS */
	enum field_role role;
	enum field_says says;
};

/* What a record is told of, when a session is cut into windows. */
enum record_of {
	RECORD_OF_EVENT, /* of its time */
	RECORD_OF_STATE, /* of what lasts: the next one of the same thing replaces it */
	RECORD_OF_MOMENT, /* of the end of a window, and no other */
	RECORD_OF_WHOLE, /* asked for once, when all is over, and of no single window */
};

struct record_schema {
	const char *name; /* "tick": the value of "record" in a recording */
	enum record_of of;
	const struct field *fields;
	size_t count;
};

/* The shape of a kind, or NULL when @kind is none. */
const struct record_schema *record_schema(enum record_kind kind);
/* The kind with that name, or RECORD_KINDS. */
enum record_kind record_kind_of(const char *name);
/* Make @record one of @kind with every field unknown: RECORD_UNKNOWN, NAN, false, "", '?', the
 * first row of a table, counts of 0. */
void record_clear(struct record *record, enum record_kind kind);

/* Give every string that is NULL the value "". */
void record_no_null(struct record *record);

/* Bytes it takes in the struct. */
size_t field_size(const struct field *field);
/* The row of that name, or names->count. */
unsigned int name_list_find(const struct name_list *names, const char *name);

/* Where a field is. The caller casts to the type the field says. */
static inline void *field_at(struct record *record, const struct field *field)
{
	return (char *)record + field->offset;
}

static inline const void *field_of(const struct record *record, const struct field *field)
{
	return (const char *)record + field->offset;
}

/* --- the tables of redmem/tables.h as data, by their enums --- */

struct cause {
	const char *name; /* in JSON */
	const char *words; /* for people: "swap-in" */
	const char *advice; /* the usual remedy, one sentence; NULL when it has none of its own */
};

struct event {
	const char *name;
	const char *words;
	enum redmem_unit unit;
	enum redmem_cause cause; /* of its time within a stall */
	int order; /* in which it is taken out of a stall; 0 = it is not */
};

struct frame {
	const char *name;
	const char *words; /* "freeing"; "" when it says nothing */
	enum redmem_cause cause;
	enum redmem_frame_kind kind;
};

struct wait_call {
	const char *name;
	enum redmem_cause cause;
	bool descriptor; /* its first argument is one */
};

extern const struct cause cause_table[CAUSES];
extern const struct event event_table[EVENT_KINDS];
extern const struct frame frame_table[FRAMES];
extern const struct wait_call wait_table[WAITS];

extern const struct name_list event_names, frame_names, wait_names, call_names, module_names,
	key_source_names;
