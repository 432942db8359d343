/* SPDX-License-Identifier: BSD-2-Clause */
/* life: children of the server, its exec and its end; how much the children hold. */
#include "sensor/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"
#include "host/maps.h"
#include "host/proc.h"

static int life_probe(struct engine *e, struct err *err)
{
	bool fork = sensor_tracepoint(e->bpf->progs.life_fork, "sched_process_fork");
	bool exit = sensor_tracepoint(e->bpf->progs.life_exit, "sched_process_exit");

	sensor_tracepoint(e->bpf->progs.life_exec, "sched_process_exec");
	sensor_tracepoint(e->bpf->progs.life_oom, "mark_victim");
	if (!fork || !exit)
		return err_set(err, -ENOENT, "this kernel has no sched_process tracepoints");
	return 0;
}

/* Children that were there before the watch: a save may take minutes. */
static void adopt_children(struct sensors *s)
{
	pid_t *pids = NULL;
	size_t count = 0;

	if (proc_children(s->config.pid, &pids, &count, NULL))
		return;
	targets_adopt(&s->engine->targets, s->index, pids, count);
	for (size_t i = 0; i < count; i++)
		ring_adopt(s, pids[i]);
	free(pids);
}

static int life_attach(struct engine *e, struct err *err)
{
	int ret = sensor_attach_link(e, e->bpf->progs.life_fork, err);

	if (!ret)
		ret = sensor_attach_link(e, e->bpf->progs.life_exit, err);
	if (!ret)
		ret = sensor_attach_link(e, e->bpf->progs.life_exec, err);
	if (!ret)
		ret = sensor_attach_link(e, e->bpf->progs.life_oom, err);
	return ret;
}

static int life_begin(struct sensors *s, struct err *err)
{
	(void)err;
	adopt_children(s);
	return 0;
}

/* Redis names its children by their work: "redis-rdb-bgsave 0.0.0.0:6379". */
static const char *purpose_of(pid_t pid)
{
	struct buf title = {};
	const char *purpose = "";
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	if (!file_read(path, 4096, &title, NULL)) {
		if (strstr(buf_str(&title), "-rdb-"))
			purpose = "rdb";
		else if (strstr(buf_str(&title), "-aof-"))
			purpose = "aof";
		else if (strstr(buf_str(&title), "-module-"))
			purpose = "module";
	}
	buf_free(&title);
	return purpose;
}

/* Private_Dirty of a child of fork(): pages it no longer shares with the server,
 * because one of the two wrote to them (as redis' own childinfo.c counts them). */
static void life_tick(struct sensors *s, const struct record_sink *sink)
{
	(void)sink;
	for (size_t i = 0; i < s->children_count; i++) {
		struct sensor_child *child = &s->children[i];
		struct smaps_rollup rollup;

		if (smaps_rollup_read(child->pid, &rollup, NULL))
			continue; /* gone; its exit record tells the rest */
		if (rollup.private_dirty_bytes > child->private_bytes)
			child->private_bytes = rollup.private_dirty_bytes;
		if (rollup.rss_bytes > child->rss_bytes)
			child->rss_bytes = rollup.rss_bytes;
		if (!*child->purpose)
			child->purpose = purpose_of(child->pid);
		ring_child(s, child, NULL, s->target->totals[TOTAL_COW_FAULTS]);
	}
}

const struct sensor sensor_life = {
	.id = "life",
	.probe = life_probe,
	.attach = life_attach,
	.begin = life_begin,
	.tick = life_tick,
	.fix = "a kernel with sched tracepoints and BTF",
};
