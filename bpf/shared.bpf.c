// SPDX-License-Identifier: BSD-2-Clause
/*
 * The one place where the variables of shared.bpf.h live, and the programs all sensors need:
 * one that tells the loader what the kernel calls processes, one that forgets threads.
 */
#include "shared.bpf.h"

__u32 profile_active = 0;
__u32 profile_rows[2] = {};
__u32 profile_keyed_rows = 0;
__u32 ring_wake_bytes = 0, profile_wake_rows = 0;
__u64 process_filter[FILTER_WORDS] = {};
__u32 own_pid_level = 0;
__u64 own_pid_namespace = 0;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Learn where redmem itself lives; the iterator runs in its context. */
static __always_inline void learn_own_namespace(void)
{
	struct pid *pid = BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	void *number = __builtin_preserve_access_index(&pid->numbers);

	number += level * bpf_core_type_size(struct upid);
	own_pid_namespace = (u64)BPF_CORE_READ((struct upid *)number, ns);
	own_pid_level = level;
}

/* A struct redmem_process for each process in redmem's pid namespace. */
SEC("iter/task")
int list_processes(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct redmem_process process = {};

	if (!own_pid_namespace)
		learn_own_namespace();
	if (!task || task->pid != task->tgid)
		return 0;
	process.tgid = pid_seen(task);
	process.kernel_tgid = task->tgid;
	process.mm = (u64)task->mm;
	bpf_seq_write(seq, &process, sizeof(process));
	return 0;
}

/* Ids come again; and a server may make threads for as long as it is watched. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(forget_thread, struct task_struct *task)
{
	u32 tid = task->pid;

	if (!target_of(task->tgid))
		return 0;
	bpf_map_delete_elem(&threads, &tid);
	bpf_map_delete_elem(&flow_threads, &tid);
	bpf_map_delete_elem(&open_calls, &tid);
	return 0;
}
