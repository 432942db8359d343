/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has the event loop moved on? Every rare event on the main thread looks at what it works on
 * (client, argv, commands done) and in which iteration of the loop; iteration.bpf.h makes stalls
 * of that. A stall is reported while it lasts and again, with its split of time, when it has
 * ended.
 */
#pragma once

#include "attribution.bpf.h"
#include "arch.bpf.h"
#include "iteration.bpf.h"

/* Add to what is under way. */
#define LOOP_CHARGE(loop, field, ns)                   \
	do {                                           \
		(loop)->work.stall.field += (ns);      \
		(loop)->iteration.stall.field += (ns); \
	} while (0)

/* Around whatever changes a loop but for LOOP_CHARGE(), whose words are whole by
 * themselves. An addition whose result is used is a full barrier on
 * every architecture (kernel: Documentation/bpf/standardization, atomic operations). */
static __always_inline void loop_change(u64 *count)
{
	u64 before = __sync_fetch_and_add(count, 1);

	barrier_var(before);
}

#define LOOP_BEGIN(loop) loop_change(&(loop)->begun)
#define LOOP_END(loop)	 loop_change(&(loop)->ended)

/* For a task the verifier trusts; see task_delay_ns(). */
static __always_inline u64 task_exec_ns(const struct task_struct *task)
{
	return task->se.sum_exec_runtime;
}

/* The count of iterations moves at the end of one: by one from 7.2 on, before by its replies.
 * Where it is not known, what moves in one does; where nothing is, each look is another. */
static __always_inline void loop_counts(const struct redmem_target *target, struct loop_look *look)
{
	const struct redmem_offsets *at = &target->settings.at;

	look->commands = at->commands_done ? read_word(at->commands_done) : 0;
	look->iterations = at->iterations    ? read_word(at->iterations) :
			   at->commands_done ? look->commands :
					       look->now;
}

/* Somebody had the CPU for @ns of the time the main thread waited for it. */
static __always_inline void loop_preemptor(struct redmem_loop *loop, u64 ns)
{
	wait_vote(&loop->work.stall.preemptor, loop->before_id, 0, loop->before_comm, ns);
	wait_vote(&loop->iteration.stall.preemptor, loop->before_id, 0, loop->before_comm, ns);
}

static __always_inline void loop_blocked(struct redmem_loop *loop, u32 syscall, s32 fd, u64 ns)
{
	LOOP_CHARGE(loop, blocked_ns, ns);
	wait_vote(&loop->work.stall.wait, syscall, fd, NULL, ns);
	wait_vote(&loop->iteration.stall.wait, syscall, fd, NULL, ns);
}

/* Charge the time since the main thread last left the CPU, before anything ends. Global, as
 * context_running() is. */
__weak __noinline int loop_settle(struct redmem_target *target, u64 delay)
{
	struct redmem_loop *loop;
	u64 wall, waited;

	if (!target)
		return 0;
	loop = &target->loop;
	wall = loop->in_ns - loop->out_ns;
	if (!loop->out_ns || !loop->in_ns)
		return 0;
	loop->out_ns = 0;
	waited = delay - loop->out_delay;
	loop->out_delay = delay; /* who looks at a stall under way has it up to here */
	if (loop->out_runnable || waited > wall)
		waited = wall;
	/* The rest of its waiting was elsewhere, or after something it slept for. */
	if (waited > loop->told_ns)
		loop_preemptor(loop, loop_before(loop, waited - loop->told_ns));
	if (loop->out_blocks && wall > waited)
		loop_blocked(loop, loop->out_syscall, loop->out_fd, wall - waited);
	if (loop->out_reclaims && wall > waited)
		LOOP_CHARGE(loop, reclaim_ns, wall - waited);
	return 0;
}

static __always_inline void span_emit(struct redmem_target *target, enum redmem_ring_kind kind,
				      const struct redmem_span *span, const struct loop_look *look,
				      u64 end_ns, u64 end_delay, u64 commands)
{
	struct redmem_ring_record *record =
		ring_reserve(target, kind, RING_BYTES(stall), look->now);

	if (!record)
		return;
	record->stall = span->stall;
	record->stall.start_ns = span->start_ns;
	record->stall.end_ns = end_ns;
	record->stall.cpu_wait_ns = end_delay - span->start_delay;
	record->stall.commands = commands;
	/* One that goes on is looked at while it does; one that is over may wait for the tick where
	 * nobody looks on. */
	bpf_ringbuf_submit(record, kind == RING_STALL_END && ring_wake_bytes ? ring_flags() :
									       BPF_RB_FORCE_WAKEUP);
}

