/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has the event loop moved on? Every rare event on the main thread looks at what
 * it works on (client, argv, commands done) and in which iteration of the loop. The same
 * work seen again over the threshold is a stall, and so is a turn of many small
 * commands; it is reported while it lasts and again, with its split of time, when it
 * has ended.
 *
 * Start and end are exact where the main thread slept before and after; else they
 * lie between two events, half a CPU sample off on average. What was not seen for
 * most of the threshold is never called a stall.
 */
#pragma once

#include "attribution.bpf.h"
#include "arch.bpf.h"

#define NSEC_PER_MSEC 1000000ULL
/* Without the count of commands done, a client that sends the same command over
 * and over looks like one long command when the allocator hands out the same
 * argv again; only a long run of such candidates counts then. */
#define BLIND_STALL_NS (50 * NSEC_PER_MSEC)

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

static __always_inline u64 loop_threshold(const struct redmem_target *target)
{
	if (target->settings.at.commands_done || target->settings.stall_ns > BLIND_STALL_NS)
		return target->settings.stall_ns;
	return BLIND_STALL_NS;
}

static __always_inline u64 loop_commands(const struct redmem_target *target)
{
	return target->settings.at.commands_done ? read_word(target->settings.at.commands_done) : 0;
}

/* Moves at the end of a turn: by one from 7.2 on, before by its replies. */
static __always_inline u64 loop_iterations(const struct redmem_target *target)
{
	return target->settings.at.iterations ? read_word(target->settings.at.iterations) : 0;
}

/* A vote (Boyer and Moore's): who is left with most of the time leads. */
static __always_inline void wait_vote(struct redmem_wait *wait, u32 id, s32 fd, const char *comm,
				      u64 ns)
{
	if (wait->ns && wait->id == id && wait->fd == fd) {
		wait->ns += ns;
	} else if (wait->ns >= ns) {
		wait->ns -= ns;
	} else {
		wait->ns = ns;
		wait->id = id;
		wait->fd = fd;
		if (comm)
			__builtin_memcpy(wait->comm, comm, sizeof(wait->comm));
	}
}

/* Somebody had the CPU for @ns of the time the main thread waited for it. */
static __always_inline void loop_preemptor(struct redmem_loop *loop, u64 ns)
{
	wait_vote(&loop->work.stall.preemptor, loop->before_id, 0, loop->before_comm, ns);
	wait_vote(&loop->iteration.stall.preemptor, loop->before_id, 0, loop->before_comm, ns);
}

/* Of @waited, what is known to have gone to who had the CPU last. */
static __always_inline u64 loop_before(const struct redmem_loop *loop, u64 waited)
{
	return waited < loop->before_ns ? waited : loop->before_ns;
}

static __always_inline void loop_blocked(struct redmem_loop *loop, u32 syscall, s32 fd, u64 ns)
{
	LOOP_CHARGE(loop, blocked_ns, ns);
	wait_vote(&loop->work.stall.wait, syscall, fd, NULL, ns);
	wait_vote(&loop->iteration.stall.wait, syscall, fd, NULL, ns);
}

/* Charge the time since the main thread last left the CPU, before anything ends. */
static __always_inline void loop_settle(struct redmem_loop *loop)
{
	u64 wall = loop->in_ns - loop->out_ns, waited;

	if (!loop->out_ns || !loop->in_ns)
		return;
	loop->out_ns = 0;
	waited = task_delay_ns(bpf_get_current_task_btf()) - loop->out_delay;
	if (loop->out_runnable || waited > wall)
		waited = wall;
	/* The rest of its waiting was elsewhere, or after something it slept for. */
	if (waited > loop->told_ns)
		loop_preemptor(loop, loop_before(loop, waited - loop->told_ns));
	if (loop->out_blocks && wall > waited)
		loop_blocked(loop, loop->out_syscall, loop->out_fd, wall - waited);
}

static __always_inline void span_emit(struct redmem_target *target, enum redmem_ring_kind kind,
				      const struct redmem_span *span, u64 now, u64 end_ns,
				      u64 commands)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct redmem_ring_record *record = ring_reserve(target, kind, RING_BYTES(stall), now);

	if (!record)
		return;
	record->stall = span->stall;
	record->stall.start_ns = span->start_ns;
	record->stall.end_ns = end_ns;
	record->stall.cpu_wait_ns = task_delay_ns(task) - span->start_delay;
	record->stall.commands = commands;
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* Is what lasted from the span's start to @end, and was certainly under way at @last, a stall? */
static __always_inline bool span_stalls(const struct redmem_target *target,
					const struct redmem_span *span, u64 end, u64 last)
{
	u64 threshold = loop_threshold(target);

	return end - span->start_ns >= threshold &&
	       last - span->first_ns >= threshold - threshold / 5;
}

