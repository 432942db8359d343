/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing string of bytes, always NUL-terminated, and numbers for people put into it.
 * Running out of memory ends the process with a message: a report of a few hundred KiB has
 * no use for a half-built string.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* NUL-terminated; NULL until the first write */
	size_t len; /* bytes before the NUL */
	size_t cap;
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* @count times @c. */
void buf_fill(struct buf *b, char c, size_t count);
/* The text, never NULL ("" when empty). Valid until the next write. */
const char *buf_str(const struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_free(struct buf *b);

/* malloc/realloc/strdup that end the process when memory is out. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xmemdup(const void *p, size_t len); /* adds a NUL after @len bytes */
/* The end they come to. */
void out_of_memory(void) __attribute__((noreturn));

/* --- numbers for people --- */

/* "0 B", "812 B", "1.5 KiB", "10.2 GiB", "-3.0 MiB": 1024-based, one decimal;
 * INT64_MIN (not known) gives "-". */
void fmt_bytes(struct buf *out, int64_t bytes);
/* The same with its sign: "+1.5 GiB", "-512 B". */
void fmt_change(struct buf *out, int64_t bytes);
/* "8.3 us", "12 ms", "1.9 s", "4 min 10 s"; @seconds < 0 or NAN gives "-". */
void fmt_seconds(struct buf *out, double seconds);
/* "18231" -> "18,231"; INT64_MIN (not known) gives "-". */
void fmt_count(struct buf *out, int64_t n);
/* RFC 3339 in UTC with milliseconds from wall-clock nanoseconds since 1970. */
void fmt_rfc3339(struct buf *out, int64_t wall_ns);
