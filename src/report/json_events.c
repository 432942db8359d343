/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts that several documents have: what happened when, the keys, the findings. */
#include <math.h>

#include "diagnose/keys.h"
#include "report/json.h"
#include "report/schema.h"

/* --- what happened when ------------------------------------------------------ */

#define CHILD(M, MAYBE)                                    \
	M("pid", integer, child->pid)                      \
	M("purpose", text, child->purpose)                 \
	M("t_start_seconds", real, child->t_start_seconds) \
	M("t_end_seconds", real, child->t_end_seconds)     \
	M("rss_bytes", integer, child->rss_bytes)          \
	M("private_bytes", integer, child->private_bytes)  \
	M("cow_faults_total", integer, child->cow_faults)  \
	M("fork_seconds", real, child->fork_seconds)       \
	M("exit_code", integer, child->exit_code)          \
	M("exit_signal", integer, child->exit_signal)      \
	M("done_ratio", real, m->children[i].done_ratio)   \
	M("projected_bytes", integer, m->children[i].projected_bytes)
SCHEMA(child, CHILD);

json_t *json_children(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;
		json_t *o = json_object();

		PUT_MEMBERS(CHILD);
		put_last(rows, o);
	}
	return rows;
}

#define KEY(M, MAYBE)                               \
	M("db", integer, key->db)                   \
	M("key", name, key->key)                    \
	M("type", text, key->type)                  \
	M("encoding", some_text, key->encoding)     \
	M("bytes", integer, key->bytes)             \
	M("elements_total", integer, key->elements) \
	M("ttl_seconds", number, key->ttl_seconds)
SCHEMA(key, KEY);

/* A key without expiry has ttl_seconds -1, as TTL answers. */
json_t *json_key(const struct record_key *key)
{
	json_t *o = json_object();

	PUT_MEMBERS(KEY);
	return o;
}

json_t *json_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keys_count; i++)
		put_last(rows, json_key(&m->keys[i].key));
	return rows;
}

#define KEY_COST(M, MAYBE)                   \
	M("command", word, costs[i].command) \
	M("seconds", real, costs[i].seconds) \
	M("basis", text, basis_name(BASIS_DERIVED))
SCHEMA(key_cost, KEY_COST);

json_t *json_key_costs(const struct key_speed *speed, const struct record_key *key)
{
	struct key_cost costs[KEY_COSTS_MAX];
	size_t count = key_costs(speed, key, costs);
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(KEY_COST);
		put_last(rows, o);
	}
	return rows;
}

#define HOT_KEY(M, MAYBE)                                            \
	M("key", bytes, row->key)                                    \
	M("key_truncated", boolean, row->truncated)                  \
	M("db", integer, row->db)                                    \
	M("command", text, row->command)                             \
	M("cpu_seconds", real, row->cpu_seconds)                     \
	M("cpu_ratio", real, row->cpu_seconds / m->duration_seconds) \
	M("cpu_samples_total", integer, row->samples)
SCHEMA(hot_key, HOT_KEY);

json_t *json_hot_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->hot_keys_count; i++) {
		const struct hot_key_row *row = &m->hot_keys[i];
		json_t *o = json_object();

		PUT_MEMBERS(HOT_KEY);
		put_last(rows, o);
	}
	return rows;
}

#define CONCENTRATION(M, MAYBE)                           \
	M("keys_total", integer, c.keys_total)            \
	M("top_1_percent_ratio", real, c.top_1_percent)   \
	M("top_20_percent_ratio", real, c.top_20_percent) \
	M("basis", text, basis_name(c.basis))
SCHEMA(concentration, CONCENTRATION);

json_t *json_concentration(const struct model *m)
{
	struct concentration c;
	json_t *o;

	if (!concentration_of(m, &c))
		return json_null();
	o = json_object();
	PUT_MEMBERS(CONCENTRATION);
	return o;
}

#define LIFE(M, MAYBE)                                                                  \
	M("t_seconds", real, life->t_seconds)                                           \
	M("event", text, life->event)                                                   \
	M("detail", text, life->detail)                                                 \
	M("duration_seconds", real, life->seconds)                                      \
	M("child_pid", integer, life->child_pid > 0 ? life->child_pid : RECORD_UNKNOWN) \
	M("held_bytes", integer, life->held_bytes > 0 ? life->held_bytes : RECORD_UNKNOWN)
