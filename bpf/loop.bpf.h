/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has the event loop moved on? Every rare event on the main thread looks at what
 * it works on (client, argv, commands done) and in which turn of the loop. The same
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
 * argv again; only a long run of such sightings counts then. */
#define BLIND_STALL_NS (50 * NSEC_PER_MSEC)

extern struct redmem_loop loop;

/* Add to what is under way. */
#define LOOP_CHARGE(field, ns)                 \
	do {                                   \
		loop.work.stall.field += (ns); \
		loop.turn.stall.field += (ns); \
	} while (0)

/* Both for a task the verifier trusts: plain loads, where a helper that reads kernel
 * memory would cost as much as the rest of a program at a context switch. */
static __always_inline u64 task_exec_ns(const struct task_struct *task)
{
	return task->se.sum_exec_runtime;
}

/* Time spent runnable but waiting for a CPU. */
static __always_inline u64 task_delay_ns(const struct task_struct *task)
{
	if (!bpf_core_field_exists(task->sched_info.run_delay))
		return 0;
	return task->sched_info.run_delay;
}

static __always_inline u64 loop_threshold(void)
{
	if (settings.at.commands_done || settings.stall_ns > BLIND_STALL_NS)
		return settings.stall_ns;
	return BLIND_STALL_NS;
}

static __always_inline u64 loop_commands(void)
{
	return settings.at.commands_done ? read_word(settings.at.commands_done) : 0;
}

