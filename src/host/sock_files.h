/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets among the open files of a process. For sock.c and sock_listen.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Inodes of all sockets @pid has open, ascending; the caller's to free(). A
 * negative errno without the right to look (ptrace access). */
int sock_files_list(pid_t pid, uint64_t **out, size_t *count);
bool sock_files_has(pid_t pid, uint64_t inode);
