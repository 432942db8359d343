/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the BPF programs and the loader say to each other: the settings the
 * loader writes, the aggregates and records the programs produce. Nothing else
 * is shared.
 */
#pragma once

#include "redmem/tables.h"

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "redmem/object.h"

#define REDMEM_KEY_MAX 64 /* bytes of a key kept with an event */
/* The most arguments a command may have (networking.c, processMultibulkBuffer()). */
#define REDMEM_ARGUMENTS_MAX	(1024 * 1024)
#define REDMEM_FILE_RANGES	48 /* file-backed address ranges of the target */
#define REDMEM_ALLOCATOR_RANGES 4 /* where the allocator's code is */
#define REDMEM_CODE_RANGES	3 /* the server's code, the allocator's, the C library's */
#define REDMEM_TARGETS_MAX	256 /* servers watched at once; one slot more is redmem's own */

/* --- settings of one server (written by the loader, read by every program) -- */

/* Where the server keeps what it is doing; found by calibration. Addresses are
 * in the target's address space, offsets in bytes; 0 = not known unless said. */
struct redmem_offsets {
	__u64 current_client; /* address of server.current_client */
	__u64 executing_client; /* address of server.executing_client (7.2+, Valkey) */
	__u64 script_caller; /* address of server.script_caller (before 7.2) */
	__u64 script_client; /* the fake client scripts run on (before 7.2) */
	__u64 commands_done; /* address of server.stat_numcommands */
	__u64 iterations; /* address of a count that moves at each iteration of the event loop */
	__u32 argc; /* in client */
	__u32 argv; /* in client */
	__u32 cmd; /* in client; 0: names come from argv[0] */
	__u32 querybuf; /* in client, qb_pos is the word behind; 0 = not known */
	__u32 db; /* in client: pointer to its database; 0 = not known */
	__u32 db_id; /* in the database: its number */
	__u32 unused;
	struct redmem_object_layout object;
};

struct redmem_range {
	__u64 start, end;
};

/* Work of the event loop that has no client; recognised by return addresses on the
 * stack that lie in a function of the server. */
enum redmem_background {
	BACKGROUND_EXPIRY,
	BACKGROUND_EVICTION,
	BACKGROUND_DEFRAG,
	BACKGROUND_KINDS
};
#define BACKGROUND_FUNCTIONS 2
#define QUEUED_FUNCTIONS     3
#define REPLY_FUNCTIONS	     3

/* What rows of profiles with stacks are of: each has a token bucket of its own. */
enum redmem_stack_of { STACK_OF_TIME, STACK_OF_BYTES, STACK_OF_FAULT, STACKS_OF };

struct redmem_settings {
	__u32 tgid; /* the server, as the kernel's first pid namespace numbers it; 0 = free */
	__u32 index; /* of this server among the targets */
	__u32 attribution; /* offsets are valid */
	__u32 watched; /* what it does is counted */
	__u32 calibration_slot; /* the look of calibration that is armed */
	__u32 unused;
	__u64 own_client; /* client of redmem's own connection */
	__u64 stall_ns; /* shortest stall to report; 0 = the loop is not looked at */
	__u64 sample_ns; /* CPU time between two samples */
	__u64 rss_step_bytes; /* report RSS moves of at least this */
	__u64 page_bytes;
	struct redmem_offsets at;
	struct redmem_range file_range[REDMEM_FILE_RANGES];
	__u32 file_ranges;
	__u32 allocator_ranges;
	struct redmem_range allocator_range[REDMEM_ALLOCATOR_RANGES];
	struct redmem_range code_range[REDMEM_CODE_RANGES]; /* zeros = there is none */
	struct redmem_range background[BACKGROUND_KINDS]
				      [BACKGROUND_FUNCTIONS]; /* theirs; zeros = not known */
	struct redmem_range queued[QUEUED_FUNCTIONS]; /* discardTransaction(), caller and callee */
	struct redmem_range reply[REPLY_FUNCTIONS]; /* what sends replies */
	struct redmem_range background_code; /* all of these lie in it */
	/* jemalloc before 5.3, for flow: its table of size classes and what depends on it */
	__u64 class_table; /* address of sz_index2size_tab */
	__u64 bin_info; /* address of the variable tcache_bin_info */
	__u32 small_classes; /* classes served from slabs */
	__u32 stacks; /* rows of profiles are told with their stacks */
	__u64 stack_ns[STACKS_OF]; /* between two of them, in the long run */
};