/* Moves at the end of a turn: by one from 7.2 on, before by its replies. */
static __always_inline u64 loop_turns(void)
{
	return settings.at.turns ? read_word(settings.at.turns) : 0;
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

/* The one who had the CPU before the main thread came back had it for @ns of its time. */
static __always_inline void loop_hog(u64 ns)
{
	wait_vote(&loop.work.stall.hog, loop.before_id, 0, loop.before_comm, ns);
	wait_vote(&loop.turn.stall.hog, loop.before_id, 0, loop.before_comm, ns);
}

static __always_inline void loop_blocked(u32 syscall, s32 fd, u64 ns)
{
	LOOP_CHARGE(blocked_ns, ns);
	wait_vote(&loop.work.stall.wait, syscall, fd, NULL, ns);
	wait_vote(&loop.turn.stall.wait, syscall, fd, NULL, ns);
}

/* Charge the time since the main thread last left the CPU, before anything ends. */
static __always_inline void loop_settle(void)
{
	u64 wall = loop.in_ns - loop.out_ns, waited;

	if (!loop.out_ns || !loop.in_ns)
		return;
	loop.out_ns = 0;
	waited = task_delay_ns(bpf_get_current_task_btf()) - loop.out_delay;
	if (loop.out_runnable || waited > wall)
		waited = wall;
	loop_hog(waited);
	if (loop.out_blocks && wall > waited)
		loop_blocked(loop.out_syscall, loop.out_fd, wall - waited);
}

static __always_inline void span_emit(enum redmem_record_kind kind, const struct redmem_span *span,
				      u64 now, u64 end_ns, u64 commands)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct redmem_record *record = record_reserve(kind, now);

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
static __always_inline bool span_stalls(const struct redmem_span *span, u64 end, u64 last)
{
	u64 threshold = loop_threshold();

	return end - span->start_ns >= threshold &&
	       last - span->first_ns >= threshold - threshold / 5;
}

/* Where between two looks something ended; @asleep: right now. */
static __always_inline u64 loop_moment(u64 now, bool exact)
{
	u64 gap = now - loop.seen_ns;

	return exact ? now : loop.seen_ns + (gap < 2 * settings.sample_ns ? gap / 2 : 0);
}

/* The work under way has ended between the last look and @now. */
static __always_inline void work_end(u64 now, bool exact)
{
	struct redmem_span *work = &loop.work;
	u64 end = loop_moment(now, exact);

	if (work->start_ns &&
	    (work->announced || span_stalls(work, end, exact ? now : loop.seen_ns))) {
		span_emit(RECORD_STALL_END, work, now, end, 0);
		loop.turn.reported_ns += end - work->start_ns;
	}
	work->start_ns = 0;
}

/* A turn in which no single command was long, but all of them together. */
static __always_inline void turn_end(u64 now, u64 commands, bool exact)
{
	struct redmem_span *turn = &loop.turn;
	u64 end = loop_moment(now, exact);

	if (!exact)
		commands = loop.seen_commands; /* others came since */
	if (turn->start_ns && commands - turn->start_commands > 1 &&
	    turn->reported_ns < (end - turn->start_ns) / 2 &&
	    span_stalls(turn, end, exact ? now : loop.seen_ns))
		span_emit(RECORD_STALL_END, turn, now, end, commands - turn->start_commands);
	turn->start_ns = 0;
}

/* @from_wake: it is what the main thread awoke for. */
static __always_inline void span_begin(struct redmem_span *span, u64 now, u64 commands,
				       bool from_wake)
{
	u64 gap = now - loop.seen_ns, delay = task_delay_ns(bpf_get_current_task_btf());

	__builtin_memset(span, 0, sizeof(*span));
	span->stall.who.state = WHO_LOOP;
	if (from_wake) {
		span->start_delay = loop.sleep_delay;
		span->start_commands = loop.sleep_commands;
		/* It was ready to run before it did. */
		span->start_ns = loop.woke_ns - (delay - loop.sleep_delay);
		span->first_ns = span->start_ns;
		wait_vote(&span->stall.hog, loop.before_id, 0, loop.before_comm,
			  delay - loop.sleep_delay);
	} else {
		span->start_delay = delay;
		span->start_commands = commands;
		span->start_ns = now - (gap < 2 * settings.sample_ns ? gap / 2 : 0);
		span->first_ns = now;
	}
}

static __always_inline bool work_same(const struct running *run, u64 commands, bool same_turn)
{
	bool script = run->in_script || loop.in_script;

	if (!loop.work.start_ns || loop.client != run->client ||
	    (loop.argv != run->argv && run->argv))
		return false;
	if (!run->client && !same_turn)
		return false;
	/* A script's inner commands are counted too; its own argv stays. */
	return loop.work.start_commands == commands || (script && run->client);
}

/* Which command a script is at, most of the time: a vote, as in wait_vote(). The loader
 * judges whether it leads by enough. */
static __always_inline void inner_vote(struct redmem_stall *stall, u64 inner)
{
	stall->looks++;
	if (!inner)
		return;
	stall->inner_looks++;
	if (stall->who.inner == inner) {
		stall->inner_votes++;
	} else if (stall->inner_votes) {
		stall->inner_votes--;
	} else {
		stall->who.inner = inner;
		stall->inner_votes = 1;
	}
}

/* What more is seen of work that goes on. */
static __always_inline void work_learn(const struct redmem_who *who)
{
	struct redmem_who *known = &loop.work.stall.who;
	u64 inner;

	inner_vote(&loop.work.stall, who->inner);
	if (!known->key_guessed || who->key_guessed)
		return;
	/* The loader has learnt meanwhile where the command's key is. */
	inner = known->inner;
	*known = *who;
	known->inner = inner;
}

/* Look at what the main thread does now. Call at every event on it, once. */
static __always_inline void loop_observe(u64 now, const struct redmem_who *who,
					 const struct running *run)
{
	u64 commands, turns;
	bool same, same_turn, woke;

	if (who->state == WHO_UNKNOWN || who->state == WHO_THREAD)
		return;
	loop_settle();
	commands = loop_commands();
	if (!settings.at.commands_done && !run->client)
		run = &(struct running){ .client = now }; /* cannot tell loops apart */
	turns = loop_turns();
	same_turn = loop.turns == turns;
	same = work_same(run, commands, same_turn);
	woke = loop.woke_ns && loop.sleep_commands == commands;
	if (!same)
		work_end(now, false);
	if (!same_turn || !loop.turn.start_ns) {
		turn_end(now, commands, false);
		if (settings.at.turns)
			span_begin(&loop.turn, now, commands,
				   loop.woke_ns && loop.sleep_turns == turns);
		loop.turns = turns;
	}
	if (!same) {
		span_begin(&loop.work, now, commands, woke);
		loop.work.start_commands = commands;
		loop.work.stall.who = *who;
		loop.client = run->client;
		loop.argv = run->argv;
		loop.in_script = run->in_script;
	} else {
		work_learn(who);
	}
	loop.woke_ns = 0;
	loop.seen_ns = now;
	loop.seen_commands = commands;
	if (!loop.work.announced && span_stalls(&loop.work, now, now)) {
		loop.work.announced = true;
		span_emit(RECORD_STALL_OPEN, &loop.work, now, now, 0);
	}
}

/* The loop waits for work: it has moved on. */
static __always_inline void loop_sleep(u64 now, u64 delay)
{
	u64 commands = loop_commands(), turns = loop_turns();

	loop_settle();
	/* The last work ended just now, unless commands came and went after it. */
	work_end(now, commands - loop.seen_commands <= (loop.client ? 1 : 0));
	/* More than one: perhaps another turn came and went since the last look. */
	turn_end(now, commands, turns - loop.turns <= 1);
	loop.sleep_delay = delay;
	loop.sleep_commands = commands;
	loop.sleep_turns = turns;
	loop.woke_ns = 0;
	loop.seen_ns = now;
	loop.out_ns = 0;
	loop.asleep = true;
}

/* The main thread is about to run again, after @before. */
static __always_inline void loop_wake(u64 now, struct task_struct *before)
{
	loop.before_id = before->pid;
	bpf_core_read(loop.before_comm, sizeof(loop.before_comm), &before->comm);
	if (loop.asleep) {
		loop.asleep = false;
		loop.woke_ns = now;
	} else {
		loop.seen_ns = now; /* until here it was in the same work */
	}
	loop.in_ns = now;
}
