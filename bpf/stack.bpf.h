/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of profiles with the stack of the thread that runs, where profiles are asked for. Such a
 * row goes to the ring and into no profile map, so that each event is told once; where there is
 * no room, or too many have come, it goes there as ever and is told without its stack.
 */
#pragma once

#include "arch.bpf.h"
#include "shared.bpf.h"

#define STACK_PIECE	1024 /* copied at once: near the end of a stack there is less */
#define STACK_PIECE_MIN 64
#define STACK_DEEP	(64 << 20) /* deeper ones are none */
#define STACK_PIECES	16 /* copied, or found to be too long */
#define STACK_BURST	16 /* may come at once, of what come evenly in the long run */

/* A stack as it is put together. */
struct stack_record {
	u32 busy; /* a program was interrupted by another one */
	u32 piece;
	struct redmem_stack record;
	u8 slack[STACK_PIECE]; /* what the verifier takes for possible */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STACKS_OF);
	__type(key, u32);
	__type(value, struct stack_record);
} stack_records SEC(".maps") __weak;

/* Bytes of the main thread's stack up to where its arguments and environment begin, which nobody
 * needs to see; of others nobody knows where theirs ends. */
static __always_inline u64 stack_depth(bool main_thread, u64 sp)
{
	/* No plain load: of each pointer in a struct the verifier asks all of the kernel's BTF
	 * whether it may be trusted. */
	struct mm_struct *mm = BPF_CORE_READ(bpf_get_current_task_btf(), mm);
	u64 end = main_thread && mm ? BPF_CORE_READ(mm, start_stack) : 0;

	return end > sp && end - sp < STACK_DEEP ? end - sp : REDMEM_STACK_BYTES;
}

/* The next piece of a stack, as copy_stack_bytes() has it; 0 when there is none. Global, so that
 * the verifier looks at it once. */
__weak __noinline int copy_stack_piece(u32 slot, u64 sp, u32 limit, u32 gap)
{
	struct stack_record *out = bpf_map_lookup_elem(&stack_records, &slot);
	u32 done, piece;

	if (!out)
		return 0;
	done = out->record.bytes;
	piece = out->piece;
	if (done >= limit || piece < STACK_PIECE_MIN)
		return 0;
	if (piece > limit - done)
		piece = limit - done;
	barrier_var(piece);
	barrier_var(done);
	if (piece > STACK_PIECE || done >= REDMEM_STACK_BYTES)
		return 0;
	if (bpf_probe_read_user(out->record.stack + done, piece,
				(void *)(sp + done + (done < REDMEM_STACK_HEAD ? 0 : gap))))
		out->piece = piece / 2;
	else
		out->record.bytes = done + piece;
	return 1;
}

/*
 * Copy up to @limit bytes of the stack from @sp on, without @gap of them behind the head: where a
 * stack is deep there is mostly one large array of a function in it (writevToClient() has 16 KiB),
 * and who called that stands behind it. What was copied so far and how much is tried next stay in
 * memory.
 */
static __always_inline void copy_stack_bytes(struct stack_record *out, u32 slot, u64 sp, u32 limit,
					     u32 gap)
{
	out->record.bytes = 0;
	out->piece = STACK_PIECE;
	for (u32 i = 0; i < STACK_PIECES && copy_stack_piece(slot, sp, limit, gap); i++)
		;
}

/* Does a stack come too soon behind the others? As a token bucket of STACK_BURST. */
static __always_inline bool is_early(struct redmem_target *target, enum redmem_stack_of of, u64 now)
{
	u64 apart = target->settings.stack_ns[of], next = target->stack_next_ns[of];

	if (next > now + STACK_BURST * apart)
		return true;
	target->stack_next_ns[of] = (next > now ? next : now) + apart;
	return false;
}

#define STACK_TIMED 0x100 /* beside an enum redmem_stack_of: the time is known */

/* A row as profile_add() has it; false when it is not told. Global, as context_running() is; there
 * may be five arguments, and a frame has no room for a struct of them. */
__weak __noinline int stack_tell(struct redmem_target *target, const struct redmem_profile_key *key,
				 u64 events, u64 ns, u32 what)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(task);
	struct stack_record *out;
	u32 slot, bytes;
	u64 depth, from;
	bool told;

	if (!target || !key)
		return 0;
	slot = what & (STACK_TIMED - 1);
	if (slot >= STACKS_OF || is_early(target, slot, bpf_ktime_get_ns()))
		return 0;
	out = bpf_map_lookup_elem(&stack_records, &slot);
	if (!out || *(volatile u32 *)&out->busy)
		return 0;
	*(volatile u32 *)&out->busy = 1;
	out->record.kind = RING_STACK;
	out->record.target = target->settings.index;
	out->record.map = profile_active & 1;
	out->record.events = events;
	out->record.ns = ns;
	out->record.timed = !!(what & STACK_TIMED);
	out->record.ip = user_ip(user);
	out->record.sp = saved_registers(user, out->record.saved);
	more_registers(user, out->record.saved);
	out->record.key = *key;
	out->record.key.target = target->settings.index;
	from = out->record.sp - REDMEM_STACK_BELOW;
	depth = stack_depth(key->context.state != CONTEXT_THREAD, from);
	bytes = depth < REDMEM_STACK_BYTES ? depth : REDMEM_STACK_BYTES;
	out->record.gap = depth - bytes;
	copy_stack_bytes(out, slot, from, bytes, depth - bytes);
	bytes = *(volatile u32 *)&out->record.bytes;
	told = bytes <= REDMEM_STACK_BYTES &&
	       !bpf_ringbuf_output(&records, &out->record,
				   offsetof(struct redmem_stack, stack) + bytes, ring_flags());
	*(volatile u32 *)&out->busy = 0;
	if (told)
		total_add(target, TOTAL_EVENTS, 1);
	return told;
}

/* profile_add(), with the stack where that is asked for. */
static __always_inline void profile_add_stack(struct redmem_target *target,
					      const struct redmem_profile_key *key, u64 events,
					      u64 ns, bool timed, enum redmem_stack_of of)
{
	if (target->settings.stacks &&
	    stack_tell(target, key, events, ns, of | (timed ? STACK_TIMED : 0)))
		return;
	profile_add(target, key, events, ns, timed);
}
