/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem push: a profile, of a file or of a watch that is made for it, to who keeps profiles. */
#include <stdio.h>

#include "app/commands.h"
#include "app/label.h"
#include "app/print.h"
#include "app/profile_file.h"
#include "app/push.h"
#include "app/watch.h"
#include "host/file.h"

#define FILE_MAX ((size_t)64 << 20)

static int watched_profile(const struct options *o, const struct model *m, struct buf *out,
			   struct err *err)
{
	struct report_profile *p = report_profile_new();
	struct buf label = { 0 };
	enum profile_kind shown;
	int ret;

	label_of_server(&label, o, m);
	report_profile_take(p, m);
	report_profile_finish(p, m, buf_str(&label));
	ret = profile_file_shown(o, p, &shown, err);
	if (!ret)
		report_pprof(out, p, shown);
	report_profile_free(p);
	buf_free(&label);
	return ret;
}

static int watch(const struct options *o, struct buf *out, struct err *err)
{
	struct model *m = model_new();
	struct record_sink sink = model_sink(m);
	int ret = watch_run(o, &sink, err);

	if (!ret) {
		model_finish(m);
		ret = watched_profile(o, m, out, err);
	}
	model_free(m);
	return ret;
}

int cmd_push(const struct options *o)
{
	const char *file = o->push.file;
	struct buf data = { 0 }, where = { 0 };
	struct err err = { 0 };
	int ret = file ? file_read(file, FILE_MAX, &data, &err) : watch(o, &data, &err);

	if (!ret)
		ret = push_send(&o->push, &data, file ? file : "the watch", &where, &err);
	if (ret)
		ret = print_failure(&err);
	else
		printf("%zu bytes sent to %s\n", data.len, buf_str(&where));
	buf_free(&data);
	buf_free(&where);
	return ret;
}
