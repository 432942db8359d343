// SPDX-License-Identifier: BSD-2-Clause
/* cpu sensor: perf cpu-clock samples on the server's threads. */
#include "loop.bpf.h"
#include "arch.bpf.h"

/* Where the main thread is, for whom: the stack goes along, user space reads it. */
static __always_inline void emit_sample(struct redmem_target *target,
					const struct redmem_profile_key *key, u64 ns)
{
	struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct redmem_sample *sample = bpf_ringbuf_reserve(&records, sizeof(*sample), 0);
	void *stack = (void *)user_sp(user);

	if (!sample) {
		drop(target, DROP_RING_FULL);
		return;
	}
	sample->kind = RING_SAMPLE;
	sample->target = target->settings.index;
	sample->ns = ns;
	sample->work_ns = target->loop.work.start_ns;
	sample->iteration_ns = target->loop.iteration.start_ns;
	sample->user_ip = key->user_ip;
	sample->kernel_ip = key->kernel_ip;
	sample->syscall = key->kernel_ip ? syscall_number(user) : NO_SYSCALL;
	sample->context = key->context;
	/* Less where the stack's end is nearer. */
	sample->stack_words = REDMEM_STACK_WORDS;
	if (bpf_probe_read_user(sample->stack, sizeof(sample->stack), stack))
		sample->stack_words = REDMEM_STACK_WORDS / 4;
	if (sample->stack_words != REDMEM_STACK_WORDS &&
	    bpf_probe_read_user(sample->stack, sizeof(sample->stack) / 4, stack))
		sample->stack_words = 0;
	bpf_ringbuf_submit(sample, BPF_RB_NO_WAKEUP);
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
	u32 tid;
	struct redmem_target *target = target_running(&tid);

	if (!target)
		return 0;
	now = bpf_ktime_get_ns();
	total_add(target, TOTAL_CPU_SAMPLES, 1);
	context_running(target, tid, &key.context, &run);
	key.event = EVENT_CPU;
	if (regs_in_kernel(&ctx->regs)) {
		task = bpf_get_current_task_btf();
		key.kernel_ip = ip;
		key.user_ip = user_ip((struct pt_regs *)bpf_task_pt_regs(task));
	} else {
		key.user_ip = ip;
	}
	if (is_main(target, tid)) {
		loop_observe(target, now, &key.context, &run);
		if (target->loop.work.start_ns)
			emit_sample(target, &key, ctx->sample_period);
	}
	/* cpu-clock: the period is nanoseconds */
	profile_add(target, &key, 1, ctx->sample_period, true);
	ran_for(target, now);
	return 0;
}
