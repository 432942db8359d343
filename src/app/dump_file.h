/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a dump: a file, "-" for stdin, or what an AOF's manifest names as its base;
 * as they are or compressed by gzip.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct dump_file;

/* 0, or a negative errno with @err. */
int dump_file_open(struct dump_file **file, const char *path, struct err *err);
void dump_file_close(struct dump_file *file);
/* At most @size bytes; 0 = there are no more; or a negative errno with @err. */
ssize_t dump_file_read(struct dump_file *file, void *data, size_t size, struct err *err);
/* How much of it has been read, 0 to 1; NAN for a pipe. */
double dump_file_share(const struct dump_file *file);
