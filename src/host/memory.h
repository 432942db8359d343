/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading another process's memory, without stopping it. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Copy @len bytes at @address of @pid. 0, or a negative errno: -EFAULT when not
 * all of it is mapped, -EPERM without CAP_SYS_PTRACE, -ESRCH. */
int memory_read(pid_t pid, uint64_t address, void *out, size_t len);

/* Copy a NUL-terminated string of at most @size - 1 bytes. Its length, or a
 * negative errno; -ENAMETOOLONG when there is no NUL within @size bytes. */
int memory_read_string(pid_t pid, uint64_t address, char *out, size_t size);
