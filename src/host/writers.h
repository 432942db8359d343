/* SPDX-License-Identifier: BSD-2-Clause */
/* Who writes to disks beside the server, and on which of them its AOF lies. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "record/record.h"

/* What each process had written (/proc/PID/io) when this was made, or last told. */
struct writers;

/* Of all processes but @server; nothing where their counters may not be read. The caller's,
 * writers_free(). Some 10 us a process, of at most WRITERS_MAX; watches of several servers share
 * what was read, which is at most 1 % of a core. */
#define WRITERS_MAX 4096
struct writers *writers_new(pid_t server);
void writers_free(struct writers *writers);

/* A RECORD_WRITER for each of those that have written most since, at most WRITERS_TOLD. One that
 * came and went meanwhile is counted with its parent, as the kernel does. */
#define WRITERS_TOLD 3
void writers_tell(struct writers *writers, const struct record_sink *sink);

/* A RECORD_DISK for the AOF @server has open: where it lies. None without one. */
void disk_emit(const struct record_sink *sink, pid_t server);

/* The line of /proc/PID/mountinfo for device @major:@minor as "ext4 on /dev/vda1", into @out;
 * false when @line is another's. */
bool disk_of_line(const char *line, unsigned int major, unsigned int minor, struct buf *out);
