/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets among the open files of a process. A negative errno without the right to look (ptrace
 * access), or when it is gone. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Inodes of all sockets @pid has open, ascending; the caller's to free(). */
int sock_files_list(pid_t pid, uint64_t **inodes, size_t *count);
/* 1 when @pid has the socket @inode open, 0 when not. */
int sock_files_have(pid_t pid, uint64_t inode);
/* Of two inodes in such a list, for bsearch(). */
int sock_files_compare(const void *a, const void *b);
