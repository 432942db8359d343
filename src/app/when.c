/* SPDX-License-Identifier: BSD-2-Clause */
/* Times as people write them; see when.h. */
#define _GNU_SOURCE 1 /* timegm() */
#include "app/when.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/escape.h"

#define DAY_MS	 (86400LL * 1000)
#define LONGEST	 (3653 * DAY_MS)
#define MANY	 1000000000LL /* a number that is too large in any unit */
#define LATEST_S 253402300799LL /* the last second of the year 9999 */

static int not_one(struct err *err, const char *text, const char *what)
{
	struct buf shown = {};

	escape_terminal(&shown, text, strlen(text), 40);
	err_set(err, -EINVAL, "\"%s\" is not %s", buf_str(&shown), what);
	buf_free(&shown);
	return -EINVAL;
}

/* @digits digits at *@at, which moves on; -1 when there are not so many. */
static int number(const char **at, int digits)
{
	int n = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		n = n * 10 + (**at - '0');
	}
	return n;
}

static bool is(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* ".123456": whole milliseconds of it; 0 where there is none. */
static int fraction_ms(const char **at)
{
	int ms = 0, unit = 100;

	if (!is(at, '.'))
		return 0;
	for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		ms += (**at - '0') * unit;
	return ms;
}

/* "03:00" or "03:00:15". */
static bool clock_time(const char **at, struct tm *tm)
{
	tm->tm_hour = number(at, 2);
	if (tm->tm_hour < 0 || !is(at, ':'))
		return false;
	tm->tm_min = number(at, 2);
	tm->tm_sec = is(at, ':') ? number(at, 2) : 0;
	return tm->tm_hour < 24 && tm->tm_min >= 0 && tm->tm_min < 60 && tm->tm_sec >= 0 &&
	       tm->tm_sec <= 60;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (leap && month == 2);
}

static bool date(const char **at, struct tm *tm)
{
	int year = number(at, 4), month = is(at, '-') ? number(at, 2) : -1,
	    day = is(at, '-') ? number(at, 2) : -1;

	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_of(year, month))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return true;
}

/* "+01:00", "Z": seconds east of Greenwich. False when it is neither. */
static bool zone(const char **at, int *seconds)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes;

	*seconds = 0;
	if (is(at, 'Z') || is(at, 'z'))
		return true;
	if (!is(at, '+') && !is(at, '-'))
		return false;
	hours = number(at, 2);
	is(at, ':');
	minutes = hours < 0 ? -1 : number(at, 2);
	*seconds = sign * (hours * 3600 + minutes * 60);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static bool full_time(const char *at, int64_t *out_ms)
{
	struct tm tm = { .tm_isdst = -1 };
	int ms, east;
	time_t when;

	if (!date(&at, &tm) || !(is(&at, 'T') || is(&at, 't') || is(&at, ' ')) ||
	    !clock_time(&at, &tm))
		return false;
	ms = fraction_ms(&at);
	if (!*at) {
		when = mktime(&tm);
	} else {
		if (!zone(&at, &east) || *at)
			return false;
		when = timegm(&tm) - east;
	}
	*out_ms = (int64_t)when * 1000 + ms;
	return true;
}

/* The last time that the clock on the wall showed it. */
static bool time_of_day(const char *at, int64_t now_ms, int64_t *out_ms)
{
	time_t now = (time_t)(now_ms / 1000), when = now + 1;
	struct tm clock = {}, day;

	if (!clock_time(&at, &clock) || *at)
		return false;
	/* mktime() knows which days have 23 hours, and which have 25. */
	for (int days_ago = 0; when > now && days_ago <= 2; days_ago++) {
		if (!localtime_r(&now, &day))
			return false;
		day.tm_mday -= days_ago;
		day.tm_hour = clock.tm_hour;
		day.tm_min = clock.tm_min;
		day.tm_sec = clock.tm_sec;
		day.tm_isdst = -1;
		when = mktime(&day);
	}
	*out_ms = (int64_t)when * 1000;
	return true;
}

static bool since_1970(const char *at, int64_t *out_ms)
{
	int64_t seconds = 0;
	int ms;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++)
		if ((seconds = seconds * 10 + (*at - '0')) > LATEST_S)
			return false;
	ms = fraction_ms(&at);
	*out_ms = seconds * 1000 + ms;
	return !*at;
}

