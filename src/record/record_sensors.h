/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of what the sensors saw; see record.h. */
#pragma once

#include "record/bytes.h"
#include "redmem/tables.h"

/*
 * Events of one kind charged to a name. Rows with the same identity add up. What a row
 * stands for is events x scale, and its time is that of the timed events for all of them
 * (model/account.h).
 */
struct record_profile {
	enum redmem_event event;
	const char *thread; /* "" = the main thread, else its name ("bio_lazy_free") */
	const char *command; /* full lower-case name ("config|get"); "" = no command (event loop) */
	const char *inner; /* command called by a script, function or module; "" = none */
	struct bytes key; /* as the client sent it; may be empty */
	bool key_truncated; /* only its first RECORD_KEY_MAX bytes */
	bool folded; /* of all keys of its prefix, of which this is one (model/chunk.h) */
	int64_t db; /* the client's database; RECORD_UNKNOWN */
	enum redmem_module leaf; /* cpu: where its code was */
	const char *symbol; /* cpu: leaf function when known, else "" */
	int64_t samples; /* events really seen */
	double events; /* samples x period of the sensor; bytes for events of bytes */
	double scale; /* how many times its events it stands for; NAN, 0 = once */
	double seconds; /* measured, of the timed events; NAN when none was */
	int64_t timed; /* events whose time was measured; RECORD_UNKNOWN = all */
	double t_seconds; /* they happened before this and after that of the last rows */
	int64_t class_bytes; /* alloc_class, free_class: the size class; else RECORD_UNKNOWN */
	double uneven; /* rows added up: the sum of the squares of what each sample stands for, over
			* that of samples that are all alike; NAN = they are */
	/*
	 * The functions that were at work, the innermost first, ';' between them: plain text of
	 * at most RECORD_STACK_FRAMES names and RECORD_STACK_BYTES. One without a name is called
	 * by its module and where it begins in it ("redis-server+0x5a120"). The first is
	 * RECORD_STACK_KERNEL where the kernel was at work for it, the last RECORD_STACK_CUT
	 * where it is not known who called it. "" = none is known.
	 */
	const char *stack;
};

#define RECORD_STACK_FRAMES 64
#define RECORD_STACK_BYTES  4096
#define RECORD_STACK_KERNEL "[kernel]"
#define RECORD_STACK_CUT    "(cut)"

/* The command of bytes that are nobody's in particular: the model shares them out. */
#define RECORD_UNSEEN "(unseen)"

/* Exact totals since the sensors began, whatever was sampled. One a tick, and at the end. */
struct record_totals {
	double window_seconds;
	int64_t minor_faults; /* of all threads of the server */
	int64_t major_faults;
	int64_t cow_faults; /* write faults on present pages, seen at their start */
	int64_t context_switches;
	int64_t cpu_samples;
	int64_t minor_fault_period; /* the last one in force */
	int64_t major_fault_period;
	int64_t huge_collapses; /* khugepaged collapses in the server's memory */
	int64_t reclaim_entries; /* direct reclaim entered by the server's threads */
};

/* CPU time of one name. */
struct record_share {
	const char *name; /* "" ends the list */
	int64_t ns;
};

#define RECORD_SHARES 12

/*
 * A time the event loop did not move on, as it was seen: its bounds, the time measured in
 * some kinds of events, and what CPU samples met meanwhile. What was to blame, model/stalls.h
 * says.
 */
struct record_stall {
	double t_seconds; /* start */
	double duration_seconds;
	bool running; /* had not ended when the watch did */
	const char *command; /* "" = no command: the loop itself */
	const char *inner; /* most often run by its script; "" */
	struct bytes key;
	bool key_truncated; /* only its first RECORD_KEY_MAX bytes */
	int64_t db; /* the client's database; RECORD_UNKNOWN */
	int64_t looks; /* times it was looked at... */
	int64_t inner_looks; /* ...a script's command was running then... */
	int64_t inner_votes; /* ...and inner leads by so many */
	int64_t event_ns[EVENT_KINDS]; /* measured; io_wait: asleep in system calls, or stopped */
	bool faults_timed; /* faults were among what was measured */
	int64_t frame_ns[FRAMES]; /* CPU samples, by what they were recognised as */
	/* an iteration of the loop in which no command was long but all together: how many, and
	 * CPU samples by command; RECORD_UNKNOWN and empty otherwise. */
	int64_t commands_total;
	struct record_share commands[RECORD_SHARES];
	enum redmem_wait_call wait_call; /* in what it slept most */
	const char *wait_file; /* on which file or socket, "" */
	/* Who had the CPU most while it waited for one; pid 0 = nobody had (the kernel ran
	 * nothing: a CPU quota was used up), RECORD_UNKNOWN = it did not wait, or somebody
	 * outside redmem's pid namespace had. */
	int64_t preemptor_pid;
	const char *preemptor; /* the name of its thread, "" */
	int64_t fork_ns; /* from its start until a child was made; RECORD_UNKNOWN = none was */
	/* Expiry and eviction: the name that most of so many looks found being deleted, one of
	 * many where few found the same; empty = none was found. */
	struct bytes gone_key;
	int64_t gone_key_looks, gone_looks;
	/* What the server counted between the INFO before it and the one after: keys and fields
	 * that expired, keys evicted, what active defragmentation looked at. RECORD_UNKNOWN = it
	 * was not told, or that was not looked for: counted says whether it was. */
	bool counted;
	int64_t expired_total, evicted_total, defragged_total;
};

/* One allocator call of a burst, or one of several that are not told (model/chunk.h). */
struct record_call {
	double t_seconds;
	enum redmem_call_function function;
	const char *thread; /* as in record_profile */
	const char *command;
	const char *inner;
	struct bytes key;
	int64_t requested_bytes; /* RECORD_UNKNOWN for free */
	int64_t class_bytes; /* the size class that was taken */
	int64_t ns; /* with the probes' own cost; RECORD_UNKNOWN when entry or return was missed */
	int64_t waited_ns; /* of that for a CPU, runnable; RECORD_UNKNOWN */
	double probe_seconds; /* that cost, as measured at the start */
	double probe_error_seconds; /* half the 95 % interval of it */
	int64_t faults; /* pages brought in meanwhile */
	int64_t calls; /* it stands for; RECORD_UNKNOWN = itself */
};

/* A burst: the time in which every allocator call was looked at. */
struct record_burst {
	double t_seconds; /* start */
	double duration_seconds;
	int64_t calls_total; /* allocator calls seen */
	int64_t commands_total; /* server commands in that time; RECORD_UNKNOWN */
	double probe_seconds; /* what the dearest pair of probes adds to a call */
	double probe_error_seconds; /* half the 95 % interval of that */
	double attach_seconds; /* putting the probes in and taking them out */
};

/* What the sensors took from the server, against what they may. One a tick. */
struct record_budget {
	double t_seconds;
	double budget_ratio; /* of one core; --budget PERCENT / 100 */
	double spent_ratio; /* since the start: all of the below over the time */
	double bpf_seconds; /* in redmem's programs */
	double trap_seconds; /* uprobe hits times the measured cost of a trap */
	double attach_seconds; /* pauses at putting probes in and out */
	double trap_cost_seconds; /* one uprobe hit, as measured at the start */
	double flow_duty_ratio; /* share of the time the flow probe was in; NAN without */
	double flow_seconds; /* and how long that was */
	int64_t fault_period;
	int64_t bursts_total;
};
