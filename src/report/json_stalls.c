/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON of stalls: rows of `redmem doctor`, lines of `redmem stalls` and its summary. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/advice.h"
#include "model/stalls.h"
#include "report/json.h"
#include "report/report.h"

static json_t *json_blame(const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		put(o, "cause", json_string(cause_table[blame[i].cause].name));
		put(o, "seconds", value_real(blame[i].seconds));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_advice(const struct model *m, const struct stall *stall)
{
	struct buf text = { 0 };
	json_t *value;

	advice_stall(&text, m, stall);
	value = text.len ? value_text(buf_str(&text)) : json_null();
	buf_free(&text);
	return value;
}

static json_t *json_activities(const struct stall *stall)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < STALL_ACTIVITIES && *stall->activity[i].words; i++) {
		json_t *o = json_object();

		put(o, "activity", value_text(stall->activity[i].words));
		put(o, "seconds", value_real(stall->activity[i].seconds));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_mix(const struct stall *stall)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < stall->mix_count; i++) {
		json_t *o = json_object();

		put(o, "command", value_text(stall->mix[i].command));
		put(o, "share_ratio", value_real(stall->mix[i].ratio));
		put_last(rows, o);
	}
	return rows;
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? value_text(text) : json_null();
}

static void put_waits(json_t *o, const struct stall *stall)
{
	put(o, "wait_call", text_or_null(stall->wait_call));
	put(o, "wait_file", text_or_null(stall->wait_file));
	put(o, "hog", text_or_null(stall_preemptor(stall)));
	put(o, "hog_pid", stall->preemptor_pid > 0 ? value_int(stall->preemptor_pid) : json_null());
}

/* What the server and a look at the key say of it. */
static void put_joined(json_t *o, const struct model *m, const struct stall *stall)
{
	const struct record_slowlog *entry = stall_slowlog(m, stall);
	const struct record_latency *event = stall_latency(m, stall);
	const struct record_key *key = stall_key(m, stall);

	put(o, "freed_bytes", stall->freed_bytes > 0 ? value_int(stall->freed_bytes) : json_null());
	put(o, "key_now", key ? json_key(key) : json_null());
	put(o, "slowlog_seconds", value_real(entry ? entry->seconds : NAN));
	put_bytes(o, "client", entry ? entry->client : (struct bytes){ 0 });
	put_bytes(o, "client_name", entry ? entry->client_name : (struct bytes){ 0 });
	put(o, "latency_event", event ? text_or_null(event->event) : json_null());
	put(o, "latency_seconds", value_real(event ? event->latest_seconds : NAN));
}

static json_t *json_stall(const struct model *m, const struct stall *stall)
{
	json_t *o = json_object();

	put(o, "start", value_time(m->session.wall_start_ns, stall->t_seconds));
	put(o, "duration_seconds", value_real(stall->duration_seconds));
	put(o, "command", value_text(stall->command));
	put_bytes(o, "key", stall->key);
	put(o, "key_truncated", json_boolean(stall->key_truncated));
	put(o, "db", value_int(stall->db));
	put(o, "blame", json_blame(stall));
	put(o, "advice", json_advice(m, stall));
	put(o, "t_seconds", value_real(stall->t_seconds));
	put(o, "running", json_boolean(stall->running));
	put(o, "inner", value_text(stall->inner));
	put(o, "commands_total", value_int(stall->commands_total));
	put(o, "mix", json_mix(stall));
	put(o, "activities", json_activities(stall));
	put_waits(o, stall);
	put_joined(o, m, stall);
	return o;
}

json_t *json_stalls(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->stalls_count; i++)
		put_last(rows, json_stall(m, &m->stalls[i].stall));
	return rows;
}

/* --- lines ------------------------------------------------------------------------ */

static void write_line(struct buf *out, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);

	if (!text)
		abort(); /* memory is out: every value was checked when it was made */
	buf_puts(out, text);
	buf_putc(out, '\n');
	free(text);
	json_decref(value);
}

void report_stall_json(struct buf *out, const struct model *m, const struct stall *stall)
{
	write_line(out, json_stall(m, stall));
}

static json_t *json_sum_rows(const struct stall_sum_row *rows, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		if (rows[i].cause != CAUSES)
			put(o, "cause", json_string(cause_table[rows[i].cause].name));
		else
			put_bytes(o, "prefix", (struct bytes){ rows[i].name, rows[i].name_len });
		put(o, "stalls_total", value_int(rows[i].stalls_total));
		put(o, "seconds", value_real(rows[i].seconds));
		put_last(list, o);
	}
	return list;
}

static json_t *json_longest(const struct stall_sum *sum)
{
	struct bytes key = { buf_str(&sum->longest_key), sum->longest_key.len };
	json_t *o;

	if (!sum->stalls_total)
		return json_null();
	o = json_object();
	put(o, "duration_seconds", value_real(sum->longest_seconds));
	put(o, "command", value_text(sum->longest_command));
	put_bytes(o, "key", key);
	put(o, "key_truncated", json_boolean(sum->longest_key_truncated));
	return o;
}

/* Those with least time, where there were more than are told one by one; else null. */
static json_t *json_others(const struct stall_sum_row *others)
{
	json_t *o;

	if (!others->stalls_total)
		return json_null();
	o = json_object();
	put(o, "stalls_total", value_int(others->stalls_total));
	put(o, "seconds", value_real(others->seconds));
	return o;
}

void report_stalls_end_json(struct buf *out, const struct model *m, const struct stall_sum *sum)
{
	json_t *o = json_object();

	put(o, "schema", json_string("redmem.stalls/1"));
	put(o, "target", json_target(m));
	put(o, "window", json_window(m));
	put(o, "self", json_self(m));
	put(o, "sensors", json_sensors(m));
	put(o, "stalls_total", value_int(sum->stalls_total));
	put(o, "stalls_seconds", value_real(sum->seconds));
	put(o, "longest", json_longest(sum));
	put(o, "causes", json_sum_rows(sum->causes, sum->causes_count));
	put(o, "prefixes", json_sum_rows(sum->prefixes, sum->prefixes_count));
	put(o, "other_prefixes", json_others(&sum->others));
	write_line(out, o);
}