/* --- who was running ---------------------------------------------------- */

enum redmem_context_state {
	CONTEXT_UNKNOWN, /* attribution is off or the memory could not be read */
	CONTEXT_LOOP, /* main thread, no command: event loop, cron, client I/O */
	CONTEXT_COMMAND, /* command is a struct redisCommand * */
	CONTEXT_TEXT, /* command holds the first 8 bytes of argv[0] */
	CONTEXT_AFTER, /* command ended, its client is being reset (argc is 0) */
	CONTEXT_NO_CALLER, /* a command runs without a client waiting: module thread, AOF load */
	CONTEXT_THREAD, /* another thread; key is its name */
	CONTEXT_PARSING, /* main thread reads a command's arguments; command as in CONTEXT_TEXT */
	CONTEXT_OWN, /* redmem's own connection */
	CONTEXT_BACKGROUND, /* command is an enum redmem_background */
};

/* Was the place of the key known when it was read? If not, argv[1] was taken. */
enum redmem_key_guess { KEY_KNOWN, KEY_GUESSED, KEY_GUESSED_INNER };

struct redmem_context {
	__u64 command; /* redisCommand *, or text */
	__u64 inner; /* command a script, function or module runs; 0 = none */
	union {
		__u32 tid; /* CONTEXT_THREAD */
		__u32 db; /* others: number of the client's database, plus 1; 0 = not known */
	};
	__u8 state;
	__u8 key_guessed; /* enum redmem_key_guess */
	__u8 key_len; /* bytes in key */
	__u8 key_cut; /* it is longer */
	char key[REDMEM_KEY_MAX];
};

/* Where a command's first key is (loader -> programs, by target and redisCommand *). */
struct redmem_command {
	__u64 address; /* of the struct redisCommand, in the target */
	__u32 target;
	__u32 unused;
};

enum redmem_key_rule_kind { KEY_NONE, KEY_INDEX, KEY_NUMKEYS, KEY_STREAMS };

struct redmem_key_rule {
	__u8 kind;
	__u8 index; /* of the key; of numkeys (key follows); first place of STREAMS */
};

/* --- aggregates --------------------------------------------------------- */

struct redmem_profile_key {
	struct redmem_context context;
	__u64 user_ip; /* EVENT_CPU: where user code was; waits: system call; ..._CLASS: bytes */
	__u64 kernel_ip; /* EVENT_CPU: 0 = was in user mode */
	__u32 event; /* enum redmem_event; events of bytes count bytes */
	__u32 target; /* whose row it is */
};

struct redmem_profile_value {
	__u64 samples; /* times the program ran */
	__u64 events; /* what they stand for (samples x period) */
	__u64 ns; /* time they stand for */
	__u64 timed; /* events whose time is known (in ns) */
};

enum redmem_total {
	TOTAL_COW_FAULTS, /* write faults on present pages, at their start */
	TOTAL_SWITCHES,
	TOTAL_CPU_SAMPLES,
	TOTAL_COLLAPSES, /* khugepaged in the target's memory */
	TOTAL_RECLAIMS,
	TOTAL_SLEEP_NS, /* main thread waiting for events */
	TOTAL_FLOW_HITS, /* uprobe hits of the flow sensor, also those of no use */
	TOTAL_EVENTS, /* programs that did their work */
	TOTAL_RUNS, /* of programs that every process comes to: those for this server */
	TOTAL_RUN_NS, /* what they took behind the filter that others leave by */
	TOTAL_MAJOR_FAULTS, /* looked at, times the period: how fast they come */
	TOTAL_KEYS_GONE, /* the argument was being made or freed: there was no key to read */
	TOTAL_KINDS
};

/* Reasons an event could not be kept; each is counted and shown. */
enum redmem_drop {
	DROP_PROFILE_FULL,
	DROP_THREADS_FULL,
	DROP_RING_FULL,
	DROP_CLIENT_UNREADABLE,
	DROP_KEY_UNREADABLE,
	DROP_CACHE_UNREADABLE, /* what it was filled with is missing in the bytes */
	DROP_KINDS
};

