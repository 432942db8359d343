/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sensors' programs share: the servers that are watched and how one is found,
 * totals, drop counters, the two profile maps, the state of threads and the ring of rare
 * records.
 */
#pragma once

#include "compat.bpf.h"
#include <bpf/bpf_tracing.h>

#define PF_EXITING 0x4 /* include/linux/sched.h */

/* Which of the two profile maps is written; the loader drains the other one. */
extern __u32 profile_active;

/* Rows a profile map has for those with a key; the loader sets it. Those without find room
 * in the rest when these are taken. */
extern __u32 profile_keyed_rows;

/* Rows in use; the loader sets them back when it has emptied the map. */
extern __u32 profile_rows[2];

/* Of an engine that comes once a second: so much may wait for it in the ring and in a profile map,
 * then it is woken. 0 = it comes often by itself. */
extern __u32 ring_wake_bytes, profile_wake_rows;

struct profile_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by the loader, as the ring's size */
	__type(key, struct redmem_profile_key);
	__type(value, struct redmem_profile_value);
};

struct profile_map profile_0 SEC(".maps") __weak;
struct profile_map profile_1 SEC(".maps") __weak;

/* --- threads, profiles, records: the maps ------------------------------------------ */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, struct redmem_thread);
} threads SEC(".maps") __weak;

/* The allocator's bytes by thread (flow.bpf.c). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, struct redmem_flow_thread);
} flow_threads SEC(".maps") __weak;

/* Calls of the allocator that have not returned yet (burst.bpf.c). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, struct redmem_open_call);
} open_calls SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct redmem_command);
	__type(value, struct redmem_key_rule);
} key_rules SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps") __weak;

/* --- the servers ---------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2); /* set by the loader: a slot a server, the last is redmem itself */
	__type(key, u32);
	__type(value, struct redmem_target);
} targets SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REDMEM_TARGETS_MAX + 1);
	__type(key, u32); /* tgid in the first pid namespace */
	__type(value, u32); /* index */
} watched_processes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, REDMEM_TARGETS_MAX + 1);
	__type(key, u64); /* mm_struct */
	__type(value, u32); /* index */
} watched_memory SEC(".maps") __weak;

/*
 * Nearly all events of a machine are of processes that nobody watches: those leave by one
 * bit, without a look-up. A bit for each tgid modulo their number.
 */
#define FILTER_WORDS 64
extern __u64 process_filter[FILTER_WORDS];

static __always_inline bool is_watched_perhaps(u32 id)
{
	return process_filter[(id >> 6) & (FILTER_WORDS - 1)] >> (id & 63) & 1;
}

static __always_inline struct redmem_target *target_at(const u32 *index)
{
	return index ? bpf_map_lookup_elem(&targets, index) : NULL;
}

/* The server whose process is @tgid in the first pid namespace, NULL when it is none; its
 * watch may not have begun, or be over. */
static __always_inline struct redmem_target *target_of(u32 tgid)
{
	return is_watched_perhaps(tgid) ?
		       target_at(bpf_map_lookup_elem(&watched_processes, &tgid)) :
		       NULL;
}

/* The same while it is watched. */
static __always_inline struct redmem_target *watched_of(u32 tgid)
{
	struct redmem_target *target = target_of(tgid);

	return target && target->settings.watched ? target : NULL;
}

/* The server whose memory @mm is, whoever runs. No filter here: a verifier allows no
 * arithmetic on what it knows to be a pointer. */
static __always_inline struct redmem_target *target_of_memory(u64 mm)
{
	struct redmem_target *target = target_at(bpf_map_lookup_elem(&watched_memory, &mm));

	return target && target->settings.watched ? target : NULL;
}

/* The current thread's server and, when it has one, its id; ids are the first pid
 * namespace's in all programs. */
static __always_inline struct redmem_target *target_running(u32 *tid)
{
	u64 id = bpf_get_current_pid_tgid();

	*tid = id;
	return watched_of(id >> 32);
}

/* Is the probe that was hit @target's own? */
static __always_inline bool probe_is_of(const struct redmem_target *target, struct pt_regs *ctx)
{
	return PROBE_TARGET(bpf_get_attach_cookie(ctx)) == target->settings.index;
}

/* target_running() for a probe on a server's functions. */
static __always_inline struct redmem_target *target_probed(struct pt_regs *ctx, u32 *tid)
{
	struct redmem_target *target = target_running(tid);

	return target && probe_is_of(target, ctx) ? target : NULL;
}

static __always_inline bool is_main(const struct redmem_target *target, u32 tid)
{
	return target->settings.tgid == tid;
}

/* The pid namespace redmem lives in: its depth, 0 for the first, and its address. */
extern __u32 own_pid_level;
extern __u64 own_pid_namespace;

/* The id of @task in redmem's pid namespace, 0 when it is not in it. */
static __always_inline u32 pid_seen(const struct task_struct *task)
{
	struct pid *pid;
	void *number;

	if (!own_pid_level)
		return task->pid;
	pid = BPF_CORE_READ(task, thread_pid);
	if (!pid || BPF_CORE_READ(pid, level) < own_pid_level)
		return 0;
	/* CO-RE does not mend a variable index, see mm_rss_pages(). */
	number = __builtin_preserve_access_index(&pid->numbers);
	number += own_pid_level * bpf_core_type_size(struct upid);
	if ((u64)BPF_CORE_READ((struct upid *)number, ns) != own_pid_namespace)
		return 0;
	return BPF_CORE_READ((struct upid *)number, nr);
}

