/* SPDX-License-Identifier: BSD-2-Clause */
/* Records without names; see redact.h. */
#include "app/redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/options.h"
#include "app/redact_words.h"
#include "record/schema.h"

#define TEXTS (16 + RECORD_SHARES) /* that a record has at most */

struct redact {
	struct redact_names *names;
	struct record_sink next;
	struct record changed; /* the one that goes on, */
	struct buf texts[TEXTS]; /* and its texts */
	size_t used;
};

struct redact *redact_new(const struct redact_key *key, const char *separators)
{
	struct redact *r = xcalloc(1, sizeof(*r));

	r->names = redact_names_new(key, separators);
	return r;
}

struct redact *redact_new_of(const struct options *o)
{
	return o->redact ? redact_new(o->redact, o->keys.separators) : NULL;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	redact_names_free(r->names);
	for (size_t i = 0; i < TEXTS; i++)
		buf_free(&r->texts[i]);
	free(r);
}

struct redact_names *redact_names_of(struct redact *r)
{
	return r->names;
}

/* --- what is in no record ------------------------------------------------------------------ */

char *redact_text(struct redact *r, const char *text)
{
	struct buf out = { 0 };
	char *copy;

	while (r && *text) {
		size_t len = strcspn(text, " ");

		redact_address(r->names, &out, text, len);
		text += len;
		if (*text)
			buf_putc(&out, *text++);
	}
	copy = xstrdup(r ? buf_str(&out) : text);
	buf_free(&out);
	return copy;
}

static char *shown_as(struct redact *r, enum field_says says, const char *text)
{
	struct buf out = { 0 };
	char *copy;

	if (r && *text)
		redact_words(r->names, &out, says, text);
	copy = xstrdup(r ? buf_str(&out) : text);
	buf_free(&out);
	return copy;
}

char *redact_reason(struct redact *r, const char *text)
{
	return shown_as(r, SAYS_REFUSAL, text);
}

char *redact_error(struct redact *r, const struct err *err)
{
	return shown_as(r, err->code == -EACCES ? SAYS_REFUSAL : SAYS_SENTENCE, err->text);
}

/* --- records ------------------------------------------------------------------------------- */

static struct buf *next_text(struct redact *r)
{
	struct buf *text;

	if (r->used == TEXTS)
		abort(); /* no schema has so many: tests/unit/test_redact.c */
	text = &r->texts[r->used++];
	buf_clear(text);
	return text;
}

static void hide_text(struct redact *r, const char **text, enum field_says says)
{
	struct buf *out;

	if (!*text || !**text || says == SAYS_WORD)
		return;
	out = next_text(r);
	redact_words(r->names, out, says, *text);
	*text = buf_str(out);
}

static bool is_truncated(const struct record *record)
{
	return record->kind == RECORD_PROFILE ? record->profile.key_truncated :
	       record->kind == RECORD_STALL   ? record->stall.key_truncated :
						false;
}

static void hide_bytes(struct redact *r, struct bytes *bytes, enum field_says says, bool truncated)
{
	struct buf *out;

	if (!bytes->len)
		return;
	out = next_text(r);
	if (says == SAYS_ADDRESS)
		redact_address(r->names, out, bytes->data, bytes->len);
	else
		redact_key_name(r->names, out, *bytes, truncated);
	*bytes = (struct bytes){ out->data, out->len };
}

/* Of the one row of the table of sensors that is about the connection. */
static enum field_says says_of(const struct record *record, const struct field *field)
{
	return record->kind == RECORD_SENSOR && field->says == SAYS_SENTENCE &&
			       !strcmp(record->sensor.id, "connection") ?
		       SAYS_REFUSAL :
		       field->says;
}

static void hide_field(struct redact *r, const struct field *field)
{
	bool key = !strcmp(field->name, "key");
	void *at = field_at(&r->changed, field);
	struct record_share *share = at;

	switch (field->type) {
	case FIELD_STRING:
		hide_text(r, at, says_of(&r->changed, field));
		break;
	case FIELD_BYTES:
		hide_bytes(r, at, field->says, key && is_truncated(&r->changed));
		break;
	case FIELD_SHARES:
		for (size_t i = 0; i < RECORD_SHARES; i++)
			hide_text(r, &share[i].name, field->says);
		break;
	default:
		break;
	}
}

const struct record *redact_record(struct redact *r, const struct record *record)
{
	const struct record_schema *schema = record_schema(record->kind);

	r->changed = *record;
	r->used = 0;
	/* What a name takes is known of the name as it is. */
	if (record->kind == RECORD_KEY && record->key.name_bytes <= 0)
		r->changed.key.name_bytes = (int64_t)record->key.key.len;
	for (size_t i = 0; schema && i < schema->count; i++)
		hide_field(r, &schema->fields[i]);
	return &r->changed;
}

static void take(void *ctx, const struct record *record)
{
	struct redact *r = ctx;

	record_emit(&r->next, redact_record(r, record));
}

struct record_sink redact_sink(struct redact *r, const struct record_sink *next)
{
	if (!r)
		return *next;
	r->next = *next;
	return (struct record_sink){ take, r };
}
