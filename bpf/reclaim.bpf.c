// SPDX-License-Identifier: BSD-2-Clause
/*
 * reclaim sensor: time the kernel makes the server's threads free memory (direct
 * and cgroup reclaim) or move pages together (compaction), and huge pages that
 * khugepaged makes of its memory.
 */
#include "loop.bpf.h"

static __always_inline void reclaim_begin(bool compaction)
{
	struct redmem_thread *state;
	u32 tid;
	struct redmem_target *target = target_running(&tid);
	u64 now;

	if (!target)
		return;
	state = thread_get(target, tid);
	if (!state)
		return;
	now = bpf_ktime_get_ns();
	if (compaction) {
		state->compaction_ns = now;
	} else {
		state->reclaim_ns = now;
		total_add(target, TOTAL_RECLAIMS, 1);
	}
	ran_for(target, now);
}

static __always_inline void reclaim_end(bool compaction)
{
	struct redmem_profile_key key = {};
	struct redmem_thread *state;
	struct running run = {};
	u32 tid;
	struct redmem_target *target = target_running(&tid);
	u64 start, now, ns;

	if (!target)
		return;
	state = bpf_map_lookup_elem(&threads, &tid);
	if (!state)
		return;
	start = compaction ? state->compaction_ns : state->reclaim_ns;
	if (!start)
		return;
	now = bpf_ktime_get_ns();
	ns = now - start;
	if (compaction)
		state->compaction_ns = 0;
	else
		state->reclaim_ns = 0;
	context_running(target, tid, &key.context, &run);
	key.event = compaction ? EVENT_COMPACTION : EVENT_RECLAIM;
	profile_add(target, &key, 1, ns, true);
	state->reclaimed_ns += ns;
	if (is_main(target, tid) && compaction)
		LOOP_CHARGE(&target->loop, compaction_ns, ns);
	else if (is_main(target, tid))
		LOOP_CHARGE(&target->loop, reclaim_ns, ns);
	ran_for(target, now);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(direct_reclaim_begin)
{
	reclaim_begin(false);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(direct_reclaim_end)
{
	reclaim_end(false);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(memcg_reclaim_begin)
{
	reclaim_begin(false);
	return 0;
}

SEC("tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(memcg_reclaim_end)
{
	reclaim_end(false);
	return 0;
}

SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(compaction_begin)
{
	reclaim_begin(true);
	return 0;
}

SEC("tp_btf/mm_compaction_end")
int BPF_PROG(compaction_end)
{
	reclaim_end(true);
	return 0;
}

SEC("tp_btf/mm_collapse_huge_page")
int BPF_PROG(huge_collapse, struct mm_struct *mm)
{
	struct redmem_target *target = target_of_memory((u64)mm);

	if (target)
		total_add(target, TOTAL_COLLAPSES, 1);
	return 0;
}