#define LETTERS_EVAL 0x6c617665
#define LETTERS_FCAL 0x6c616366
#define LETTERS_EXEC 0x63657865

/* The first four letters of the command's name, in small; 0 = there is none. A command begins with
 * its name (see last_command()). */
static __always_inline u32 first_letters(const struct redmem_context *context)
{
	u64 letters = 0;

	if (context->state == CONTEXT_COMMAND)
		letters = read_word(read_word(context->command));
	else if (context->state == CONTEXT_TEXT)
		letters = context->command;
	return letters ? (u32)letters | 0x20202020 : 0;
}

/* Look at what the main thread does now. Call at every event on it, once. Global, as
 * context_running() is. */
__weak __noinline int loop_observe(struct redmem_target *target, u64 now,
				   const struct redmem_context *context, const struct running *run)
{
	struct loop_look look = { .now = now };

	if (!target || !context || !run || !target->settings.stall_ns ||
	    context->state == CONTEXT_UNKNOWN || context->state == CONTEXT_THREAD)
		return 0;
	look.delay = task_delay_ns(bpf_get_current_task_btf());
	loop_counts(target, &look);
	look.client = run->client;
	if (!target->settings.at.commands_done && !run->client)
		look.client = now; /* cannot tell iterations apart */
	look.argv = run->argv;
	look.in_script = run->in_script;
	/* Between two commands of a script (EVAL, EVALSHA, FCALL and what they are called with
	 * _RO) nothing else says that there is one, from 7.2 on; nor does anything in a
	 * transaction. Asked only where it decides whether this is the next command. */
	if (run->client && run->client == target->loop.client &&
	    look.commands != target->loop.work.start_commands) {
		u32 letters = first_letters(context);

		look.in_script |= letters == LETTERS_EVAL || letters == LETTERS_FCAL;
		look.exec = letters == LETTERS_EXEC;
	}
	look.own = context->state == CONTEXT_OWN;
	LOOP_BEGIN(&target->loop);
	loop_settle(target, look.delay);
	iteration_look(target, &look, context);
	LOOP_END(&target->loop);
	return 0;
}

/* The loop waits for work: it has moved on. */
__weak __noinline int loop_sleep(struct redmem_target *target, u64 now, u64 delay)
{
	struct loop_look look = { .now = now, .delay = delay };

	if (!target)
		return 0;
	loop_counts(target, &look);
	LOOP_BEGIN(&target->loop);
	loop_settle(target, delay);
	iteration_sleep(target, &look);
	LOOP_END(&target->loop);
	return 0;
}

/* Who leaves the CPU, @before, and how long it has had it. The idle task has number 0 in all
 * namespaces, and counts nothing. */
static __always_inline void loop_note_before(struct redmem_loop *loop,
					     const struct task_struct *before)
{
	loop->before_id = pid_seen(before);
	if (!loop->before_id && before->pid)
		loop->before_id = WAIT_FOREIGN;
	bpf_core_read(loop->before_comm, sizeof(loop->before_comm), &before->comm);
	loop->before_ns = before->pid ?
				  before->se.sum_exec_runtime - before->se.prev_sum_exec_runtime :
				  ~0ULL;
}

/* The main thread waits for the CPU that @before leaves: it had it until now. */
static __always_inline void loop_passed_over(struct redmem_target *target, u64 now,
					     const struct task_struct *before)
{
	struct redmem_loop *loop = &target->loop;
	u64 ns = now - loop->told_until_ns;

	LOOP_BEGIN(loop);
	loop_note_before(loop, before);
	loop_preemptor(loop, ns);
	loop->told_until_ns = now;
	loop->told_ns += ns;
	LOOP_END(loop);
}

/* The main thread is about to run again, after @before. */
static __always_inline void loop_wake(struct redmem_target *target, u64 now,
				      const struct task_struct *before)
{
	struct redmem_loop *loop = &target->loop;

	LOOP_BEGIN(loop);
	loop_note_before(loop, before);
	iteration_wake(loop, now);
	LOOP_END(loop);
}
