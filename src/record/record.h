/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records: what was seen, as plain data, before anybody interprets it.
 *
 * Everything the model learns comes to it as a struct record, from the host, the
 * server or a sensor while watching live, or from a recording when replaying.
 * That is why a replay gives the same report without root or Redis.
 *
 * They hold what was seen and what it was seen with: a sample and the factor it stands
 * for, an interval and what was measured in it. Nothing in them is a judgement.
 *
 * Units are in the names. A number that is not known is RECORD_UNKNOWN (integers)
 * or NAN (doubles), never 0. Strings and bytes are borrowed: they belong to the
 * producer and are valid only during the call that hands the record over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "redmem/tables.h"

#define RECORD_UNKNOWN INT64_MIN

struct bytes {
	const char *data; /* may hold any byte, also NUL; NULL when there is none */
	size_t len;
};

/* Bytes of a key that the sensors keep; of a longer one these are the first. */
#define RECORD_KEY_MAX 64

/* Names of types and encodings, which are few and short: mostly they are the very same constant,
 * or the first letter tells them apart. Asked of every key, so it costs no call. */
static inline bool name_is(const char *a, const char *b)
{
	if (a == b)
		return true;
	for (; *a == *b; a++, b++)
		if (!*a)
			return true;
	return false;
}

/* As strcmp(), for qsort(): of two that begin alike the shorter first. */
static inline int bytes_order(struct bytes a, struct bytes b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.data, b.data, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool bytes_same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (!a.len || !memcmp(a.data, b.data, a.len));
}

enum record_kind {
	RECORD_SESSION,
	RECORD_TARGET,
	RECORD_SENSOR,
	RECORD_HOST,
	RECORD_CPU_LIMIT,
	RECORD_DISK,
	RECORD_WRITER,
	RECORD_CONFIG,
	RECORD_TICK,
	RECORD_INFO,
	RECORD_MEMORY_STATS,
	RECORD_MALLOC_STATS,
	RECORD_MAPPING,
	RECORD_STRINGS,
	RECORD_PROFILE,
	RECORD_TOTALS,
	RECORD_STALL,
	RECORD_RSS_MOVE,
	RECORD_CHILD,
	RECORD_SLOWLOG,
	RECORD_LATENCY,
	RECORD_CLIENT,
	RECORD_HELD,
	RECORD_KEY,
	RECORD_LIFE,
	RECORD_OWN_CALLS,
	RECORD_SELF,
	RECORD_CALL,
	RECORD_BURST,
	RECORD_BUDGET,
	RECORD_PURGE,
	RECORD_MARK,
	RECORD_PASS_PART,
	RECORD_PASS_REPLY,
	RECORD_PASS,
	RECORD_ONE_KEY,
	RECORD_KEY_ELEMENT,
	RECORD_KEY_GROUP,
	RECORD_PASSED,
	RECORD_LARGE,
	RECORD_KINDS
};

/* The first record of every session. */
struct record_session {
	int64_t wall_start_ns; /* since 1970 */
	const char *redmem_version;
	const char *kernel; /* uname -r */
	const char *machine; /* uname -m */
};

/* The server. May come again when more is known; the last one counts. */
struct record_target {
	int64_t pid;
	const char *server; /* "redis", "valkey", or "" when unknown */
	const char *version;
	const char *executable;
	const char *build_id; /* that one's, in hex digits; "" when it has none */
	const char *allocator; /* "jemalloc 5.3.0", "libc", "" */
	bool allocator_bundled; /* linked into the binary, not the system's library */
	bool can_defrag; /* built with the defrag hint (bundled jemalloc) */
	int64_t port; /* RECORD_UNKNOWN when none is known */
	const char *socket; /* unix socket path, "" when none */
	const char *role; /* "master", "replica" or "" */
	const char *container; /* its id's first 12 digits, or its name; "" = none */
	const char *container_name; /* in its pod, "" when not known */
	const char *pod; /* "NAMESPACE/NAME", or its uid; "" = none */
	bool connected; /* redmem talks to it */
	const char *connect_reason; /* why not, "" when connected */
};

