/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing string of bytes, see buf.h for why it never fails, and numbers for people. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

void out_of_memory(void)
{
	fputs("redmem: out of memory\n", stderr);
	exit(EXIT_FAILURE);
}

void *xcalloc(size_t count, size_t size)
{
	/* calloc(0) may give NULL, which is not an error here. */
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

char *xmemdup(const void *p, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		out_of_memory();
	copy = xcalloc(1, len + 1);
	if (len)
		memcpy(copy, p, len);
	return copy;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s));
}

/* Room for @more bytes and the NUL behind them. */
static void buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;

	if (__builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 2)
		out_of_memory();
	if (need < b->cap)
		return;
	cap = b->cap ? b->cap : 64;
	while (cap <= need)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	buf_reserve(b, 128);
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0) {
		/* Only an invalid wide character can do this; nothing was promised. */
		b->data[b->len] = '\0';
		return;
	}
	if ((size_t)n >= b->cap - b->len) {
		buf_reserve(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void buf_fill(struct buf *b, char c, size_t count)
{
	buf_reserve(b, count);
	memset(b->data + b->len, c, count);
	b->len += count;
	b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

/* --- numbers for people -------------------------------------------------- */

/*
 * Each limit between two units lies half a printed digit below the round number, so that
 * rounding never prints "1024.0 KiB" or "1000 ms".
 */

#define NSEC_PER_SEC 1000000000

void fmt_bytes(struct buf *out, int64_t bytes)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024.0;
	unsigned int i = 0;

	if (bytes == INT64_MIN) {
		buf_putc(out, '-');
		return;
	}
	if (bytes > -1024 && bytes < 1024) {
		buf_printf(out, "%" PRId64 " B", bytes);
		return;
	}
	while (fabs(value) >= 1023.95 && i < 5) {
		value /= 1024.0;
		i++;
	}
	buf_printf(out, "%.1f %s", value, unit[i]);
}

void fmt_change(struct buf *out, int64_t bytes)
{
	if (bytes >= 0)
		buf_putc(out, '+');
	fmt_bytes(out, bytes);
}

/* 4 min 10 s, 2 h 5 min, 3 d 4 h: the two largest units. */
static void fmt_long_seconds(struct buf *out, double seconds)
{
	static const struct {
		int64_t large, small;
		const char *large_name, *small_name;
	} scale[] = {
		{ 86400, 3600, "d", "h" },
		{ 3600, 60, "h", "min" },
		{ 60, 1, "min", "s" },
	};
	unsigned int last = sizeof(scale) / sizeof(scale[0]) - 1;
	int64_t s;

	if (seconds > 1e15) { /* thirty million years; beyond it llround() may overflow */
		buf_puts(out, "-");
		return;
	}
	s = (int64_t)llround(seconds);
	for (unsigned int i = 0; i <= last; i++) {
		/* Rounded to the small unit, so that 59 min 59 s plus a bit is 1 h. */
		int64_t n = (s + scale[i].small / 2) / scale[i].small;
		int64_t per = scale[i].large / scale[i].small;

		if (n < per && i < last)
			continue;
		buf_printf(out, "%" PRId64 " %s %" PRId64 " %s", n / per, scale[i].large_name,
			   n % per, scale[i].small_name);
		return;
	}
}

void fmt_seconds(struct buf *out, double seconds)
{
	static const char *const unit[] = { "ns", "us", "ms", "s" };
	double value = seconds * 1e9;
	unsigned int i = 0;

	if (!isfinite(seconds) || seconds < 0) {
		buf_putc(out, '-');
		return;
	}
	if (seconds == 0.0) {
		buf_puts(out, "0 s");
		return;
	}
	if (seconds >= 59.5) {
		fmt_long_seconds(out, seconds);
		return;
	}
	while (value >= 999.5 && i < 3) {
		value /= 1000.0;
		i++;
	}
	buf_printf(out, "%.*f %s", value < 9.95 ? 1 : 0, value, unit[i]);
}

void fmt_count(struct buf *out, int64_t n)
{
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char text[32];
	unsigned int at = sizeof(text);

	if (n == INT64_MIN) {
		buf_putc(out, '-');
		return;
	}
	for (unsigned int digits = 0; rest || !digits; digits++) {
		if (digits && digits % 3 == 0)
			text[--at] = ',';
		text[--at] = (char)('0' + rest % 10);
		rest /= 10;
	}
	if (n < 0)
		text[--at] = '-';
	buf_add(out, text + at, sizeof(text) - at);
}

void fmt_rfc3339(struct buf *out, int64_t wall_ns)
{
	int64_t seconds = wall_ns / NSEC_PER_SEC;
	int64_t ns = wall_ns % NSEC_PER_SEC;
	struct tm tm;
	time_t t;

	if (ns < 0) { /* before 1970 */
		ns += NSEC_PER_SEC;
		seconds--;
	}
	t = (time_t)seconds;
	gmtime_r(&t, &tm);
	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ns / 1000000));
}
