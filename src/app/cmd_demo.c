/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem demo: a private server with known troubles, and its diagnosis. */
#include <stdio.h>

#include "app/commands.h"
#include "app/demo_stage.h"
#include "app/print.h"
#include "app/watch.h"
#include "host/kernel.h"

/* The clients' troubles take some twelve seconds, longer when they wait for swap. */
#define DEMO_SECONDS 20.0

static int watch_stage(const struct demo_stage *stage, const struct options *o,
		       const struct record_sink *sink, struct err *err)
{
	struct options watch = *o;

	watch.pid = demo_stage_pid(stage);
	watch.socket_path = demo_stage_socket(stage);
	watch.password = NULL; /* that of the environment is another server's */
	watch.duration_seconds = DEMO_SECONDS;
	fprintf(stderr, "demo: watching it for %.0f s, as `redmem doctor` would\n", DEMO_SECONDS);
	return watch_run(&watch, sink, err);
}

int cmd_demo(const struct options *o)
{
	struct model *model = model_new();
	struct record_sink sink = model_sink(model);
	struct demo_stage *stage;
	struct err err = {}, left = {};
	int ret;

	if (kernel_bpf_usable(&err))
		fprintf(stderr, "demo: without BPF, so no command or key can be blamed: %s\n",
			err.text);
	ret = demo_stage_open(&stage, &err);
	if (ret)
		goto out;
	ret = watch_stage(stage, o, &sink, &err);
	if (demo_stage_close(stage, &left))
		print_failure(&left);
	if (ret)
		goto out;
	model_finish(model);
	ret = print_report(o, model);
out:
	if (ret < 0)
		ret = print_failure(&err);
	model_free(model);
	return ret || left.code;
}
