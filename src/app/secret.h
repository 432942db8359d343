/* SPDX-License-Identifier: BSD-2-Clause */
/* Passwords and tokens in files, and the files of settings they may be in. */
#pragma once

#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

/* Append a small regular file, which is text; @st is what it is like. @subsystem begins the
 * messages. */
int secret_read(struct buf *out, const char *path, size_t max, struct stat *st,
		const char *subsystem, struct err *err);
/* What holds a secret is for its owner, who is root or whoever this is, and a group. */
int secret_check(const char *path, const struct stat *st, const char *subsystem, struct err *err);
/* Nothing of it stays in memory. */
void secret_wipe(struct buf *text);
/* The same of a string from malloc(); NULL is fine. */
void secret_forget(char *text);
