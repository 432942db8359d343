/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What our JSON is made of, as lists of members, from which both the writer and the JSON Schema
 * (`redmem schema COMMAND`) are made: they cannot disagree. A list is a macro,
 *
 *	#define SENSOR(M, MAYBE)                                     \
 *		M("id", text, sensor->id)                            \
 *		M("state", word, sensor->on ? "on" : "off")          \
 *		MAYBE(*sensor->fix, "fix", text, sensor->fix)
 *	SCHEMA(sensor, SENSOR);
 *
 * each member with its name, its type and its value; MAYBE is one that is only there where the
 * condition holds. In the function that writes the object,
 *
 *	json_t *o = json_object();
 *	PUT_MEMBERS(SENSOR);
 *
 * sets them all in @o, in this order. The values see the function's own variables.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "report/columns.h"
#include "report/json.h"

/* The types of members. What is not known is null; those of *_or_null may be, the others that
 * may be say so. */
enum member_kind {
	MEMBER_INTEGER, /* integer: int64_t; null when RECORD_UNKNOWN */
	MEMBER_NUMBER, /* real, count, number: double; null when NAN */
	MEMBER_TEXT, /* text: const char *; null when NULL. some_text: also when "". json_text: a
		      * json_t * that is one */
	MEMBER_TIME, /* time: nanoseconds since 1970, and seconds behind that; may be null */
	MEMBER_BYTES, /* bytes: struct bytes, with NAME_base64 (json.h); null when there are none */
	MEMBER_NAME, /* name: the same, "" when there are none */
	MEMBER_WORD, /* word: const char * */
	MEMBER_BOOLEAN, /* boolean */
	/* of a json_t *: */
	MEMBER_BOOLEAN_OR_NULL, /* boolean_or_null */
	MEMBER_OBJECT, /* object(of) */
	MEMBER_OBJECT_OR_NULL,
	MEMBER_LIST, /* list(of): an array of objects */
	MEMBER_LIST_OR_NULL,
	MEMBER_ROWS, /* rows(of): an array of objects with these columns */
	MEMBER_ROWS_OR_NULL,
	MEMBER_WORDS, /* words: an array of strings */
	MEMBER_TABLE, /* table: an array of arrays of numbers, which may be null */
	MEMBER_INTEGERS, /* integers: an object whose names are settings */
	MEMBER_ALL_OF, /* all_of(of): no member, but those of another object, which o has already */
	MEMBER_COLUMNS_OF, /* columns_of(of): the same of columns */
};

struct schema;

struct member {
	const char *name;
	enum member_kind kind;
	const struct schema *of;
	const struct columns *columns;
	bool maybe; /* it may be missing; of all_of(), each of them */
};

struct schema {
	const char *name; /* of the object among the others: "sensor" */
	const char *id; /* of a document, its member "schema": "redmem.doctor/1"; NULL */
	const struct member *members; /* end with a kind of 0 and no name */
};

/* --- a list as rows of a schema --- */

#define MEMBER_ROW(NAME, TYPE, ...)		{ NAME, MEMBER_TYPE_##TYPE, false },
#define MEMBER_ROW_MAYBE(WHEN, NAME, TYPE, ...) { NAME, MEMBER_TYPE_##TYPE, true },

#define MEMBER_TYPE_integer	       MEMBER_INTEGER, NULL, NULL
#define MEMBER_TYPE_real	       MEMBER_NUMBER, NULL, NULL
#define MEMBER_TYPE_count	       MEMBER_NUMBER, NULL, NULL
#define MEMBER_TYPE_number	       MEMBER_NUMBER, NULL, NULL
#define MEMBER_TYPE_text	       MEMBER_TEXT, NULL, NULL
#define MEMBER_TYPE_some_text	       MEMBER_TEXT, NULL, NULL
#define MEMBER_TYPE_json_text	       MEMBER_TEXT, NULL, NULL
#define MEMBER_TYPE_time	       MEMBER_TIME, NULL, NULL
#define MEMBER_TYPE_bytes	       MEMBER_BYTES, NULL, NULL
#define MEMBER_TYPE_name	       MEMBER_NAME, NULL, NULL
#define MEMBER_TYPE_word	       MEMBER_WORD, NULL, NULL
#define MEMBER_TYPE_boolean	       MEMBER_BOOLEAN, NULL, NULL
#define MEMBER_TYPE_boolean_or_null    MEMBER_BOOLEAN_OR_NULL, NULL, NULL
#define MEMBER_TYPE_object(of)	       MEMBER_OBJECT, &schema_##of, NULL
#define MEMBER_TYPE_object_or_null(of) MEMBER_OBJECT_OR_NULL, &schema_##of, NULL
#define MEMBER_TYPE_list(of)	       MEMBER_LIST, &schema_##of, NULL
#define MEMBER_TYPE_list_or_null(of)   MEMBER_LIST_OR_NULL, &schema_##of, NULL
#define MEMBER_TYPE_rows(of)	       MEMBER_ROWS, NULL, &columns_##of
#define MEMBER_TYPE_rows_or_null(of)   MEMBER_ROWS_OR_NULL, NULL, &columns_##of
#define MEMBER_TYPE_words	       MEMBER_WORDS, NULL, NULL
#define MEMBER_TYPE_table	       MEMBER_TABLE, NULL, NULL
#define MEMBER_TYPE_integers	       MEMBER_INTEGERS, NULL, NULL
#define MEMBER_TYPE_all_of(of)	       MEMBER_ALL_OF, &schema_##of, NULL
#define MEMBER_TYPE_columns_of(of)     MEMBER_COLUMNS_OF, NULL, &columns_##of