/* One row of the sensor table; "attribution" and "connection" are among them. */
struct record_sensor {
	const char *id;
	bool on;
	const char *reason; /* why it is off or degraded, "" when fine */
	const char *fix; /* what the user can do about it, "" when nothing */
};

/* The machine around the server. Comes at the start and at the end. */
struct record_host {
	int64_t mem_total_bytes;
	int64_t mem_available_bytes;
	int64_t swap_total_bytes;
	int64_t swap_free_bytes;
	/* What may be promised under overcommit_memory 2, and what is (in any mode). */
	int64_t commit_limit_bytes;
	int64_t committed_bytes;
	int64_t overcommit_memory; /* 0, 1, 2 */
	int64_t swappiness; /* of the cgroup when it has its own, else of the machine */
	const char *thp_enabled; /* "always", "madvise", "never", "" */
	bool thp_disabled_for_target; /* prctl(PR_SET_THP_DISABLE) by the server */
	int64_t max_map_count;
	int64_t maps_total; /* mappings of the server */
	int64_t cgroup_version; /* 1, 2; RECORD_UNKNOWN without a memory controller */
	int64_t cgroup_limit_bytes; /* RECORD_UNKNOWN when unlimited */
	int64_t cgroup_usage_bytes;
	/* Smallest memory.high up the tree (v2), above which the kernel slows the server down;
	 * what is charged to the cgroup that has it, and how often that was held up. */
	int64_t cgroup_high_bytes;
	int64_t cgroup_high_usage_bytes;
	int64_t cgroup_high_events_total;
	int64_t cgroup_high_kept_bytes; /* of that what the kernel cannot drop */
	/* The cgroup up the tree with the least room between what cannot be dropped (anonymous
	 * memory, shmem, kernel, sockets: page cache can) and its limit. */
	const char *cgroup_near_path; /* below the mount point; "" when none is seen */
	bool cgroup_near_own; /* the server's own cgroup, not a parent */
	int64_t cgroup_near_limit_bytes;
	int64_t cgroup_near_usage_bytes;
	int64_t cgroup_near_anon_bytes;
	int64_t cgroup_near_shmem_bytes; /* with files on a tmpfs */
	int64_t cgroup_near_kernel_bytes;
	int64_t cgroup_near_sock_bytes;
	int64_t cgroup_near_hits_total; /* times its limit was met */
	int64_t cgroup_own_kept_bytes; /* what cannot be dropped of the server's own cgroup */
	int64_t cgroup_oom_kills_total; /* in the server's own cgroup */
	int64_t cgroup_swap_bytes;
	int64_t cpus_total;
	int64_t page_size_bytes;
	/* Of all CPUs since the machine started: in use by somebody; and taken away by the
	 * hypervisor while somebody wanted to run (/proc/stat). */
	double cpu_busy_seconds_total;
	double cpu_steal_seconds_total;
};

/* A CPU quota of the server's cgroup or of one above it, and how often the kernel held it
 * back for that. One for each with a quota, at the start and at the end. */
struct record_cpu_limit {
	const char *cgroup; /* path in its hierarchy, "/" for the topmost that is seen */
	bool own; /* the server's own cgroup, not a parent */
	double quota_cores; /* CPU time a period over the period's length */
	int64_t periods_total; /* in which somebody in it wanted to run */
	int64_t throttled_periods_total;
	double throttled_seconds_total; /* summed over its CPUs */
};

/* Where the file lies that the server appends its writes to, if it has one open. */
struct record_disk {
	const char *file; /* its path, as the server sees it */
	const char *device; /* "ext4 on /dev/vda1"; "" when not known */
};

/* A process other than the server that wrote to disks, of the few with most; at the end, and at
 * that of each window while the server has an AOF. */
struct record_writer {
	int64_t pid;
	const char *name;
	int64_t written_bytes; /* since it was told before, its ended children's among them */
};

/* One CONFIG GET parameter, or one redmem learnt elsewhere. */
struct record_config {
	const char *name;
	const char *value;
};

