/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop: does the event loop move on? It has no programs of its own: the cpu and
 * offcpu programs look at the server's progress words at each of their events.
 */
#include "sensor/internal.h"

#include <errno.h>

#include "base/clock.h"

static int loop_attach(struct sensors *s, struct err *err)
{
	if (!sensor_on(s, "cpu"))
		return err_set(err, -ENODATA, "needs the cpu sensor, which is off");
	return 0;
}

const struct sensor sensor_loop = {
	.id = "loop",
	.attach = loop_attach,
	.needs_attribution = true,
	.fix = "see the row `attribution`",
};

bool sensors_stall_now(struct sensors *s, struct fact_stall *fact)
{
	struct redmem_stall stall;
	struct redmem_loop *loop;
	struct who_names names;
	uint64_t start;

	if (!s->bpf)
		return false;
	/* The programs go on writing meanwhile; a copy counts when the start is the
	 * same before and after it. */
	loop = &s->bpf->bss->loop;
	start = __atomic_load_n(&loop->start_ns, __ATOMIC_ACQUIRE);
	stall = loop->stall;
	stall.start_ns = start;
	stall.end_ns = clock_mono_ns();
	if (!start || !loop->announced ||
	    __atomic_load_n(&loop->start_ns, __ATOMIC_ACQUIRE) != start ||
	    !who_resolve(s, &stall.who, &names))
		return false;
	records_stall(s, &stall, true, fact);
	fact->command = names.command;
	fact->inner = names.inner;
	fact->key = names.key;
	return true;
}
