/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts kept once; see keep.h. */
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/buf.h"
#include "fact/shape.h"
#include "model/keep.h"

struct kept {
	UT_hash_handle hh;
	size_t len;
	char data[]; /* with a NUL behind it */
};

struct keep {
	struct kept *by_data;
};

struct keep *keep_new(void)
{
	return xcalloc(1, sizeof(struct keep));
}

void keep_free(struct keep *keep)
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

char *keep_string(struct keep *keep, const char *text)
{
	return keep_data(keep, text ? text : "", text ? strlen(text) : 0);
}

struct bytes keep_bytes(struct keep *keep, struct bytes bytes)
{
	if (bytes.data)
		bytes.data = keep_data(keep, bytes.data, bytes.len);
	return bytes;
}

static void keep_shares(struct keep *keep, struct fact_share *shares)
{
	for (size_t i = 0; i < FACT_SHARES; i++)
		shares[i].name = keep_string(keep, shares[i].name);
}

struct fact keep_fact(struct keep *keep, const struct fact *fact)
{
	const struct fact_shape *shape = fact_shape(fact->kind);
	struct fact copy = *fact;

	for (size_t i = 0; i < shape->count; i++) {
		void *at = field_at(&copy, &shape->fields[i]);

		if (shape->fields[i].type == FIELD_STRING)
			*(const char **)at = keep_string(keep, *(const char **)at);
		else if (shape->fields[i].type == FIELD_BYTES)
			*(struct bytes *)at = keep_bytes(keep, *(struct bytes *)at);
		else if (shape->fields[i].type == FIELD_SHARES)
			keep_shares(keep, at);
	}
	return copy;
}
