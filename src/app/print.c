/* SPDX-License-Identifier: BSD-2-Clause */
/* Results and failures; see print.h. */
#include "app/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_COLUMNS 100

struct report_style print_style(const struct options *o)
{
	struct winsize size = {};
	struct report_style style = { .verbose = o->verbose > 0, .columns = DEFAULT_COLUMNS };

	style.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		style.columns = size.ws_col;
	return style;
}

int print_out(const struct buf *out)
{
	return fwrite(buf_str(out), 1, out->len, stdout) == out->len && !fflush(stdout) ? 0 : 1;
}

int print_report(const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose(m);
	struct report_style style = print_style(o);
	struct buf out = {};
	int ret;

	if (o->json)
		report_doctor_json(&out, m, findings);
	else
		report_doctor_text(&out, m, findings, &style);
	ret = print_out(&out);
	findings_free(findings);
	buf_free(&out);
	return ret;
}

int print_memory(const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose(m);
	struct report_style style = print_style(o);
	struct buf out = {};
	int ret;

	if (o->json)
		report_memory_json(&out, m, findings);
	else
		report_memory_text(&out, m, findings, &style);
	ret = print_out(&out) || (m->have_purge && *m->purge.error);
	findings_free(findings);
	buf_free(&out);
	return ret;
}

int print_alloc(const struct options *o, const struct model *m)
{
	struct report_style style = print_style(o);
	struct buf out = {};
	int ret;

	if (o->json)
		report_alloc_json(&out, m);
	else
		report_alloc_text(&out, m, &style);
	ret = print_out(&out);
	buf_free(&out);
	return ret;
}

int print_failure(const struct err *err)
{
	fprintf(stderr, "redmem: %s\n", err->text);
	return 1;
}
