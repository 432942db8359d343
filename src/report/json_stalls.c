/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON of stalls: rows of `redmem doctor`, lines of `redmem stalls` and its summary. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/advice.h"
#include "model/stalls.h"
#include "report/json.h"
#include "report/report.h"
#include "report/schema.h"

#define BLAME(M, MAYBE)                                    \
	M("cause", word, cause_table[blame[i].cause].name) \
	M("seconds", real, blame[i].seconds)
static SCHEMA(blame, BLAME);

static json_t *json_blame(const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(BLAME);
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

#define ACTIVITY(M, MAYBE)                            \
	M("activity", text, stall->activity[i].words) \
	M("seconds", real, stall->activity[i].seconds)
static SCHEMA(activity, ACTIVITY);

static json_t *json_activities(const struct stall *stall)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < STALL_ACTIVITIES && *stall->activity[i].words; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(ACTIVITY);
		put_last(rows, o);
	}
	return rows;
}

#define MIX(M, MAYBE)                             \
	M("command", text, stall->mix[i].command) \
	M("share_ratio", real, stall->mix[i].ratio)
static SCHEMA(mix, MIX);

static json_t *json_mix(const struct stall *stall)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < stall->mix_count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(MIX);
		put_last(rows, o);
	}
	return rows;
}

#define STALL(M, MAYBE)                                                                         \
	M("start", time, m->session.wall_start_ns, stall->t_seconds)                            \
	M("duration_seconds", real, stall->duration_seconds)                                    \
	M("command", text, stall->command)                                                      \
	M("key", bytes, stall->key)                                                             \
	M("key_truncated", boolean, stall->key_truncated)                                       \
	M("db", integer, stall->db)                                                             \
	M("blame", list(blame), json_blame(stall))                                              \
	M("advice", json_text, json_advice(m, stall))                                           \
	M("t_seconds", real, stall->t_seconds)                                                  \
	M("running", boolean, stall->running)                                                   \
	M("inner", text, stall->inner)                                                          \
	M("commands_total", integer, stall->commands_total)                                     \
	M("mix", list(mix), json_mix(stall))                                                    \
	M("activities", list(activity), json_activities(stall))                                 \
	M("wait_call", some_text, stall->wait_call)                                             \
	M("wait_file", some_text, stall->wait_file)                                             \
	M("hog", some_text, stall_preemptor(stall))                                             \
	M("hog_pid", integer, stall->preemptor_pid > 0 ? stall->preemptor_pid : RECORD_UNKNOWN) \
	M("freed_bytes", integer, stall->freed_bytes > 0 ? stall->freed_bytes : RECORD_UNKNOWN) \
	M("key_now", object_or_null(key), key ? json_key(key) : json_null())                    \
	M("slowlog_seconds", real, entry ? entry->seconds : NAN)                                \
	M("client", bytes, entry ? entry->client : ((struct bytes){ 0 }))                       \
	M("client_name", bytes, entry ? entry->client_name : ((struct bytes){ 0 }))             \
	M("latency_event", some_text, event ? event->event : NULL)                              \
	M("latency_seconds", real, event ? event->latest_seconds : NAN)
SCHEMA(stall, STALL);

static json_t *json_stall(const struct model *m, const struct stall *stall)
{
	/* what the server and a look at the key say of it */
	const struct record_slowlog *entry = stall_slowlog(m, stall);
	const struct record_latency *event = stall_latency(m, stall);
	const struct record_key *key = stall_key(m, stall);
	json_t *o = json_object();

	PUT_MEMBERS(STALL);
	return o;
}

json_t *json_stalls(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->stalls_count; i++)
		put_last(rows, json_stall(m, &m->stalls[i].stall));
	return rows;
}

/* --- those of a whole watch --------------------------------------------------------- */

#define ROWS_MAX 1000 /* a watch may go on for months */

struct stall_rows {
	struct {
		double seconds;
		json_t *row;
	} rows[ROWS_MAX]; /* in the order in which they were told */
	size_t count;
	int64_t left_out;
};

struct stall_rows *stall_rows_new(void)
{
	return xcalloc(1, sizeof(struct stall_rows));
}

void stall_rows_free(struct stall_rows *rows)
{
	for (size_t i = 0; rows && i < rows->count; i++)
		json_decref(rows->rows[i].row);
	free(rows);
}

