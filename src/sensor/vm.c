/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm: what the address space is made of. No probe: smaps of the server and of its
 * children, read when asked, because reading takes the mm lock and time in
 * proportion to the resident memory.
 */
#include "sensor/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "host/maps.h"
#include "host/proc.h"
#include "host/smaps.h"

static int vm_begin(struct sensors *s, struct err *err)
{
	if (!s->config.pid)
		return err_set(err, -ENOENT, "%s", s->engine->no_bpf_reason);
	if (maps_count(s->config.pid) <= 0)
		return err_set(err, -EACCES, "/proc/%d/maps cannot be read", s->config.pid);
	return 0;
}

const struct sensor sensor_vm = {
	.id = "vm",
	.begin = vm_begin,
	.fix = "run as root, or with CAP_SYS_PTRACE",
};

static double emit_process(struct sensors *s, pid_t pid, const char *phase, bool jemalloc,
			   const struct record_sink *sink, struct err *err)
{
	struct smaps smaps;

	if (smaps_read(&smaps, pid, jemalloc, err))
		return 0;
	smaps_emit(&smaps, pid, sensor_seconds(s, clock_mono_ns()), phase, sink);
	return smaps.read_seconds;
}

double sensors_mappings(struct sensors *s, const char *phase, bool jemalloc)
{
	struct err why = {};
	pid_t *children = NULL;
	size_t count = 0;
	double longest;

	if (!s->config.pid)
		return 0;
	longest = emit_process(s, s->config.pid, phase, jemalloc, s->sink, &why);

	if (why.code)
		sensor_off(s, "vm", why.text);
	if (proc_children(s->config.pid, &children, &count, NULL))
		return longest;
	for (size_t i = 0; i < count; i++) {
		double seconds = emit_process(s, children[i], phase, jemalloc, s->sink, NULL);

		if (seconds > longest)
			longest = seconds;
	}
	free(children);
	return longest;
}
