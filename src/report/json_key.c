/* SPDX-License-Identifier: BSD-2-Clause */
/* What one key is, as JSON: schema redmem.key/1. */
#include <math.h>
#include <string.h>

#include "diagnose/keys.h"
#include "diagnose/one_key.h"
#include "report/json.h"
#include "report/report.h"

/* Null for "". */
static json_t *text_or_null(const char *text)
{
	return *text ? value_text(text) : json_null();
}

static json_t *json_size(const struct model *m)
{
	const struct record_one_key *k = &m->one_key->first;
	bool known = k->bytes != RECORD_UNKNOWN;
	json_t *o = json_object();

	put(o, "bytes", value_int(k->bytes));
	put(o, "basis",
	    known ? value_text(basis_name(k->bytes_samples ? BASIS_SAMPLED : BASIS_EXACT)) :
		    json_null());
	put(o, "samples_total", k->bytes_samples ? value_int(k->bytes_samples) : json_null());
	put(o, "reason", text_or_null(k->bytes_reason));
	put(o, "element_bytes",
	    known && k->elements > 0 && strcmp(k->type, "string") != 0 ?
		    value_real((double)k->bytes / (double)k->elements) :
		    json_null());
	return o;
}

static json_t *json_encoding(const struct model *m)
{
	const char *type = m->one_key->last.type;
	struct encoding_limit entries = one_key_entries_limit(m, type);
	struct encoding_limit value = one_key_value_limit(m, type);
	json_t *o = json_object();
	struct buf why = { 0 };

	one_key_encoding_reason(&why, m);
	put(o, "reason", text_or_null(buf_str(&why)));
	put(o, "entries_setting", value_text(entries.name));
	put(o, "entries_limit", value_int(entries.value));
	put(o, "value_setting", value_text(value.name));
	put(o, "value_limit_bytes", value_int(value.value));
	buf_free(&why);
	return o;
}

static json_t *json_spread(const struct one_key *key, enum element_number number, const char *place)
{
	struct spread s = one_key_spread(key, number, place);
	json_t *o;

	if (!s.count)
		return json_null();
	o = json_object();
	put(o, "looked_at_total", json_integer((json_int_t)s.count));
	put(o, "min", value_number(s.min));
	put(o, "p50", value_number(s.p50));
	put(o, "p90", value_number(s.p90));
	put(o, "p99", value_number(s.p99));
	put(o, "max", value_number(s.max));
	put(o, "mean", value_number(s.mean));
	return o;
}

static json_t *json_elements(const struct one_key *key)
{
	json_t *o = json_object();

	put(o, "looked_at_total", json_integer((json_int_t)key->elements_count));
	put(o, "reason", text_or_null(key->first.elements_reason));
	put(o, "name_bytes", json_spread(key, ELEMENT_NAME_BYTES, NULL));
	put(o, "value_bytes", json_spread(key, ELEMENT_BYTES, NULL));
	put(o, "head_bytes", json_spread(key, ELEMENT_BYTES, "head"));
	put(o, "tail_bytes", json_spread(key, ELEMENT_BYTES, "tail"));
	put(o, "scores", json_spread(key, ELEMENT_SCORE, NULL));
	put(o, "score_min", value_number(key->first.score_min));
	put(o, "score_max", value_number(key->first.score_max));
	return o;
}

static json_t *json_content(const struct one_key *key)
{
	json_t *o = json_object();

	put(o, "kind", text_or_null(key->first.content));
	put(o, "looked_at_bytes", value_int(key->first.content_bytes));
	put(o, "compressed_ratio", value_real(key->first.compressed_ratio));
	return o;
}

static json_t *json_growth(const struct one_key *key)
{
	json_t *o;

	if (!key->asked_again)
		return json_null();
	o = json_object();
	put(o, "seconds", value_real(key->last.t_seconds - key->first.t_seconds));
	put(o, "elements_before_total", value_int(key->first.elements));
	put(o, "elements_after_total", value_int(key->last.elements));
	put(o, "elements_per_second", value_real(one_key_growth(key)));
	put(o, "bytes_per_second", value_real(one_key_bytes_growth(key)));
	put(o, "deleted", json_boolean(!strcmp(key->last.type, "none")));
	return o;
}

static json_t *json_group(const struct record_key_group *group)
{
	bool seen = group->consumers_seen != RECORD_UNKNOWN;
	json_t *o = json_object();

	put_bytes(o, "group", group->name);
	put(o, "consumers_total", value_int(group->consumers_total));
	put(o, "pending_total", value_int(group->pending_total));
	put(o, "lag_total", value_int(group->lag));
	put(o, "oldest_pending_seconds", value_real(group->oldest_pending_seconds));
	put(o, "consumers_gone_total", seen ? value_int(group->consumers_gone) : json_null());
	put(o, "pending_of_gone_total", seen ? value_int(group->pending_of_gone) : json_null());
	return o;
}

