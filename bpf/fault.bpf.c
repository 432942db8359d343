// SPDX-License-Identifier: BSD-2-Clause
/*
 * fault sensor: the exception tracepoint notes when and how a fault began; the
 * perf software fault event, which the kernel raises when the fault is done
 * (mm/memory.c mm_account_fault), charges it: every N-th, by the event's period.
 */
#include "loop.bpf.h"
#include "parsing.bpf.h"
#include "stack.bpf.h"

static __always_inline int fault_begin(u64 address, u64 error)
{
	struct redmem_thread *state;
	u32 tid;
	struct redmem_target *target = target_running(&tid);

	if (!target)
		return 0;
	state = thread_get(target, tid);
	if (!state)
		return 0;
	state->fault_ns = bpf_ktime_get_ns();
	state->fault_address = address;
	state->fault_error = error;
	state->faults++;
	state->fault_delay = task_delay_ns(bpf_get_current_task_btf());
	state->fault_reclaim = state->reclaimed_ns;
	if (FAULT_COW(error))
		total_add(target, TOTAL_COW_FAULTS, 1);
	ran_for(target, state->fault_ns);
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(fault_user, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault_begin(address, error);
}

/* The kernel copying from or to the server's memory for it (read(2) into a buffer). */
SEC("tp_btf/page_fault_kernel")
int BPF_PROG(fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault_begin(address, error);
}

/* Global, as context_running() is. */
__weak __noinline int in_file(const struct redmem_target *target, u64 address)
{
	const struct redmem_settings *settings;

	if (!target)
		return false;
	settings = &target->settings;
	for (u32 i = 0; i < REDMEM_FILE_RANGES; i++) {
		if (i >= settings->file_ranges)
			return false;
		if (address >= settings->file_range[i].start &&
		    address < settings->file_range[i].end)
			return true;
	}
	return false;
}

/* Of the @ns a fault took, what a stall calls by other names. */
static __always_inline u64 counted_elsewhere(const struct redmem_thread *state, u64 ns)
{
	u64 other = task_delay_ns(bpf_get_current_task_btf()) - state->fault_delay +
		    state->reclaimed_ns - state->fault_reclaim;

	return other < ns ? other : ns;
}

/* Looks at major faults until the engine is woken: it sees to it that they do not get too many. */
#define MAJOR_LOOKS 1024

static __always_inline void count_major(struct redmem_target *target, u64 faults)
{
	static u64 looks;

	total_add(target, TOTAL_MAJOR_FAULTS, faults);
	if (ring_wake_bytes && __sync_fetch_and_add(&looks, 1) % MAJOR_LOOKS == MAJOR_LOOKS - 1)
		wake_engine();
}

/* Behind the question whose fault it is, and not a part of the programs: they run once in many
 * faults and so always cold, and what leaves at once is to be a few lines of memory. */
static __noinline int fault_done(struct bpf_perf_event_data *ctx, bool major)
{
	struct redmem_profile_key key;
	struct running run;
	struct redmem_thread *state;
	u64 now, ns = 0, other = 0;
	bool timed = false;
	u32 tid;
	struct redmem_target *target = target_running(&tid);

	if (!target)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	__builtin_memset(&run, 0, sizeof(run));
	now = bpf_ktime_get_ns();
	context_running(target, tid, &key.context, &run);
	key.event = EVENT_FAULT_MINOR;
	state = bpf_map_lookup_elem(&threads, &tid);
	if (state && state->fault_ns && state->fault_address == ctx->addr) {
		timed = true;
		ns = now - state->fault_ns;
		other = counted_elsewhere(state, ns);
		if (FAULT_COW(state->fault_error))
			key.event = EVENT_FAULT_COW;
	}
	if (major) {
		key.event = in_file(target, ctx->addr) ? EVENT_FAULT_FILE : EVENT_FAULT_SWAP;
		count_major(target, ctx->sample_period);
	}
	if (state)
		state->fault_ns = 0;
	ns *= ctx->sample_period;
	if (is_main(target, tid)) {
		loop_observe(target, now, &key.context, &run);
		LOOP_CHARGE(&target->loop, fault_ns[(key.event - EVENT_FAULT_MINOR) & 3],
			    ns - other * ctx->sample_period);
	}
	if (key.context.state == CONTEXT_LOOP && read_stack(target, STACK_WORDS))
		context_parsing(target, &key.context, false);
	profile_add_stack(target, &key, ctx->sample_period, ns, timed, STACK_OF_FAULT);
	ran_for(target, now);
	return 0;
}

SEC("perf_event")
int fault_minor(struct bpf_perf_event_data *ctx)
{
	return is_watched_perhaps(bpf_get_current_pid_tgid() >> 32) ? fault_done(ctx, false) : 0;
}

SEC("perf_event")
int fault_major(struct bpf_perf_event_data *ctx)
{
	return is_watched_perhaps(bpf_get_current_pid_tgid() >> 32) ? fault_done(ctx, true) : 0;
}
