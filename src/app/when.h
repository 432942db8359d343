/* SPDX-License-Identifier: BSD-2-Clause */
/* Times and spans as people and programs write them: of `redmem report --at`, of the web side. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * A time in milliseconds of the wall clock since 1970:
 *	now
 *	-10m			so long ago (when_span())
 *	03:00, 03:00:15		the last one, local
 *	2026-11-28 03:00	local; with seconds or without, a T or a blank between
 *	2026-11-28T03:00:00Z	RFC 3339; also with .123, and +01:00 instead of Z
 *	1732762800		seconds since 1970, as Prometheus has it; also with .123
 * -EINVAL with one line that says what would be one.
 */
int when_parse(int64_t *out_ms, const char *text, int64_t now_ms, struct err *err);

/* A length above 0 in milliseconds: "90" and "90s", "10m", "2h", "7d", "1h30m"; at most ten years.
 * -EINVAL with a line. */
int when_span(int64_t *out_ms, const char *text, struct err *err);

/* What begins at @at (when_parse(); NULL = now) and is as long as @length (when_span()) says: of
 * now the last of it, and of what is not over yet that until now. -EINVAL with a line, also for a
 * time after @now_ms. */
int when_stretch(int64_t *from_ms, int64_t *to_ms, const char *at, const char *length,
		 int64_t now_ms, struct err *err);

/* When the next of @times ("04:00 16:30", also with seconds; local) is after @now_ms; milliseconds
 * since 1970. INT64_MAX when they are none. */
int64_t when_next(const char *times, int64_t now_ms);
