// SPDX-License-Identifier: BSD-2-Clause
/* cpu sensor: perf cpu-clock samples on the server's threads. */
#include "loop.bpf.h"
#include "arch.bpf.h"

static __always_inline bool in_allocator(u64 ip)
{
	for (u32 i = 0; i < REDMEM_ALLOCATOR_RANGES; i++) {
		if (i >= settings.allocator_ranges)
			return false;
		if (ip >= settings.allocator_range[i].start && ip < settings.allocator_range[i].end)
			return true;
	}
	return false;
}

SEC("perf_event")
int cpu_sample(struct bpf_perf_event_data *ctx)
{
	struct redmem_profile_key key = {};
	struct running run = {};
	struct task_struct *task;
	/* Read here, once: the verifier allows only constant offsets into ctx, and two
	 * reads in branches would be merged into one behind a computed address. */
	u64 ip = regs_ip(&ctx->regs), now;
	u32 tid = target_tid();

	if (!tid)
		return 0;
	now = bpf_ktime_get_ns();
	total_add(TOTAL_CPU_SAMPLES, 1);
	who_is_running(tid, &key.who, &run);
	key.event = EVENT_CPU;
	if (regs_in_kernel(&ctx->regs)) {
		task = bpf_get_current_task_btf();
		key.kernel_ip = ip;
		key.user_ip = user_ip((struct pt_regs *)bpf_task_pt_regs(task));
	} else {
		key.user_ip = ip;
	}
	if (tid == settings.tgid) {
		if (!target_mm) {
			task = (struct task_struct *)bpf_get_current_task();
			target_mm = (u64)BPF_CORE_READ(task, mm);
		}
		loop_observe(now, &key.who, &run);
		loop.stall.cpu_samples++;
		if (in_allocator(key.user_ip))
			loop.stall.allocator_samples++;
	}
	/* cpu-clock: the period is nanoseconds */
	profile_add(&key, 1, ctx->sample_period, true);
	return 0;
}
