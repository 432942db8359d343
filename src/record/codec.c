/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One record as one line of JSON, and back. Both directions walk the shape of the
 * kind (schema.h). What the server sent may be any bytes: those that cannot stand
 * in JSON as they are go into "<name>_base64".
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "record/codec.h"
#include "record/schema.h"

#define BASE64_SUFFIX  "_base64"
#define FIELD_NAME_MAX 64

/* Owns what the strings of a decoded record point into. */
struct record_decoded {
	json_t *root;
	char **decoded; /* from base64 */
	size_t decoded_count;
};

static void base64_name(char out[FIELD_NAME_MAX], const struct field *field)
{
	snprintf(out, FIELD_NAME_MAX, "%s" BASE64_SUFFIX, field->name);
}

/* --- encode ------------------------------------------------------------- */

static int encode_base64(json_t *root, const struct field *field, const void *data, size_t len)
{
	char name[FIELD_NAME_MAX];
	struct buf text = { 0 };
	int rc;

	base64_name(name, field);
	base64_encode(&text, data, len);
	rc = json_object_set_new(root, name, json_stringn(buf_str(&text), text.len));
	buf_free(&text);
	return rc;
}

/* Text may hold newlines (an INFO reply), which JSON can say; broken UTF-8 it cannot. */
static int encode_string(json_t *root, const struct field *field, const char *text)
{
	json_t *value;

	if (!text)
		text = "";
	value = json_string(text);
	if (value)
		return json_object_set_new(root, field->name, value);
	return encode_base64(root, field, text, strlen(text));
}

static int encode_bytes(json_t *root, const struct field *field, const struct bytes *bytes)
{
	if (!bytes->data)
		return json_object_set_new(root, field->name, json_null());
	if (utf8_is_plain(bytes->data, bytes->len))
		return json_object_set_new(root, field->name,
					   json_stringn(bytes->data, bytes->len));
	return encode_base64(root, field, bytes->data, bytes->len);
}

static int encode_char(json_t *root, const struct field *field, char c)
{
	return utf8_is_plain(&c, 1) ? json_object_set_new(root, field->name, json_stringn(&c, 1)) :
				      encode_base64(root, field, &c, 1);
}

/* {"fault_swap":1200}: what is 0 goes without saying. */
static json_t *counts_json(const struct name_list *names, const int64_t *counts)
{
	json_t *o = json_object();

	for (unsigned int row = 0; row < names->count; row++)
		if (counts[row])
			json_object_set_new(o, names->name(row), json_integer(counts[row]));
	return o;
}

/* {"set":62000000,"get":38000000} */
static json_t *shares_json(const struct record_share *shares)
{
	json_t *o = json_object();

	for (size_t i = 0; i < RECORD_SHARES && *shares[i].name; i++)
		json_object_set_new(o, shares[i].name, json_integer(shares[i].ns));
	return o;
}

static const char *row_name(const struct field *field, unsigned int row)
{
	return row < field->names->count ? field->names->name(row) : "";
}

static int encode_field(json_t *root, const struct field *field, const void *at)
{
	json_t *value = NULL;

	switch (field->type) {
	case FIELD_I64:
		value = *(const int64_t *)at == RECORD_UNKNOWN ? json_null() :
								 json_integer(*(const int64_t *)at);
		break;
	case FIELD_F64:
		value = isfinite(*(const double *)at) ? json_real(*(const double *)at) :
							json_null();
		break;
	case FIELD_BOOL:
		value = json_boolean(*(const bool *)at);
		break;
	case FIELD_STRING:
		return encode_string(root, field, *(const char *const *)at);
	case FIELD_BYTES:
		return encode_bytes(root, field, at);
	case FIELD_CHAR:
		return encode_char(root, field, *(const char *)at);
	case FIELD_ENUM:
		value = json_string(row_name(field, *(const unsigned int *)at));
		break;
	case FIELD_COUNTS:
		value = counts_json(field->names, at);
		break;
	case FIELD_SHARES:
		value = shares_json(at);
		break;
	}
	return json_object_set_new(root, field->name, value);
}

char *record_encode(const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	json_t *root = json_object();
	char *line = NULL;

	if (!schema || !root || json_object_set_new(root, "record", json_string(schema->name)))
		goto out;
	for (size_t i = 0; i < schema->count; i++)
		if (encode_field(root, &schema->fields[i], field_of(record, &schema->fields[i])))
			goto out;
	line = json_dumps(root, JSON_COMPACT);
out:
	json_decref(root);
	return line;
}

/* --- decode ------------------------------------------------------------- */

static char *intern_bytes(struct record_decoded *keep, const struct buf *bytes)
{
	size_t size = (keep->decoded_count + 1) * sizeof(*keep->decoded);
	char *copy = xmemdup(buf_str(bytes), bytes->len);

	keep->decoded = xrealloc(keep->decoded, size);
	keep->decoded[keep->decoded_count++] = copy;
	return copy;
}

/* 1 when "<name>_base64" is there and was decoded, 0 when it is not there. */
static int decode_base64(struct record_decoded *keep, const struct field *field, struct bytes *out)
{
	struct buf bytes = { 0 };
	char name[FIELD_NAME_MAX];
	const json_t *value;

	base64_name(name, field);
	value = json_object_get(keep->root, name);
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || base64_decode(&bytes, json_string_value(value))) {
		buf_free(&bytes);
		return -EINVAL;
	}
	*out = (struct bytes){ .data = intern_bytes(keep, &bytes), .len = bytes.len };
	buf_free(&bytes);
	return 1;
}

