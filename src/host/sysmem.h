/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine: its memory, how its kernel is set to manage it, what it costs, and the records
 * of it. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "record/record.h"

/* /proc/meminfo, in bytes; RECORD_UNKNOWN for what is not there. */
struct meminfo {
	int64_t total_bytes;
	int64_t free_bytes;
	int64_t available_bytes;
	int64_t swap_total_bytes;
	int64_t swap_free_bytes;
	int64_t commit_limit_bytes;
	int64_t committed_bytes;
};

void meminfo_parse(struct meminfo *out, const char *text, size_t len);

/* The chosen word of "always [madvise] never", as a constant string; "" when it is
 * none of those the kernel has. */
const char *thp_choice(const char *text);

/* Readers. @root comes before every path: "" for this machine. */
int meminfo_read(struct meminfo *out, const char *root);
/* A number below /proc/sys, such as "vm/overcommit_memory"; RECORD_UNKNOWN. */
int64_t sysctl_read(const char *root, const char *name);

/* Everything record_host holds, unknown where it cannot be read; strings are constants, but
 * for cgroup_near_path, which the thread's next call overwrites. A negative errno when the
 * process is gone; the machine's side is filled all the same. host_record_fill_from() reads
 * below @root, where the tests put a recorded machine. */
int host_record_fill(struct record_host *out, pid_t pid);
int host_record_fill_from(struct record_host *out, const char *root, pid_t pid);

/* --- the host as a watch tells it ---------------------------------------------- */

/* When t = 0 was, @start_ns of the monotonic clock, by what and where; @pid as below. */
void host_session_emit(const struct record_sink *sink, pid_t pid, int64_t start_ns);
/* The machine around process @pid. Nothing for a @pid of 0, a server that is not to be seen
 * from here: its machine is another. */
void host_emit(const struct record_sink *sink, pid_t pid);
/* The host's side of a tick; the time and the server's side are the caller's. -ESRCH when
 * the process that began at @starttime has ended; all unknown for a @pid of 0. */
int host_tick_fill(struct record_tick *out, pid_t pid, uint64_t starttime);

/* What memory costs on this host, for predictions of how long work on data takes. */
struct host_speed {
	double access_seconds; /* a read at a random place: cache and TLB miss */
	double copy_byte_seconds; /* of a long memcpy() */
};

/* Measure: some 30 ms and 16 MiB, which are given back. */
void host_speed_measure(struct host_speed *speed);