/*
 * A thread's own counters of bytes, as jemalloc keeps them (flow sensor). Before 5.3 it is the main
 * thread alone, its counter of bytes freed is behind the other one, and of the rest only first and
 * seen_bytes are kept.
 */
enum redmem_flow_side { FLOW_ALLOC, FLOW_FREE, FLOW_SIDES };

struct redmem_flow_thread {
	__u32 target;
	__u32 unused;
	__u64 counter[FLOW_SIDES]; /* its address in the target; 0 = not seen yet */
	__u64 first[FLOW_SIDES]; /* its value before the first hit */
	__u64 own_bytes[FLOW_SIDES]; /* of hits in redmem's own commands: no row tells of them */
	/* of the other hits, that went to each profile map */
	__u64 seen_bytes[2][FLOW_SIDES]; /* added up */
	__u64 last[2][FLOW_SIDES]; /* its value at the last one */
	char name[16]; /* of the thread */
};

/* What is under way in a thread of a server. */
struct redmem_thread {
	__u64 fault_ns; /* start of the last page fault */
	__u64 fault_address;
	__u64 fault_error;
	__u64 faults; /* begun so far */
	__u64 fault_delay; /* run_delay then */
	__u64 fault_reclaim; /* reclaimed_ns then */
	__u64 reclaimed_ns; /* in reclaim and compaction, all in all */
	__u64 reclaim_ns; /* 0 = not in direct reclaim */
	__u64 compaction_ns;
	__u64 out_ns; /* left the CPU at; 0 = settled */
	__u64 out_exec; /* sum_exec_runtime then */
	__u64 out_delay; /* run_delay then */
	__u64 wait_ns; /* waited for a CPU after sleeping, not charged yet */
	__u32 out_event; /* EVENT_IO_WAIT, _SLEEP, _CPU_WAIT (preempted), _RECLAIM (held back) */
	__u32 out_syscall; /* or WAIT_STOPPED */
	__s32 out_fd; /* first argument of the system call */
	__u32 target;
	struct redmem_context out_context;
};

/*
 * What a probe on a server's functions is told when it is put in: whose it is, and what it
 * stands on. Servers may share the file it is in, and not every kernel keeps the others out
 * (uprobe_multi before 6.10, 46ba0e49b642): one hit must not be met by two probes.
 */
#define PROBE_COOKIE(target, what) ((__u64)(target) << 32 | (what))
#define PROBE_TARGET(cookie)	   ((__u32)((cookie) >> 32))
#define PROBE_WHAT(cookie)	   ((__u32)(cookie))
#define CALL_STEPPED		   0x100 /* beside enum redmem_call_function: see uprobe.h */

/* A call of the allocator that has not returned yet. */
struct redmem_open_call {
	__u64 start_ns; /* 0 = none */
	__u64 requested;
	__u64 faults;
	__u64 delay; /* the thread's run_delay then */
	__u16 function; /* enum redmem_call_function */
	__u16 stepped; /* the probe is of the dearer kind */
	__u32 target;
};

/* --- rare records (ring buffer) ----------------------------------------- */

enum redmem_ring_kind {
	RING_STALL_OPEN, /* over the threshold and still going on */
	RING_STALL_END,
	RING_RSS,
	RING_FORK,
	RING_EXEC,
	RING_EXIT,
	RING_OOM, /* it will be killed for lack of memory */
	RING_CALL, /* of the allocator, in a burst */
	RING_SAMPLE, /* struct redmem_sample */
	RING_STACK, /* struct redmem_stack */
};

#define REDMEM_BURST_COSTS 1024 /* a power of two */

/* The burst under way. */
struct redmem_burst {
	/* written by the loader */
	__u32 open; /* both probes stand: look */
	__u32 measuring; /* the probes' own cost: keep only times, in burst_cost_ns */
	__u64 limit; /* calls to look at */
	__u64 since_ns; /* what began before is of an earlier look */
	/* written by the programs */
	__u64 begun; /* calls that are looked at */
	__u64 calls; /* of them that have ended */
	__u64 hits; /* of both probes, also those of no use */
	__u64 last_ns; /* the newest of them */
	__u64 held_ns; /* between one and the next, where the server did little else */
};

