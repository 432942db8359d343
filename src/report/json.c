/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `redmem doctor --json` and `redmem memory --json`: one document each. Members come in a
 * fixed order, one to a line, and the rows of an array one to a line: a document that
 * diff, grep and people can read as well as jq.
 */
#include <stdlib.h>

#include "report/columns.h"
#include "report/json.h"
#include "report/report.h"
#include "report/value.h"

/* 12 digits say all a clock or a counter knows, and 0.1 stays 0.1. */
#define JSON_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))

static json_t *json_evidence(const struct evidence *e)
{
	json_t *row = json_object();

	put(row, "name", value_text(e->name));
	put(row, "value", e->text ? json_null() : value_number(e->value));
	if (e->text)
		put(row, "text", value_text(e->text));
	put(row, "unit", value_text(e->unit));
	put(row, "basis", value_text(basis_name(e->basis)));
	return row;
}

static json_t *json_action(const struct action *action)
{
	json_t *row = json_object();

	put(row, "text", value_text(action->text));
	put(row, "command", value_text(action->command));
	put(row, "expected_gain_bytes", value_int(action->expected_gain_bytes));
	return row;
}

json_t *json_findings(const struct findings *f)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *finding = &f->items[i];
		json_t *row = json_object(), *evidence = json_array(), *actions = json_array();

		for (size_t n = 0; n < finding->evidence_count; n++)
			put_last(evidence, json_evidence(&finding->evidence[n]));
		for (size_t n = 0; n < finding->actions_count; n++)
			put_last(actions, json_action(&finding->actions[n]));
		put(row, "id", value_text(finding->id));
		put(row, "severity", value_text(severity_name(finding->severity)));
		put(row, "title", value_text(finding->title));
		put(row, "evidence", evidence);
		put(row, "cause", value_text(finding->cause));
		put(row, "action", actions);
		put(row, "weak", json_boolean(finding->weak));
		put_last(rows, row);
	}
	return rows;
}

static json_t *json_verdict(const struct model *m, const struct findings *f)
{
	struct buf text = { 0 };
	json_t *value;

	diagnose_verdict(&text, m, f);
	value = value_text(buf_str(&text));
	buf_free(&text);
	return value;
}

static void write_value(struct buf *out, const json_t *value)
{
	char *text = json_dumps(value, JSON_FLAGS);

	if (!text)
		abort(); /* memory is out: every value was checked when it was made */
	buf_puts(out, text);
	free(text);
}

/* An array of objects goes one row to a line. */
static void write_member(struct buf *out, const char *name, const json_t *value)
{
	const json_t *row;
	size_t i;

	buf_printf(out, "\"%s\":", name);
	if (!json_is_array(value) || !json_array_size(value)) {
		write_value(out, value);
		return;
	}
	json_array_foreach(value, i, row) {
		buf_puts(out, i ? ",\n  " : "[\n  ");
		write_value(out, row);
	}
	buf_putc(out, ']');
}

void json_write(struct buf *out, json_t *document)
{
	const char *name, *separator = "{";
	json_t *value;

	json_object_foreach(document, name, value) {
		buf_puts(out, separator);
		write_member(out, name, value);
		separator = ",\n ";
	}
	buf_puts(out, "}\n");
	json_decref(document);
}

json_t *json_doctor(const struct model *m, const struct findings *f)
{
	json_t *document = json_object();

	put(document, "schema", json_string("redmem.doctor/1"));
	put(document, "target", json_target(m));
	put(document, "window", json_window(m));
	put(document, "self", json_self(m));
	put(document, "sensors", json_sensors(m));
	put(document, "ledger", json_ledger(m));
	put(document, "timeline", json_timeline(m));
	put(document, "commands",
	    columns_json(m, &columns_commands, ROWS(m->commands, m->commands_count)));
	put(document, "prefixes",
	    columns_json(m, &columns_prefixes, ROWS(m->prefixes, m->prefixes_count)));
	put(document, "stalls", json_stalls(m));
	put(document, "findings", json_findings(f));
	put(document, "verdict", json_verdict(m, f));
	put(document, "threads",
	    columns_json(m, &columns_threads, ROWS(m->threads, m->threads_count)));
	put(document, "totals", json_totals(m));
	put(document, "children", json_children(m));
	put(document, "keys", json_keys(m));
	put(document, "life", json_life(m));
	put(document, "slowlog", json_slowlog(m));
	put(document, "latency", json_latency(m));
	put(document, "rss_moves", json_rss_moves(m));
	put(document, "mappings", json_mappings(m));
	put(document, "host", json_host(m));
	if (m->keyspace)
		put(document, "census", json_keyspace(m));
	if (m->alloc.have_budget) /* older recordings have none */
		put(document, "cost", json_cost(m));
	return document;
}

void report_doctor_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_write(out, json_doctor(m, f));
}

void report_memory_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_t *document = json_object();

	put(document, "schema", json_string("redmem.memory/1"));
	put(document, "target", json_target(m));
	put(document, "window", json_window(m));
	put(document, "self", json_self(m));
	put(document, "sensors", json_sensors(m));
	put(document, "ledger", json_ledger(m));
	put(document, "size_classes", json_size_classes(m));
	put(document, "findings", json_findings(f));
	put(document, "verdict", json_verdict(m, f));
	put(document, "allocator", json_allocator(m));
	put(document, "deletes", json_deletes(m));
	put(document, "children", json_children(m));
	put(document, "copy_on_write", json_copy_on_write(m));
	put(document, "purge", json_purge(m));
	put(document, "mappings", json_mappings(m));
	put(document, "host", json_host(m));
	json_write(out, document);
}