/* Absent or null leaves @out without data. */
static int decode_bytes(struct record_decoded *keep, const struct field *field, struct bytes *out)
{
	const json_t *value = json_object_get(keep->root, field->name);

	if (value && json_is_string(value)) {
		*out = (struct bytes){ .data = json_string_value(value),
				       .len = json_string_length(value) };
		return 0;
	}
	if (value && !json_is_null(value))
		return -EINVAL;
	return decode_base64(keep, field, out) < 0 ? -EINVAL : 0;
}

static int decode_number(const json_t *value, const struct field *field, void *at)
{
	if (!value || json_is_null(value))
		return 0;
	if (field->type == FIELD_BOOL && json_is_boolean(value))
		*(bool *)at = json_is_true(value);
	else if (field->type == FIELD_I64 && json_is_integer(value))
		*(int64_t *)at = json_integer_value(value);
	else if (field->type == FIELD_F64 && json_is_number(value))
		*(double *)at = json_number_value(value);
	else
		return -EINVAL;
	return 0;
}

/* -ENOTSUP: a row that this version's table does not have. */
static int decode_enum(const json_t *value, const struct field *field, unsigned int *at)
{
	unsigned int row;

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return -EINVAL;
	row = name_list_find(field->names, json_string_value(value));
	if (row == field->names->count)
		return -ENOTSUP;
	*at = row;
	return 0;
}

/* Rows that this version's table does not have are left out. */
static int decode_counts(json_t *value, const struct field *field, int64_t *counts)
{
	const char *name;
	json_t *count;

	if (value && !json_is_null(value) && !json_is_object(value))
		return -EINVAL;
	json_object_foreach(value, name, count) {
		unsigned int row = name_list_find(field->names, name);

		if (!json_is_integer(count))
			return -EINVAL;
		if (row < field->names->count)
			counts[row] = json_integer_value(count);
	}
	return 0;
}

/* The names belong to @value. */
static int decode_shares(json_t *value, struct record_share *shares)
{
	const char *name;
	size_t i = 0;
	json_t *ns;

	if (value && !json_is_null(value) && !json_is_object(value))
		return -EINVAL;
	json_object_foreach(value, name, ns) {
		if (!json_is_integer(ns))
			return -EINVAL;
		if (*name && i < RECORD_SHARES)
			shares[i++] = (struct record_share){ name, json_integer_value(ns) };
	}
	return 0;
}

static int decode_by_table(json_t *value, const struct field *field, void *at)
{
	if (field->type == FIELD_ENUM)
		return decode_enum(value, field, at);
	return field->type == FIELD_COUNTS ? decode_counts(value, field, at) :
					     decode_shares(value, at);
}

/* Fields that are absent keep what record_clear() gave them. */
static int decode_field(struct record_decoded *keep, const struct field *field, void *at)
{
	struct bytes bytes = { 0 };
	int rc;

	if (field->type == FIELD_I64 || field->type == FIELD_F64 || field->type == FIELD_BOOL)
		return decode_number(json_object_get(keep->root, field->name), field, at);
	if (field->type >= FIELD_ENUM)
		return decode_by_table(json_object_get(keep->root, field->name), field, at);
	rc = decode_bytes(keep, field, &bytes);
	if (rc || !bytes.data)
		return rc;
	if (field->type == FIELD_BYTES)
		*(struct bytes *)at = bytes;
	else if (field->type == FIELD_STRING)
		*(const char **)at = bytes.data;
	else if (bytes.len == 1)
		*(char *)at = bytes.data[0];
	else
		return -EINVAL;
	return 0;
}

int record_from_json(json_t *root, struct record *record, struct record_decoded **keep_out,
		     struct err *err)
{
	const char *name = json_string_value(json_object_get(root, "record"));
	struct record_decoded *keep = xcalloc(1, sizeof(*keep));
	const struct record_schema *schema;
	enum record_kind kind;
	int rc = 0;

	keep->root = root;
	if (!name) {
		rc = err_set(err, -EINVAL, "recording: record: no name in it; record again");
		goto out;
	}
	kind = record_kind_of(name);
	schema = record_schema(kind);
	if (!schema) {
		rc = err_set(
			err, -ENOTSUP,
			"recording: record '%s': not known to this version; use a newer redmem",
			name);
		goto out;
	}
	record_clear(record, kind);
	for (size_t i = 0; i < schema->count && !rc; i++) {
		rc = decode_field(keep, &schema->fields[i], field_at(record, &schema->fields[i]));
		if (rc)
			rc = err_set(err, rc,
				     "recording: record '%s': bad value of '%s'; record again",
				     name, schema->fields[i].name);
	}
out:
	if (rc)
		record_decoded_free(keep);
	*keep_out = rc ? NULL : keep;
	return rc;
}

int record_decode(const char *line, size_t len, struct record *record, struct record_decoded **keep,
		  struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);

	*keep = NULL;
	if (!root)
		return err_set(err, -EINVAL, "recording: record: %s; record again", why.text);
	return record_from_json(root, record, keep, err);
}

void record_decoded_free(struct record_decoded *keep)
{
	if (!keep)
		return;
	for (size_t i = 0; i < keep->decoded_count; i++)
		free(keep->decoded[i]);
	free(keep->decoded);
	json_decref(keep->root);
	free(keep);
}
