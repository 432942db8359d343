/* SPDX-License-Identifier: BSD-2-Clause */
/* Key names by keyed hash; see redact.h. */
#include "app/redact.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "model/prefix.h"
#include "record/schema.h"

#define SECRET_BYTES 32
#define HASH_BYTES   6 /* of it that are shown; as hex it is folded to a prefix's "*" */
#define WORD_MAX     24 /* letters of a first part that stays */
#define NAMES	     2 /* a record has at most */

struct redact {
	unsigned char secret[SECRET_BYTES];
	struct record_sink next;
	struct buf names[NAMES]; /* of the record that goes on */
};

struct redact *redact_new(void)
{
	struct redact *r = xcalloc(1, sizeof(*r));

	if (getrandom(r->secret, sizeof(r->secret), 0) != sizeof(r->secret))
		abort(); /* as little as this it gives at once, or never */
	return r;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	explicit_bzero(r->secret, sizeof(r->secret));
	for (size_t i = 0; i < NAMES; i++)
		buf_free(&r->names[i]);
	free(r);
}

static void put_hash(const struct redact *r, struct buf *out, const char *part, size_t len)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int bytes = sizeof(hash);

	if (!HMAC(EVP_sha256(), r->secret, sizeof(r->secret), (const unsigned char *)part, len,
		  hash, &bytes))
		abort(); /* memory is out */
	for (int i = 0; i < HASH_BYTES; i++)
		buf_printf(out, "%02x", hash[i]);
}

static bool is_word(const char *part, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!prefix_is(part[i], PREFIX_LETTER))
			return false;
	return len > 0 && len <= WORD_MAX;
}

void redact_name(const struct redact *r, struct buf *out, const void *name, size_t len)
{
	const char *part = name, *end = part + len;

	while (part < end) {
		size_t used = 0;

		if (prefix_is_separator(*part, NULL)) {
			buf_putc(out, *part++);
			continue;
		}
		while (part + used < end && !prefix_is_separator(part[used], NULL))
			used++;
		if ((part == name && part + used < end && is_word(part, used)) ||
		    (used == 1 && *part == '*')) /* of a prefix: what varies is gone */
			buf_add(out, part, used);
		else
			put_hash(r, out, part, used);
		part += used;
	}
}

static bool is_key(const struct field *field)
{
	return field->type == FIELD_BYTES &&
	       (!strcmp(field->name, "key") || !strcmp(field->name, "gone_key"));
}

static void take(void *ctx, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);
	struct record changed = *record;
	struct redact *r = ctx;
	size_t names = 0;

	for (size_t i = 0; schema && i < schema->count && names < NAMES; i++) {
		struct buf *name = &r->names[names];
		struct bytes *key;

		if (!is_key(&schema->fields[i]))
			continue;
		key = field_at(&changed, &schema->fields[i]);
		if (!key->len)
			continue;
		buf_clear(name);
		redact_name(r, name, key->data, key->len);
		*key = (struct bytes){ name->data, name->len };
		names++;
	}
	record_emit(&r->next, &changed);
}

struct record_sink redact_sink(struct redact *r, const struct record_sink *next)
{
	r->next = *next;
	return (struct record_sink){ take, r };
}
