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

static __always_inline bool in_range(u64 address, const struct redmem_range *range)
{
	return address >= range->start && address < range->end;
}

/* Set @who to the duty the stack at @sp shows, if any. */
__weak __noinline int who_is_on_duty(u64 sp, struct redmem_who *who)
{
	struct duty_stack *stack;
	u32 zero = 0;

	stack = bpf_map_lookup_elem(&duty_stack, &zero);
	if (!who || !stack ||
	    bpf_probe_read_user(stack->word, sizeof(stack->word), (void *)sp))
		return 0;
	for (u32 i = 0; i < DUTY_STACK_WORDS; i++) {
		for (u32 duty = 0; duty < DUTY_KINDS; duty++) {
			if (!in_range(stack->word[i], &settings.duty[duty]))
				continue;
			__builtin_memset(who, 0, sizeof(*who));
			who->state = WHO_DUTY;
			who->command = duty;
			return 1;
		}
	}
	return 0;
}
