/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets among the open files of a process. A negative errno without the right to look (ptrace
 * access), or when it is gone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sock_file {
	uint64_t inode;
	int number; /* the file's, as in /proc/PID/fd */
};

/* All sockets @pid has open, by rising inode; the caller's to free(). */
int sock_files_list(pid_t pid, struct sock_file **files, size_t *count);
/* 1 when @pid has the socket @inode open, 0 when not. */
int sock_files_have(pid_t pid, uint64_t inode);
/* The one of @inode in such a list; NULL when there is none. */
const struct sock_file *sock_files_find(const struct sock_file *files, size_t count,
					uint64_t inode);
/* Is @file still what @pid has open under its number? One readlink(), however many there are. */
bool sock_files_still(pid_t pid, const struct sock_file *file);
