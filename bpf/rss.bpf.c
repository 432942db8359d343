// SPDX-License-Identifier: BSD-2-Clause
/*
 * rss sensor: every change of the server's resident counters, reported when one
 * has moved by more than the step since the last report.
 */
#include "attribution.bpf.h"

/*
 * The counter is read through the address noted by the loader and not through the
 * tracepoint's argument, which is the same: what arithmetic a verifier allows on that one
 * differs (6.8 as Ubuntu 24.04 has it refuses any that is not constant). volatile, or the
 * compiler takes the one for the other.
 */
static __always_inline s64 rss_pages(const struct redmem_target *target, int member)
{
	return mm_rss_pages(*(const volatile u64 *)&target->mm, member);
}

static __always_inline void rss_record(struct redmem_target *target, int member, s64 pages)
{
	struct redmem_ring_record *record =
		ring_reserve(target, RING_RSS, RING_BYTES(rss), bpf_ktime_get_ns());
	struct running run = {};
	u64 id;

	if (!record)
		return;
	/* Not before: 6.1 forgets over a call that the record is there. */
	id = bpf_get_current_pid_tgid();
	record->rss.member = member;
	record->rss.from_pages = target->rss_reported[member];
	record->rss.to_pages = pages;
	target->rss_reported[member] = pages;
	__builtin_memset(&record->rss.context, 0, sizeof(record->rss.context));
	/* kswapd and others change the counters too */
	if (is_main(target, id >> 32))
		context_running(target, id, &record->rss.context, &run);
	bpf_ringbuf_submit(record, ring_flags());
}

SEC("tp_btf/rss_stat")
int BPF_PROG(rss_changed, struct mm_struct *mm, int member)
{
	struct redmem_target *target = target_of_memory((u64)mm);
	s64 pages, moved;
	u64 start;

	if (!target || member < 0 || member >= REDMEM_RSS_MEMBERS)
		return 0;
	start = bpf_ktime_get_ns();
	pages = rss_pages(target, member);
	if (!target->rss_known[member]) {
		target->rss_known[member] = true;
		target->rss_reported[member] = pages;
		return 0;
	}
	moved = pages - target->rss_reported[member];
	if (moved < 0)
		moved = -moved;
	if (moved * target->settings.page_bytes >= target->settings.rss_step_bytes)
		rss_record(target, member, pages);
	ran_for(target, start);
	return 0;
}
