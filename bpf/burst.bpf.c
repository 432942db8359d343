// SPDX-License-Identifier: BSD-2-Clause
/*
 * burst sensor: every call of the allocator, for a few hundred calls at a time. One
 * program stands at the entry of its public functions, one at their return; the loader
 * takes both away when enough has been seen. What began in a look is seen to its end: if
 * long calls were cut off, they would be too few among all.
 */
#include "background.bpf.h"
#include "parsing.bpf.h"

/* What the probes themselves took, while that is measured. */
__u64 burst_cost_ns[REDMEM_BURST_COSTS] = {};

/* Hits this near to each other: in between the server runs into probes, or was about to. */
#define HELD_GAP_NS 50000

static __always_inline void hit(struct redmem_burst *burst, u64 now)
{
	u64 last = burst->last_ns;

	__sync_fetch_and_add(&burst->hits, 1);
	if (last && now > last && now - last < HELD_GAP_NS)
		__sync_fetch_and_add(&burst->held_ns, now - last);
	burst->last_ns = now;
}

static __always_inline u64 requested_bytes(struct pt_regs *ctx, u32 function)
{
	switch (function) {
	case CALL_MALLOC:
		return PT_REGS_PARM1(ctx);
	case CALL_CALLOC:
		return PT_REGS_PARM1(ctx) * PT_REGS_PARM2(ctx);
	case CALL_REALLOC:
		return PT_REGS_PARM2(ctx);
	default:
		return 0;
	}
}

static __always_inline u64 faults_of(u32 tid)
{
	struct redmem_thread *state = bpf_map_lookup_elem(&threads, &tid);

	return state ? state->faults : 0;
}

SEC("uprobe.multi")
int burst_entry(struct pt_regs *ctx)
{
	struct redmem_open_call fresh = {}, *call;
	u32 tid, what;
	struct redmem_target *target = target_probed(ctx, &tid);

	if (!target)
		return 0;
	hit(&target->burst, bpf_ktime_get_ns());
	if (!target->burst.open || target->burst.begun >= target->burst.limit)
		return 0;
	call = bpf_map_lookup_elem(&open_calls, &tid);
	if (!call) {
		fresh.target = target->settings.index;
		bpf_map_update_elem(&open_calls, &tid, &fresh, BPF_NOEXIST);
		call = bpf_map_lookup_elem(&open_calls, &tid);
		if (!call) {
			drop(target, DROP_THREADS_FULL);
			return 0;
		}
	}
	what = PROBE_WHAT(bpf_get_attach_cookie(ctx));
	call->function = what & (CALL_STEPPED - 1);
	call->stepped = what / CALL_STEPPED;
	call->requested = requested_bytes(ctx, call->function);
	call->faults = faults_of(tid);
	call->delay = task_delay_ns(bpf_get_current_task_btf());
	if (call->start_ns < target->burst.since_ns) /* or one within another: the last is seen */
		__sync_fetch_and_add(&target->burst.begun, 1);
	call->start_ns = bpf_ktime_get_ns(); /* last: what follows is the probe's cost */
	return 0;
}

static __always_inline void emit_call(struct redmem_target *target, u32 tid,
				      struct redmem_open_call *call, u64 now)
{
	struct redmem_ring_record *record = ring_reserve(target, RING_CALL, RING_BYTES(call), now);
	struct running run = {};

	if (!record)
		return;
	__builtin_memset(&record->call, 0, sizeof(record->call));
	record->call.function = call->function;
	record->call.stepped = call->stepped;
	record->call.requested = call->requested;
	record->call.ns = now - call->start_ns;
	record->call.waited_ns = task_delay_ns(bpf_get_current_task_btf()) - call->delay;
	record->call.faults = faults_of(tid) - call->faults;
	context_running(target, tid, &record->call.context, &run);
	if (record->call.context.state == CONTEXT_LOOP &&
	    read_stack(target, BACKGROUND_STACK_WORDS) &&
	    context_background(target, &record->call.context) != BACKGROUND_SET)
		context_parsing(target, &record->call.context, call->function == CALL_FREE);
	/* The loader wakes up for the last one only. */
	bpf_ringbuf_submit(record, target->burst.calls >= target->burst.limit ?
					   BPF_RB_FORCE_WAKEUP :
					   ring_flags());
}

SEC("uprobe.multi")
int burst_return(struct pt_regs *ctx)
{
	u64 now = bpf_ktime_get_ns(), n;
	struct redmem_open_call *call;
	u32 tid;
	struct redmem_target *target = target_probed(ctx, &tid);

	if (!target)
		return 0;
	hit(&target->burst, now);
	call = bpf_map_lookup_elem(&open_calls, &tid);
	if (!call || call->start_ns < target->burst.since_ns)
		return 0;
	n = __sync_fetch_and_add(&target->burst.calls, 1);
	if (target->burst.measuring)
		burst_cost_ns[n & (REDMEM_BURST_COSTS - 1)] = now - call->start_ns;
	else
		emit_call(target, tid, call, now);
	call->start_ns = 0;
	return 0;
}
