// SPDX-License-Identifier: BSD-2-Clause
/*
 * offcpu sensor: sched_switch, left at once for other processes' threads. How long a
 * thread was away, and how much of that it was runnable, comes from the scheduler's
 * own counters at its next switch: away = wall time - sum_exec_runtime, waiting for a
 * CPU = run_delay.
 *
 * Not the per-task context-switch event: a perf event on a task makes the kernel take
 * its events off and put them on again at each switch, some 3 us each time on the
 * reference machine, where this program takes 1.
 */
#include "loop.bpf.h"
#include "arch.bpf.h"

#define STATE_STOPPED 0xc /* __TASK_STOPPED and __TASK_TRACED, include/linux/sched.h */

/*
 * Waiting for a CPU after sleeping: some microseconds at each wakeup of a server that
 * sleeps between requests. Charged together, they cost a map update a millisecond.
 */
static __always_inline u64 wait_gathered(struct redmem_thread *state, u64 waited)
{
	waited += state->wait_ns;
	state->wait_ns = waited < NSEC_PER_MSEC ? waited : 0;
	return waited < NSEC_PER_MSEC ? 0 : waited;
}

/*
 * Charge what the thread was away for to who ran when it left. A function of its own, and
 * called only where something is to be charged: its key and the context of who leaves next
 * stand on the stack of which a program and all it calls have 512 bytes.
 */
__weak __noinline int charge_away(struct redmem_target *target, const struct redmem_thread *state,
				  u64 blocked, u64 waited)
{
	struct redmem_profile_key key = {};

	if (!target || !state)
		return 0;
	key.context = state->out_context;
	if (state->out_event != EVENT_CPU_WAIT && blocked) {
		key.event = state->out_event;
		key.user_ip = key.event == EVENT_RECLAIM ? 0 : state->out_syscall;
		profile_add(target, &key, 1, blocked, true);
	}
	if (waited) {
		key.event = EVENT_CPU_WAIT;
		key.user_ip = 0;
		profile_add(target, &key, 1, waited, true);
	}
	return 0;
}

/* Charge the time since the last switch. */
static __always_inline void settle(struct redmem_target *target, struct redmem_thread *state,
				   u64 now, u64 exec, u64 delay, bool main_thread)
{
	u64 wall = now - state->out_ns, ran = exec - state->out_exec;
	u64 waited = delay - state->out_delay;
	u64 blocked = wall > ran + waited ? wall - ran - waited : 0;

	if (!state->out_ns)
		return;
	state->out_ns = 0;
	if (state->out_event == EVENT_SLEEP) {
		waited = wait_gathered(state, waited);
		if (main_thread) {
			if (state->out_syscall != WAIT_STOPPED)
				total_add(target, TOTAL_SLEEP_NS, blocked);
			blocked = 0;
		}
	}
	if (blocked || waited)
		charge_away(target, state, blocked, waited);
}

static __always_inline bool in_epoll(u64 nr)
{
	return nr == SYSCALL_EPOLL_WAIT || nr == SYSCALL_EPOLL_PWAIT;
}

/*
 * Its cgroup is above memory.high: the kernel lets whoever allocated there sleep on the way back
 * to user space (mm/memcontrol.c, mem_cgroup_handle_over_high()), behind the fault or system call,
 * and outside of what reclaim.bpf.c sees.
 */
static __always_inline bool is_held_back(const struct redmem_thread *state,
					 const struct task_struct *task)
{
	return !state->fault_ns && !state->reclaim_ns && !state->compaction_ns &&
	       task_lacks_memory(task);
}

static __always_inline u32 out_event(u64 task_is, const struct redmem_context *context, u64 nr,
				     bool held_back)
{
	if (task_is & STATE_STOPPED)
		return EVENT_SLEEP;
	if (!task_is)
		return EVENT_CPU_WAIT;
	if (context->state == CONTEXT_THREAD)
		return EVENT_SLEEP;
	if (held_back)
		return EVENT_RECLAIM;
	/* Blocked outside a system call: a fault waits for its page, and its own
	 * time tells; do not count it twice. */
	if (nr == NO_SYSCALL)
		return EVENT_CPU_WAIT;
	if (context->state == CONTEXT_LOOP && in_epoll(nr))
		return EVENT_SLEEP;
	return EVENT_IO_WAIT;
}

/*
 * The main thread waits for work of nobody's. A server with one request at a time does
 * so after each, so this one case is told from the others without looking at more.
 */
static __always_inline bool loop_sleeps(const struct redmem_target *target, u64 task_is, u64 nr)
{
	const struct redmem_settings *settings = &target->settings;

	return in_epoll(nr) && task_is && !(task_is & STATE_STOPPED) && settings->attribution &&
	       !read_word(settings->at.current_client) &&
	       !(settings->at.executing_client && read_word(settings->at.executing_client));
}

