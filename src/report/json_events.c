/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON of what happened when: children, keys looked at, slow commands, life. */
#include <math.h>

#include "report/json.h"
#include "report/value.h"

json_t *json_children(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;
		json_t *o = json_object();

		put(o, "pid", value_int(child->pid));
		put(o, "purpose", value_text(child->purpose));
		put(o, "t_start_seconds", value_real(child->t_start_seconds));
		put(o, "t_end_seconds", value_real(child->t_end_seconds));
		put(o, "rss_bytes", value_int(child->rss_bytes));
		put(o, "private_bytes", value_int(child->private_bytes));
		put(o, "cow_faults_total", value_int(child->cow_faults));
		put(o, "fork_seconds", value_real(child->fork_seconds));
		put(o, "done_ratio", value_real(m->children[i].done_ratio));
		put(o, "projected_bytes", value_int(m->children[i].projected_bytes));
		put_last(rows, o);
	}
	return rows;
}

/* A key without expiry has ttl_seconds -1, as TTL answers. */
json_t *json_key(const struct record_key *key)
{
	json_t *o = json_object();

	put(o, "db", value_int(key->db));
	if (key->key.len)
		put_bytes(o, "key", key->key);
	else
		put(o, "key", json_string(""));
	put(o, "type", value_text(key->type));
	put(o, "encoding", key->encoding[0] ? value_text(key->encoding) : json_null());
	put(o, "bytes", value_int(key->bytes));
	put(o, "elements_total", value_int(key->elements));
	put(o, "ttl_seconds", value_number(key->ttl_seconds));
	return o;
}

json_t *json_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keys_count; i++)
		put_last(rows, json_key(&m->keys[i].key));
	return rows;
}

json_t *json_life(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->life_count; i++) {
		const struct record_life *life = &m->life[i].life;
		json_t *o = json_object();

		put(o, "t_seconds", value_real(life->t_seconds));
		put(o, "event", value_text(life->event));
		put(o, "detail", value_text(life->detail));
		put(o, "duration_seconds", value_real(life->seconds));
		put_last(rows, o);
	}
	return rows;
}

/* Seconds since 1970 as RFC 3339; null when unknown. */
static json_t *unix_time(int64_t seconds)
{
	if (seconds <= 0 || seconds > INT64_MAX / 1000000000)
		return json_null();
	return value_time(seconds * 1000000000, 0);
}

json_t *json_slowlog(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *entry = &m->slowlog[i].entry;
		json_t *o = json_object();

		put(o, "id", value_int(entry->id));
		put(o, "time", unix_time(entry->unix_seconds));
		put(o, "duration_seconds", value_real(entry->seconds));
		put(o, "command", value_text(entry->command));
		put_bytes(o, "key", entry->key);
		put_bytes(o, "client", entry->client);
		put_bytes(o, "client_name", entry->client_name);
		put_last(rows, o);
	}
	return rows;
}

json_t *json_latency(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct record_latency *event = &m->latency[i].event;
		json_t *o = json_object();

		put(o, "event", value_text(event->event));
		put(o, "time", unix_time(event->unix_seconds));
		put(o, "latest_seconds", value_real(event->latest_seconds));
		put(o, "max_seconds", value_real(event->max_seconds));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_rss_moves(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->rss_moves_count; i++) {
		const struct record_rss_move *move = &m->rss_moves[i].move;
		json_t *o = json_object();

		put(o, "t_seconds", value_real(move->t_seconds));
		put(o, "member", value_text(move->member));
		put(o, "from_bytes", value_int(move->from_bytes));
		put(o, "to_bytes", value_int(move->to_bytes));
		put(o, "command", value_text(move->command));
		put_bytes(o, "key", move->key);
		put_last(rows, o);
	}
	return rows;
}
