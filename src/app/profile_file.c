/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles in files; see profile_file.h. */
#include "app/profile_file.h"

#include <errno.h>
#include <stdio.h>

#include "app/label.h"
#include "app/print.h"

bool profile_file_wanted(const struct options *o)
{
	return o->profile.pprof || o->profile.folded || o->profile.speedscope;
}

int profile_file_shown(const struct options *o, const struct report_profile *p,
		       enum profile_kind *shown, struct err *err)
{
	enum profile_kind first = report_profile_first(p);
	struct buf there = { 0 };
	int ret;

	*shown = o->profile.sample_type ? profile_kind_of(o->profile.sample_type) : first;
	if (first == PROFILE_KINDS)
		return err_set(err, -ENODATA,
			       "profile: nothing was measured that could be in one; `redmem check` "
			       "says what is missing");
	if (p->has[*shown])
		return 0;
	for (enum profile_kind kind = 0; kind < PROFILE_KINDS; kind++)
		if (p->has[kind])
			buf_printf(&there, "%s%s", kind == first ? "" : ", ",
				   profile_kind_table[kind].name);
	ret = err_set(err, -ENODATA, "profile: %s was not measured; there is %s",
		      profile_kind_table[*shown].name, buf_str(&there));
	buf_free(&there);
	return ret;
}

/* For its owner alone: names of keys are in it. */
static int write_one(const char *option, const char *path, const struct report_profile *p,
		     enum profile_kind shown,
		     void (*report)(struct buf *out, const struct report_profile *p,
				    enum profile_kind shown))
{
	struct buf out = { 0 };
	int ret;

	if (!path)
		return 0;
	report(&out, p, shown);
	ret = print_file(option, path, &out, 0600, false);
	buf_free(&out);
	return ret;
}

int profile_file_check(const struct options *o)
{
	return print_file_check("pprof", o->profile.pprof) ||
	       print_file_check("folded", o->profile.folded) ||
	       print_file_check("speedscope", o->profile.speedscope);
}

int profile_file_write(const struct options *o, const struct report_profile *p)
{
	enum profile_kind shown;
	struct err err = { 0 };
	int ret = 0;

	if (profile_file_shown(o, p, &shown, &err))
		return print_failure(&err);
	ret |= write_one("pprof", o->profile.pprof, p, shown, report_pprof);
	ret |= write_one("folded", o->profile.folded, p, shown, report_profile_folded);
	ret |= write_one("speedscope", o->profile.speedscope, p, shown, report_speedscope);
	return ret;
}

int profile_file_of(const struct options *o, const struct model *m, const char *label)
{
	struct report_profile *p;
	struct buf own = { 0 };
	int ret;

	if (!profile_file_wanted(o))
		return 0;
	if (!label)
		label_of_server(&own, o, m);
	p = report_profile_new();
	report_profile_take(p, m);
	report_profile_finish(p, m, label ? label : buf_str(&own));
	ret = profile_file_write(o, p);
	report_profile_free(p);
	buf_free(&own);
	return ret;
}