/* The host's side of one tick of the watch. t_seconds counts from the start. */
struct record_tick {
	double t_seconds;
	int64_t rss_bytes; /* anon + file + shmem */
	int64_t rss_anon_bytes;
	int64_t rss_file_bytes;
	int64_t rss_shmem_bytes;
	int64_t swap_bytes;
	int64_t vm_size_bytes;
	int64_t minor_faults_total; /* of the process since its start */
	int64_t major_faults_total;
	double cpu_seconds; /* user + system, since its start */
	int64_t threads_total;
	char state; /* R, S, D, T, Z... of the main thread; '?' unknown */
	bool answered; /* the server answered INFO for this tick */
	double reply_seconds; /* round trip of that INFO; NAN when none */
};

/* A raw INFO reply. phase: "start", "window" (one ends and the next begins) or "end", which
 * hold everything; "tick"; or "event" (only INFO memory). */
struct record_info {
	double t_seconds;
	const char *phase;
	const char *text;
};

/* MEMORY STATS flattened: "name value" lines, nested maps joined with '.'. */
struct record_memory_stats {
	double t_seconds;
	const char *phase;
	const char *text;
};

struct record_malloc_stats {
	double t_seconds;
	const char *phase;
	const char *text; /* raw MEMORY MALLOC-STATS */
	double reply_seconds;
};

/*
 * The mappings of one class, added up (from smaps). Classes: "allocator"
 * (anonymous memory of malloc), "binary" (executable and libraries with their
 * data and bss), "stacks", "heap" (brk), "file" (other file mappings),
 * "shared" (shmem), "kernel" (vdso, vvar).
 */
struct record_mapping {
	double t_seconds;
	const char *phase;
	int64_t pid; /* the server, or a child of it */
	const char *class_name;
	int64_t mappings_total;
	int64_t size_bytes;
	int64_t rss_bytes;
	int64_t pss_bytes;
	int64_t private_dirty_bytes;
	int64_t anon_huge_bytes;
	int64_t lazy_free_bytes;
	int64_t swap_bytes;
	double read_seconds; /* what reading all of smaps took */
};

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

/* Resident or swapped memory moved by more than the sensor's step. */
struct record_rss_move {
	double t_seconds;
	const char *member; /* "file", "anon", "swap", "shmem" */
	int64_t from_bytes;
	int64_t to_bytes;
	const char *command;
	struct bytes key;
};

/* A forked child (BGSAVE, AOF rewrite). May come again; the last one counts. */
struct record_child {
	int64_t pid;
	double t_start_seconds;
	double t_end_seconds; /* NAN while it lives */
	const char *purpose; /* "rdb", "aof", "module", "" unknown */
	int64_t rss_bytes; /* the largest seen */
	int64_t private_bytes; /* Private_Dirty, the largest seen: pages no longer shared */
	int64_t cow_faults; /* of the server while the child lived */
	double fork_seconds; /* latest_fork_usec when it is this fork's; NAN */
	int64_t exit_code; /* RECORD_UNKNOWN while it lives; 0 = ended well */
	int64_t exit_signal; /* what killed it, 0 = none; RECORD_UNKNOWN while it lives */
};

struct record_slowlog {
	int64_t id;
	int64_t unix_seconds;
	double seconds;
	const char *command; /* first argument, lower case */
	struct bytes
		key; /* by the rule of the command (redis/knowledge_commands.h); may be empty */
	struct bytes client; /* "127.0.0.1:51234" or a socket's path; may be empty */
	struct bytes client_name; /* CLIENT SETNAME; may be empty */
	/* Of a command of several keys: how many, and some besides the one above; 0 and less, and
	 * empty, where it has one. */
	int64_t keys_total;
	struct bytes key_2, key_3, key_4;
};

/* A command whose request or reply was large, as the server logged it (COMMANDLOG, Valkey 8.1). */
struct record_large {
	bool reply; /* else the request */
	int64_t id; /* of the log of the one or the other */
	int64_t unix_seconds;
	int64_t bytes;
	const char *command;
	struct bytes key;
	struct bytes client; /* address */
	struct bytes client_name;
};

struct record_latency {
	const char *event;
	int64_t unix_seconds;
	double latest_seconds;
	double max_seconds;
};

/* A client as the server lists it, at the end of the watch, and of one without end in each window;
 * not redmem's own. Of very many those with most memory (redis/clientsearch.h). */
