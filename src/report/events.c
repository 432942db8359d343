/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened, for people and as JSON (schema redmem.history/1); see events.h. */
#include "report/events.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/sum.h"
#include "report/json.h"
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

static json_t *time_of(int64_t ms)
{
	return ms == RECORD_UNKNOWN || ms > INT64_MAX / 1000000 ? json_null() :
								  value_time(ms * 1000000, 0);
}

static json_t *json_event(const struct history_event *e)
{
	json_t *o = json_object();

	put(o, "time", time_of(e->at_ms));
	put(o, "end", time_of(e->end_ms));
	put(o, "server", *e->server ? value_text(e->server) : json_null());
	put(o, "kind", value_text(e->kind));
	put(o, "id", *e->id ? value_text(e->id) : json_null());
	put(o, "severity", *e->severity ? json_string(e->severity) : json_null());
	put(o, "text", value_text(e->text));
	put(o, "duration_seconds", value_real(e->seconds));
	put(o, "bytes", value_int(e->bytes));
	return o;
}

void report_events_json(struct buf *out, const struct report_events *e)
{
	json_t *document = json_object(), *servers = json_array(), *events = json_array();

	put(document, "schema", json_string("redmem.history/1"));
	put(document, "from", time_of(e->from_ms));
	put(document, "until", time_of(e->to_ms));
	for (size_t i = 0; i < e->servers_count; i++) {
		json_t *o = json_object();

		put(o, "server", value_text(e->servers[i].label));
		put(o, "first", time_of(e->servers[i].first_ms));
		put(o, "last", time_of(e->servers[i].last_ms));
		put_last(servers, o);
	}
	put(document, "servers", servers);
	for (size_t i = 0; i < e->count; i++)
		put_last(events, json_event(&e->events[i]));
	put(document, "events", events);
	put(document, "left_out_total", value_int(e->left_out));
	json_write(out, document);
}