/* Who or what was waited for longest, with a vote of time where there are several. */
struct redmem_wait {
	__u64 ns; /* by which it leads */
	__u32 id; /* pid of who had the CPU, 0 = nobody; number of the system call */
	__s32 fd; /* first argument of the system call */
	char comm[16]; /* who had the CPU */
	__u64 own_ns; /* of its own, less what others had that did not take the lead */
};

#define WAIT_STOPPED 0xffffffffU /* id of a wait: the process was stopped by a signal */
#define WAIT_FOREIGN 0xfffffffeU /* id of who had the CPU: not in redmem's pid namespace */

struct redmem_stall {
	__u64 start_ns; /* monotonic */
	__u64 end_ns; /* last time it was seen going on */
	__u64 cpu_wait_ns;
	__u64 blocked_ns; /* asleep in a system call, or stopped */
	__u64 fault_ns[4]; /* minor, cow, swap, file; without what follows and without cpu_wait */
	__u64 reclaim_ns;
	__u64 compaction_ns;
	__u64 stolen_ns; /* running, but the CPU's clock stood still */
	__u64 commands; /* done in an iteration of the loop; 0 when one thing held it */
	__u32 looks; /* times it was looked at after the first */
	__u32 inner_looks; /* of them a script's command was running... */
	__u32 inner_votes; /* ...and who.inner leads by so many */
	__u32 unused;
	struct redmem_wait preemptor; /* who had the CPU meanwhile; id 0 = nobody */
	struct redmem_wait wait; /* the system call */
	struct redmem_context context;
};

/*
 * Something the main thread has under way: one piece of work (a command, a cron job, the
 * write of a reply), or a whole iteration of the event loop. Written by the programs only.
 */
struct redmem_span {
	__u64 start_ns; /* 0 = nothing */
	__u64 first_ns; /* was certainly under way then */
	__u64 start_delay; /* run_delay at the start */
	__u64 start_commands; /* commands done then */
	__u32 looks; /* of an iteration: times it was looked at... */
	__u32 command_looks; /* ...and was in a command */
	__u64 announced; /* over the threshold, RING_STALL_OPEN sent */
	struct redmem_stall stall; /* only the times, the waits and who */
};

struct redmem_loop {
	/* Changes that have begun and ended: programs change it under the hands of the loader,
	 * one perhaps in the middle of another. A copy is whole when as many had ended before
	 * it as have begun after it. */
	__u64 begun, ended;
	__u64 client;
	__u64 argv;
	__u64 iterations; /* the server's count of them */
	__u64 seen_ns; /* what is under way was seen last... */
	__u64 seen_commands; /* ...when so many commands were done */
	__u64 woke_ns; /* the main thread left its sleep; 0 = looked at since */
	__u64 sleep_delay; /* when it fell asleep: run_delay... */
	__u64 sleep_commands; /* ...commands done... */
	__u64 sleep_iterations; /* ...and the count of iterations */
	__u64 out_ns; /* left the CPU within its work; 0 = did not, or is charged */
	__u64 in_ns; /* and came back; 0 = not yet */
	__u64 out_delay; /* run_delay when it left */
	__u32 out_runnable; /* it would have run on */
	__u32 out_blocks; /* it waits in a system call, or was stopped */
	__u32 out_reclaims; /* or is held back for want of memory */
	__u32 out_syscall; /* which, or WAIT_STOPPED */
	__s32 out_fd;
	__u32 asleep; /* waits for events */
	__u32 in_script;
	__u32 before_id; /* who had the CPU before it came back... */
	char before_comm[16];
	__u64 before_ns; /* ...and for how long, without a break */
	__u64 told_until_ns; /* since it left, up to when it is told who had the CPU... */
	__u64 told_ns; /* ...and for how long */
	__u64 ticked_ns; /* when the CPU's clock last found it running */
	struct redmem_span work, iteration;
};

