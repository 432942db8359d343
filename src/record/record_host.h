/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of the watch, the host and the server's process; see record.h. */
#pragma once

#include "record/bytes.h"

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

/* A boundary between two intervals of counting: one a tick. What windows end at. */
struct record_mark {
	double t_seconds; /* what happened before it is counted apart from what comes after */
	double drained_seconds; /* and all that happened before this has been handed over */
};