#define CPU_SLOTS 1024 /* a power of two; CPUs with higher numbers share one */

/* By CPU: the server whose main thread was made to leave it and waits for it, plus 1. */
__u32 cpu_wanted[CPU_SLOTS] = {};

static __always_inline u32 *this_cpu(void)
{
	return &cpu_wanted[bpf_get_smp_processor_id() & (CPU_SLOTS - 1)];
}

/* The main thread leaves the CPU in the middle of its work. */
static __always_inline void loop_out(struct redmem_loop *loop, u64 now,
				     const struct redmem_thread *state, u64 task_is)
{
	LOOP_BEGIN(loop);
	loop->out_ns = now;
	loop->in_ns = 0;
	loop->out_delay = state->out_delay;
	loop->told_until_ns = now;
	loop->told_ns = 0;
	loop->out_runnable = !task_is;
	loop->out_blocks = state->out_event == EVENT_IO_WAIT || (task_is & STATE_STOPPED);
	loop->out_reclaims = state->out_event == EVENT_RECLAIM;
	loop->out_syscall = state->out_syscall;
	loop->out_fd = state->out_fd;
	LOOP_END(loop);
}

/* What the scheduler itself reports (__trace_sched_switch_state()): a preempted task is
 * runnable, also on its way to sleep, when its state says otherwise already. */
static __always_inline u64 state_left(bool preempt, const struct task_struct *task)
{
	return preempt ? 0 : task_state(task);
}

/* The current thread, @tid of @target, leaves the CPU. */
static __always_inline void switch_out(struct redmem_target *target, u32 tid, bool preempt,
				       struct task_struct *task, u64 now)
{
	struct redmem_context context = {};
	struct running run = {};
	struct redmem_thread *state = thread_get(target, tid);
	bool main_thread = is_main(target, tid);
	struct pt_regs *user;
	u64 nr, exec, delay, task_is;

	if (!state)
		return;
	total_add(target, TOTAL_SWITCHES, 1);
	exec = task_exec_ns(task);
	delay = task_delay_ns(task);
	settle(target, state, now, exec, delay, main_thread);
	user = (struct pt_regs *)bpf_task_pt_regs(task);
	nr = syscall_number(user);
	task_is = state_left(preempt, task);
	state->out_ns = now;
	state->out_exec = exec;
	state->out_delay = delay;
	state->out_syscall = task_is & STATE_STOPPED ? WAIT_STOPPED : nr;
	state->out_fd = syscall_argument(user);
	if (main_thread && loop_sleeps(target, task_is, nr)) {
		state->out_event = EVENT_SLEEP;
		__builtin_memset(&state->out_context, 0, sizeof(state->out_context));
		state->out_context.state = CONTEXT_LOOP;
		loop_sleep(target, now, delay);
		return;
	}
	context_running(target, tid, &context, &run);
	state->out_event = out_event(task_is, &context, nr,
				     task_is && main_thread && is_held_back(state, task));
	state->out_context = context;
	if (!main_thread)
		return;
	loop_observe(target, now, &context, &run);
	iteration_ran(target, now);
	loop_out(&target->loop, now, state, task_is);
	if (!task_is)
		*this_cpu() = target->settings.index + 1;
}

/* @task leaves a CPU that a server's main thread waits for; @next is that thread at last. */
static __always_inline void passed_over(u32 *wanted, const struct task_struct *task,
					const struct task_struct *next)
{
	u32 index = *wanted - 1;
	struct redmem_target *target = target_at(&index);
	u64 now = bpf_ktime_get_ns();

	if (!target || !target->settings.watched || target->loop.in_ns) {
		*wanted = 0; /* it runs elsewhere, or is gone */
		return;
	}
	loop_passed_over(target, now, task);
	if (is_main(target, next->pid))
		*wanted = 0;
	ran_for(target, now);
}

/* Of all switches of the machine: most are between two that nobody watches. */
SEC("tp_btf/sched_switch")
int BPF_PROG(offcpu_switch, bool preempt, struct task_struct *task, struct task_struct *next)
{
	struct redmem_target *target;
	u32 *wanted = this_cpu();
	u64 now;

	if (*wanted)
		passed_over(wanted, task, next);
	if (next->pid == next->tgid) {
		target = watched_of(next->tgid);
		if (target) {
			now = bpf_ktime_get_ns();
			loop_wake(target, now, task);
			ran_for(target, now);
		}
	}
	target = watched_of(task->tgid);
	if (target) {
		now = bpf_ktime_get_ns();
		switch_out(target, task->pid, preempt, task, now);
		ran_for(target, now);
	}
	return 0;
}