/* Each is as long as its kind is: RING_BYTES(). */
struct redmem_ring_record {
	__u32 kind;
	__u32 target; /* whose record it is */
	__u64 ns; /* monotonic */
	__u32 pid; /* fork, exit, exec: whose, as redmem's pid namespace numbers it */
	__u32 unused;
	union {
		struct redmem_stall stall;
		struct {
			__u32 member; /* 0 file, 1 anon, 2 swap, 3 shmem */
			__u32 unused;
			__s64 from_pages;
			__s64 to_pages;
			struct redmem_context context;
		} rss;
		struct {
			__u64 cow_faults; /* so far in the watch */
			__u64 held_pages; /* oom: anonymous and shmem; 0 = not known */
			__u32 exit_code; /* exit: as wait() has it */
			__u32 unused;
			struct redmem_context context; /* who forked */
		} life;
		struct {
			__u64 requested; /* bytes; 0 for free */
			__u64 ns; /* with the probes' own cost */
			__u64 waited_ns; /* of that for a CPU */
			__u64 faults; /* brought in meanwhile */
			__u32 function;
			__u32 stepped; /* 1: the kernel stepped over its first instruction */
			struct redmem_context context;
		} call;
	};
};

#define RING_BYTES(member)                             \
	(offsetof(struct redmem_ring_record, member) + \
	 sizeof(((struct redmem_ring_record *)0)->member))

#define REDMEM_STACK_WORDS  768 /* looked through */
#define REDMEM_SAMPLE_WORDS 192 /* kept at most */
#define REDMEM_FRAME_WORDS  64 /* of a function with many locals, behind where it returns to */

/* Where the main thread was at a CPU sample, and what lies in code of the words of its
 * stack: what looks like a return address tells on whose behalf it was there. While a key
 * expires or is evicted all words, up to those of the function that deletes it: one is the
 * address of its name. */
struct redmem_sample {
	__u32 kind; /* RING_SAMPLE */
	__u32 target; /* as in struct redmem_ring_record */
	__u32 words; /* in word[]; the record ends behind the last of them */
	__u32 unused;
	__u64 ns; /* CPU time it stands for */
	__u64 work_ns, iteration_ns; /* start_ns of what was under way */
	__u64 user_ip;
	__u64 kernel_ip; /* 0 = was in user mode */
	__u64 syscall; /* ~0 = none */
	struct redmem_context context;
	__u64 word[REDMEM_SAMPLE_WORDS];
};

#define REDMEM_STACK_BYTES 8192 /* copied at most */
#define REDMEM_STACK_HEAD  2048 /* of a deeper one's top; the rest is its end */
/* Below the stack pointer: what a function that is about to return has taken from there, and where
 * its frame's rows may still say that it is (the ABI's red zone). */
#define REDMEM_STACK_BELOW     128
#define REDMEM_SAVED_REGISTERS 12

/*
 * A row of a profile that is to be told with the functions that were at work: it is in no profile
 * map then. User space follows the stack by the call frame information of the code, from the
 * registers that a function keeps for its caller and a copy of the stack (sensor/stacks.c).
 */
struct redmem_stack {
	__u32 kind; /* RING_STACK */
	__u32 target; /* as in struct redmem_ring_record */
	__u32 bytes; /* in stack[]; the record ends behind the last of them */
	__u32 map; /* the profile map that was written then */
	__u64 events, ns; /* as in struct redmem_profile_value, of one sample */
	__u32 timed; /* their time is known */
	__u32 gap; /* bytes of the stack that were left out behind REDMEM_STACK_HEAD */
	__u64 ip, sp; /* of user space, with... */
	__u64 saved[REDMEM_SAVED_REGISTERS]; /* ...rbx, rbp, r12 to r15; arm64: x19 to x30 */
	struct redmem_profile_key key;
	__u8 stack[REDMEM_STACK_BYTES]; /* from REDMEM_STACK_BELOW bytes below sp on */
};

/* --- one server --------------------------------------------------------- */

#define REDMEM_RECENT_PLACES  4
#define REDMEM_CACHED_CLASSES 64 /* size classes of jemalloc's thread caches, at most */
#define REDMEM_RSS_MEMBERS    4 /* file, anon, swap, shmem (mm_types_task.h) */

