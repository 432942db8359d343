/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem rdb: the keyspace of dumps, offline. */
#include <stdlib.h>

#include "app/commands.h"
#include "app/compare.h"
#include "app/dump_run.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/redact.h"
#include "base/clock.h"
#include "host/proc.h"

/* 1 when one of them could not be read to its end. */
static int read_files(struct dump_run *run)
{
	int failed = 0;

	for (size_t i = 0; i < run->count && !interrupted(); i++) {
		struct err err = {};

		if (dump_run_read(run, &run->dumps[i], &err) < 0)
			failed = print_failure(&err);
	}
	return failed;
}

/* NULL when there is no second server. */
static const struct report_comparison *compared(const struct dump_run *run,
						struct report_comparison *comparison)
{
	if (!run->compare)
		return NULL;
	*comparison = *compare_finish(run->compare);
	comparison->server[0] = run->server;
	comparison->keys_bytes[0] = run->keys_bytes;
	comparison->tables_bytes[0] = run->tables_bytes;
	return comparison;
}

static int report(struct dump_run *run, double seconds)
{
	struct findings *findings = diagnose_some(run->model, "keys.");
	struct report_style style = print_style(run->options);
	const char *given = run->options->rdb.config;
	char *config = redact_text(run->redact, given ? given : "");
	struct report_comparison comparison;
	struct report_dump *files = xcalloc(run->count, sizeof(*files));
	struct report_dumps dumps = {
		.files = files,
		.server = run->server,
		.filtered = run->options->keys.match || run->options->keys.type ||
			    run->options->db_given,
		.config = config,
		.limits = &run->place.limits,
		.allocator = run->options->rdb.system ? "system" : "bundled",
		.keys_bytes = run->keys_bytes,
		.tables_bytes = run->tables_bytes,
		.comparison = compared(run, &comparison),
		.seconds = seconds,
		.own_rss_bytes = proc_own_peak_bytes(),
	};
	struct print_said said = {};
	int ret = 0;

	for (size_t i = 0; i < run->count; i++)
		if (run->dumps[i].said.version) /* begun, and a dump */
			files[dumps.count++] = run->dumps[i].said;
	if (run->options->keys.folded)
		report_keys_folded(&said.text, run->model);
	else if (print_wants_text(run->options))
		report_dumps_text(&said.text, run->model, findings, &dumps, &style);
	if (print_wants_document(run->options))
		report_dumps_json(&said.document, run->model, findings, &dumps);
	if (dumps.count)
		ret = print_said(run->options, &said);
	buf_free(&said.text);
	buf_free(&said.document);
	free(config);
	free(files);
	findings_free(findings);
	return ret;
}

int cmd_rdb(const struct options *o)
{
	struct dump_run run;
	double seconds;
	int failed;

	if (dump_run_begin(&run, o))
		return 1;
	if (o->keys.csv)
		report_dump_csv_head(&run.csv);
	failed = read_files(&run);
	key_queue_end(run.queue);
	seconds = (double)(clock_mono_ns() - run.start_ns) / 1e9;
	dump_run_end_pass(&run, seconds, failed);
	if (o->keys.csv)
		failed |= print_out(&run.csv) | run.write_failed;
	else
		failed |= report(&run, seconds);
	dump_run_end(&run);
	return failed;
}