static __always_inline void total_add(struct redmem_target *target, enum redmem_total which, u64 n)
{
	__sync_fetch_and_add(&target->totals[which], n);
}

static __always_inline void drop(struct redmem_target *target, enum redmem_drop reason)
{
	__sync_fetch_and_add(&target->drops[reason], 1);
}

/*
 * A program that the whole machine comes to was at work for @target since @start_ns. The
 * kernel tells a program's time, but not for whom; see share_out(). Rare ones, of processes
 * that come and go, are left out.
 */
static __always_inline void ran_for(struct redmem_target *target, u64 start_ns)
{
	total_add(target, TOTAL_RUNS, 1);
	total_add(target, TOTAL_RUN_NS, bpf_ktime_get_ns() - start_ns);
}

/* --- who takes what they have --------------------------------------------------------- */

/* Of a record that nobody waits for. */
static __always_inline u64 ring_flags(void)
{
	return ring_wake_bytes && bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) > ring_wake_bytes ?
		       BPF_RB_FORCE_WAKEUP :
		       BPF_RB_NO_WAKEUP;
}

static __always_inline void wake_engine(void)
{
	void *nothing = bpf_ringbuf_reserve(&records, sizeof(u64), 0);

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* --- what programs do with them ---------------------------------------------------- */

/* The state of the current thread; NULL when there is no room or the thread is ending. */
static __always_inline struct redmem_thread *thread_get(struct redmem_target *target, u32 tid)
{
	struct redmem_thread *state = bpf_map_lookup_elem(&threads, &tid);

	if (state)
		return state;
	if (bpf_get_current_task_btf()->flags & PF_EXITING)
		return NULL; /* forget_thread() has been */
	/* Too large for the stack; an array slot of zeros serves as the start. */
	static struct redmem_thread fresh;

	bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
	state = bpf_map_lookup_elem(&threads, &tid);
	if (state)
		state->target = target->settings.index;
	else
		drop(target, DROP_THREADS_FULL);
	return state;
}

/* Another thread keeps its name where others have their key. */
static __always_inline bool has_key(const struct redmem_context *context)
{
	return context->key_len && context->state != CONTEXT_THREAD;
}

static __always_inline void forget_key(struct redmem_context *context)
{
	if (context->state == CONTEXT_THREAD)
		return;
	context->key_len = context->key_cut = 0;
	context->key_guessed = KEY_KNOWN;
	__builtin_memset(context->key, 0, sizeof(context->key));
}

/* False when there is no room for another row, or none for one with a key. */
static __always_inline bool profile_add_to(void *map, __u32 *rows,
					   const struct redmem_profile_key *key, u64 events, u64 ns,
					   bool timed)
{
	struct redmem_profile_value *value = bpf_map_lookup_elem(map, key);

	if (!value) {
		const struct redmem_profile_value first = { 1, events, timed ? ns : 0,
							    timed ? events : 0 };

		if (*rows >= profile_keyed_rows && has_key(&key->context))
			return false;
		if (!bpf_map_update_elem(map, key, &first, BPF_NOEXIST)) {
			if (__sync_fetch_and_add(rows, 1) + 1 == profile_wake_rows)
				wake_engine();
			return true;
		}
		/* No room, or another CPU's is there already. */
		value = bpf_map_lookup_elem(map, key);
		if (!value)
			return false;
	}
	__sync_fetch_and_add(&value->samples, 1);
	__sync_fetch_and_add(&value->events, events);
	if (timed) {
		__sync_fetch_and_add(&value->ns, ns);
		__sync_fetch_and_add(&value->timed, events);
	}
	return true;
}

/* Charge @events events that took @ns together to @key. Where there is no room for so
 * many keys rather without its key than not at all; either is counted as a drop. Global, as
 * context_running() is. */
__weak __noinline int profile_add(struct redmem_target *target,
				  const struct redmem_profile_key *key, u64 events, u64 ns,
				  bool timed)
{
	struct redmem_profile_key row; /* kernels before 6.2 look up by keys on the stack only */

	if (!target || !key)
		return 0;
	row = *key;
	row.target = target->settings.index;
	total_add(target, TOTAL_EVENTS, 1);
	for (int iteration = 0; iteration < 2; iteration++) {
		bool added = profile_active ? profile_add_to(&profile_1, &profile_rows[1], &row,
							     events, ns, timed) :
					      profile_add_to(&profile_0, &profile_rows[0], &row,
							     events, ns, timed);

		if (added)
			return 0;
		if (!iteration)
			drop(target, DROP_PROFILE_FULL);
		if (!has_key(&row.context))
			return 0;
		forget_key(&row.context);
	}
	return 0;
}

/* A record of RING_BYTES() @bytes in the ring, or NULL (counted). */
static __always_inline struct redmem_ring_record *
ring_reserve(struct redmem_target *target, enum redmem_ring_kind kind, u64 bytes, u64 now)
{
	struct redmem_ring_record *record = bpf_ringbuf_reserve(&records, bytes, 0);

	if (!record) {
		drop(target, DROP_RING_FULL);
		return NULL;
	}
	record->kind = kind;
	record->target = target->settings.index;
	record->pid = 0;
	record->ns = now;
	return record;
}
