/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One iteration of the event loop, and the pieces of work in it: looks go in, stalls come out.
 * Nothing here asks the kernel: unit/test_iteration runs it.
 *
 * An iteration begins when the main thread is woken: the wait for a CPU is its first part.
 * (Where the server is so busy that it does not sleep, it begins where the one before it
 * ended.) It ends where the main thread goes to sleep, or where the server's own count of
 * iterations has moved since the last look. In it one piece of work follows the other: a
 * command, or what the loop does between commands.
 *
 *	event			iteration			work
 *	woken, has a CPU	noted: begins at the next	noted: likewise, if no command
 *				look or sleep, from the wake	has been done until then
 *	look, same work		goes on				goes on; announced when long
 *	look, other work	goes on				ended before, told when long;
 *								the other begins
 *	look, count moved	ended before, told when long;	likewise
 *				the next begins
 *	sleep			ended now, told when long	ended now, told when long
 *
 * No moment is in two stalls: where work is told, what the iteration had before it is a stall
 * of its own when that alone is long enough, and what comes after it is like a new iteration.
 * A command that goes on while the count moves keeps its iteration.
 *
 * Start and end are exact where the main thread slept before and after; else they lie between
 * two looks, half a CPU sample off on average. What was not seen for most of the threshold is
 * never called a stall, nor is more of what was hardly seen but waiting for a CPU.
 *
 * Who includes this defines span_emit().
 */
#pragma once

#include "redmem/events.h"

#define NSEC_PER_MSEC 1000000ULL
/* Without the count of commands done, a client that sends the same command over
 * and over looks like one long command when the allocator hands out the same
 * argv again; only a long run of such candidates counts then. */
#define BLIND_STALL_NS (50 * NSEC_PER_MSEC)

/* What is seen of the main thread at one moment. */
struct loop_look {
	__u64 now;
	__u64 delay; /* its run_delay */
	__u64 commands; /* done so far */
	__u64 iterations; /* a count that has moved when an iteration has ended */
	__u64 client, argv; /* of the command it runs; 0 = none */
	bool in_script;
	bool exec; /* a transaction's end: what came before it in the iteration is its own */
	bool own; /* the command is redmem's own */
};

/* All that is told goes there: @span from its start to @end_ns, when run_delay was @end_delay;
 * @commands as in struct redmem_stall. */
static __always_inline void span_emit(struct redmem_target *target, enum redmem_ring_kind kind,
				      const struct redmem_span *span, const struct loop_look *look,
				      __u64 end_ns, __u64 end_delay, __u64 commands);

static __always_inline __u64 loop_threshold(const struct redmem_target *target)
{
	if (target->settings.at.commands_done || target->settings.stall_ns > BLIND_STALL_NS)
		return target->settings.stall_ns;
	return BLIND_STALL_NS;
}

/* --- waits ------------------------------------------------------------------------ */

/*
 * A vote (Boyer and Moore's): who is left with most of the time leads. Of several with as much
 * nobody is left with any; then a moment of somebody else's is no reason to lead.
 */
static __always_inline void wait_vote(struct redmem_wait *wait, __u32 id, __s32 fd,
				      const char *comm, __u64 ns)
{
	if (wait->ns && wait->id == id && wait->fd == fd) {
		wait->ns += ns;
		wait->own_ns += ns;
	} else if (wait->ns >= ns) {
		wait->ns -= ns;
	} else if (2 * ns < wait->own_ns) {
		wait->own_ns -= ns;
	} else {
		wait->ns = ns;
		wait->own_ns = ns;
		wait->id = id;
		wait->fd = fd;
		if (comm)
			__builtin_memcpy(wait->comm, comm, sizeof(wait->comm));
	}
}

/* Without what was waited for in @part. */
static __always_inline void wait_less(struct redmem_wait *wait, const struct redmem_wait *part)
{
	if (wait->id == part->id && wait->fd == part->fd)
		wait->ns -= wait->ns < part->ns ? wait->ns : part->ns;
}

/* Of @waited, what is known to have gone to who had the CPU last. */
static __always_inline __u64 loop_before(const struct redmem_loop *loop, __u64 waited)
{
	return waited < loop->before_ns ? waited : loop->before_ns;
}

/* --- spans ------------------------------------------------------------------------ */

/* Is what lasted from the span's start to @end, and was certainly under way at @last, a stall? */
static __always_inline bool span_stalls(const struct redmem_target *target,
					const struct redmem_span *span, __u64 end, __u64 last)
{
	__u64 threshold = loop_threshold(target);

	return end - span->start_ns >= threshold &&
	       last - span->first_ns >= threshold - threshold / 5;
}