/* The sum in @text; 0 when it is not one. */
static int64_t sum_of(const char *text)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = { { 'd', DAY_MS }, { 'h', 3600000 }, { 'm', 60000 }, { 's', 1000 } };
	const char *at = text;
	int64_t sum = 0;
	size_t unit = 0;

	do {
		const char *digits = at;
		int64_t n = 0;

		for (; *at >= '0' && *at <= '9' && n < MANY; at++)
			n = n * 10 + (*at - '0');
		if (at == digits)
			return 0;
		if (!*at && digits == text)
			return n * 1000;
		while (unit < 4 && *at != units[unit].unit)
			unit++; /* larger ones first, each once */
		if (unit == 4)
			return 0;
		sum += n * units[unit++].ms;
	} while (*++at);
	return sum;
}

int when_span(int64_t *out_ms, const char *text, struct err *err)
{
	int64_t sum = sum_of(text);

	if (sum <= 0 || sum > LONGEST)
		return not_one(err, text, "a length of time, such as 10m, 90s, 2h or 1h30m");
	*out_ms = sum;
	return 0;
}

int when_parse(int64_t *out_ms, const char *text, int64_t now_ms, struct err *err)
{
	int64_t span;

	if (!strcmp(text, "now")) {
		*out_ms = now_ms;
		return 0;
	}
	if (*text == '-' && !when_span(&span, text + 1, NULL)) {
		*out_ms = now_ms - span;
		return 0;
	}
	if (full_time(text, out_ms) || time_of_day(text, now_ms, out_ms) ||
	    since_1970(text, out_ms))
		return 0;
	return not_one(err, text,
		       "a time, such as 03:00, -10m, now, \"2026-11-28 03:00\" or "
		       "2026-11-28T03:00:00Z");
}

int when_stretch(int64_t *from_ms, int64_t *to_ms, const char *at, const char *length,
		 int64_t now_ms, struct err *err)
{
	int64_t length_ms = 0;
	int ret = when_span(&length_ms, length, err);

	if (!ret)
		ret = when_parse(from_ms, at ? at : "now", now_ms, err);
	if (!ret && *from_ms > now_ms)
		ret = err_set(err, -EINVAL, "that time is yet to come");
	if (ret)
		return ret;
	if (*from_ms == now_ms)
		*from_ms -= length_ms;
	*to_ms = *from_ms + length_ms < now_ms ? *from_ms + length_ms : now_ms;
	return 0;
}

/* --- each day --------------------------------------------------------------------------- */

/* "HH:MM" or "HH:MM:SS" at *@at, which moves on to what follows. */
static bool read_time(const char **at, struct tm *tm)
{
	int numbers[3] = { 0 }, count = 0;

	do {
		if (count == 3 || (*at)[0] < '0' || (*at)[0] > '9' || (*at)[1] < '0' ||
		    (*at)[1] > '9')
			return false;
		numbers[count++] = ((*at)[0] - '0') * 10 + ((*at)[1] - '0');
		*at += 2;
	} while (**at == ':' && ++*at);
	tm->tm_hour = numbers[0];
	tm->tm_min = numbers[1];
	tm->tm_sec = numbers[2];
	return count >= 2 && numbers[0] < 24 && numbers[1] < 60 && numbers[2] < 60 &&
	       (!**at || **at == ' ' || **at == '\t');
}

/* The first time that the clock on the wall shows @clock after @now_ms. */
static int64_t next_of(const struct tm *clock, int64_t now_ms)
{
	time_t now = (time_t)(now_ms / 1000);

	for (int days = 0; days <= 2; days++) {
		struct tm day;
		time_t when;

		if (!localtime_r(&now, &day))
			break;
		day.tm_mday += days; /* mktime() knows how long months and days are */
		day.tm_hour = clock->tm_hour;
		day.tm_min = clock->tm_min;
		day.tm_sec = clock->tm_sec;
		day.tm_isdst = -1;
		when = mktime(&day);
		if ((int64_t)when * 1000 > now_ms)
			return (int64_t)when * 1000;
	}
	return INT64_MAX;
}

int64_t when_next(const char *times, int64_t now_ms)
{
	int64_t next = INT64_MAX;

	for (times += strspn(times, " \t"); *times; times += strspn(times, " \t")) {
		struct tm clock = { .tm_isdst = -1 };
		int64_t when;

		if (!read_time(&times, &clock))
			return INT64_MAX;
		when = next_of(&clock, now_ms);
		if (when < next)
			next = when;
	}
	return next;
}
