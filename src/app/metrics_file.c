/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics of a watch in a file; see metrics_file.h. */
#include "app/metrics_file.h"

#include <stdio.h>
#include <string.h>

#include "app/label.h"
#include "app/print.h"
#include "host/replace.h"

void metrics_file_take(struct metrics *metrics, const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose(m);
	struct buf label = { 0 };

	label_of_server(&label, o, m);
	metrics_take(metrics, buf_str(&label), m, findings);
	findings_free(findings);
	buf_free(&label);
}

/* The collector takes *.prom, which the name of the one beside it is not. */
static int replace(const char *path, const struct buf *text)
{
	struct err err = {};

	if (!replace_file(path, text->data, text->len, 0644, false, &err))
		return 0;
	fprintf(stderr, "redmem: metrics: %s; choose another file with --metrics\n", err.text);
	return 1;
}

int metrics_file_write(const struct metrics *metrics, const char *path)
{
	struct buf text = { 0 };
	int ret;

	metrics_write(metrics, &text, false, NULL);
	ret = strcmp(path, "-") != 0 ? replace(path, &text) : print_out(&text);
	buf_free(&text);
	return ret;
}
