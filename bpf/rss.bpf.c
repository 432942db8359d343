// SPDX-License-Identifier: BSD-2-Clause
/*
 * rss sensor: every change of the server's resident counters, reported when one
 * has moved by more than the step since the last report.
 */
#include "attribution.bpf.h"

#define MEMBERS 4 /* file, anon, swap, shmem (mm_types_task.h) */

__s64 rss_reported[MEMBERS] = {};
__u8 rss_known[MEMBERS] = {};

/*
 * The target's counter as the kernel holds it without summing its per-CPU parts:
 * off by at most 32 pages a CPU. It is read through the address noted in target_mm
 * and not through the tracepoint's argument, which is the same: what arithmetic a
 * verifier allows on that one differs (6.8 as Ubuntu 24.04 has it refuses any that
 * is not constant). volatile, or the compiler takes the one for the other.
 */
static __always_inline s64 rss_pages(int member)
{
	u64 mm = *(volatile u64 *)&target_mm;
	s64 pages = 0;

	if (bpf_core_type_exists(struct mm_rss_stat)) {
		struct mm_struct___before_6_2 *old = (void *)mm;

		bpf_core_read(&pages, sizeof(pages), &old->rss_stat.count[member].counter);
	} else {
		/* The step from one member to the next is the kernel's size of the struct,
		 * not that of our cut-down one: CO-RE does not mend a variable index. */
		void *counter =
			__builtin_preserve_access_index(&((struct mm_struct *)mm)->rss_stat);

		counter += member * bpf_core_type_size(struct percpu_counter);
		pages = BPF_CORE_READ((struct percpu_counter *)counter, count);
	}
	return pages;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(rss_changed, struct mm_struct *mm, int member)
{
	struct redmem_record *record;
	struct running run = {};
	s64 pages, moved;
	u32 tid;

	if (!target_mm || (u64)mm != target_mm || member < 0 || member >= MEMBERS)
		return 0;
	pages = rss_pages(member);
	if (!rss_known[member]) {
		rss_known[member] = true;
		rss_reported[member] = pages;
		return 0;
	}
	moved = pages - rss_reported[member];
	if (moved < 0)
		moved = -moved;
	if (moved * settings.page_bytes < settings.rss_step_bytes)
		return 0;
	record = record_reserve(RECORD_RSS, bpf_ktime_get_ns());
	if (!record)
		return 0;
	record->rss.member = member;
	record->rss.from_pages = rss_reported[member];
	record->rss.to_pages = pages;
	rss_reported[member] = pages;
	__builtin_memset(&record->rss.who, 0, sizeof(record->rss.who));
	/* kswapd and others change the counters too */
	tid = target_tid();
	if (tid)
		who_is_running(tid, &record->rss.who, &run);
	bpf_ringbuf_submit(record, 0);
	return 0;
}
