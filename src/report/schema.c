/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON Schema from the lists of members and the tables of columns; see schema.h. */
#include "report/schema.h"

#include <stdlib.h>

json_t *json_document(const struct schema *schema)
{
	json_t *o = json_object();

	put(o, "schema", json_string(schema->id));
	return o;
}

static json_t *type_of(const char *name)
{
	json_t *o = json_object();

	put(o, "type", json_string(name));
	return o;
}

static json_t *type_or_null(const char *name)
{
	json_t *o = json_object(), *names = json_array();

	put_last(names, json_string(name));
	put_last(names, json_string("null"));
	put(o, "type", names);
	return o;
}

static json_t *or_null(json_t *type)
{
	json_t *o = json_object(), *both = json_array();

	put_last(both, type);
	put_last(both, type_of("null"));
	put(o, "anyOf", both);
	return o;
}

static json_t *array_of(json_t *item)
{
	json_t *o = type_of("array");

	put(o, "items", item);
	return o;
}

static void define(json_t *definitions, const struct schema *schema);
static json_t *object_of_columns(const struct columns *columns);

/* By its name; it is defined once. */
static json_t *reference(json_t *definitions, const struct schema *schema)
{
	json_t *o = json_object();
	struct buf path = { 0 };

	define(definitions, schema);
	buf_printf(&path, "#/$defs/%s", schema->name);
	put(o, "$ref", json_string(buf_str(&path)));
	buf_free(&path);
	return o;
}

static json_t *time_type(void)
{
	json_t *o = type_or_null("string");

	put(o, "format", json_string("date-time"));
	return o;
}

static json_t *settings_type(void)
{
	json_t *o = type_of("object");

	put(o, "additionalProperties", type_or_null("integer"));
	return o;
}

static json_t *scalar_type(enum member_kind kind)
{
	switch (kind) {
	case MEMBER_INTEGER:
		return type_or_null("integer");
	case MEMBER_NUMBER:
		return type_or_null("number");
	case MEMBER_TEXT:
	case MEMBER_BYTES:
		return type_or_null("string");
	case MEMBER_TIME:
		return time_type();
	case MEMBER_BOOLEAN:
		return type_of("boolean");
	case MEMBER_BOOLEAN_OR_NULL:
		return type_or_null("boolean");
	case MEMBER_WORDS:
		return array_of(type_of("string"));
	case MEMBER_TABLE:
		return array_of(array_of(type_or_null("number")));
	case MEMBER_INTEGERS:
		return settings_type();
	default: /* a word, or a name */
		return type_of("string");
	}
}

static json_t *member_type(json_t *definitions, const struct member *member)
{
	switch (member->kind) {
	case MEMBER_OBJECT:
		return reference(definitions, member->of);
	case MEMBER_OBJECT_OR_NULL:
		return or_null(reference(definitions, member->of));
	case MEMBER_LIST:
		return array_of(reference(definitions, member->of));
	case MEMBER_LIST_OR_NULL:
		return or_null(array_of(reference(definitions, member->of)));
	case MEMBER_ROWS:
		return array_of(object_of_columns(member->columns));
	case MEMBER_ROWS_OR_NULL:
		return or_null(array_of(object_of_columns(member->columns)));
	default:
		return scalar_type(member->kind);
	}
}

/* What is known of an object while its members are gathered. */
struct gathered {
	json_t *properties, *required;
};

/* NAME_base64 is only there where the bytes are not what is shown. */
static void add_base64(struct gathered *to, const char *name)
{
	struct buf base64 = { 0 };

	buf_printf(&base64, "%s_base64", name);
	put(to->properties, buf_str(&base64), type_of("string"));
	buf_free(&base64);
}

static void add_columns(struct gathered *to, const struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		const struct column *column = &columns->column[i];
		enum cell cell = column->cell;

		if (!column->name)
			continue;
		if (cell == CELL_NAME)
			add_base64(to, column->name);
		put(to->properties, column->name,
		    cell == CELL_NAME			      ? type_or_null("string") :
		    cell == CELL_COMMAND || cell == CELL_WORD ? type_of("string") :
		    column_is_integer(column)		      ? type_or_null("integer") :
								type_or_null("number"));
		put_last(to->required, json_string(column->name));
	}
}

/* With @maybe any of them may be missing. */
static void add_members(struct gathered *to, json_t *definitions, const struct schema *schema,
			bool maybe)
{
	for (const struct member *member = schema->members;
	     member->name || member->kind == MEMBER_ALL_OF || member->kind == MEMBER_COLUMNS_OF;
	     member++) {
		if (member->kind == MEMBER_ALL_OF) {
			add_members(to, definitions, member->of, maybe || member->maybe);
			continue;
		}
		if (member->kind == MEMBER_COLUMNS_OF) {
			add_columns(to, member->columns);
			continue;
		}
		put(to->properties, member->name, member_type(definitions, member));
		if (member->kind == MEMBER_BYTES || member->kind == MEMBER_NAME)
			add_base64(to, member->name);
		if (!maybe && !member->maybe)
			put_last(to->required, json_string(member->name));
	}
}

/* Nothing else is in it: fields are only ever added, and a schema is of this version. */
static json_t *object_of(const struct gathered *members)
{
	json_t *o = type_of("object");

	put(o, "properties", members->properties);
	put(o, "required", members->required);
	put(o, "additionalProperties", json_false());
	return o;
}

static json_t *object_of_columns(const struct columns *columns)
{
	struct gathered members = { json_object(), json_array() };

	add_columns(&members, columns);
	return object_of(&members);
}

static void define(json_t *definitions, const struct schema *schema)
{
	struct gathered members = { json_object(), json_array() };
	json_t *id;

	if (json_object_get(definitions, schema->name)) {
		json_decref(members.properties);
		json_decref(members.required);
		return;
	}
	put(definitions, schema->name, json_null()); /* it stands before those it is made of */
	if (schema->id) {
		id = json_object();
		put(id, "const", json_string(schema->id));
		put(members.properties, "schema", id);
		put_last(members.required, json_string("schema"));
	}
	add_members(&members, definitions, schema, false);
	put(definitions, schema->name, object_of(&members));
}

void report_schema(struct buf *out, const char *title, const struct schema *const *documents)
{
	json_t *o = json_object(), *definitions = json_object(), *any = json_array();

	for (; *documents; documents++)
		put_last(any, reference(definitions, *documents));
	put(o, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	put(o, "title", json_string(title));
	put(o, "anyOf", any);
	put(o, "$defs", definitions);
	json_text(out, o, JSON_INDENT(1));
	buf_putc(out, '\n');
	json_decref(o);
}
