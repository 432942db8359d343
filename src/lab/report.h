/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a lab has found, written out: for a terminal, as JSON (schema redmem.lab/1, of which
 * report/html.h makes the page), and as Markdown for a pull request. All three are of the same
 * rows, and decide nothing. Names come from the command line or from a file: none of their bytes
 * does anything but being shown.
 */
#pragma once

#include "lab/compare.h"
#include "lab/verdict.h"
#include "report/report.h"

struct lab_report {
	const struct lab_result *result;
	const struct lab_verdict *verdict; /* of it */
};

void lab_report_text(struct buf *out, const struct lab_report *r, const struct report_style *style);
void lab_report_json(struct buf *out, const struct lab_report *r);
void lab_report_markdown(struct buf *out, const struct lab_report *r);

/* Two results: what has changed between them. The same, with schema redmem.lab_diff/1. */
struct lab_report_diff {
	const struct lab_result *before, *after;
	const struct lab_compare *compare; /* of both */
};

void lab_diff_text(struct buf *out, const struct lab_report_diff *d,
		   const struct report_style *style);
void lab_diff_json(struct buf *out, const struct lab_report_diff *d);
void lab_diff_markdown(struct buf *out, const struct lab_report_diff *d);

extern const struct schema schema_lab, schema_lab_diff;
