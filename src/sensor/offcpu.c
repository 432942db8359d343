/* SPDX-License-Identifier: BSD-2-Clause */
/* offcpu: waiting for a CPU or for I/O, from the scheduler's switches. */
#include "sensor/internal.h"

#include <errno.h>

static int offcpu_probe(struct engine *e, struct err *err)
{
	if (!sensor_tracepoint(e->bpf->progs.offcpu_switch, "sched_switch"))
		return err_set(err, -ENOENT, "this kernel has no tracepoint sched:sched_switch");
	return 0;
}

static int offcpu_attach(struct engine *e, struct err *err)
{
	return sensor_attach_link(e, e->bpf->progs.offcpu_switch, err);
}

const struct sensor sensor_offcpu = {
	.id = "offcpu",
	.probe = offcpu_probe,
	.attach = offcpu_attach,
	.fix = "a kernel with sched tracepoints and BTF",
};
