/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers for people. Each limit between two units lies half a printed digit
 * below the round number, so that rounding never prints "1024.0 KiB" or "1000 ms".
 */
#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "base/fmt.h"

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