#define SCHEMA_ROWS(list)                          \
	(const struct member[])                    \
	{                                          \
		list(MEMBER_ROW, MEMBER_ROW_MAYBE) \
		{                                  \
			.name = NULL               \
		}                                  \
	}
#define SCHEMA(of, list) const struct schema schema_##of = { #of, NULL, SCHEMA_ROWS(list) }
/* Of a document: what it is begins it. */
#define DOCUMENT(of, list)	  DOCUMENT_OF(of, "redmem." #of "/1", list)
#define DOCUMENT_OF(of, id, list) const struct schema schema_##of = { #of, id, SCHEMA_ROWS(list) }

/* --- a list as calls that set the members of o --- */

#define PUT_MEMBERS(list) list(PUT_MEMBER, PUT_MEMBER_MAYBE)

#define PUT_MEMBER(NAME, TYPE, ...) PUT_##TYPE(NAME, __VA_ARGS__);
#define PUT_MEMBER_MAYBE(WHEN, NAME, TYPE, ...) \
	if (WHEN)                               \
		PUT_##TYPE(NAME, __VA_ARGS__);

#define PUT_integer(NAME, ...)	 put(o, NAME, value_int(__VA_ARGS__))
#define PUT_real(NAME, ...)	 put(o, NAME, value_real(__VA_ARGS__))
#define PUT_count(NAME, ...)	 put(o, NAME, value_count(__VA_ARGS__))
#define PUT_number(NAME, ...)	 put(o, NAME, value_number(__VA_ARGS__))
#define PUT_text(NAME, ...)	 put(o, NAME, value_text(__VA_ARGS__))
#define PUT_some_text(NAME, ...) put(o, NAME, value_some_text(__VA_ARGS__))
#define PUT_time(NAME, ...)	 put(o, NAME, value_time(__VA_ARGS__))
#define PUT_bytes(NAME, ...)	 put_bytes(o, NAME, __VA_ARGS__)
#define PUT_name(NAME, ...)	 put_name(o, NAME, __VA_ARGS__)
#define PUT_word(NAME, ...)	 put(o, NAME, json_string(__VA_ARGS__))
#define PUT_boolean(NAME, ...)	 put(o, NAME, json_boolean(__VA_ARGS__))
#define PUT_json(NAME, ...)	 put(o, NAME, __VA_ARGS__)
#define PUT_nothing(NAME, ...)	 (void)(__VA_ARGS__)
#define PUT_json_text		 PUT_json
#define PUT_boolean_or_null	 PUT_json
#define PUT_object(of)		 PUT_json
#define PUT_object_or_null(of)	 PUT_json
#define PUT_list(of)		 PUT_json
#define PUT_list_or_null(of)	 PUT_json
#define PUT_rows(of)		 PUT_json
#define PUT_rows_or_null(of)	 PUT_json
#define PUT_words		 PUT_json
#define PUT_table		 PUT_json
#define PUT_integers		 PUT_json
#define PUT_all_of(of)		 PUT_nothing
#define PUT_columns_of(of)	 PUT_nothing

/* A new document: an object that says which. */
json_t *json_document(const struct schema *schema);

/* The JSON Schema (draft 2020-12) of @documents, which ends with NULL: a program may get any of
 * them. @title is what it is called. */
void report_schema(struct buf *out, const char *title, const struct schema *const *documents);

/* --- objects that several documents have --- */

extern const struct schema schema_target, schema_window, schema_self, schema_sensor,
	schema_ledger_line, schema_inside, schema_keys_check, schema_timeline, schema_host,
	schema_mapping, schema_totals, schema_child, schema_key, schema_key_cost, schema_hot_key,
	schema_concentration, schema_life, schema_slowlog, schema_latency, schema_rss_move,
	schema_evidence, schema_finding; /* json_parts.c */
extern const struct schema schema_keyspace, schema_keyspace_of_dumps; /* json_keyspace.c */
extern const struct schema schema_passed; /* passed.c */
extern const struct schema schema_dumped; /* dumped.c */
extern const struct schema schema_dump; /* dump.c */
extern const struct schema schema_comparison; /* comparison.c */
extern const struct schema schema_cost; /* json_alloc.c */
extern const struct schema schema_stall; /* json_stalls.c */

/* --- the documents --- */

extern const struct schema schema_doctor, schema_doctor_all, schema_checklist, schema_oom,
	schema_memory, schema_alloc, schema_keys, schema_one_key, schema_rdb, schema_diff,
	schema_stalls, schema_history, schema_changes, schema_death;
