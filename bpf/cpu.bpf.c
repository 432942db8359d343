// SPDX-License-Identifier: BSD-2-Clause
/* cpu sensor: perf cpu-clock samples on the server's threads. */
#include "loop.bpf.h"
#include "arch.bpf.h"
#include "background.bpf.h"
#include "stack.bpf.h"

/* A sample as it is put together, and the stack it is made of. */
struct stack_copy {
	struct redmem_sample sample;
	u32 key_words; /* a key expires or is evicted: up to there its name may be; 0 = none does */
	u64 word[REDMEM_STACK_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_copy);
} stack_copy SEC(".maps");

static __always_inline struct stack_copy *this_copy(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&stack_copy, &zero);
}

#define WORDS_AT_ONCE 32

/* Does @address lie in what deletes a key that expires or is evicted? */
__weak __noinline int deletes_key(const struct redmem_target *target, u64 address)
{
	if (!target)
		return false;
	for (u32 i = 0; i < BACKGROUND_FUNCTIONS; i++)
		if (in_range(address, &target->settings.background[BACKGROUND_EXPIRY][i]) ||
		    in_range(address, &target->settings.background[BACKGROUND_EVICTION][i]))
			return true;
	return false;
}

/* Keep word @at of the stack, which lies in code; false when there is no more room. Global, as
 * the next, so that the verifier looks at it once; the number kept stays in memory, or it would
 * look at each number there may be. */
__weak __noinline int keep_word(const struct redmem_target *target, u32 at)
{
	struct stack_copy *copy = this_copy();
	const struct redmem_range *background;
	u32 kept;
	u64 word;

	if (!target || !copy || at >= REDMEM_STACK_WORDS)
		return false;
	background = &target->settings.background_code;
	word = copy->word[at];
	kept = copy->sample.words;
	if (word - background->start < background->end - background->start && !copy->key_words &&
	    deletes_key(target, word))
		copy->key_words = at + 1 + REDMEM_FRAME_WORDS;
	if (kept >= REDMEM_SAMPLE_WORDS)
		return false;
	copy->sample.word[kept] = word;
	copy->sample.words = kept + 1;
	return true;
}

/* Of some words of the stack, from @from on and before @end, keep what lies in code. */
__weak __noinline int keep_code(const struct redmem_target *target, u32 from, u32 end)
{
	struct stack_copy *copy = this_copy();
	const struct redmem_range *code;
	u64 server, server_bytes, allocator, allocator_bytes, library, library_bytes;

	if (!target || !copy)
		return 0;
	code = target->settings.code_range;
	server = code[0].start;
	server_bytes = code[0].end - server;
	allocator = code[1].start;
	allocator_bytes = code[1].end - allocator;
	library = code[2].start;
	library_bytes = code[2].end - library;
	for (u32 i = 0; i < WORDS_AT_ONCE; i++) {
		u32 at = from + i;
		u64 word;

		barrier_var(at); /* or the place is worked out before it is checked */
		if (at >= end || at >= REDMEM_STACK_WORDS)
			break;
		word = copy->word[at];
		if (word - server >= server_bytes && word - allocator >= allocator_bytes &&
		    word - library >= library_bytes)
			continue; /* nearly all of them */
		if (!keep_word(target, at))
			break;
	}
	return 0;
}

/* How many words of the stack at @stack there are in @copy; fewer where its end is nearer. */
static __always_inline u32 copy_stack(struct stack_copy *copy, u64 stack)
{
	if (!bpf_probe_read_user(copy->word, sizeof(copy->word), (void *)stack))
		return REDMEM_STACK_WORDS;
	if (!bpf_probe_read_user(copy->word, sizeof(copy->word) / 4, (void *)stack))
		return REDMEM_STACK_WORDS / 4;
	return 0;
}

/*
 * The words of the stack as they are, up to those of the function that deletes a key: what it
 * calls may have more of the stack than there is room for (the allocator, when it gives back
 * what a thread kept).
 */
static __always_inline void keep_all(struct stack_copy *copy, u32 count)
{
	u32 from = copy->key_words;

	from = from > REDMEM_SAMPLE_WORDS ? from - REDMEM_SAMPLE_WORDS : 0;
	if (from > REDMEM_STACK_WORDS - REDMEM_SAMPLE_WORDS)
		from = REDMEM_STACK_WORDS - REDMEM_SAMPLE_WORDS;
	bpf_probe_read_kernel(copy->sample.word, sizeof(copy->sample.word), copy->word + from);
	count -= from;
	copy->sample.words = count < REDMEM_SAMPLE_WORDS ? count : REDMEM_SAMPLE_WORDS;
}

/* The name of a key that expires or is evicted is read from the server's memory, which has it only
 * while it is deleted. */
#define LONG_NS	 20000000
#define AGAIN_NS 100000000

/* @lasted is how long the work is under way, of which this sample stands for @ns. */
static __always_inline u64 sample_flags(const struct stack_copy *copy, u64 lasted, u64 ns)
{
	if (ring_wake_bytes && *(volatile u32 *)&copy->key_words && lasted >= LONG_NS &&
	    (lasted - LONG_NS) % AGAIN_NS < ns)
		return BPF_RB_FORCE_WAKEUP;
	return ring_flags();
}

/* Where the main thread is, for whom: user space reads the stack. */
static __always_inline void emit_sample(struct redmem_target *target,
					const struct redmem_profile_key *key, u64 now, u64 ns)
{
	struct pt_regs *user = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct stack_copy *copy = this_copy();
	struct redmem_sample *sample;
	u32 words;

	if (!copy)
		return;
	sample = &copy->sample;
	sample->kind = RING_SAMPLE;
	sample->target = target->settings.index;
	sample->words = copy->key_words = 0;
	sample->ns = ns;
	sample->work_ns = target->loop.work.start_ns;
	sample->iteration_ns = target->loop.iteration.start_ns;
	sample->user_ip = key->user_ip;
	sample->kernel_ip = key->kernel_ip;
	sample->syscall = key->kernel_ip ? syscall_number(user) : NO_SYSCALL;
	sample->context = key->context;
	words = copy_stack(copy, user_sp(user));
	for (u32 at = 0; at < words && at < REDMEM_STACK_WORDS; at += WORDS_AT_ONCE)
		keep_code(target, at, words);
	if (*(volatile u32 *)&copy->key_words)
		keep_all(copy, words);
	words = *(volatile u32 *)&sample->words;
	if (words > REDMEM_SAMPLE_WORDS)
		return;
	if (bpf_ringbuf_output(&records, sample,
			       offsetof(struct redmem_sample, word) + words * sizeof(u64),
			       sample_flags(copy, now - sample->work_ns, ns)))
		drop(target, DROP_RING_FULL);
}

/* What a sample stands for is sample_ns and not ctx->sample_period, which for the CPU clock stays
 * what it was first (hw.last_period), whatever PERF_EVENT_IOC_PERIOD sets. */
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
		iteration_tick(target, now);
		if (target->loop.work.start_ns)
			emit_sample(target, &key, now, target->settings.sample_ns);
	}
	/* cpu-clock: the period is nanoseconds */
	profile_add_stack(target, &key, 1, target->settings.sample_ns, true, STACK_OF_TIME);
	ran_for(target, now);
	return 0;
}
