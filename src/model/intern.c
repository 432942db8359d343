/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts kept once; see intern.h. */
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/buf.h"
#include "record/schema.h"
#include "model/intern.h"

struct kept {
	UT_hash_handle hh;
	size_t len;
	char data[]; /* with a NUL behind it */
};

struct keep {
	struct kept *by_data;
};

struct keep *intern_new(void)
{
	return xcalloc(1, sizeof(struct keep));
}

void intern_free(struct keep *keep)
{
	struct kept *kept, *next;

	HASH_ITER(hh, keep->by_data, kept, next) {
		HASH_DEL(keep->by_data, kept);
		free(kept);
	}
	free(keep);
}

static char *keep_data(struct keep *keep, const char *data, size_t len)
{
	struct kept *kept;

	HASH_FIND(hh, keep->by_data, data, len, kept);
	if (kept)
		return kept->data;
	kept = xcalloc(1, sizeof(*kept) + len + 1);
	kept->len = len;
	memcpy(kept->data, data, len);
	HASH_ADD_KEYPTR(hh, keep->by_data, kept->data, len, kept);
	return kept->data;
}

char *intern_string(struct keep *keep, const char *text)
{
	return keep_data(keep, text ? text : "", text ? strlen(text) : 0);
}

struct bytes intern_bytes(struct keep *keep, struct bytes bytes)
{
	if (bytes.data)
		bytes.data = keep_data(keep, bytes.data, bytes.len);
	return bytes;
}

static void keep_shares(struct keep *keep, struct record_share *shares)
{
	for (size_t i = 0; i < RECORD_SHARES; i++)
		shares[i].name = intern_string(keep, shares[i].name);
}

struct record intern_record(struct keep *keep, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	struct record copy = *record;

	for (size_t i = 0; i < schema->count; i++) {
		void *at = field_at(&copy, &schema->fields[i]);

		if (schema->fields[i].type == FIELD_STRING)
			*(const char **)at = intern_string(keep, *(const char **)at);
		else if (schema->fields[i].type == FIELD_BYTES)
			*(struct bytes *)at = intern_bytes(keep, *(struct bytes *)at);
		else if (schema->fields[i].type == FIELD_SHARES)
			keep_shares(keep, at);
	}
	return copy;
}
