/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in memory as gzip has them. */
#pragma once

#include "base/buf.h"

/* Append @data, packed, at @level (1 is fast, 9 small). There is no name and no time in it: of the
 * same bytes it makes the same. */
void gzip_add(struct buf *out, const void *data, size_t len, int level);
/* Append what @data, packed so, holds: -EBADMSG when it is something else or ends too early,
 * -EFBIG for more than @max bytes; @out is as it was then. */
int gzip_read(struct buf *out, const void *data, size_t len, size_t max);