struct record_client {
	int64_t id;
	struct bytes address; /* "127.0.0.1:51234" or a socket's path */
	struct bytes name; /* CLIENT SETNAME; may be empty */
	const char *user;
	const char *flags; /* as the server writes them: "O" monitor, "b" blocked, ... */
	const char *command; /* the last one: "client|list" */
	int64_t age_seconds, idle_seconds;
	int64_t query_bytes; /* sent and not yet read: qbuf */
	int64_t output_bytes; /* owed and not yet taken: omem */
	int64_t memory_bytes; /* all of it: tot-mem; RECORD_UNKNOWN before 6.2 */
	/* Parts of it: room left in the query's buffer (qbuf-free), arguments of the command under
	 * way (argv-mem), commands queued in a MULTI (multi-mem), the first buffer of replies
	 * (rbs). */
	int64_t query_free_bytes, argument_bytes, queued_bytes, reply_bytes;
	int64_t queued_total; /* commands queued in a MULTI: multi; none below 1 */
	int64_t subscriptions_total; /* channels and patterns: sub, psub, ssub */
	int64_t watched_total; /* keys it WATCHes; RECORD_UNKNOWN before 7.4 */
	/* What waits for it in the kernel, by the host's word on its socket. Where that is all that
	 * is known of it, the id is RECORD_UNKNOWN. */
	int64_t unsent_bytes;
};

/*
 * What the server holds that is no key and not in INFO: entries of a log, clients where they are
 * too many to list. Of some of them, looked at, it is known what they take. May come again; the
 * last one counts.
 */
struct record_held {
	double t_seconds;
	const char *name; /* "slowlog", "large-request", "large-reply", "clients" */
	int64_t objects_total; /* there are so many */
	int64_t looked_total; /* of which so many were looked at... */
	int64_t looked_bytes; /* ...and take so much in sum */
};

/*
 * Strings of one size class that lie in the allocator's memory, by their heads in some of its
 * pages, drawn at random (target/strings.h). Some may be free again.
 */
struct record_strings {
	double t_seconds;
	int64_t class_bytes;
	int64_t found_total; /* that begin in those pages */
	int64_t requested_bytes; /* what was asked for them, in sum */
	int64_t looked_bytes; /* of these pages... */
	int64_t resident_bytes; /* ...of so many that are there, by how many of the drawn were */
};

/* A bounded, no-touch look at a key. */
struct record_key {
	struct bytes key;
	int64_t name_bytes; /* of its name, where key is something else; 0 and less: it is not */
	int64_t db;
	const char *type; /* "none" when it is gone */
	const char *encoding;
	int64_t bytes;
	int64_t elements;
	double ttl_seconds; /* -1 = no expiry; NAN unknown */
	bool inferred; /* type and encoding: from other keys whose names differ in numbers only */
	enum redmem_key_source source;
	double pass_seconds; /* when in the pass; NAN */
	/* Of a stream, over its groups; RECORD_UNKNOWN where that may not be asked without
	 * touching it. */
	int64_t groups_total, consumers_total, pending_total;
	/* What only a dump tells; @dumped = it comes from one. */
	bool dumped;
	int64_t largest_bytes; /* its longest element */
	int64_t idle_seconds, frequency; /* since it was used, at the dump; LFU's counter */
	int64_t slot; /* where the dump tells it */
	int64_t dump_bytes; /* it takes in the dump */
	int64_t saved_bytes; /* LZF saved there */
	bool older; /* of a dump with which another is compared: only its prefix counts */
};

static inline int64_t record_key_name_bytes(const struct record_key *key)
{
	return key->name_bytes > 0 ? key->name_bytes : (int64_t)key->key.len;
}

/* The server's life: "exit", "exec", "oom" (chosen by the kernel to be killed), "hang" (no
 * answer), "answer" (again), "stopped" (SIGSTOP). */
struct record_life {
	double t_seconds;
	const char *event;
	const char *detail; /* a phrase for people, "" when none */
	double seconds; /* length where there is one (hang), else NAN */
	int64_t child_pid; /* oom: which child; 0 = the server itself */
	int64_t held_bytes; /* oom: resident memory then, without files; else RECORD_UNKNOWN */
};