/* Of what began or ended since the last look half is taken, unless that is too long ago. */
static __always_inline __u64 half_gap(const struct redmem_target *target, __u64 now)
{
	__u64 gap = now - target->loop.seen_ns;

	return gap < 2 * target->settings.sample_ns ? gap / 2 : 0;
}

/*
 * Was the span hardly seen but waiting for a CPU, up to @last? Then nothing is taken of it, at
 * either end, that was not seen: who comes and goes in a fraction of a millisecond, and was made to
 * wait, looks the same.
 */
static __always_inline bool span_only_waits(const struct redmem_target *target,
					    struct redmem_span *span, __u64 last, __u64 delay)
{
	__u64 waited = delay - span->start_delay;

	if (!waited || last - span->first_ns >= waited + target->settings.sample_ns / 2)
		return false;
	span->start_ns = span->first_ns;
	return true;
}

/* Where the span ended, between the last look and this; @exact: right now. */
static __always_inline __u64 span_end(const struct redmem_target *target, struct redmem_span *span,
				      const struct loop_look *look, bool exact)
{
	__u64 last = exact ? look->now : target->loop.seen_ns;

	if (span_only_waits(target, span, last, look->delay) || exact)
		return last;
	return last + half_gap(target, look->now);
}

/* @from_wake: it is what the main thread awoke for. */
static __always_inline void span_begin(struct redmem_target *target, struct redmem_span *span,
				       const struct loop_look *look, bool from_wake)
{
	const struct redmem_loop *loop = &target->loop;
	__u64 waited = look->delay - loop->sleep_delay;

	__builtin_memset(span, 0, sizeof(*span));
	span->stall.context.state = CONTEXT_LOOP;
	if (from_wake) {
		span->start_delay = loop->sleep_delay;
		span->start_commands = loop->sleep_commands;
		/* It was ready to run before it did. */
		span->start_ns = loop->woke_ns - waited;
		span->first_ns = span->start_ns;
		wait_vote(&span->stall.preemptor, loop->before_id, 0, loop->before_comm,
			  loop_before(loop, waited));
	} else {
		span->start_delay = look->delay;
		span->start_commands = look->commands;
		span->start_ns = look->now - half_gap(target, look->now);
		span->first_ns = look->now;
	}
}

/* --- ends ------------------------------------------------------------------------- */

/* Without what happened in @part. */
static __always_inline void stall_less(struct redmem_stall *stall, const struct redmem_stall *part)
{
	stall->blocked_ns -= part->blocked_ns;
	for (int i = 0; i < 4; i++)
		stall->fault_ns[i] -= part->fault_ns[i];
	stall->reclaim_ns -= part->reclaim_ns;
	stall->compaction_ns -= part->compaction_ns;
	stall->stolen_ns -= part->stolen_ns;
	wait_less(&stall->preemptor, &part->preemptor);
	wait_less(&stall->wait, &part->wait);
}

static __always_inline void iteration_is_loops(struct redmem_span *iteration)
{
	__builtin_memset(&iteration->stall.context, 0, sizeof(iteration->stall.context));
	iteration->stall.context.state = CONTEXT_LOOP;
}

/* A stall of an iteration, in which so many commands came. One command alone held it where half
 * of the looks saw it, and else the loop itself. */
static __always_inline void iteration_emit(struct redmem_target *target,
					   const struct loop_look *look, __u64 end, __u64 delay,
					   __u64 commands)
{
	struct redmem_span *iteration = &target->loop.iteration;

	if (commands > 1 || iteration->command_looks * 2 < iteration->looks)
		iteration_is_loops(iteration);
	span_emit(target, RING_STALL_END, iteration, look, end, delay, commands > 1 ? commands : 0);
}

/* What the iteration had before the work that is told. */
static __always_inline void iteration_before_work(struct redmem_target *target,
						  const struct loop_look *look)
{
	const struct redmem_span *work = &target->loop.work;
	struct redmem_span *iteration = &target->loop.iteration;
	__u64 commands = work->start_commands - iteration->start_commands;

	if (!iteration->start_ns || work->start_ns <= iteration->start_ns ||
	    !span_stalls(target, iteration, work->start_ns, work->start_ns))
		return;
	stall_less(&iteration->stall, &work->stall);
	iteration_is_loops(iteration); /* what was seen of commands may be the work's */
	iteration_emit(target, look, work->start_ns, work->start_delay, commands);
}

