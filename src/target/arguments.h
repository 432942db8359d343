/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments of the command a server executes, read from its memory; it does not notice. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "redmem/events.h"

/*
 * The argument that begins with the @len bytes at @begin, of the command under way: copies
 * it to @out and returns its length. -ENOENT when there is none (any more), -EMSGSIZE when
 * it is longer than @max.
 */
int target_argument(pid_t pid, const struct redmem_offsets *at, const char *begin, size_t len,
		    char *out, size_t max);
