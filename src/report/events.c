/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened, for people and as JSON (schema redmem.history/1); see events.h. */
#include "report/events.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/sum.h"
#include "report/json.h"
#include "report/schema.h"
#include "report/text.h"

/* --- text --------------------------------------------------------------------------------- */

/* "2026-11-28 03:00:10", local. */
static void write_time(struct buf *out, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[32] = "-";
	struct tm tm;

	if (ms != RECORD_UNKNOWN && localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_puts(out, text);
}

/* How long it took, or that it has not ended. */
static void write_length(struct buf *out, const struct history_event *e)
{
	double seconds = isfinite(e->seconds) ? e->seconds :
			 e->end_ms > e->at_ms ? (double)sum_less(e->end_ms, e->at_ms) / 1e3 :
						NAN;

	if (e->end_ms == RECORD_UNKNOWN)
		buf_puts(out, "goes on");
	else if (isfinite(seconds))
		fmt_seconds(out, seconds);
}

static void write_what(struct buf *out, const struct history_event *e)
{
	const char *between = "";

	if (*e->severity) {
		buf_printf(out, "%s: ", e->severity);
	} else if (strcmp(e->kind, "stall") != 0 && *e->id) {
		text_safe(out, e->id);
		between = ", ";
	}
	if (*e->text) {
		buf_puts(out, between);
		text_safe(out, e->text);
		between = ", ";
	}
	if (e->bytes != RECORD_UNKNOWN && e->bytes > 0) {
		buf_printf(out, "%s%s ", between, strcmp(e->kind, "fork") ? "it held" : "copied");
		fmt_bytes(out, e->bytes);
	}
	if (*e->severity) {
		buf_puts(out, "  ");
		text_safe(out, e->id);
	}
}

static void write_servers(struct text *t, const struct report_events *e)
{
	static const struct table_column columns[] = { { "server", false },
						       { "kept from", false },
						       { "until", false } };
	struct table *table = TABLE(columns);

	text_head(t, "SERVERS", e->servers_count ? NULL : "nothing is kept yet");
	for (size_t i = 0; i < e->servers_count; i++) {
		text_safe(table_cell(table), e->servers[i].label);
		write_time(table_cell(table), e->servers[i].first_ms);
		write_time(table_cell(table), e->servers[i].last_ms);
	}
	table_write(table, t);
}

void report_events_text(struct buf *out, const struct report_events *e,
			const struct report_style *style)
{
	static const struct table_column columns[] = {
		{ "time", false }, { "server", false }, { "what", false },
		{ "for", true },   { "", false },
	};
	struct text t = { .out = out };
	struct table *table;
	struct buf note = {};

	text_begin(&t, style);
	write_servers(&t, e);
	if (e->left_out) {
		fmt_count(&note, e->left_out);
		buf_puts(&note, " older ones are left out; ask for a shorter time");
	}
	text_head(&t, "WHAT HAPPENED",
		  !e->count ? "nothing in that time" :
		  note.len  ? buf_str(&note) :
			      NULL);
	table = e->count ? TABLE(columns) : NULL;
	for (size_t i = 0; i < e->count; i++) {
		const struct history_event *event = &e->events[i];

		write_time(table_cell(table), event->at_ms);
		text_safe(table_cell(table), event->server);
		text_safe(table_cell(table), event->kind);
		write_length(table_cell(table), event);
		write_what(table_cell(table), event);
	}
	if (table)
		table_write(table, &t);
	buf_free(&note);
}

/* --- JSON --------------------------------------------------------------------------------- */

/* As nanoseconds; 0 where it is not known. */
static int64_t ns_of(int64_t ms)
{
	return ms == RECORD_UNKNOWN || ms > INT64_MAX / 1000000 ? 0 : ms * 1000000;
}

#define EVENT(M, MAYBE)                         \
	M("time", time, ns_of(e->at_ms), 0)     \
	M("end", time, ns_of(e->end_ms), 0)     \
	M("server", some_text, e->server)       \
	M("kind", text, e->kind)                \
	M("id", some_text, e->id)               \
	M("severity", some_text, e->severity)   \
	M("text", text, e->text)                \
	M("duration_seconds", real, e->seconds) \
	M("bytes", integer, e->bytes)
static SCHEMA(history_event, EVENT);

json_t *json_history_event(const struct history_event *e)
{
	json_t *o = json_object();

	PUT_MEMBERS(EVENT);
	return o;
}

#define SERVER(M, MAYBE)                             \
	M("server", text, server->label)             \
	M("first", time, ns_of(server->first_ms), 0) \
	M("last", time, ns_of(server->last_ms), 0)
static SCHEMA(history_server, SERVER);

json_t *json_history_server(const struct history_server *server)
{
	json_t *o = json_object();

	PUT_MEMBERS(SERVER);
	return o;
}

#define HISTORY(M, MAYBE)                           \
	M("from", time, ns_of(e->from_ms), 0)       \
	M("until", time, ns_of(e->to_ms), 0)        \
	M("servers", list(history_server), servers) \
	M("events", list(history_event), events)    \
	M("left_out_total", integer, e->left_out)
DOCUMENT(history, HISTORY);

void report_events_json(struct buf *out, const struct report_events *e)
{
	json_t *o = json_document(&schema_history), *servers = json_array(), *events = json_array();

	for (size_t i = 0; i < e->servers_count; i++)
		put_last(servers, json_history_server(&e->servers[i]));
	for (size_t i = 0; i < e->count; i++)
		put_last(events, json_history_event(&e->events[i]));
	PUT_MEMBERS(HISTORY);
	json_write(out, o);
}
