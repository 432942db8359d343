/* SPDX-License-Identifier: BSD-2-Clause */
/* What one key is, as JSON: schema redmem.key/1. */
#include <math.h>
#include <string.h>

#include "diagnose/keys.h"
#include "diagnose/one_key.h"
#include "report/json.h"
#include "report/report.h"
#include "report/schema.h"

#define SIZE(M, MAYBE)                                                                    \
	M("bytes", integer, k->bytes)                                                     \
	M("basis", text,                                                                  \
	  known ? basis_name(k->bytes_samples ? BASIS_SAMPLED : BASIS_EXACT) : NULL)      \
	M("samples_total", integer, k->bytes_samples ? k->bytes_samples : RECORD_UNKNOWN) \
	M("reason", some_text, k->bytes_reason)                                           \
	M("element_bytes", real,                                                          \
	  known && k->elements > 0 && strcmp(k->type, "string") != 0 ?                    \
		  (double)k->bytes / (double)k->elements :                                \
		  NAN)
static SCHEMA(key_size, SIZE);

static json_t *json_size(const struct model *m)
{
	const struct record_one_key *k = &m->one_key->first;
	bool known = k->bytes != RECORD_UNKNOWN;
	json_t *o = json_object();

	PUT_MEMBERS(SIZE);
	return o;
}

#define ENCODING(M, MAYBE)                         \
	M("reason", some_text, buf_str(&why))      \
	M("entries_setting", text, entries.name)   \
	M("entries_limit", integer, entries.value) \
	M("value_setting", text, value.name)       \
	M("value_limit_bytes", integer, value.value)
static SCHEMA(key_encoding_limits, ENCODING);

static json_t *json_encoding(const struct model *m)
{
	const char *type = m->one_key->last.type;
	struct encoding_limit entries = one_key_entries_limit(m, type);
	struct encoding_limit value = one_key_value_limit(m, type);
	json_t *o = json_object();
	struct buf why = { 0 };

	one_key_encoding_reason(&why, m);
	PUT_MEMBERS(ENCODING);
	buf_free(&why);
	return o;
}

#define SPREAD(M, MAYBE)                                   \
	M("looked_at_total", integer, (json_int_t)s.count) \
	M("min", number, s.min)                            \
	M("p50", number, s.p50)                            \
	M("p90", number, s.p90)                            \
	M("p99", number, s.p99)                            \
	M("max", number, s.max)                            \
	M("mean", number, s.mean)
static SCHEMA(spread, SPREAD);

static json_t *json_spread(const struct one_key *key, enum element_number number, const char *place)
{
	struct spread s = one_key_spread(key, number, place);
	json_t *o;

	if (!s.count)
		return json_null();
	o = json_object();
	PUT_MEMBERS(SPREAD);
	return o;
}

#define ELEMENTS(M, MAYBE)                                                                  \
	M("looked_at_total", integer, (json_int_t)key->elements_count)                      \
	M("reason", some_text, key->first.elements_reason)                                  \
	M("name_bytes", object_or_null(spread), json_spread(key, ELEMENT_NAME_BYTES, NULL)) \
	M("value_bytes", object_or_null(spread), json_spread(key, ELEMENT_BYTES, NULL))     \
	M("head_bytes", object_or_null(spread), json_spread(key, ELEMENT_BYTES, "head"))    \
	M("tail_bytes", object_or_null(spread), json_spread(key, ELEMENT_BYTES, "tail"))    \
	M("scores", object_or_null(spread), json_spread(key, ELEMENT_SCORE, NULL))          \
	M("score_min", number, key->first.score_min)                                        \
	M("score_max", number, key->first.score_max)
static SCHEMA(key_elements, ELEMENTS);

static json_t *json_elements(const struct one_key *key)
{
	json_t *o = json_object();

	PUT_MEMBERS(ELEMENTS);
	return o;
}

#define CONTENT(M, MAYBE)                                       \
	M("kind", some_text, key->first.content)                \
	M("looked_at_bytes", integer, key->first.content_bytes) \
	M("compressed_ratio", real, key->first.compressed_ratio)
static SCHEMA(key_content, CONTENT);

static json_t *json_content(const struct one_key *key)
{
	json_t *o = json_object();

	PUT_MEMBERS(CONTENT);
	return o;
}

#define GROWTH(M, MAYBE)                                               \
	M("seconds", real, key->last.t_seconds - key->first.t_seconds) \
	M("elements_before_total", integer, key->first.elements)       \
	M("elements_after_total", integer, key->last.elements)         \
	M("elements_per_second", real, one_key_growth(key))            \
	M("bytes_per_second", real, one_key_bytes_growth(key))         \
	M("deleted", boolean, !strcmp(key->last.type, "none"))
static SCHEMA(key_growth, GROWTH);

static json_t *json_growth(const struct one_key *key)
{
	json_t *o;

	if (!key->asked_again)
		return json_null();
	o = json_object();
	PUT_MEMBERS(GROWTH);
	return o;
}

#define GROUP(M, MAYBE)                                                                   \
	M("group", bytes, group->name)                                                    \
	M("consumers_total", integer, group->consumers_total)                             \
	M("pending_total", integer, group->pending_total)                                 \
	M("lag_total", integer, group->lag)                                               \
	M("oldest_pending_seconds", real, group->oldest_pending_seconds)                  \
	M("consumers_gone_total", integer, seen ? group->consumers_gone : RECORD_UNKNOWN) \
	M("pending_of_gone_total", integer, seen ? group->pending_of_gone : RECORD_UNKNOWN)
