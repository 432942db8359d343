/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for people. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

/* "0 B", "812 B", "1.5 KiB", "10.2 GiB", "-3.0 MiB": 1024-based, one decimal;
 * INT64_MIN (not known) gives "-". */
void fmt_bytes(struct buf *out, int64_t bytes);
/* "8.3 us", "12 ms", "1.9 s", "4 min 10 s"; @seconds < 0 or NAN gives "-". */
void fmt_seconds(struct buf *out, double seconds);
/* "18231" -> "18,231"; INT64_MIN (not known) gives "-". */
void fmt_count(struct buf *out, int64_t n);
/* RFC 3339 in UTC with milliseconds from wall-clock nanoseconds since 1970. */
void fmt_rfc3339(struct buf *out, int64_t wall_ns);