/* Where between two looks something ended; @exact: right now. */
static __always_inline u64 loop_moment(const struct redmem_target *target, u64 now, bool exact)
{
	const struct redmem_loop *loop = &target->loop;
	u64 gap = now - loop->seen_ns;

	return exact ? now : loop->seen_ns + (gap < 2 * target->settings.sample_ns ? gap / 2 : 0);
}

/* The work under way has ended between the last look and @now. */
static __always_inline void work_end(struct redmem_target *target, u64 now, bool exact)
{
	struct redmem_loop *loop = &target->loop;
	struct redmem_span *work = &loop->work;
	u64 end = loop_moment(target, now, exact);

	if (work->start_ns &&
	    (work->announced || span_stalls(target, work, end, exact ? now : loop->seen_ns))) {
		span_emit(target, RING_STALL_END, work, now, end, 0);
		loop->iteration.reported_ns += end - work->start_ns;
	}
	work->start_ns = 0;
}

/* A turn in which no single command was long, but all of them together. */
static __always_inline void iteration_end(struct redmem_target *target, u64 now, u64 commands,
					  bool exact)
{
	struct redmem_loop *loop = &target->loop;
	struct redmem_span *iteration = &loop->iteration;
	u64 end = loop_moment(target, now, exact);

	if (!exact)
		commands = loop->seen_commands; /* others came since */
	if (iteration->start_ns && commands - iteration->start_commands > 1 &&
	    iteration->reported_ns < (end - iteration->start_ns) / 2 &&
	    span_stalls(target, iteration, end, exact ? now : loop->seen_ns))
		span_emit(target, RING_STALL_END, iteration, now, end,
			  commands - iteration->start_commands);
	iteration->start_ns = 0;
}

/* @from_wake: it is what the main thread awoke for. */
static __always_inline void span_begin(struct redmem_target *target, struct redmem_span *span,
				       u64 now, u64 commands, bool from_wake)
{
	const struct redmem_loop *loop = &target->loop;
	u64 gap = now - loop->seen_ns, delay = task_delay_ns(bpf_get_current_task_btf());

	__builtin_memset(span, 0, sizeof(*span));
	span->stall.context.state = CONTEXT_LOOP;
	if (from_wake) {
		span->start_delay = loop->sleep_delay;
		span->start_commands = loop->sleep_commands;
		/* It was ready to run before it did. */
		span->start_ns = loop->woke_ns - (delay - loop->sleep_delay);
		span->first_ns = span->start_ns;
		wait_vote(&span->stall.preemptor, loop->before_id, 0, loop->before_comm,
			  loop_before(loop, delay - loop->sleep_delay));
	} else {
		span->start_delay = delay;
		span->start_commands = commands;
		span->start_ns = now - (gap < 2 * target->settings.sample_ns ? gap / 2 : 0);
		span->first_ns = now;
	}
}

static __always_inline bool work_same(const struct redmem_loop *loop, const struct running *run,
				      u64 commands, bool same_iteration)
{
	bool script = run->in_script || loop->in_script;

	if (!loop->work.start_ns || loop->client != run->client ||
	    (loop->argv != run->argv && run->argv))
		return false;
	if (!run->client && !same_iteration)
		return false;
	/* A script's inner commands are counted too; its own argv stays. */
	return loop->work.start_commands == commands || (script && run->client);
}

/* Which command a script is at, most of the time: a vote, as in wait_vote(). The loader
 * judges whether it leads by enough. */
static __always_inline void inner_vote(struct redmem_stall *stall, u64 inner)
{
	stall->looks++;
	if (!inner)
		return;
	stall->inner_looks++;
	if (stall->context.inner == inner) {
		stall->inner_votes++;
	} else if (stall->inner_votes) {
		stall->inner_votes--;
	} else {
		stall->context.inner = inner;
		stall->inner_votes = 1;
	}
}