static SCHEMA(stream_group, GROUP);

static json_t *json_group(const struct record_key_group *group)
{
	bool seen = group->consumers_seen != RECORD_UNKNOWN;
	json_t *o = json_object();

	PUT_MEMBERS(GROUP);
	return o;
}

static json_t *json_groups(const struct one_key *key)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < key->groups_count; i++)
		put_last(rows, json_group(&key->groups[i]));
	return rows;
}

#define STREAM(M, MAYBE)                                          \
	M("groups_total", integer, key->first.groups_total)       \
	M("nodes_total", integer, key->first.nodes_total)         \
	M("entries_added_total", integer, key->first.added_total) \
	M("first_id", some_text, key->first.first_id)             \
	M("last_id", some_text, key->first.last_id)               \
	M("groups", list(stream_group), json_groups(key))
static SCHEMA(key_stream, STREAM);

static json_t *json_stream(const struct one_key *key)
{
	json_t *o;

	if (strcmp(key->first.type, "stream") != 0)
		return json_null();
	o = json_object();
	PUT_MEMBERS(STREAM);
	return o;
}

#define USER(M, MAYBE)                                                  \
	M("command", text, key->users[i].command)                       \
	M("cpu_samples_total", integer, charge->cpu_samples)            \
	M("cpu_ratio", real, charge->cpu_seconds / m->duration_seconds) \
	M("alloc_bytes", count, charge->alloc_bytes)                    \
	M("free_bytes", count, charge->free_bytes)
static SCHEMA(key_user, USER);

static json_t *json_users_commands(const struct model *m)
{
	const struct one_key *key = m->one_key;
	json_t *rows = json_array();

	for (size_t i = 0; i < key->users_count; i++) {
		const struct charge *charge = &key->users[i].charge;
		json_t *o = json_object();

		PUT_MEMBERS(USER);
		put_last(rows, o);
	}
	return rows;
}

#define USERS(M, MAYBE)                                                                 \
	M("reason", text, known ? NULL : buf_str(&note))                                \
	M("cpu_samples_total", integer, known ? m->totals.cpu_samples : RECORD_UNKNOWN) \
	M("commands", list_or_null(key_user), known ? json_users_commands(m) : json_null())
static SCHEMA(key_users, USERS);

static json_t *json_users(const struct model *m)
{
	json_t *o = json_object();
	struct buf note = { 0 };
	bool known = one_key_users_known(&note, m);

	PUT_MEMBERS(USERS);
	buf_free(&note);
	return o;
}

static json_t *json_costs(const struct model *m)
{
	struct key_speed speed = one_key_speed(m);
	struct record_key k = one_key_as_key(m->one_key);

	return json_key_costs(&speed, &k);
}

#define ASKED(M, MAYBE)                                                                   \
	M("commands_total", integer, a->commands_total + (again ? b->commands_total : 0)) \
	M("reply_bytes", integer, a->reply_bytes + (again ? b->reply_bytes : 0))          \
	M("seconds", real, a->seconds + (again ? b->seconds : 0))                         \
	M("client_no_touch", boolean, a->no_touch)                                        \
	M("touched", boolean, a->touched)                                                 \
	M("refused", some_text, a->refused)
static SCHEMA(key_asked, ASKED);

static json_t *json_asked(const struct one_key *key)
{
	const struct record_one_key *a = &key->first, *b = &key->last;
	bool again = key->asked_again;
	json_t *o = json_object();

	PUT_MEMBERS(ASKED);
	return o;
}

static json_t *json_used(const struct one_key *key)
{
	int used = one_key_used(key);

	return used < 0 ? json_null() : json_boolean(used);
}

#define ONE_KEY(M, MAYBE)                                                                \
	M("target", object(target), json_target(m))                                      \
	M("key", name, key->first.key)                                                   \
	M("db", integer, key->first.db)                                                  \
	M("type", text, key->first.type)                                                 \
	M("encoding", some_text, key->first.encoding)                                    \
	M("encoding_limits", object(key_encoding_limits), json_encoding(m))              \
	M("elements_total", integer,                                                     \
	  strcmp(key->first.type, "string") != 0 ? key->first.elements : RECORD_UNKNOWN) \
	M("length_bytes", integer,                                                       \
	  !strcmp(key->first.type, "string") ? key->first.elements : RECORD_UNKNOWN)     \
	M("size", object(key_size), json_size(m))                                        \
	M("ttl_seconds", number, key->first.ttl_seconds)                                 \
	M("idle_seconds", integer, key->first.idle_seconds)                              \
	M("frequency", integer, key->first.frequency)                                    \
	M("used_in_watch", boolean_or_null, json_used(key))                              \
	M("content", object(key_content), json_content(key))                             \
	M("elements", object(key_elements), json_elements(key))                          \
	M("growth", object_or_null(key_growth), json_growth(key))                        \
	M("stream", object_or_null(key_stream), json_stream(key))                        \
	M("users", object(key_users), json_users(m))                                     \
	M("blocking", list(key_cost), json_costs(m))                                     \
	M("findings", list(finding), json_findings(f))                                   \
	M("asked", object(key_asked), json_asked(key))
DOCUMENT_OF(one_key, "redmem.key/1", ONE_KEY);

void report_key_json(struct buf *out, const struct model *m, const struct findings *f)
{
	const struct one_key *key = m->one_key;
	json_t *o = json_document(&schema_one_key);

	PUT_MEMBERS(ONE_KEY);
	json_write(out, o);
}