/* The work under way has ended between the last look and this. */
static __always_inline void work_end(struct redmem_target *target, const struct loop_look *look,
				     bool exact)
{
	struct redmem_loop *loop = &target->loop;
	struct redmem_span *work = &loop->work;
	__u64 end = work->start_ns ? span_end(target, work, look, exact) : 0;

	if (work->start_ns && (work->announced ||
			       span_stalls(target, work, end, exact ? look->now : loop->seen_ns))) {
		iteration_before_work(target, look);
		span_emit(target, RING_STALL_END, work, look, end, look->delay, 0);
		loop->iteration.start_ns = 0; /* all of it up to here is told, or too short */
	}
	work->start_ns = 0;
}

/* An iteration in which no single piece of work was long, but all of them and the wait for a CPU
 * together. */
static __always_inline void iteration_end(struct redmem_target *target,
					  const struct loop_look *look, bool exact)
{
	struct redmem_loop *loop = &target->loop;
	struct redmem_span *iteration = &loop->iteration;
	__u64 end = iteration->start_ns ? span_end(target, iteration, look, exact) : 0;
	__u64 commands = exact ? look->commands : loop->seen_commands; /* others came since */

	if (iteration->start_ns &&
	    span_stalls(target, iteration, end, exact ? look->now : loop->seen_ns))
		iteration_emit(target, look, end, look->delay,
			       commands - iteration->start_commands);
	iteration->start_ns = 0;
}

/* --- the events --------------------------------------------------------------------- */

/* The first look since the main thread was woken: what it was woken for began then. */
static __always_inline void iteration_from_wake(struct redmem_target *target,
						const struct loop_look *look)
{
	struct redmem_loop *loop = &target->loop;

	span_begin(target, &loop->iteration, look, true);
	loop->iterations = loop->sleep_iterations;
	loop->seen_commands = loop->sleep_commands;
	loop->seen_ns = loop->woke_ns;
}

/*
 * A script's inner commands are counted too, and replies may go out while it runs (-BUSY). But of
 * one that was never seen at a command of its own, a command is counted and an iteration has ended:
 * it is over, and this is the next. Its client sent it at once, and the allocator handed out the
 * same argv.
 */
static __always_inline bool script_is_over(const struct redmem_target *target,
					   const struct loop_look *look)
{
	const struct redmem_loop *loop = &target->loop;
	const struct redmem_stall *seen = &loop->work.stall;

	return target->settings.at.iterations && loop->iterations != look->iterations &&
	       loop->seen_commands != look->commands && !seen->inner_looks && !seen->context.inner;
}

/* Where no command was counted and no iteration has ended it is the same one, whatever its
 * arguments are: it may rewrite them for replicas. */
static __always_inline bool none_was_over(const struct redmem_target *target,
					  const struct loop_look *look)
{
	const struct redmem_loop *loop = &target->loop;

	return target->settings.at.commands_done && look->client &&
	       loop->work.start_commands == look->commands && loop->iterations == look->iterations;
}

static __always_inline bool work_same(const struct redmem_target *target,
				      const struct loop_look *look)
{
	const struct redmem_loop *loop = &target->loop;
	bool script = look->in_script || loop->in_script;

	if (!loop->work.start_ns || loop->client != look->client)
		return false;
	if (none_was_over(target, look))
		return true;
	if (loop->argv != look->argv && look->argv)
		return false;
	if (!look->client && loop->iterations != look->iterations)
		return false;
	return loop->work.start_commands == look->commands ||
	       (script && look->client && !script_is_over(target, look));
}

/* Which command a script is at, most of the time: a vote, as in wait_vote(). The loader
 * judges whether it leads by enough. */
static __always_inline void inner_vote(struct redmem_stall *stall, __u64 inner)
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
	__u64 inner;

	inner_vote(&loop->work.stall, context->inner);
	if (!known->key_guessed || context->key_guessed)
		return;
	/* The loader has learnt meanwhile where the command's key is. */
	inner = known->inner;
	*known = *context;
	known->inner = inner;
}

static __always_inline void work_begin(struct redmem_target *target, const struct loop_look *look,
				       const struct redmem_context *context)
{
	struct redmem_loop *loop = &target->loop;
	struct redmem_context *first = &loop->iteration.stall.context;

	/* What redmem's own command waited for a CPU before it began is not its own doing. */
	span_begin(target, &loop->work, look,
		   loop->woke_ns && loop->iterations == look->iterations &&
			   loop->sleep_commands == look->commands && !look->own);
	if (look->exec && loop->client == look->client && loop->iteration.start_ns) {
		loop->work = loop->iteration;
		loop->work.announced = false;
	}
	loop->work.start_commands = look->commands;
	loop->work.stall.context = *context;
	loop->client = look->client;
	loop->argv = look->argv;
	loop->in_script = look->in_script;
	if (first->state != CONTEXT_LOOP || look->own)
		return;
	*first = *context;
	first->inner = 0;
}