SCHEMA(life, LIFE);

json_t *json_life(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->life_count; i++) {
		const struct record_life *life = &m->life[i].life;
		json_t *o = json_object();

		PUT_MEMBERS(LIFE);
		put_last(rows, o);
	}
	return rows;
}

/* Nanoseconds of that time since 1970; 0 when unknown. */
static int64_t unix_ns(int64_t seconds)
{
	return seconds <= 0 || seconds > INT64_MAX / 1000000000 ? 0 : seconds * 1000000000;
}

#define SLOWLOG(M, MAYBE)                                \
	M("id", integer, entry->id)                      \
	M("time", time, unix_ns(entry->unix_seconds), 0) \
	M("duration_seconds", real, entry->seconds)      \
	M("command", text, entry->command)               \
	M("key", bytes, entry->key)                      \
	M("client", bytes, entry->client)                \
	M("client_name", bytes, entry->client_name)
SCHEMA(slowlog, SLOWLOG);

json_t *json_slowlog(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *entry = &m->slowlog[i].entry;
		json_t *o = json_object();

		PUT_MEMBERS(SLOWLOG);
		put_last(rows, o);
	}
	return rows;
}

#define LATENCY(M, MAYBE)                                \
	M("event", text, event->event)                   \
	M("time", time, unix_ns(event->unix_seconds), 0) \
	M("latest_seconds", real, event->latest_seconds) \
	M("max_seconds", real, event->max_seconds)
SCHEMA(latency, LATENCY);

json_t *json_latency(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct record_latency *event = &m->latency[i].event;
		json_t *o = json_object();

		PUT_MEMBERS(LATENCY);
		put_last(rows, o);
	}
	return rows;
}

#define RSS_MOVE(M, MAYBE)                         \
	M("t_seconds", real, move->t_seconds)      \
	M("member", text, move->member)            \
	M("from_bytes", integer, move->from_bytes) \
	M("to_bytes", integer, move->to_bytes)     \
	M("command", text, move->command)          \
	M("key", bytes, move->key)
SCHEMA(rss_move, RSS_MOVE);

json_t *json_rss_moves(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->rss_moves_count; i++) {
		const struct record_rss_move *move = &m->rss_moves[i].move;
		json_t *o = json_object();

		PUT_MEMBERS(RSS_MOVE);
		put_last(rows, o);
	}
	return rows;
}

/* --- findings --- */

#define EVIDENCE(M, MAYBE)                           \
	M("name", text, e->name)                     \
	M("value", number, e->text ? NAN : e->value) \
	MAYBE(e->text, "text", text, e->text)        \
	M("unit", text, e->unit)                     \
	M("basis", text, basis_name(e->basis))
SCHEMA(evidence, EVIDENCE);

static json_t *json_evidence(const struct evidence *e)
{
	json_t *o = json_object();

	PUT_MEMBERS(EVIDENCE);
	return o;
}

json_t *json_evidence_of(const struct finding *finding)
{
	json_t *rows = json_array();

	for (size_t n = 0; n < finding->evidence_count; n++)
		put_last(rows, json_evidence(&finding->evidence[n]));
	return rows;
}

#define ACTION(M, MAYBE)                    \
	M("text", text, action->text)       \
	M("command", text, action->command) \
	M("expected_gain_bytes", integer, action->expected_gain_bytes)
static SCHEMA(action, ACTION);

static json_t *json_action(const struct action *action)
{
	json_t *o = json_object();

	PUT_MEMBERS(ACTION);
	return o;
}

#define FINDING(M, MAYBE)                                        \
	M("id", text, finding->id)                               \
	M("severity", text, severity_name(finding->severity))    \
	M("title", text, finding->title)                         \
	M("evidence", list(evidence), json_evidence_of(finding)) \
	M("cause", text, finding->cause)                         \
	M("action", list(action), actions)                       \
	M("weak", boolean, finding->weak)
SCHEMA(finding, FINDING);

json_t *json_findings(const struct findings *f)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *finding = &f->items[i];
		json_t *o = json_object(), *actions = json_array();

		for (size_t n = 0; n < finding->actions_count; n++)
			put_last(actions, json_action(&finding->actions[n]));
		PUT_MEMBERS(FINDING);
		put_last(rows, o);
	}
	return rows;
}
