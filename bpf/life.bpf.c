// SPDX-License-Identifier: BSD-2-Clause
/* life sensor: children of the server (BGSAVE, AOF rewrite), its exec and its end. */
#include "attribution.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tgid in the first pid namespace */
	__type(value, struct redmem_child);
} children SEC(".maps");

/* How it ends. */
struct death {
	u32 exit_code;
	u64 held_pages;
};

static __always_inline void life_record(struct redmem_target *target, enum redmem_ring_kind kind,
					u32 pid, u32 tid, struct death death)
{
	struct redmem_ring_record *record =
		ring_reserve(target, kind, RING_BYTES(life), bpf_ktime_get_ns());
	struct running run = {};

	if (!record)
		return;
	record->pid = pid;
	record->life.cow_faults = target->totals[TOTAL_COW_FAULTS];
	record->life.held_pages = death.held_pages;
	record->life.exit_code = death.exit_code;
	__builtin_memset(&record->life.context, 0, sizeof(record->life.context));
	if (tid)
		context_running(target, tid, &record->life.context, &run);
	/* By itself the kernel wakes nobody while others wait in the ring, and a child may be gone
	 * soon. */
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(life_fork, struct task_struct *parent, struct task_struct *task)
{
	u32 tid, pid = task->pid, tgid = task->tgid;
	struct redmem_target *target = target_running(&tid);
	struct redmem_child child = {};

	if (!target || pid != tgid)
		return 0; /* somebody else's, or a new thread */
	child.target = target->settings.index;
	child.pid = pid_seen(task);
	bpf_map_update_elem(&children, &tgid, &child, BPF_ANY);
	life_record(target, RING_FORK, child.pid, tid, (struct death){});
	return 0;
}

/* How often a program began that may be a server, of any process of the host. */
__u32 servers_begun = 0;

#define COMM_BYTES 16

static __always_inline bool is_tool(char dash, char first)
{
	return dash == '-' && (first == 'c' || first == 'b');
}

/* redis-server, valkey-server and what else begins so, but not redis-cli, redis-benchmark and
 * redis-check-rdb; or ld.so, under which it may be any. */
static __always_inline bool may_be_server(struct task_struct *task)
{
	char c[COMM_BYTES] = {};

	bpf_probe_read_kernel(c, sizeof(c), task->comm);
	if (c[0] == 'r' && c[1] == 'e' && c[2] == 'd' && c[3] == 'i' && c[4] == 's')
		return !is_tool(c[5], c[6]);
	if (c[0] == 'v' && c[1] == 'a' && c[2] == 'l' && c[3] == 'k' && c[4] == 'e' && c[5] == 'y')
		return !is_tool(c[6], c[7]);
	return c[0] == 'l' && c[1] == 'd';
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(life_exec, struct task_struct *task)
{
	u32 tid;
	struct redmem_target *target = target_running(&tid);

	if (may_be_server(task))
		__sync_fetch_and_add(&servers_begun, 1);
	if (target)
		life_record(target, RING_EXEC, 0, 0, (struct death){});
	return 0;
}

/* The server, or a child of one. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(life_exit, struct task_struct *task)
{
	u32 pid = task->pid, tgid = task->tgid;
	struct death death = { .exit_code = task->exit_code };
	struct redmem_target *target;
	struct redmem_child *child;

	if (pid != tgid)
		return 0;
	target = watched_of(tgid);
	if (target) {
		life_record(target, RING_EXIT, 0, 0, death);
		return 0;
	}
	child = bpf_map_lookup_elem(&children, &tgid);
	target = child ? target_at(&child->target) : NULL;
	if (!target)
		return 0;
	pid = child->pid;
	bpf_map_delete_elem(&children, &tgid);
	life_record(target, RING_EXIT, pid, 0, death);
	return 0;
}

#define MEMBER_ANON  1 /* MM_ANONPAGES, MM_SHMEMPAGES */
#define MEMBER_SHMEM 3

/* The server, or a child of one; it has not ended yet, and what it holds is still there. */
SEC("tp_btf/mark_victim")
int life_oom(u64 *ctx)
{
	struct death death = {};
	u64 mm;
	u32 tgid = oom_victim(ctx, &mm);
	struct redmem_target *target = watched_of(tgid);
	struct redmem_child *child;
	u32 pid = 0;

	if (!target) {
		child = bpf_map_lookup_elem(&children, &tgid);
		target = child ? target_at(&child->target) : NULL;
		if (!target)
			return 0;
		pid = child->pid;
	}
	if (mm)
		death.held_pages = mm_rss_pages(mm, MEMBER_ANON) + mm_rss_pages(mm, MEMBER_SHMEM);
	life_record(target, RING_OOM, pid, 0, death);
	return 0;
}
