/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between kernels, one helper a difference, each with its commit. */
#pragma once

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "redmem/events.h"

/* task_struct's state became __state in 5.14 (2f064a59a11f). */
static __always_inline u64 task_state(const struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return BPF_CORE_READ((struct task_struct___before_5_14 *)(void *)task, state);
}

struct task_struct___psi {
	unsigned int in_iowait : 1;
	unsigned int in_memstall : 1; /* with CONFIG_PSI, since 4.20 (eb414681d5a0) */
} __attribute__((preserve_access_index));

/* Does it stand still for want of memory, and not for a disk? (psi_memstall_enter()) */
static __always_inline bool task_lacks_memory(const struct task_struct *task)
{
	const struct task_struct___psi *psi = (const void *)task;

	return bpf_core_field_exists(psi->in_memstall) &&
	       BPF_CORE_READ_BITFIELD_PROBED(psi, in_memstall) &&
	       !BPF_CORE_READ_BITFIELD_PROBED(psi, in_iowait);
}

/*
 * Time spent runnable but waiting for a CPU; 0 on a kernel without CONFIG_SCHED_INFO. For a
 * task the verifier trusts: a plain load, where a helper that reads kernel memory would
 * cost as much as the rest of a program at a context switch.
 */
static __always_inline u64 task_delay_ns(const struct task_struct *task)
{
	if (!bpf_core_field_exists(task->sched_info.run_delay))
		return 0;
	return task->sched_info.run_delay;
}

/* Whom the kernel is about to kill for lack of memory: mark_victim gave the id before 6.10, the
 * task since (72ba14deb40a). @mm is 0 where only the id is known. */
static __always_inline u32 oom_victim(const u64 *ctx, u64 *mm)
{
	*mm = 0;
	if (bpf_core_field_exists(((struct trace_event_raw_mark_victim *)0)->uid)) {
		struct task_struct *task = (void *)ctx[0];

		*mm = (u64)BPF_CORE_READ(task, mm);
		return BPF_CORE_READ(task, tgid);
	}
	return ctx[0];
}

/*
 * A counter of resident pages without the parts its CPUs have not added yet: off by at most
 * 32 pages a CPU. One counter a member since 6.2 (f1a7941243c1), before one struct of all.
 */
static __always_inline s64 mm_rss_pages(u64 mm, int member)
{
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
