/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expiry, eviction and defragmentation free memory in nobody's name, or in that of a
 * command that only happened to come along. Their functions are looked for among the
 * words of the stack: a return address into one says that it is at work.
 */
#pragma once

#include "attribution.bpf.h"
#include "arch.bpf.h"

#define DUTY_STACK_WORDS 160 /* of a free() below activeExpireCycle() some 100 are used */

struct duty_stack {
	u64 word[SAVED_REGISTERS + DUTY_STACK_WORDS];
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

/* Set @who to the duty the stack of the thread that hit a uprobe shows, if any. */
__weak __noinline int who_is_on_duty(struct redmem_who *who)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct duty_stack *stack;
	u32 zero = 0;
	u64 sp;

	stack = bpf_map_lookup_elem(&duty_stack, &zero);
	if (!who || !stack)
		return 0;
	sp = saved_registers((struct pt_regs *)bpf_task_pt_regs(task), stack->word);
	if (bpf_probe_read_user(stack->word + SAVED_REGISTERS, DUTY_STACK_WORDS * 8, (void *)sp))
		return 0;
	for (u32 i = SAVED_REGISTERS; i < SAVED_REGISTERS + DUTY_STACK_WORDS; i++) {
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

/* Is resetClient() freeing a command's arguments? Looks at the stack who_is_on_duty() read. */
__weak __noinline int is_reset(void)
{
	struct duty_stack *stack;
	u32 zero = 0;

	stack = bpf_map_lookup_elem(&duty_stack, &zero);
	if (!stack)
		return 0;
	for (u32 i = SAVED_REGISTERS; i < SAVED_REGISTERS + DUTY_STACK_WORDS; i++)
		if (in_range(stack->word[i], &settings.reset[0]) ||
		    in_range(stack->word[i], &settings.reset[1]))
			return 1;
	return 0;
}

/*
 * A command's name and key are objects too, made before anybody knows the key, and freed
 * when it is still there to be read: charged as they come, every command would take a
 * little from its prefix. They are all that goes when the next argument is kept, as SET's
 * value is: then it has more than one reference.
 */
static __always_inline bool frees_name_or_key(const struct running *run)
{
	u64 third = read_word(run->argv + 16);
	u32 argc = 0, references = 0;

	if (!is_reset() ||
	    bpf_probe_read_user(&argc, sizeof(argc), (void *)(run->client + settings.at.argc)))
		return false;
	/* object.h: behind the 4 bytes of type, encoding and lru */
	return argc < 3 ||
	       bpf_probe_read_user(&references, sizeof(references), (void *)(third + 4)) ||
	       references != 1;
}
