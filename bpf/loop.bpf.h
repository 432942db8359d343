/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has the event loop moved on? Every rare event on the main thread looks at what
 * it works on (client, argv, commands done). The same work seen again over the
 * threshold is a stall: it is reported while it lasts and again, with its split
 * of time, when it has ended. Events come with each
 * CPU sample and at each switch, so start and end are known to about half a sample.
 */
#pragma once

#include "attribution.bpf.h"

#define NSEC_PER_MSEC 1000000ULL
/* Without the count of commands done, a client that sends the same command over
 * and over looks like one long command when the allocator hands out the same
 * argv again; only a long run of such sightings counts then. */
#define BLIND_STALL_NS (50 * NSEC_PER_MSEC)

extern struct redmem_loop loop;

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

static __always_inline void loop_emit(enum redmem_record_kind kind, u64 now, u64 end_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct redmem_record *record = record_reserve(kind, now);

	if (!record)
		return;
	record->stall = loop.stall;
	record->stall.start_ns = loop.start_ns;
	record->stall.end_ns = end_ns;
	record->stall.run_ns = task_exec_ns(task) - loop.start_exec;
	record->stall.cpu_wait_ns = task_delay_ns(task) - loop.start_delay;
	bpf_ringbuf_submit(record, 0);
}

/* What was under way has ended between the last sighting and @now. */
static __always_inline void loop_end(u64 now)
{
	u64 gap = now - loop.seen_ns;
	u64 end = loop.seen_ns + (gap < 2 * settings.sample_ns ? gap / 2 : NSEC_PER_MSEC);

	if (loop.start_ns && (end - loop.start_ns >= loop_threshold() || loop.announced))
		loop_emit(RECORD_STALL_END, now, end);
	loop.start_ns = 0;
}

static __always_inline void loop_begin(u64 now, const struct redmem_who *who,
				       const struct running *run, u64 commands_done)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 gap = now - loop.seen_ns;

	__builtin_memset(&loop.stall, 0, sizeof(loop.stall));
	loop.stall.who = *who;
	loop.client = run->client;
	loop.argv = run->argv;
	loop.commands_done = commands_done;
	loop.in_script = run->in_script;
	loop.announced = false;
	loop.start_ns = now - (gap < 2 * settings.sample_ns ? gap / 2 : 0);
	loop.start_exec = task_exec_ns(task);
	loop.start_delay = task_delay_ns(task);
}

/* Look at what the main thread does now. Call at every event on it, once. */
static __always_inline void loop_observe(u64 now, const struct redmem_who *who,
					 const struct running *run)
{
	u64 commands_done = 0;
	bool same, script = run->in_script || loop.in_script;

	if (who->state == WHO_UNKNOWN || who->state == WHO_THREAD)
		return;
	if (settings.at.commands_done)
		commands_done = read_word(settings.at.commands_done);
	else if (!run->client)
		run = &(struct running){ .client = now }; /* cannot tell loops apart */
	/* A script's inner commands are counted too; its own argv stays. */
	same = loop.start_ns && loop.client == run->client &&
	       (loop.argv == run->argv || !run->argv) &&
	       (loop.commands_done == commands_done || (script && run->client));
	if (same && loop.stall.who.inner != who->inner)
		loop.stall.who.inner = 0; /* a script of many commands: none of them alone */
	if (same && loop.stall.who.key_guessed && !who->key_guessed) {
		/* The loader has learnt meanwhile where the command's key is. */
		u64 inner = loop.stall.who.inner;

		loop.stall.who = *who;
		loop.stall.who.inner = inner;
	}
	if (!same) {
		loop_end(now);
		loop_begin(now, who, run, commands_done);
	} else if (!loop.announced && now - loop.start_ns >= loop_threshold()) {
		loop.announced = true;
		loop_emit(RECORD_STALL_OPEN, now, now);
	}
	loop.seen_ns = now;
}

/* The loop waits for work: it has moved on. */
static __always_inline void loop_sleep(u64 now)
{
	loop_end(now);
	loop.seen_ns = now;
}
