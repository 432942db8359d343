/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles in files, beside a report: --pprof, --folded, --speedscope. */
#pragma once

#include "app/options.h"
#include "base/err.h"
#include "report/profile.h"

/* Was any asked for? */
bool profile_file_wanted(const struct options *o);
/* Can they be written where they are to be? 0, or 1 where that was told. */
int profile_file_check(const struct options *o);
/* What is shown first; fails, with what there is, where it has none or not that one. */
int profile_file_shown(const struct options *o, const struct report_profile *p,
		       enum profile_kind *shown, struct err *err);
/* Write those that were asked for. 0, or 1 when one could not be, which was told. */
int profile_file_write(const struct options *o, const struct report_profile *p);
/* The same of all that @m has; nothing where none was asked for. @label: of the server; NULL = as
 * the options have it. */
int profile_file_of(const struct options *o, const struct model *m, const char *label);
