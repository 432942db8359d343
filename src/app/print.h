/* SPDX-License-Identifier: BSD-2-Clause */
/* Results on stdout, failures on stderr: what the subcommands have in common. */
#pragma once

#include "app/options.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/model.h"
#include "report/report.h"

/* Colours and width of stdout, and how much was asked for. */
struct report_style print_style(const struct options *o);
/* Write @out to stdout. 0, or 1 when it could not be written: the exit status. */
int print_out(const struct buf *out);
/* Diagnose a finished model and print the report, as text or as JSON. Same result. */
int print_report(const struct options *o, const struct model *m);
/* The same of `redmem memory`; also 1 when a purge was asked for and not done. */
int print_memory(const struct options *o, const struct model *m);
/* Print the report of `redmem alloc`. Same result. */
int print_alloc(const struct options *o, const struct model *m);
/* "redmem: ..." on stderr; returns 1, the exit status. */
int print_failure(const struct err *err);
