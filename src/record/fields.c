/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done with a record by its fields; see schema.h. */
#include <math.h>
#include <string.h>

#include "record/schema.h"

enum record_kind record_kind_of(const char *name)
{
	unsigned int kind = 0;

	while (kind < RECORD_KINDS && strcmp(record_schema((enum record_kind)kind)->name, name))
		kind++;
	return (enum record_kind)kind;
}

size_t field_size(const struct field *field)
{
	switch (field->type) {
	case FIELD_I64:
		return sizeof(int64_t);
	case FIELD_F64:
		return sizeof(double);
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_STRING:
		return sizeof(const char *);
	case FIELD_BYTES:
		return sizeof(struct bytes);
	case FIELD_CHAR:
		return sizeof(char);
	case FIELD_ENUM:
		return sizeof(unsigned int);
	case FIELD_COUNTS:
		return field->names->count * sizeof(int64_t);
	case FIELD_SHARES:
		return RECORD_SHARES * sizeof(struct record_share);
	}
	return 0;
}

unsigned int name_list_find(const struct name_list *names, const char *name)
{
	unsigned int row = 0;

	while (row < names->count && strcmp(names->name(row), name) != 0)
		row++;
	return row;
}

static void shares_clear(struct record_share *shares)
{
	for (size_t i = 0; i < RECORD_SHARES; i++)
		shares[i] = (struct record_share){ "", 0 };
}

static void field_clear(void *at, const struct field *field)
{
	switch (field->type) {
	case FIELD_I64:
		*(int64_t *)at = RECORD_UNKNOWN;
		break;
	case FIELD_F64:
		*(double *)at = NAN;
		break;
	case FIELD_STRING:
		*(const char **)at = "";
		break;
	case FIELD_CHAR:
		*(char *)at = '?';
		break;
	case FIELD_SHARES:
		shares_clear(at);
		break;
	case FIELD_BOOL:
	case FIELD_BYTES:
	case FIELD_ENUM:
	case FIELD_COUNTS:
		memset(at, 0, field_size(field));
		break;
	}
}

void record_clear(struct record *record, enum record_kind kind)
{
	const struct record_schema *schema = record_schema(kind);

	*record = (struct record){ .kind = kind };
	for (size_t i = 0; i < schema->count; i++)
		field_clear(field_at(record, &schema->fields[i]), &schema->fields[i]);
}

void record_no_null(struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);

	for (size_t i = 0; i < schema->count; i++) {
		const char **text = field_at(record, &schema->fields[i]);
		struct record_share *shares = field_at(record, &schema->fields[i]);

		if (schema->fields[i].type == FIELD_STRING && !*text)
			*text = "";
		for (size_t j = 0; schema->fields[i].type == FIELD_SHARES && j < RECORD_SHARES; j++)
			if (!shares[j].name)
				shares[j].name = "";
	}
}
