/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the kernel's text files, whole or line by line. A last line without
 * its newline is dropped: it may be half a line, and half a number is a wrong one.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Takes one line, NUL-terminated in place of its newline, @len bytes long; may
 * write to it. Anything but 0 ends the walk and is returned from it. */
typedef int (*line_fn)(void *ctx, char *line, size_t len);

/* Longest line accepted; the longest the kernel writes is a path of PATH_MAX. */
#define FILE_LINE_MAX (1 << 20)

/* Append the whole of @path to @out. -EFBIG beyond @max bytes. */
int file_read(const char *path, size_t max, struct buf *out, struct err *err);
/* Each line of @path, read in pieces: a file of any size takes little memory. */
int file_lines(const char *path, line_fn fn, void *ctx, struct err *err);
/* The same on a text in memory. */
int text_lines(const char *text, size_t len, line_fn fn, void *ctx);

/* The number a file holds ("60\n"). -EINVAL when it is something else, such as
 * cgroup's "max"; @out is then RECORD_UNKNOWN, as after every error. */
int file_int64(const char *path, int64_t *out);

/* Decimal number at the start of @text, after blanks; RECORD_UNKNOWN when there is
 * none or it does not fit. */
int64_t text_int64(const char *text);
/* "   123 kB" in bytes; RECORD_UNKNOWN as above. */
int64_t text_kb(const char *text);
/* Value behind "NAME:" when @line starts with it, else NULL. */
const char *text_field(const char *line, const char *name);
