/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /proc/PID: what a process is and does. Everything a process can choose about
 * itself (its name, its paths) is any byte but NUL: escape before printing.
 *
 * A process may end between two calls: then -ENOENT or -ESRCH, and the caller
 * tells a successor with the same pid by proc_starttime().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Kernel threads have up to 63 bytes there, others up to 15 (TASK_COMM_LEN). */
#define PROC_COMM_SIZE 64

/* /proc/PID/stat: of the whole process. */
struct proc_stat {
	pid_t pid;
	pid_t ppid;
	char state; /* R, S, D, T, t, Z, X, I */
	char comm[PROC_COMM_SIZE];
	int64_t minor_faults; /* since the start, of all threads, also ended ones */
	int64_t major_faults;
	double user_seconds;
	double system_seconds;
	int64_t threads;
	uint64_t starttime_ticks; /* since boot, in clock ticks */
};

/* -EINVAL when @text is no whole stat line. */
int proc_stat_parse(struct proc_stat *out, const char *text);
int proc_stat_read(struct proc_stat *out, pid_t pid, struct err *err);
/* For proc_waited_ns(): a descriptor of the process's, which is asked often; a negative errno where
 * the kernel does not count (/proc/PID/schedstat). */
int proc_waited_open(pid_t pid);
/* How long the main thread has waited for a CPU since it began, although it could have run, in
 * nanoseconds. A negative errno when it has ended. */
int proc_waited_ns(int fd, int64_t *ns);
/* When the process started, in clock ticks since boot: with the pid it names one
 * process for good. */
int proc_starttime(pid_t pid, uint64_t *ticks);

/*
 * A descriptor that names this very process, also when it has ended and its id was
 * given to another (pidfd_open, Linux 5.3). The caller's to close(); a negative errno.
 */
int proc_hold(pid_t pid);
/* Has the process of a proc_hold() ended? No for a descriptor below 0. */
bool proc_held_ended(int pidfd);

/*
 * /proc/PID/status. RECORD_UNKNOWN for what the file does not say (kernel threads
 * and zombies have no Vm lines). The kernel's counters behind RSS are kept per
 * CPU and may be off by some pages for each; smaps is exact.
 */
struct proc_status {
	char name[PROC_COMM_SIZE];
	int64_t vm_size_bytes;
	int64_t rss_bytes;
	int64_t rss_anon_bytes;
	int64_t rss_file_bytes;
	int64_t rss_shmem_bytes;
	int64_t swap_bytes;
	int64_t uid; /* real */
	int64_t ns_pid; /* the pid in its own pid namespace */
	int64_t thp_enabled; /* 0: prctl(PR_SET_THP_DISABLE), or a kernel without THP */
	int64_t voluntary_switches; /* of the main thread only */
	int64_t involuntary_switches;
};

void proc_status_parse(struct proc_status *out, const char *text, size_t len);
int proc_status_read(struct proc_status *out, pid_t pid, struct err *err);

/* All processes / all threads of @pid / children of all its threads, ascending.
 * @out is the caller's to free(); NULL and 0 after an error. */
int proc_pids(pid_t **out, size_t *count, struct err *err);
int proc_threads(pid_t pid, pid_t **out, size_t *count, struct err *err);
int proc_children(pid_t pid, pid_t **out, size_t *count, struct err *err);

/* Name of a thread (or of the process, with tid == pid). */
int proc_comm(pid_t pid, pid_t tid, char out[PROC_COMM_SIZE]);

/* The soft limit of /proc/PID/limits for the stack; RECORD_UNKNOWN when unlimited. */
int proc_stack_limit(pid_t pid, int64_t *bytes);

/* The most memory our own process has had, in bytes (getrusage(2): ru_maxrss, in KiB). */
int64_t proc_own_peak_bytes(void);

/*
 * Open @path as @pid sees it: in its mount namespace and below its root, with
 * symbolic links resolved there, never in ours (openat2, Linux 5.6; older
 * kernels resolve absolute links wrongly). @flags as open(2); O_CLOEXEC and
 * O_NONBLOCK are added, so a FIFO put there stops nobody.
 * A file descriptor, or a negative errno.
 */
int proc_root_open(pid_t pid, const char *path, int flags, struct err *err);

/* Where the processes are that can be seen from here, for a message: "on this host", or
 * that it is a pid namespace of its own and what to do about it. Static. */
const char *proc_seen_where(void);
/* Is ours the first pid namespace, of which all others are parts? True when not known. */
bool proc_sees_all(void);

/* 1: @pid is in our network namespace, 0: in another, or a negative errno. */
int proc_same_net(pid_t pid);

/*
 * Reading another process's memory, without stopping it. Copy @len bytes at @address of
 * @pid. 0, or a negative errno: -EFAULT when not
 * all of it is mapped, -EPERM without CAP_SYS_PTRACE, -ESRCH.
 */
int memory_read(pid_t pid, uint64_t address, void *out, size_t len);

/* Copy a NUL-terminated string of at most @size - 1 bytes. Its length, or a
 * negative errno; -ENAMETOOLONG when there is no NUL within @size bytes. */
int memory_read_string(pid_t pid, uint64_t address, char *out, size_t size);
