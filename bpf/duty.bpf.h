/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expiry, eviction and defragmentation free memory in nobody's name, or in that of a
 * command that only happened to come along. Their functions are looked for among the
 * words of the stack: a return address into one says that it is at work.
 */
#pragma once

#include "attribution.bpf.h"

#define DUTY_STACK_WORDS 160 /* of a free() below activeExpireCycle() some 100 are used */

struct duty_stack {
	u64 word[DUTY_STACK_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct duty_stack);
} duty_stack SEC(".maps") __weak;

enum duty_found { DUTY_NONE, DUTY_SET, DUTY_QUEUED };

static __always_inline bool in_range(u64 address, const struct redmem_range *range)
{
	return address >= range->start && address < range->end;
}

/* Of the duties from @first to the one before @end. Global, as who_is_running() is. */
__weak __noinline int duty_of(const struct redmem_target *target, u64 address, u32 first, u32 end,
			      struct redmem_who *who)
{
	const struct redmem_settings *settings;

	if (!target || !who)
		return DUTY_NONE;
	settings = &target->settings;
	for (u32 duty = first; duty < end && duty < DUTY_KINDS; duty++) {
		if (!in_range(address, &settings->duty[duty][0]) &&
		    !in_range(address, &settings->duty[duty][1]))
			continue;
		__builtin_memset(who, 0, sizeof(*who));
		who->state = WHO_DUTY;
		who->command = duty;
		return DUTY_SET;
	}
	if (in_range(address, &settings->queued[0]) || in_range(address, &settings->queued[1]))
		return DUTY_QUEUED;
	return DUTY_NONE;
}

/* The one nearest to the top of the stack. */
static __always_inline int duty_on_stack(const struct redmem_target *target,
					 const struct duty_stack *stack, u32 first, u32 end,
					 struct redmem_who *who)
{
	const struct redmem_settings *settings = &target->settings;
	u64 from = settings->duty_code.start, span = settings->duty_code.end - from;
	int found;

	for (u32 i = 0; i < DUTY_STACK_WORDS; i++) {
		if (stack->word[i] - from >= span)
			continue; /* nearly all of them */
		found = duty_of(target, stack->word[i], first, end, who);
		if (found)
			return found;
	}
	return DUTY_NONE;
}

/*
 * What the stack of the thread that hit a uprobe shows: DUTY_SET, and @who is that duty;
 * DUTY_QUEUED, the commands of a transaction are freed; or DUTY_NONE.
 *
 * A word of a frame may also be left over from an earlier call. Expiry and defragmentation
 * have cycles of their own, so while there is a client only eviction is believed. (Two
 * loops: a flag in one costs the verifier five times as long.)
 */
__weak __noinline int who_is_on_duty(struct redmem_target *target, struct redmem_who *who)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct duty_stack *stack;
	u32 zero = 0;

	stack = bpf_map_lookup_elem(&duty_stack, &zero);
	if (!target || !who || !stack ||
	    bpf_probe_read_user(stack->word, sizeof(stack->word), (void *)PT_REGS_SP(regs)))
		return DUTY_NONE;
	if (who->state == WHO_LOOP || who->state == WHO_UNKNOWN)
		return duty_on_stack(target, stack, 0, DUTY_KINDS, who);
	return duty_on_stack(target, stack, DUTY_EVICTION, DUTY_EVICTION + 1, who);
}
