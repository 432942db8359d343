/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing a file that others may be reading: it is made beside the one that was there and takes
 * its place when it is whole, so that whoever opens it sees the one or the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * @mode as for open(). @lasting: its bytes are on the disk before it has its name, so that it
 * is one or the other after a crash, too. A negative errno with @err "PATH: cannot be ...: why";
 * all is then as it was.
 */
int replace_file(const char *path, const void *data, size_t len, mode_t mode, bool lasting,
		 struct err *err);
/* Could it be done? To be told before a watch rather than after it. */
int replace_check(const char *path, struct err *err);
