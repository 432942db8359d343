/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a dump: a file, "-" for stdin, or what an AOF's manifest names as its base;
 * as they are or compressed by gzip or zstd. Or what a server sends.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "redis/fullsync.h"

struct dump_file;

/* 0, or a negative errno with @err. */
int dump_file_open(struct dump_file **file, const char *path, struct err *err);
/* What @sync sends, read ahead; @sync belongs to the file from now on. */
struct dump_file *dump_file_of_server(const char *name, struct fullsync *sync);
void dump_file_close(struct dump_file *file);
/* At most @size bytes; 0 = there are no more; or a negative errno with @err, -EINTR when the user
 * has interrupted. */
ssize_t dump_file_read(struct dump_file *file, void *data, size_t size, struct err *err);
/* How much of it has been read, 0 to 1; NAN where its size is not known. */
double dump_file_share(const struct dump_file *file);