/* What more is seen of work that goes on. */
static __always_inline void work_learn(struct redmem_loop *loop,
				       const struct redmem_context *context)
{
	struct redmem_context *known = &loop->work.stall.context;
	u64 inner;

	inner_vote(&loop->work.stall, context->inner);
	if (!known->key_guessed || context->key_guessed)
		return;
	/* The loader has learnt meanwhile where the command's key is. */
	inner = known->inner;
	*known = *context;
	known->inner = inner;
}

/* Look at what the main thread does now. Call at every event on it, once. Global, as
 * who_is_running() is. */
__weak __noinline int loop_observe(struct redmem_target *target, u64 now,
				   const struct redmem_context *context, const struct running *run)
{
	struct redmem_loop *loop;
	u64 commands, iterations;
	bool same, same_iteration, woke;

	if (!target || !context || !run || !target->settings.stall_ns ||
	    context->state == CONTEXT_UNKNOWN || context->state == CONTEXT_THREAD)
		return 0;
	loop = &target->loop;
	LOOP_BEGIN(loop);
	loop_settle(loop);
	commands = loop_commands(target);
	if (!target->settings.at.commands_done && !run->client)
		run = &(struct running){ .client = now }; /* cannot tell loops apart */
	iterations = loop_iterations(target);
	same_iteration = loop->iterations == iterations;
	same = work_same(loop, run, commands, same_iteration);
	woke = loop->woke_ns && loop->sleep_commands == commands;
	if (!same)
		work_end(target, now, false);
	if (!same_iteration || !loop->iteration.start_ns) {
		iteration_end(target, now, commands, false);
		if (target->settings.at.iterations)
			span_begin(target, &loop->iteration, now, commands,
				   loop->woke_ns && loop->sleep_iterations == iterations);
		loop->iterations = iterations;
	}
	if (!same) {
		span_begin(target, &loop->work, now, commands, woke);
		loop->work.start_commands = commands;
		loop->work.stall.context = *context;
		loop->client = run->client;
		loop->argv = run->argv;
		loop->in_script = run->in_script;
	} else {
		work_learn(loop, context);
	}
	loop->woke_ns = 0;
	loop->seen_ns = now;
	loop->seen_commands = commands;
	if (!loop->work.announced && span_stalls(target, &loop->work, now, now)) {
		loop->work.announced = true;
		span_emit(target, RING_STALL_OPEN, &loop->work, now, now, 0);
	}
	LOOP_END(loop);
	return 0;
}

/*
 * Nobody looked since it awoke: it waited for a CPU and then had so little to do that no sample
 * came, or it did much between two. That it was awake is known exactly, not for what.
 */
static __always_inline bool unseen_begin(struct redmem_target *target, u64 now, u64 delay,
					 u64 commands)
{
	struct redmem_loop *loop = &target->loop;

	if (!loop->woke_ns || loop->work.start_ns || !target->settings.stall_ns ||
	    now - loop->woke_ns + (delay - loop->sleep_delay) < loop_threshold(target))
		return false;
	span_begin(target, &loop->work, now, commands, true);
	return true;
}

/* The loop waits for work: it has moved on. */
__weak __noinline int loop_sleep(struct redmem_target *target, u64 now, u64 delay)
{
	struct redmem_loop *loop;
	u64 commands, iterations;
	bool exact;

	if (!target)
		return 0;
	loop = &target->loop;
	commands = loop_commands(target);
	iterations = loop_iterations(target);
	LOOP_BEGIN(loop);
	loop_settle(loop);
	/* The last work ended just now, unless commands came and went after it. */
	exact = commands - loop->seen_commands <= (loop->client ? 1 : 0);
	if (unseen_begin(target, now, delay, commands))
		exact = true;
	work_end(target, now, exact);
	/* More than one: perhaps another turn came and went since the last look. */
	iteration_end(target, now, commands, iterations - loop->iterations <= 1);
	loop->sleep_delay = delay;
	loop->sleep_commands = commands;
	loop->sleep_iterations = iterations;
	loop->woke_ns = 0;
	loop->seen_ns = now;
	loop->out_ns = 0;
	loop->asleep = true;
	LOOP_END(loop);
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
	if (loop->asleep) {
		loop->asleep = false;
		loop->woke_ns = now;
	} else {
		loop->seen_ns = now; /* until here it was in the same work */
	}
	loop->in_ns = now;
	LOOP_END(loop);
}
