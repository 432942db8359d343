/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem keys: pass over all keys, report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/progress.h"
#include "app/keys_run.h"
#include "app/print.h"
#include "base/clock.h"

#define CSV_FLUSH 65536

/* Keys on their way into the CSV, and everything into the model. */
struct csv {
	struct record_sink model;
	const struct keys_options *options;
	struct buf out;
	int failed;
};

static void csv_take(void *ctx, const struct record *record)
{
	const struct record_key *key = &record->key;
	struct csv *csv = ctx;

	record_emit(&csv->model, record);
	if (record->kind != RECORD_KEY || key->source != KEY_SOURCE_PASS)
		return;
	if (csv->options->type && strcmp(csv->options->type, key->type) != 0)
		return;
	if (csv->options->min_bytes && key->bytes < csv->options->min_bytes)
		return;
	report_keys_csv_row(&csv->out, key, clock_wall_ns());
	if (csv->out.len < CSV_FLUSH)
		return;
	csv->failed |= print_out(&csv->out);
	buf_clear(&csv->out);
}

static int report(const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose_some(m, "keys.");
	struct report_style style = print_style(o);
	struct print_said said = {};

	if (o->keys.folded)
		report_keys_folded(&said.text, m);
	else if (print_wants_text(o))
		report_keys_text(&said.text, m, findings, &style);
	if (print_wants_document(o))
		report_keys_json(&said.document, m, findings);
	findings_free(findings);
	return print_said(o, &said);
}

static int pass_csv(const struct options *o, struct server *server, struct model *m,
		    struct err *err)
{
	struct csv csv = { .model = model_sink(m), .options = &o->keys };
	struct record_sink sink = { csv_take, &csv };
	int ret;

	report_keys_csv_head(&csv.out);
	ret = keys_run(o, server, &sink, m, err);
	csv.failed |= print_out(&csv.out);
	buf_free(&csv.out);
	return ret ? ret : csv.failed;
}

/* 0, 1 when the report could not be written, or a negative errno with @err set. */
static int run(const struct options *o, struct server *server, struct model *m, struct err *err)
{
	struct record_sink sink = model_sink(m);
	struct keyspace_options options = keys_keyspace_options(o);
	int ret = server_ask(server, o, &sink, err);

	if (ret)
		return ret;
	model_set_keyspace(m, &options);
	if (o->keys.csv)
		return pass_csv(o, server, m, err);
	ret = keys_run(o, server, &sink, m, err);
	if (ret && !m->keyspace->keys_total)
		return ret;
	model_finish(m);
	return report(o, m) && !ret ? 1 : ret;
}

int cmd_keys(const struct options *o)
{
	struct model *m = model_new();
	struct server server = {};
	struct err err = {};
	int ret;

	interrupt_catch();
	ret = server_open_connected(&server, o, &err);
	if (!ret)
		ret = run(o, &server, m, &err);
	if (ret < 0)
		print_failure(&err);
	/* The text report has it in its second line. */
	if (m->keyspace && m->keyspace->cursor && (o->json || o->keys.csv || o->keys.folded))
		fprintf(stderr, "redmem: not complete; go on with --cursor %s\n",
			m->keyspace->cursor);
	server_close(&server);
	model_free(m);
	return ret != 0;
}
