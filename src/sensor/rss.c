/* SPDX-License-Identifier: BSD-2-Clause */
/* rss: resident and swapped memory as they move, in steps worth a record. */
#include "sensor/internal.h"

#include <errno.h>

#include "host/proc.h"

/* A record for each 1/64 of the resident memory, but not for less than 4 MiB:
 * a server that doubles gives some hundred records. */
#define RSS_STEP_FRACTION 64
#define RSS_STEP_MIN	  (4 << 20)

static int rss_probe(struct engine *e, struct err *err)
{
	if (!sensor_tracepoint(e->bpf->progs.rss_changed, "rss_stat"))
		return err_set(err, -ENOENT, "this kernel has no tracepoint kmem:rss_stat");
	return 0;
}

static int rss_attach(struct engine *e, struct err *err)
{
	return sensor_attach_link(e, e->bpf->progs.rss_changed, err);
}

static int rss_begin(struct sensors *s, struct err *err)
{
	struct proc_status status;
	uint64_t step = RSS_STEP_MIN;

	(void)err;
	if (!proc_status_read(&status, s->config.pid, NULL) &&
	    status.rss_bytes / RSS_STEP_FRACTION > RSS_STEP_MIN)
		step = status.rss_bytes / RSS_STEP_FRACTION;
	s->target->settings.rss_step_bytes = step;
	return 0;
}

const struct sensor sensor_rss = {
	.id = "rss",
	.probe = rss_probe,
	.attach = rss_attach,
	.begin = rss_begin,
	.fix = "a kernel of 5.5 or later; RSS is read once a tick instead",
};
