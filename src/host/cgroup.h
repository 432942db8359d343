/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cgroups of a process, version 1 or 2: what memory and CPU it may use, what it does.
 * A limit anywhere up the tree binds, so the smallest one counts.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * What of the memory charged to a cgroup, and to those below it, the kernel cannot just
 * drop when it gets short, as it drops page cache: it must be swapped out, or freed by who
 * has it. RECORD_UNKNOWN where the cgroup does not tell.
 */
struct cgroup_kept {
	int64_t anon_bytes;
	int64_t shmem_bytes; /* with files on a tmpfs */
	int64_t kernel_bytes; /* without slabs that can be dropped, where those are told (v2) */
	int64_t sock_bytes; /* v1 charges them to a limit of their own: RECORD_UNKNOWN */
};

/* The sum of what is known; RECORD_UNKNOWN when nothing is. */
int64_t cgroup_kept_bytes(const struct cgroup_kept *kept);

struct cgroup_memory {
	int64_t version; /* 1, 2; RECORD_UNKNOWN without a memory controller */
	char path[PATH_MAX]; /* of its own directory; "" when it cannot be seen from here */
	int64_t limit_bytes; /* smallest up the tree; RECORD_UNKNOWN when unlimited */
	int64_t limit_usage_bytes; /* charged to the cgroup that has that limit */
	/* memory.high (v2 only), smallest up the tree: above it the kernel makes those who
	 * allocate give back memory and sleep (Documentation/admin-guide/cgroup-v2.rst).
	 * What is charged to the cgroup that has it, and how often it or one below was
	 * held up so. */
	int64_t high_bytes;
	int64_t high_usage_bytes;
	int64_t high_events_total;
	int64_t high_kept_bytes; /* of what is charged to that cgroup */
	/* The cgroup up the tree with the least room between what cannot be dropped and its
	 * limit: that limit is met first, whether it is the smallest or not. */
	char near_path[PATH_MAX]; /* below the mount point, "/" for that; "" when none is seen */
	bool near_own; /* it is the process's own cgroup, not a parent */
	int64_t near_limit_bytes;
	int64_t near_usage_bytes;
	struct cgroup_kept near;
	int64_t near_hits_total; /* times its limit was met: memory.events max, v1 failcnt */
	struct cgroup_kept own; /* of its own cgroup */
	int64_t usage_bytes; /* charged to its own cgroup, page cache included */
	int64_t swap_usage_bytes;
	/* Most that may be swapped out: memory.swap.max (v2); memory and swap
	 * together less memory (v1, where only that sum can be limited). */
	int64_t swap_limit_bytes;
	int64_t swappiness; /* v1 only: version 2 has none of its own */
	int64_t oom_kills_total; /* in its own cgroup (v2: and below) */
};

/*
 * Below @top, of @version 1 or 2: a cgroup that has more in swap than there is room for below its
 * limit. Were that brought back, as swapoff(2) does, the kernel would kill there: each page is
 * charged to who had it (mm/swapfile.c, unuse_pte()). False for none, else @path is its.
 */
bool cgroup_leans_on_swap(const char *top, int version, struct buf *path);

/* A CPU quota (cpu.cfs_quota_us in version 1, cpu.max in version 2) and what came of it. */
struct cgroup_cpu {
	char path[PATH_MAX]; /* of the cgroup, below the mount point; "/" is the topmost seen */
	bool own; /* the process's own cgroup, not a parent */
	double quota_cores; /* CPU time a period over the period's length */
	int64_t periods_total, throttled_periods_total; /* RECORD_UNKNOWN */
	double throttled_seconds_total; /* summed over its CPUs; NAN */
};

/*
 * Where the cgroup of a process for @controller ("memory", "cpu") is: from the text of
 * /proc/PID/cgroup and of /proc/self/mountinfo. On success @version is 1 or 2, @mount the
 * mount point and @path the directory (below the mount point or the mount point itself).
 * -ENOENT when there is none, -EXDEV when the process is in a part of the tree
 * that is not mounted here (another cgroup namespace).
 */
int cgroup_locate(const char *controller, const char *cgroup_text, const char *mountinfo_text,
		  int *version, struct buf *mount, struct buf *path);

/*
 * @root comes before every path: "" for this machine, a directory for a recorded
 * one. Without a memory controller: 0 and a @version of RECORD_UNKNOWN.
 */
int cgroup_memory_read(struct cgroup_memory *out, const char *root, pid_t pid, struct err *err);

/* Hand each CPU quota up the tree to @each, the process's own first. 0 also without any, or
 * a negative errno. */
int cgroup_cpu_read(const char *root, pid_t pid,
		    void (*each)(void *ctx, const struct cgroup_cpu *cpu), void *ctx,
		    struct err *err);
