/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem check` written out, for people and as JSON. */
#pragma once

#include "app/check_rows.h"
#include "report/report.h"

struct check {
	struct kernel_records kernel;
	struct check_rows host; /* kernel, rights, memory settings */
	struct check_rows server; /* empty without one */
	const struct model *m; /* the rows of sensors; the server, if there is one */
	bool have_server;
	const char *no_server; /* why there is none, "" when there is */
};

void check_report_text(struct buf *out, const struct check *check,
		       const struct report_style *style);
/* {"schema":"redmem.check/1",...} with a closing newline. */
void check_report_json(struct buf *out, const struct check *check);
