/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expiry, eviction and defragmentation free memory in nobody's name, or in that of a
 * command that only happened to come along. Their functions are looked for among the
 * words of the stack: a return address into one says that it is at work.
 */
#pragma once

#include "attribution.bpf.h"

#define BACKGROUND_STACK_WORDS 160 /* of a free() below activeExpireCycle() some 100 are used */

struct background_stack {
	u64 word[BACKGROUND_STACK_WORDS];
	u32 calls; /* of them looked at by is_for_reply() */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct background_stack);
} background_stack SEC(".maps") __weak;

static __always_inline struct background_stack *this_background_stack(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&background_stack, &zero);
}

enum background_found { BACKGROUND_NONE, BACKGROUND_SET, BACKGROUND_QUEUED };

static __always_inline bool in_range(u64 address, const struct redmem_range *range)
{
	return address >= range->start && address < range->end;
}

/* Of the background tasks from @first to the one before @end. Global, as context_running() is. */
__weak __noinline int background_of(const struct redmem_target *target, u64 address, u32 first,
				    u32 end, struct redmem_context *context)
{
	const struct redmem_settings *settings;

	if (!target || !context)
		return BACKGROUND_NONE;
	settings = &target->settings;
	for (u32 background = first; background < end && background < BACKGROUND_KINDS;
	     background++) {
		if (!in_range(address, &settings->background[background][0]) &&
		    !in_range(address, &settings->background[background][1]))
			continue;
		__builtin_memset(context, 0, sizeof(*context));
		context->state = CONTEXT_BACKGROUND;
		context->command = background;
		return BACKGROUND_SET;
	}
	if (in_range(address, &settings->queued[0]) || in_range(address, &settings->queued[1]) ||
	    in_range(address, &settings->queued[2]))
		return BACKGROUND_QUEUED;
	return BACKGROUND_NONE;
}

#define REPLY_WORDS 48 /* down the stack, of a free() in one of them */
#define REPLY_CALLS 4 /* and so many addresses of the server's code; the rest is left over */

/* Is what replies needed freed, as they are sent? The count is kept in memory, or the verifier
 * would look at each word with each count there may be. */
__weak __noinline int is_for_reply(const struct redmem_target *target)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct background_stack *stack = this_background_stack();
	u64 from, span;

	if (!target || !stack ||
	    bpf_probe_read_user(stack->word, REPLY_WORDS * 8, (void *)PT_REGS_SP(regs)))
		return 0;
	from = target->settings.background_code.start;
	span = target->settings.background_code.end - from;
	stack->calls = 0;
	for (u32 i = 0; i < REPLY_WORDS; i++) {
		if (stack->word[i] - from >= span)
			continue;
		if ((*(volatile u32 *)&stack->calls)++ >= REPLY_CALLS)
			return 0;
		for (u32 n = 0; n < REPLY_FUNCTIONS; n++)
			if (in_range(stack->word[i], &target->settings.reply[n]))
				return 1;
	}
	return 0;
}

/* The one nearest to the top of the stack. */
static __always_inline int background_on_stack(const struct redmem_target *target,
					       const struct background_stack *stack, u32 first,
					       u32 end, struct redmem_context *context)
{
	const struct redmem_settings *settings = &target->settings;
	u64 from = settings->background_code.start, span = settings->background_code.end - from;
	int found;

	for (u32 i = 0; i < BACKGROUND_STACK_WORDS; i++) {
		if (stack->word[i] - from >= span)
			continue; /* nearly all of them */
		found = background_of(target, stack->word[i], first, end, context);
		if (found)
			return found;
	}
	return BACKGROUND_NONE;
}

/*
 * What the stack of the thread that hit a uprobe shows: BACKGROUND_SET, and @context is that
 * background task; BACKGROUND_QUEUED, the commands of a transaction are freed; or
 * BACKGROUND_NONE.
 *
 * A word of a frame may also be left over from an earlier call. Expiry and defragmentation
 * have cycles of their own, so while there is a client only eviction is believed. (Two
 * loops: a flag in one costs the verifier five times as long.)
 */
__weak __noinline int context_background(struct redmem_target *target,
					 struct redmem_context *context)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct background_stack *stack = this_background_stack();

	if (!target || !context || !stack ||
	    bpf_probe_read_user(stack->word, sizeof(stack->word), (void *)PT_REGS_SP(regs)))
		return BACKGROUND_NONE;
	if (context->state == CONTEXT_LOOP || context->state == CONTEXT_UNKNOWN)
		return background_on_stack(target, stack, 0, BACKGROUND_KINDS, context);
	return background_on_stack(target, stack, BACKGROUND_EVICTION, BACKGROUND_EVICTION + 1,
				   context);
}