/* What redmem itself has made the server count, to be taken out of what INFO tells: calls by
 * command ("config|get", and "refused config|get"), and under INFO's own names errors
 * ("errorstat_NOPERM") and lookups ("keyspace_hits"). */
struct record_own_calls {
	double t_seconds; /* of the INFO it is to be taken out of */
	const char *phase; /* likewise */
	const char *command;
	int64_t calls_total; /* since the start */
};

/* What redmem cost, and what it lost, so far. One a tick, and at the end. */
struct record_self {
	double setup_cpu_seconds; /* loading, calibrating: once, before the window */
	double cpu_seconds; /* in the window, with what ends it */
	double window_seconds;
	int64_t rss_bytes;
	double bpf_seconds; /* in redmem's programs, of the server's time */
	double other_bpf_seconds; /* of other processes', the whole host's; NAN = not known */
	bool bpf_scaled; /* the two are scaled from one second in a minute */
	int64_t events_total;
	int64_t drops_total;
	const char *drops; /* "reason=count ..." for those above 0, "" when none */
	int64_t keys_gone_total; /* looks at a key that was being made or freed: no loss */
	double target_pause_seconds; /* pauses redmem caused (calibration hits) */
	double smaps_seconds; /* longest reading of smaps */
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

/* MEMORY PURGE, sent because the user asked for it. */
struct record_purge {
	double t_seconds;
	double reply_seconds; /* round trip: the server stood still for most of it */
	const char *error; /* the server's refusal, "" when it did it */
	int64_t rss_before_bytes; /* of the server, as the kernel counts it */
	int64_t rss_after_bytes;
};

/* A boundary between two intervals of counting: one a tick. What windows end at. */
struct record_mark {
	double t_seconds; /* what happened before it is counted apart from what comes after */
	double drained_seconds; /* and all that happened before this has been handed over */
};

/* The pass over all keys goes on to this database or node; the keys that follow are its. */
struct record_pass_part {
	const char *node; /* id of the cluster's node, "" without a cluster */
	const char *address;
	const char *role; /* "master", "replica", "" */
	int64_t db;
	int64_t dbsize; /* what the server said at the start; RECORD_UNKNOWN */
};

/* So many chunks of the pass took so long to be answered. */
struct record_pass_reply {
	int64_t ns;
	int64_t replies_total;
};

/* How a pass over all keys went; comes when it is over, also when it ended early. */
struct record_pass {
	const char *end; /* "complete", "interrupted", "latency", "memory", "lost" */
	const char *cursor; /* to go on from, "" when complete */
	bool no_touch; /* the server was asked not to count the looks (CLIENT NO-TOUCH) */
	bool elements_asked; /* lengths of all collections, not only of big ones */
	int64_t repeats_total; /* keys that SCAN gave twice */
	int64_t gone_total;
	/* DBSIZE before and after, and how many keys the server deleted meanwhile because their
	 * time was past: it does so when SCAN meets them. RECORD_UNKNOWN. */
	int64_t before_total, after_total, expired_total;
	int64_t hidden_total; /* of replicas: held, and not given by SCAN; RECORD_UNKNOWN */
	int64_t refused_total;
	const char *refused; /* the first refusal, "" */
	int64_t inferred_total; /* keys whose type and encoding were not asked */
	int64_t commands_total; /* sent */
	int64_t hits_total, misses_total; /* of keyspace_hits and _misses, by them */
	double seconds;
	double rested_seconds;
	int64_t own_rss_bytes; /* redmem's largest */
	double own_cpu_seconds;
	double access_seconds, copy_byte_seconds; /* what memory costs on this host; NAN */
};

/* A row of what a scheduled pass over all keys has found: first all of them, then prefixes by
 * bytes, falling, then the largest keys. */
struct record_passed {
	double t_seconds; /* when the pass was over */
	const char *what; /* "all", "prefix", "key" */
	struct bytes key; /* or prefix */
	int64_t db; /* of a key */
	const char *type; /* of a key, "" */
	int64_t elements; /* of a key */
	int64_t keys_total; /* of all, and of a prefix */
	int64_t no_ttl_total; /* of them those that never expire */
	int64_t bytes; /* MEMORY USAGE */
	const char *end; /* of all: as record_pass.end */
	double seconds; /* of all: the pass took */
};

/* One key that was asked for at length; comes again at the end of the watch of it. */
struct record_one_key {
	double t_seconds;
	struct bytes key;
	int64_t db;
	const char *type; /* "none" when it is gone */
	const char *encoding;
	int64_t bytes; /* MEMORY USAGE */
	int64_t bytes_samples; /* elements that looked at; 0 = all */
	const char *bytes_reason; /* why it was not asked, "" */
	int64_t elements; /* bytes of a string */
	double ttl_seconds; /* -1 = no expiry; NAN */
	int64_t idle_seconds; /* unknown under an LFU policy, and frequency under any other */
	int64_t frequency; /* the logarithmic counter of LFU, 0 to 255 */
	bool no_touch; /* the server has promised that looks do not count (CLIENT NO-TOUCH) */
	bool touched; /* it was asked also what counts as use */
	const char *refused; /* the first refusal, "" */
	const char *elements_reason; /* why none, or not all that was wanted, was looked at; "" */
	const char *content; /* of a string: "json", "number", "text", "compressed", "binary", "" */
	double compressed_ratio; /* what zlib makes of the bytes looked at; NAN */
	int64_t content_bytes; /* looked at */
	double score_min, score_max; /* of a sorted set; NAN */
	int64_t groups_total; /* of a stream, as all below */
	int64_t nodes_total; /* that its entries lie in */
	int64_t added_total; /* entries ever added */
	const char *first_id, *last_id; /* "1700000000000-0", "" */
	int64_t commands_total; /* sent for all this */
	int64_t reply_bytes; /* of elements and ranges that came back */
	double seconds; /* that it took */
	double element_seconds; /* MEMORY USAGE took for one, by the server's own clock; NAN */
	double access_seconds, copy_byte_seconds; /* what memory costs on this host; NAN */
};

/* One element that was looked at. */
struct record_key_element {
	const char *place; /* "head", "tail" of a list or stream, "random" */
	int64_t name_bytes; /* of a field; RECORD_UNKNOWN where elements have no name */
	int64_t bytes; /* of the value, member, item, or all of a stream's entry */
	double score; /* NAN */
};

/* A consumer group of a stream. */
struct record_key_group {
	struct bytes name;
	int64_t consumers_total;
	int64_t pending_total;
	int64_t lag; /* entries it has not been given; RECORD_UNKNOWN */
	double oldest_pending_seconds; /* since that was delivered the last time; NAN */
	int64_t consumers_seen; /* looked at one by one; RECORD_UNKNOWN = none was */
	int64_t consumers_gone; /* of them: idle for a day or more */
	int64_t pending_of_gone;
};

struct record {
	enum record_kind kind;
	union {
		struct record_session session;
		struct record_target target;
		struct record_sensor sensor;
		struct record_host host;
		struct record_cpu_limit cpu_limit;
		struct record_disk disk;
		struct record_writer writer;
		struct record_config config;
		struct record_tick tick;
		struct record_info info;
		struct record_memory_stats memory_stats;
		struct record_malloc_stats malloc_stats;
		struct record_mapping mapping;
		struct record_profile profile;
		struct record_totals totals;
		struct record_stall stall;
		struct record_rss_move rss_move;
		struct record_child child;
		struct record_slowlog slowlog;
		struct record_latency latency;
		struct record_large large;
		struct record_client client;
		struct record_held held;
		struct record_key key;
		struct record_life life;
		struct record_own_calls own_calls;
		struct record_self self;
		struct record_call call;
		struct record_burst burst;
		struct record_budget budget;
		struct record_purge purge;
		struct record_strings strings;
		struct record_mark mark;
		struct record_pass_part pass_part;
		struct record_pass_reply pass_reply;
		struct record_pass pass;
		struct record_one_key one_key;
		struct record_key_element key_element;
		struct record_key_group key_group;
		struct record_passed passed;
	};
};

/* Whoever takes records: the model, a recording, or both. */
struct record_sink {
	void (*take)(void *ctx, const struct record *record);
	void *ctx;
};

static inline void record_emit(const struct record_sink *sink, const struct record *record)
{
	sink->take(sink->ctx, record);
}