/* All that is kept of one server; the loader maps it. */
struct redmem_target {
	struct redmem_settings settings;
	__u64 mm; /* its mm_struct; written by the loader */
	__u32 flow_open; /* all probes of the thread caches stand; likewise */
	__u32 unused_word;
	/* written by the programs */
	/* Size classes whose cache the main thread has filled, a bit each, and what it was at. */
	__u64 filled;
	struct redmem_context filler[REDMEM_CACHED_CLASSES];
	__u64 totals[TOTAL_KINDS];
	__u64 drops[DROP_KINDS];
	__u32 unused;
	__u32 recent_next;
	/* Where clients were found last among the words of a stack: the same ways through
	 * the server leave them at the same places. */
	__u32 recent_places[REDMEM_RECENT_PLACES];
	__s64 rss_reported[REDMEM_RSS_MEMBERS]; /* pages */
	__u8 rss_known[8];
	__u64 stack_next_ns[STACKS_OF]; /* the next stack's time, if they came evenly */
	struct redmem_loop loop;
	struct redmem_burst burst;
};

/* A child of a server. */
struct redmem_child {
	__u32 target;
	__u32 pid; /* in redmem's pid namespace */
};

/* What the kernel calls a process that redmem calls otherwise. */
struct redmem_process {
	__u32 tgid; /* in the namespace redmem's /proc is of */
	__u32 kernel_tgid; /* in the first one */
	__u64 mm;
};

/* --- calibration -------------------------------------------------------- */

#define CALIBRATION_CLIENT_BYTES 512 /* what is looked for stands in the first 200 */
#define CALIBRATION_WORDS	 (CALIBRATION_CLIENT_BYTES / 8)
#define CALIBRATION_SERVER_BYTES 16384
#define CALIBRATION_TEXT	 24 /* bytes of text kept; nonces are shorter */
#define CALIBRATION_OBJECT	 48 /* bytes of an object kept */
#define CALIBRATION_QUERY	 96 /* bytes of a query kept */
#define CALIBRATION_NONCE	 16
#define CALIBRATION_SLOTS	 2 /* of each server: one is read while the other is filled */

/* What lies behind one word of the client struct. A string of the server begins at an odd
 * address, all else at one that 8 divides. */
struct redmem_calibration_word {
	char name[CALIBRATION_TEXT]; /* text at **word: a command's name */
	char first[CALIBRATION_TEXT]; /* word as robj **argv: text of argv[0] by a pointer */
	__u8 nonce_at_1; /* text of argv[1] is the nonce */
	__u8 pointer; /* through the pointer at this offset of the object... */
	__u8 embedded; /* ...or in it, at this one */
	__u8 unused[5];
	union {
		__u8 object[2][CALIBRATION_OBJECT]; /* argv[0] and argv[1] themselves */
		char query[CALIBRATION_QUERY]; /* word as sds: its text */
	};
};

struct redmem_calibration {
	/* written by the loader */
	__u32 armed;
	__u32 any_client; /* no nonce: take any hit on a function called from... */
	struct redmem_range caller; /* ...this code of the server */
	__u64 server_address;
	__u32 server_bytes;
	__u32 words; /* of the client to look behind */
	__u64 limit_ns; /* a look that takes longer is cut */
	__u32 resumed; /* one that was cut goes on, with the same client */
	char nonce[CALIBRATION_NONCE];
	/* written by the program */
	__u32 done;
	__u32 hits;
	__u64 pause_ns; /* time spent inside the program, over all hits */
	__u64 longest_ns; /* and the longest hit... */
	__u64 longest_start_ns; /* ...when it began */
	__u64 waited_ns; /* in all hits, for a CPU: not in the times above */
	__u64 client_address; /* first argument of the probed function */
	__u32 client_bytes;
	__u32 server_ok;
	__u32 nonce_matches;
	__u32 cut; /* it took too long: the loader may have it go on at the next hit */
	__u32 looked; /* words looked behind so far */
	__u32 unused;
	__u8 client[CALIBRATION_CLIENT_BYTES];
	__u8 server[CALIBRATION_SERVER_BYTES];
	struct redmem_calibration_word word[CALIBRATION_WORDS];
};
