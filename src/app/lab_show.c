/* SPDX-License-Identifier: BSD-2-Clause */
/* Verdicts of labs on their way out; see lab_show.h. */
#include "app/lab_show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/lab_redact.h"
#include "app/print.h"
#include "app/redact.h"
#include "lab/report.h"

/* A report on its way out: as JSON and for people, and for a pull request. */
struct said {
	struct print_said print;
	struct buf markdown;
};

static bool wants_text(const struct options *o)
{
	return print_wants_text(o) && !options_is_stdout(o->lab.markdown_path);
}

/* The exit status: 0, or 1. */
static int print_all(const struct options *o, struct said *said)
{
	int ret = o->lab.markdown_path ? print_file("markdown", o->lab.markdown_path,
						    &said->markdown, 0600, true) :
					 0;

	buf_free(&said->markdown);
	return ret | print_said(o, &said->print);
}

int lab_show_check(const struct options *o)
{
	return print_file_check("markdown", o->lab.markdown_path);
}

/* --- one -------------------------------------------------------------------------------------- */

/* Whoever takes a 0 for "nothing is worse" is to know what it says nothing of. */
static void tell_not_judged(const struct lab_verdict *verdict)
{
	struct buf line = {};

	for (int i = 0; i < LAB_METRICS; i++)
		if (verdict->rows[i].judgement == LAB_NOT_JUDGED &&
		    verdict->rows[i].reason != LAB_UNKNOWN)
			buf_printf(&line, "%s%s", line.len ? "; " : "", lab_metrics[i].title);
	if (line.len)
		fprintf(stderr,
			"redmem: lab: --max-regress says nothing of what was not judged: %s\n",
			buf_str(&line));
	buf_free(&line);
}

/* --max-regress: 3 where something is worse by more, which is told. */
static int regress_status(const struct options *o, const struct lab_verdict *verdict)
{
	enum lab_metric_id worst = LAB_METRICS;
	double most = lab_regress(verdict, &worst);
	struct buf line = {};

	if (isnan(o->lab.max_regress_percent))
		return 0;
	if (!verdict->judged) {
		fputs("redmem: lab: no metric could be judged, so nothing can be said of a "
		      "regress; see why with `redmem lab show`\n",
		      stderr);
		return 1;
	}
	tell_not_judged(verdict);
	if (!(most * 100 > o->lab.max_regress_percent))
		return 0;
	buf_printf(&line, "redmem: lab: B is worse in %s by ", lab_metrics[worst].title);
	if (isinf(most)) {
		buf_puts(&line, "what A has none of");
	} else {
		buf_printf(&line, "%.1f %%", most * 100);
	}
	fprintf(stderr, "%s, and --max-regress is %g %%\n", buf_str(&line),
		o->lab.max_regress_percent);
	buf_free(&line);
	return 3;
}

int lab_show_result(const struct options *o, struct lab_result *result)
{
	struct lab_verdict *verdict = xcalloc(1, sizeof(*verdict));
	struct lab_report report = { result, verdict };
	struct report_style style = print_style(o);
	struct redact *redact = redact_new_of(o);
	struct said said = {};
	int ret;

	lab_judge(verdict, result);
	lab_redact(redact, result);
	if (wants_text(o))
		lab_report_text(&said.print.text, &report, &style);
	if (print_wants_document(o))
		lab_report_json(&said.print.document, &report);
	if (o->lab.markdown_path)
		lab_report_markdown(&said.markdown, &report);
	ret = print_all(o, &said);
	if (!ret)
		ret = regress_status(o, verdict);
	redact_free(redact);
	free(verdict);
	return ret;
}

/* As precise as is asked for now: what is known as well as that is judged. */
static void want(struct lab_result *result, const struct options *o)
{
	if (!isnan(o->lab.precision_percent))
		result->about.precision = o->lab.precision_percent / 100;
}

int lab_show(const struct options *o)
{
	struct lab_result *result;
	struct err err = {};
	int ret;

	if (lab_show_check(o))
		return 1;
	if (lab_result_read(&result, o->lab.words[1], &err))
		return print_failure(&err);
	want(result, o);
	ret = lab_show_result(o, result);
	lab_result_free(result);
	return ret;
}

/* --- two -------------------------------------------------------------------------------------- */

struct two {
	struct lab_result *result[2];
	struct lab_verdict verdict[2];
	struct lab_compare compare;
};

static int read_both(struct two *two, const struct options *o, struct err *err)
{
	int ret = 0;

	for (int i = 0; i < 2 && !ret; i++) {
		ret = lab_result_read(&two->result[i], o->lab.words[1 + i], err);
		if (ret)
			break;
		want(two->result[i], o);
		lab_judge(&two->verdict[i], two->result[i]);
	}
	return ret;
}

static int print_diff(const struct options *o, struct two *two)
{
	struct lab_report_diff diff = { two->result[0], two->result[1], &two->compare };
	struct report_style style = print_style(o);
	struct said said = {};

	if (wants_text(o))
		lab_diff_text(&said.print.text, &diff, &style);
	if (print_wants_document(o))
		lab_diff_json(&said.print.document, &diff);
	if (o->lab.markdown_path)
		lab_diff_markdown(&said.markdown, &diff);
	return print_all(o, &said);
}

int lab_show_diff(const struct options *o)
{
	struct two *two = xcalloc(1, sizeof(*two));
	struct redact *redact = redact_new_of(o);
	struct err err = {};
	int ret = lab_show_check(o);

	if (!ret && read_both(two, o, &err))
		ret = print_failure(&err);
	if (!ret) {
		lab_compare(&two->compare, &two->verdict[0], &two->verdict[1]);
		for (int i = 0; i < 2; i++)
			lab_redact(redact, two->result[i]);
		ret = print_diff(o, two);
	}
	for (int i = 0; i < 2; i++)
		lab_result_free(two->result[i]);
	redact_free(redact);
	free(two);
	return ret;
}
