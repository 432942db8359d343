/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expiry, eviction and defragmentation free memory in nobody's name, or in that of a
 * command that only happened to come along. Their functions are looked for among the
 * words of the stack: a return address into one says that it is at work.
 */
#pragma once

#include "arch.bpf.h"
#include "attribution.bpf.h"

/* Looked through for a client: a line of words is cut into arguments 134 words below its reader,
 * where realloc() has to move (jemalloc 5.3's has half a KiB of its own there). */
#define STACK_WORDS	       144
#define BACKGROUND_STACK_WORDS 160 /* of a free() below activeExpireCycle() some 100 are used */

/* Registers and the top of the stack of the thread that runs: read once by a program, and looked
 * at by all that ask who is at work. */
struct stack_words {
	u64 word[SAVED_REGISTERS + BACKGROUND_STACK_WORDS];
	u64 stack; /* where it is */
	u64 idle; /* the client of CONTEXT_AFTER */
	u64 idle_command; /* the one it ran last */
	u32 calls; /* addresses of code that is_for_reply() has met */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_words);
} stack_words SEC(".maps") __weak;

static __always_inline struct stack_words *this_words(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&stack_words, &zero);
}

static __always_inline bool in_range(u64 address, const struct redmem_range *range)
{
	return address >= range->start && address < range->end;
}

#define LARGE_FRAME	 (STACK_WORDS * 8)
#define LARGE_FRAME_MAX	 65536
#define ALLOCATOR_FRAMES 3

static __always_inline bool is_code(const struct redmem_target *target, u64 address)
{
	for (u32 i = 0; i < REDMEM_CODE_RANGES; i++)
		if (in_range(address, &target->settings.code_range[i]))
			return true;
	return false;
}

/*
 * Where those are who called the allocator. Optimized as a whole with the server (-O3 -flto) its
 * functions have 30 KiB of local variables, and all that is looked for lies above them. Such
 * builds keep frame pointers (Redis 7.4's Makefile); where @frame is none it does not lead to
 * an address of code.
 */
__weak __noinline u64 above_large_frames(const struct redmem_target *target, u64 stack, u64 frame)
{
	u64 from = stack, below = stack, pair[2];

	if (!target)
		return from;
	for (int i = 0; i < ALLOCATOR_FRAMES; i++) {
		if ((frame & 7) || frame < below || frame - below > LARGE_FRAME_MAX ||
		    bpf_probe_read_user(pair, sizeof(pair), (void *)frame) ||
		    !is_code(target, pair[1]))
			break;
		if (frame - below > LARGE_FRAME)
			from = frame;
		below = frame;
		frame = pair[0];
	}
	return from;
}

/* Fill this_words(), of the stack with @count words. False when they cannot be read. Near the
 * bottom of a stack there are fewer: the helper leaves zeros where it fails. */
static __always_inline bool read_stack(const struct redmem_target *target, u32 count)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct stack_words *words = this_words();
	struct pt_regs *user;
	u64 *stack;

	if (!words)
		return false;
	user = (struct pt_regs *)bpf_task_pt_regs(task);
	words->stack =
		above_large_frames(target, saved_registers(user, words->word), frame_pointer(user));
	stack = words->word + SAVED_REGISTERS;
	return !bpf_probe_read_user(stack, count * 8, (void *)words->stack) ||
	       (count > STACK_WORDS &&
		!bpf_probe_read_user(stack, STACK_WORDS * 8, (void *)words->stack));
}

enum background_found { BACKGROUND_NONE, BACKGROUND_SET, BACKGROUND_QUEUED };

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

/* Does @address lie in what frees replies? Global, as context_running() is. */
__weak __noinline int frees_replies(const struct redmem_target *target, u64 address)
{
	if (!target)
		return 0;
	for (u32 n = 0; n < REPLY_FUNCTIONS; n++)
		if (in_range(address, &target->settings.reply[n]))
			return 1;
	return 0;
}

/* Is what replies needed freed, as they are sent? The count is kept in memory, or the verifier
 * would look at each word with each count there may be. */
__weak __noinline int is_for_reply(const struct redmem_target *target)
{
	struct stack_words *words = this_words();
	u64 from, span;

	if (!target || !words)
		return 0;
	from = target->settings.background_code.start;
	span = target->settings.background_code.end - from;
	words->calls = 0;
	for (u32 i = SAVED_REGISTERS; i < SAVED_REGISTERS + REPLY_WORDS; i++) {
		if (words->word[i] - from >= span)
			continue;
		if ((*(volatile u32 *)&words->calls)++ >= REPLY_CALLS)
			return 0;
		if (frees_replies(target, words->word[i]))
			return 1;
	}
	return 0;
}

#define BACKGROUND_AT_ONCE 16

/* The one nearest to the top of the stack, of BACKGROUND_AT_ONCE words from @from on. */
__weak __noinline int background_among(const struct redmem_target *target, u32 from, u32 first,
				       u32 end, struct redmem_context *context)
{
	const struct stack_words *words = this_words();
	u64 start, span;
	int found;

	if (!target || !context || !words)
		return BACKGROUND_NONE;
	start = target->settings.background_code.start;
	span = target->settings.background_code.end - start;
	for (u32 n = 0; n < BACKGROUND_AT_ONCE; n++) {
		u32 i = from + n;

		barrier_var(i); /* or the place is worked out before it is checked */
		if (i >= SAVED_REGISTERS + BACKGROUND_STACK_WORDS)
			break;
		if (words->word[i] - start >= span)
			continue; /* nearly all of them */
		found = background_of(target, words->word[i], first, end, context);
		if (found)
			return found;
	}
	return BACKGROUND_NONE;
}

/*
 * What the stack in this_words(), of a thread that hit a uprobe, shows: BACKGROUND_SET, and
 * @context is that background task; BACKGROUND_QUEUED, the commands of a transaction are freed;
 * or BACKGROUND_NONE.
 *
 * A word of a frame may also be left over from an earlier call. Expiry and defragmentation
 * have cycles of their own, so while there is a client only eviction is believed.
 */
__weak __noinline int context_background(struct redmem_target *target,
					 struct redmem_context *context)
{
	u32 first = 0, end = BACKGROUND_KINDS, from = SAVED_REGISTERS;
	int found = BACKGROUND_NONE;

	if (!target || !context)
		return BACKGROUND_NONE;
	if (context->state != CONTEXT_LOOP && context->state != CONTEXT_UNKNOWN) {
		first = BACKGROUND_EVICTION;
		end = BACKGROUND_EVICTION + 1;
	}
	for (; !found && from < SAVED_REGISTERS + BACKGROUND_STACK_WORDS;
	     from += BACKGROUND_AT_ONCE)
		found = background_among(target, from, first, end, context);
	return found;
}