/* How much of the iteration commands have. */
static __always_inline void iteration_learn(struct redmem_span *iteration,
					    const struct redmem_context *context)
{
	iteration->looks++;
	iteration->command_looks += context->state != CONTEXT_LOOP && context->state != CONTEXT_OWN;
}

/* Is the work under way a stall already? */
static __always_inline bool work_is_long(struct redmem_target *target, const struct loop_look *look)
{
	struct redmem_span *work = &target->loop.work;

	if (!span_stalls(target, work, look->now, look->now))
		return false;
	return !span_only_waits(target, work, look->now, look->delay) ||
	       span_stalls(target, work, look->now, look->now);
}

/* One look at the main thread, in the middle of what it does. */
static __always_inline void iteration_look(struct redmem_target *target,
					   const struct loop_look *look,
					   const struct redmem_context *context)
{
	struct redmem_loop *loop = &target->loop;
	bool same = work_same(target, look);

	if (loop->woke_ns)
		iteration_from_wake(target, look);
	if (same) {
		work_learn(loop, context);
	} else {
		work_end(target, look, false);
		if (loop->iterations != look->iterations)
			iteration_end(target, look, false);
		if (!loop->iteration.start_ns)
			span_begin(target, &loop->iteration, look, false);
		work_begin(target, look, context);
	}
	iteration_learn(&loop->iteration, context);
	loop->iterations = look->iterations;
	loop->woke_ns = 0;
	loop->seen_ns = look->now;
	loop->seen_commands = look->commands;
	if (!loop->work.announced && work_is_long(target, look)) {
		loop->work.announced = true;
		span_emit(target, RING_STALL_OPEN, &loop->work, look, look->now, look->delay, 0);
	}
}

/*
 * The CPU's clock ticks every sample_ns while the main thread has the CPU. Where a tick is missing
 * the CPU itself stood still: its hypervisor ran something else, or firmware did. The clock's
 * interrupt was due then, and comes soon after, but the main thread may leave the CPU before. The
 * kernel counts such time (steal) only where the hypervisor tells it.
 */
#define STOLEN_TICKS 2

/* An addition, as those of LOOP_CHARGE(): whole by itself. */
static __always_inline void span_stolen(struct redmem_span *span, __u64 since, __u64 ns)
{
	if (span->start_ns && span->start_ns <= since)
		span->stall.stolen_ns += ns;
}

/* The main thread had the CPU until now. A tick of the gap is how it always is. */
static __always_inline void iteration_ran(struct redmem_target *target, __u64 now)
{
	struct redmem_loop *loop = &target->loop;
	__u64 since = loop->ticked_ns > loop->in_ns ? loop->ticked_ns : loop->in_ns;
	__u64 tick = target->settings.sample_ns, gap = now - since;

	if (!since || gap < STOLEN_TICKS * tick)
		return;
	span_stolen(&loop->work, since, gap - tick);
	span_stolen(&loop->iteration, since, gap - tick);
}

/* The clock finds the main thread running, after the look. */
static __always_inline void iteration_tick(struct redmem_target *target, __u64 now)
{
	iteration_ran(target, now);
	target->loop.ticked_ns = now;
}

/* The main thread goes to sleep: the loop waits for events, and all that was under way has
 * ended. */
static __always_inline void iteration_sleep(struct redmem_target *target,
					    const struct loop_look *look)
{
	struct redmem_loop *loop = &target->loop;

	/* Nearly always it was too short for anything. */
	if (loop->woke_ns && target->settings.stall_ns &&
	    look->now - loop->woke_ns + (look->delay - loop->sleep_delay) >= loop_threshold(target))
		iteration_from_wake(target, look);
	iteration_ran(target, look->now);
	/* The last work ended just now, unless commands came and went after it. */
	work_end(target, look, look->commands - loop->seen_commands <= (loop->client ? 1 : 0));
	/* More than one: perhaps another iteration came and went since the last look. */
	iteration_end(target, look, look->iterations - loop->iterations <= 1);
	loop->sleep_delay = look->delay;
	loop->sleep_commands = look->commands;
	loop->sleep_iterations = look->iterations;
	loop->woke_ns = 0;
	loop->seen_ns = look->now;
	loop->out_ns = 0;
	loop->asleep = true;
}

/* The main thread is about to run again. */
static __always_inline void iteration_wake(struct redmem_loop *loop, __u64 now)
{
	if (loop->asleep) {
		loop->asleep = false;
		loop->woke_ns = now;
	} else {
		loop->seen_ns = now; /* until here it was in the same work */
	}
	loop->in_ns = now;
}
