/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop: does the event loop move on? It has no programs of its own: the cpu and
 * offcpu programs look at the server's progress words at each of their events
 * (bpf/loop.bpf.h); what they tell becomes records in stall.c.
 */
#include "sensor/internal.h"

#include <errno.h>

static int loop_attach(struct engine *e, struct err *err)
{
	if (!engine_on(e, "cpu"))
		return err_set(err, -ENODATA, "needs the cpu sensor, which is off");
	return 0;
}

const struct sensor sensor_loop = {
	.id = "loop",
	.attach = loop_attach,
	.needs_attribution = true,
	.fix = "see the row `attribution`",
};
