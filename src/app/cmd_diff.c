/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem diff: what grew from one dump to the next. */
#include <errno.h>
#include <stdlib.h>

#include "app/commands.h"
#include "app/dump_run.h"
#include "app/past.h"
#include "app/print.h"
#include "base/clock.h"
#include "report/diff.h"

#define DIFF_KEYS 50000 /* the largest, of each of the two dumps */

/* BEFORE, AFTER, and BEFORE again (model/keydiff.h). 1 when one was not whole: what is compared
 * with a part would seem to have grown. */
static int read_both(struct dump_run *run)
{
	static const struct {
		size_t dump;
		enum reading reading;
	} passes[] = { { 0, READ_OLDER }, { 1, READ_NEWER }, { 2, READ_OLDER_AGAIN } };

	run->dumps[2] = dump_new(run, run->dumps[0].input);
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		struct dump *dump = &run->dumps[passes[i].dump];
		struct err err = {};

		run->reading = passes[i].reading;
		if (dump_run_read(run, dump, &err) < 0)
			return print_failure(&err);
		if (dump->problem) {
			err_set(&err, -EINTR,
				"diff: %s was not read to its end, so nothing is "
				"compared",
				dump->said.name);
			return print_failure(&err);
		}
		key_queue_wait(run->queue);
	}
	return 0;
}

static int report_diff(struct dump_run *run)
{
	const struct options *o = run->options;
	struct report_style style = print_style(o);
	struct report_diff diff = {
		.older = &run->dumps[0].said,
		.newer = &run->dumps[1].said,
		.keys = run->diff,
		.server = run->server,
		.allocator = o->rdb.system ? "system" : "bundled",
		.older_loaded_bytes = run->dumps[0].loaded_bytes,
		.newer_loaded_bytes = run->dumps[1].loaded_bytes,
		.top = (size_t)o->keys.top,
		.min_bytes = o->keys.min_bytes,
	};
	struct print_said said = {};

	keydiff_finish(run->diff);
	if (print_wants_text(o))
		report_diff_text(&said.text, run->model, &diff, &style);
	if (print_wants_document(o))
		report_diff_json(&said.document, run->model, &diff);
	return print_said(o, &said);
}

int cmd_diff(const struct options *o)
{
	struct dump_run run;
	int failed;

	if (past_is_asked(o))
		return past_diff(o);
	if (dump_run_begin(&run, o))
		return 1;
	run.diff = keydiff_new(DIFF_KEYS);
	failed = read_both(&run);
	key_queue_end(run.queue);
	if (!failed) {
		dump_run_end_pass(&run, (double)(clock_mono_ns() - run.start_ns) / 1e9, false);
		failed = report_diff(&run);
	}
	keydiff_free(run.diff);
	dump_run_end(&run);
	return failed;
}
