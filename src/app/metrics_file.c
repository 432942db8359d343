/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics of a watch in a file; see metrics_file.h. */
#include "app/metrics_file.h"

#include "app/label.h"
#include "app/print.h"

void metrics_file_take(struct metrics *metrics, const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose(m);
	struct buf label = { 0 };

	label_of_server(&label, o, m);
	metrics_take(metrics, buf_str(&label), m, findings);
	findings_free(findings);
	buf_free(&label);
}

int metrics_file_write(const struct metrics *metrics, const char *path)
{
	struct buf text = { 0 };
	int ret;

	metrics_write(metrics, &text, false, NULL);
	/* The collector takes *.prom, which the name of the one beside it is not. */
	ret = print_file("metrics", path, &text, 0644, false);
	buf_free(&text);
	return ret;
}