static json_t *json_stream(const struct one_key *key)
{
	json_t *o, *rows;

	if (strcmp(key->first.type, "stream") != 0)
		return json_null();
	o = json_object();
	put(o, "groups_total", value_int(key->first.groups_total));
	put(o, "nodes_total", value_int(key->first.nodes_total));
	put(o, "entries_added_total", value_int(key->first.added_total));
	put(o, "first_id", text_or_null(key->first.first_id));
	put(o, "last_id", text_or_null(key->first.last_id));
	rows = json_array();
	for (size_t i = 0; i < key->groups_count; i++)
		put_last(rows, json_group(&key->groups[i]));
	put(o, "groups", rows);
	return o;
}

static json_t *json_users(const struct model *m)
{
	const struct one_key *key = m->one_key;
	json_t *o = json_object(), *rows;
	struct buf note = { 0 };
	bool known = one_key_users_known(&note, m);

	put(o, "reason", known ? json_null() : value_text(buf_str(&note)));
	put(o, "cpu_samples_total", known ? value_int(m->totals.cpu_samples) : json_null());
	rows = known ? json_array() : json_null();
	for (size_t i = 0; i < key->users_count && known; i++) {
		const struct charge *charge = &key->users[i].charge;
		json_t *row = json_object();

		put(row, "command", value_text(key->users[i].command));
		put(row, "cpu_samples_total", value_int(charge->cpu_samples));
		put(row, "cpu_ratio", value_real(charge->cpu_seconds / m->duration_seconds));
		put(row, "alloc_bytes", value_count(charge->alloc_bytes));
		put(row, "free_bytes", value_count(charge->free_bytes));
		put_last(rows, row);
	}
	put(o, "commands", rows);
	buf_free(&note);
	return o;
}

static json_t *json_costs(const struct model *m)
{
	struct key_speed speed = one_key_speed(m);
	struct record_key k = one_key_as_key(m->one_key);

	return json_key_costs(&speed, &k);
}

static json_t *json_asked(const struct one_key *key)
{
	const struct record_one_key *a = &key->first, *b = &key->last;
	bool again = key->asked_again;
	json_t *o = json_object();

	put(o, "commands_total", value_int(a->commands_total + (again ? b->commands_total : 0)));
	put(o, "reply_bytes", value_int(a->reply_bytes + (again ? b->reply_bytes : 0)));
	put(o, "seconds", value_real(a->seconds + (again ? b->seconds : 0)));
	put(o, "client_no_touch", json_boolean(a->no_touch));
	put(o, "touched", json_boolean(a->touched));
	put(o, "refused", text_or_null(a->refused));
	return o;
}

static json_t *json_used(const struct one_key *key)
{
	int used = one_key_used(key);

	return used < 0 ? json_null() : json_boolean(used);
}

void report_key_json(struct buf *out, const struct model *m, const struct findings *f)
{
	const struct one_key *key = m->one_key;
	json_t *o = json_object();

	put(o, "schema", json_string("redmem.key/1"));
	put(o, "target", json_target(m));
	if (key->first.key.len)
		put_bytes(o, "key", key->first.key);
	else
		put(o, "key", json_string(""));
	put(o, "db", value_int(key->first.db));
	put(o, "type", value_text(key->first.type));
	put(o, "encoding", text_or_null(key->first.encoding));
	put(o, "encoding_limits", json_encoding(m));
	put(o, "elements_total",
	    strcmp(key->first.type, "string") != 0 ? value_int(key->first.elements) : json_null());
	put(o, "length_bytes",
	    !strcmp(key->first.type, "string") ? value_int(key->first.elements) : json_null());
	put(o, "size", json_size(m));
	put(o, "ttl_seconds", value_number(key->first.ttl_seconds));
	put(o, "idle_seconds", value_int(key->first.idle_seconds));
	put(o, "frequency", value_int(key->first.frequency));
	put(o, "used_in_watch", json_used(key));
	put(o, "content", json_content(key));
	put(o, "elements", json_elements(key));
	put(o, "growth", json_growth(key));
	put(o, "stream", json_stream(key));
	put(o, "users", json_users(m));
	put(o, "blocking", json_costs(m));
	put(o, "findings", json_findings(f));
	put(o, "asked", json_asked(key));
	json_write(out, o);
}
