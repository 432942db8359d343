/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes for what a container may have chosen: files that are parsed, code that is run.
 * Such a process has namespaces of its own (as many as it can have here), a root directory
 * with nothing in it but what it is given, no rights, limits, and few system calls. The one
 * who starts it keeps the deadline.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct sock_fprog;

/* The process, as its parent has it. */
struct fence_process {
	pid_t pid;
	int pidfd; /* readable when it has ended */
};

/*
 * fork() into new pid, mount, network, ipc and uts namespaces, with a user namespace where
 * that takes one, or without any where none can be had. 0 in the child, which is in a session
 * of its own, has no signal blocked and no memory but a copy of ours, and must soon exec() or
 * call fence_enter().
 */
pid_t fence_fork(struct fence_process *out, struct err *err);
/* Kills it if it still runs, and waits for it. */
void fence_end(struct fence_process *process);

/* --- in the child; all give false when the fence is not up --- */

/* A file of the new root: a copy of what @fd holds, mode 0555. */
struct fence_file {
	const char *name; /* below the root; one directory at most */
	int fd;
};

/* From now on / is a small read-only file system with @files and nothing else. */
bool fence_root(const struct fence_file *files, size_t count);

struct fence_limits {
	uint64_t memory_bytes; /* address space */
	uint64_t cpu_seconds;
	uint64_t files; /* open at a time */
};

/* Without rights and without hope of new ones; a child of it is impossible. */
bool fence_enter(const struct fence_limits *limits, const struct sock_fprog *filter);

/* --- system calls --- */

/*
 * Filters of fence_enter(): what is not allowed fails with ENOSYS, as if this kernel did not
 * have it. Made beforehand, as making one takes memory and files. The caller frees
 * out->filter. The first may read what it is handed, answer, and no more. The second may also
 * open files for reading, map code, and execve() the program whose name is at that very
 * address.
 */
bool fence_filter_reader(struct sock_fprog *out);
bool fence_filter_program(struct sock_fprog *out, const char *program);