/* Is there room for one of @seconds? The shortest makes it, unless this one is shorter. */
static bool make_room(struct stall_rows *rows, double seconds)
{
	size_t shortest = 0;

	if (rows->count < ROWS_MAX)
		return true;
	rows->left_out++;
	for (size_t i = 1; i < ROWS_MAX; i++)
		if (rows->rows[i].seconds < rows->rows[shortest].seconds)
			shortest = i;
	if (!(seconds > rows->rows[shortest].seconds))
		return false;
	json_decref(rows->rows[shortest].row);
	rows->count--;
	memmove(&rows->rows[shortest], &rows->rows[shortest + 1],
		(rows->count - shortest) * sizeof(rows->rows[0]));
	return true;
}

void stall_rows_add(struct stall_rows *rows, const struct model *m, const struct stall *stall)
{
	if (!make_room(rows, stall->duration_seconds))
		return;
	rows->rows[rows->count].seconds = stall->duration_seconds;
	rows->rows[rows->count++].row = json_stall(m, stall);
}

static json_t *json_rows(const struct stall_rows *rows)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->count; i++)
		put_last(list, json_incref(rows->rows[i].row));
	return list;
}

/* --- lines ------------------------------------------------------------------------ */

static void write_line(struct buf *out, json_t *value)
{
	json_text(out, value, JSON_COMPACT | JSON_PRESERVE_ORDER);
	buf_putc(out, '\n');
	json_decref(value);
}

void report_stall_json(struct buf *out, const struct model *m, const struct stall *stall)
{
	write_line(out, json_stall(m, stall));
}

#define SUM_CAUSE(M, MAYBE)                            \
	M("cause", word, cause_table[row->cause].name) \
	M("stalls_total", integer, row->stalls_total)  \
	M("seconds", real, row->seconds)
static SCHEMA(stall_sum_cause, SUM_CAUSE);

static json_t *json_sum_cause(const struct stall_sum_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(SUM_CAUSE);
	return o;
}

#define SUM_PREFIX(M, MAYBE)                                           \
	M("prefix", bytes, (struct bytes){ row->name, row->name_len }) \
	M("stalls_total", integer, row->stalls_total)                  \
	M("seconds", real, row->seconds)
static SCHEMA(stall_sum_prefix, SUM_PREFIX);

static json_t *json_sum_prefix(const struct stall_sum_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(SUM_PREFIX);
	return o;
}

static json_t *json_sum_rows(const struct stall_sum_row *rows, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		put_last(list, rows[i].cause != CAUSES ? json_sum_cause(&rows[i]) :
							 json_sum_prefix(&rows[i]));
	return list;
}

#define LONGEST(M, MAYBE)                                 \
	M("duration_seconds", real, sum->longest_seconds) \
	M("command", text, sum->longest_command)          \
	M("key", bytes, key)                              \
	M("key_truncated", boolean, sum->longest_key_truncated)
static SCHEMA(longest_stall, LONGEST);

static json_t *json_longest(const struct stall_sum *sum)
{
	struct bytes key = { buf_str(&sum->longest_key), sum->longest_key.len };
	json_t *o;

	if (!sum->stalls_total)
		return json_null();
	o = json_object();
	PUT_MEMBERS(LONGEST);
	return o;
}

#define OTHERS(M, MAYBE)                                 \
	M("stalls_total", integer, others->stalls_total) \
	M("seconds", real, others->seconds)
static SCHEMA(stall_sum_others, OTHERS);

/* Those with least time, where there were more than are told one by one; else null. */
static json_t *json_others(const struct stall_sum_row *others)
{
	json_t *o;

	if (!others->stalls_total)
		return json_null();
	o = json_object();
	PUT_MEMBERS(OTHERS);
	return o;
}

#define STALLS(M, MAYBE)                                                                         \
	M("target", object(target), json_target(m))                                              \
	M("window", object(window), json_window(m))                                              \
	M("self", object(self), json_self(m))                                                    \
	M("sensors", list(sensor), json_sensors(m))                                              \
	M("stalls_total", integer, sum->stalls_total)                                            \
	M("stalls_seconds", real, sum->seconds)                                                  \
	M("longest", object_or_null(longest_stall), json_longest(sum))                           \
	M("causes", list(stall_sum_cause), json_sum_rows(sum->causes, sum->causes_count))        \
	M("prefixes", list(stall_sum_prefix), json_sum_rows(sum->prefixes, sum->prefixes_count)) \
	M("other_prefixes", object_or_null(stall_sum_others), json_others(&sum->others))         \
	MAYBE(rows, "stalls", list(stall), json_rows(rows))                                      \
	MAYBE(rows && rows->left_out, "stalls_left_out_total", integer, rows->left_out)
DOCUMENT(stalls, STALLS);

void report_stalls_end_json(struct buf *out, const struct model *m, const struct stall_sum *sum,
			    const struct stall_rows *rows)
{
	json_t *o = json_document(&schema_stalls);

	PUT_MEMBERS(STALLS);
	write_line(out, o);
}
