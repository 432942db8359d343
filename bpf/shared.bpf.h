/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sensors' programs share: settings, totals, drop counters, the two
 * profile maps, the state of threads and the ring of rare records.
 */
#pragma once

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "redmem/events.h"

extern struct redmem_settings settings;
/* Which of the two profile maps is written; the loader drains the other one. */
extern __u32 profile_active;
/* The target's mm, learnt from its main thread. */
extern __u64 target_mm;
extern __u64 totals[TOTAL_KINDS];
extern __u64 drops[DROP_KINDS];

/* Rows of a profile map; the last of them are for those without a key. */
#define PROFILE_ROWS	   16384
#define PROFILE_KEYED_ROWS (PROFILE_ROWS - 1024)

/* Rows in use; the loader sets them back when it has emptied the map. */
extern __u32 profile_rows[2];

struct profile_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROFILE_ROWS);
	__type(key, struct redmem_profile_key);
	__type(value, struct redmem_profile_value);
};

struct profile_map profile_0 SEC(".maps") __weak;
struct profile_map profile_1 SEC(".maps") __weak;

/* What is under way in a thread of the target. */
struct thread_state {
	u64 fault_ns; /* start of the last page fault */
	u64 fault_address;
	u64 fault_error;
	u64 faults; /* begun so far */
	u64 fault_delay; /* run_delay then */
	u64 fault_reclaim; /* reclaimed_ns then */
	u64 reclaimed_ns; /* in reclaim and compaction, all in all */
	u64 reclaim_ns; /* 0 = not in direct reclaim */
	u64 compaction_ns;
	u64 out_ns; /* left the CPU at; 0 = settled */
	u64 out_exec; /* sum_exec_runtime then */
	u64 out_delay; /* run_delay then */
	u64 wait_ns; /* waited for a CPU after sleeping, not charged yet */
	u32 out_event; /* EVENT_IO_WAIT, EVENT_SLEEP, or EVENT_CPU_WAIT (preempted) */
	u32 out_syscall; /* or WAIT_STOPPED */
	s32 out_fd; /* first argument of the system call */
	u32 unused;
	struct redmem_who out_who;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, struct thread_state);
} threads SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64); /* struct redisCommand * in the target */
	__type(value, struct redmem_key_rule);
} key_rules SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024);
} records SEC(".maps") __weak;

static __always_inline void total_add(enum redmem_total which, u64 n)
{
	__sync_fetch_and_add(&totals[which], n);
}

static __always_inline void drop(enum redmem_drop reason)
{
	__sync_fetch_and_add(&drops[reason], 1);
}

/* The current thread's id when it belongs to the target, else 0. The loader may
 * itself live in a pid namespace; then ids are asked for in that one. */
static __always_inline u32 target_tid(void)
{
	if (settings.pidns_ino) {
		struct bpf_pidns_info ids = {};

		if (bpf_get_ns_current_pid_tgid(settings.pidns_dev, settings.pidns_ino, &ids,
						sizeof(ids)))
			return 0;
		return ids.tgid == settings.tgid ? ids.pid : 0;
	}
	u64 id = bpf_get_current_pid_tgid();

	return id >> 32 == settings.tgid ? (u32)id : 0;
}

static __always_inline struct thread_state *thread_get(u32 tid)
{
	struct thread_state *state = bpf_map_lookup_elem(&threads, &tid);

	if (state)
		return state;
	/* Too large for the stack; an array slot of zeros serves as the start. */
	static struct thread_state fresh;

	bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
	state = bpf_map_lookup_elem(&threads, &tid);
	if (!state)
		drop(DROP_THREADS_FULL);
	return state;
}

/* Another thread keeps its name where others have their key. */
static __always_inline bool has_key(const struct redmem_who *who)
{
	return who->key_len && who->state != WHO_THREAD;
}

static __always_inline void forget_key(struct redmem_who *who)
{
	if (who->state == WHO_THREAD)
		return;
	who->key_len = 0;
	who->key_guessed = KEY_KNOWN;
	__builtin_memset(who->key, 0, sizeof(who->key));
}

/* False when there is no room for another row, or none for one with a key. */
static __always_inline bool profile_add_to(void *map, __u32 *rows,
					   const struct redmem_profile_key *key, u64 events, u64 ns,
					   bool timed)
{
	struct redmem_profile_value *value = bpf_map_lookup_elem(map, key);

	if (!value) {
		struct redmem_profile_value zero = {};

		if (*rows >= PROFILE_KEYED_ROWS && has_key(&key->who))
			return false;
		bpf_map_update_elem(map, key, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(map, key);
		if (!value)
			return false;
		__sync_fetch_and_add(rows, 1);
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
 * many keys rather without its key than not at all; either is counted as a drop. */
static __always_inline void profile_add(struct redmem_profile_key *key, u64 events, u64 ns,
					bool timed)
{
	total_add(TOTAL_EVENTS, 1);
	for (int turn = 0; turn < 2; turn++) {
		bool added = profile_active ? profile_add_to(&profile_1, &profile_rows[1], key,
							     events, ns, timed) :
					      profile_add_to(&profile_0, &profile_rows[0], key,
							     events, ns, timed);

		if (added)
			return;
		if (!turn)
			drop(DROP_PROFILE_FULL);
		if (!has_key(&key->who))
			return;
		forget_key(&key->who);
	}
}

/* A record in the ring, or NULL (counted). */
static __always_inline struct redmem_record *record_reserve(enum redmem_record_kind kind, u64 now)
{
	struct redmem_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		drop(DROP_RING_FULL);
		return NULL;
	}
	record->kind = kind;
	record->pid = 0;
	record->ns = now;
	return record;
}
