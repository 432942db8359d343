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

enum duty_found { DUTY_NONE, DUTY_SET, DUTY_RESET };

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
	if (in_range(address, &settings->reset[0]) || in_range(address, &settings->reset[1]))
		return DUTY_RESET;
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
 * DUTY_RESET, resetClient() is freeing a command's arguments; or DUTY_NONE.
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

/*
 * A command's name and key are objects too, made before anybody knows the key, and freed
 * when it is still there to be read: charged as they come, every command would take a
 * little from its prefix. They are all that a reset frees when the next argument is kept,
 * as SET's value is: then it has more than one reference.
 */
static __always_inline bool frees_name_or_key(const struct redmem_target *target,
					      const struct running *run)
{
	const struct redmem_object_layout *layout = &target->settings.at.object;
	u64 third = read_word(run->argv + 16), head = 0, references;
	u32 argc = 0;

	if (bpf_probe_read_user(&argc, sizeof(argc),
				(void *)(run->client + target->settings.at.argc)))
		return false;
	if (argc < 3 || bpf_probe_read_user(&head, sizeof(head), (void *)third))
		return true;
	references = head >> (layout->refcount_shift & 63);
	references &= (1ULL << (layout->refcount_bits & 63)) - 1;
	return references != 1;
}
