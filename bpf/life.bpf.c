// SPDX-License-Identifier: BSD-2-Clause
/* life sensor: children of the server (BGSAVE, AOF rewrite), its exec and its end. */
#include "attribution.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32); /* tgid in the first pid namespace */
	__type(value, u32);
} children SEC(".maps");

static __always_inline void life_record(enum redmem_record_kind kind, u32 pid, u32 tid)
{
	struct redmem_record *record = record_reserve(kind, bpf_ktime_get_ns());
	struct running run = {};

	if (!record)
		return;
	record->pid = pid;
	record->life.cow_faults = totals[TOTAL_COW_FAULTS];
	__builtin_memset(&record->life.who, 0, sizeof(record->life.who));
	if (tid)
		who_is_running(tid, &record->life.who, &run);
	bpf_ringbuf_submit(record, 0);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(life_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 pid = child->pid, tgid = child->tgid, tid = target_tid();

	if (!tid || pid != tgid)
		return 0; /* somebody else's, or a new thread */
	bpf_map_update_elem(&children, &tgid, &tgid, BPF_ANY);
	life_record(RECORD_FORK, tgid, tid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(life_exec, struct task_struct *task)
{
	if (target_tid())
		life_record(RECORD_EXEC, settings.tgid, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(life_exit, struct task_struct *task)
{
	u32 pid = task->pid, tgid = task->tgid, tid = target_tid();

	if (tid)
		bpf_map_delete_elem(&threads, &tid);
	if (tid == settings.tgid && tid) {
		life_record(RECORD_EXIT, settings.tgid, 0);
		return 0;
	}
	if (pid == tgid && bpf_map_lookup_elem(&children, &tgid)) {
		bpf_map_delete_elem(&children, &tgid);
		life_record(RECORD_EXIT, tgid, 0);
	}
	return 0;
}
