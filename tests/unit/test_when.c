/* SPDX-License-Identifier: BSD-2-Clause */
/* Times and spans as people write them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "app/when.h"

#define NOW_MS 1764331200123LL /* 2025-11-28T12:00:00.123Z */

static int64_t at(const char *text)
{
	struct err err = { 0 };
	int64_t ms = -1;

	if (when_parse(&ms, text, NOW_MS, &err))
		fail_msg("%s: %s", text, err.text);
	return ms;
}

static void test_times(void **state)
{
	(void)state;
	assert_int_equal(at("now"), NOW_MS);
	assert_int_equal(at("-10m"), NOW_MS - 600000);
	assert_int_equal(at("-1h30m"), NOW_MS - 5400000);
	assert_int_equal(at("2025-11-28T03:00:00Z"), 1764298800000);
	assert_int_equal(at("2025-11-28T03:00:00.250Z"), 1764298800250);
	assert_int_equal(at("2025-11-28t03:00z"), 1764298800000);
	assert_int_equal(at("2025-11-28T03:00:00+01:00"), 1764298800000 - 3600000);
	assert_int_equal(at("2025-11-28T03:00:00-0530"), 1764298800000 + 19800000);
	assert_int_equal(at("2024-02-29T00:00:00Z"), 1709164800000);
	assert_int_equal(at("2000-02-29T00:00:00Z"), 951782400000);
	assert_int_equal(at("1764298800"), 1764298800000);
	assert_int_equal(at("1764298800.5"), 1764298800500);
}

static void test_local(void **state)
{
	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1); /* now is 13:00 there */
	tzset();
	assert_int_equal(at("03:00"), 1764298800000 - 3600000);
	assert_int_equal(at("12:59:59"), 1764331200000 - 1000);
	assert_int_equal(at("13:00"), 1764331200000);
	assert_int_equal(at("13:01"), 1764331200000 + 60000 - 86400000); /* yesterday's */
	assert_int_equal(at("2025-11-28 03:00"), 1764298800000 - 3600000);
	assert_int_equal(at("2025-07-01 03:00:07"), 1751331600000 + 7000); /* summer */
	setenv("TZ", "UTC", 1);
	tzset();
}

/* The night in which the clock goes back: it shows 02:30 twice, and yesterday had 25 hours. */
static void test_summer_ends(void **state)
{
	int64_t ms = 0;

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	/* 2025-10-27T08:00 local, asked for 09:00: the day before at 09:00, standard time. */
	assert_int_equal(when_parse(&ms, "09:00", 1761548400000, NULL), 0);
	assert_int_equal(ms, 1761548400000 + 3600000 - 86400000);
	/* On that Sunday at 02:00 for the second time: 23:00 was 4 hours ago. */
	assert_int_equal(when_parse(&ms, "23:00", 1761440400000, NULL), 0);
	assert_int_equal(ms, 1761440400000 - 4 * 3600000);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void test_no_times(void **state)
{
	static const char *const wrong[] = {
		"",
		"-",
		"noon",
		"3:00",
		"24:00",
		"03:60",
		"03:00:",
		"03:00x",
		"-10x",
		"--10m",
		"-0m",
		"2025-13-01T00:00:00Z",
		"2025-00-01T00:00:00Z",
		"2025-11-32T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29 00:00",
		"2025-11-28",
		"2025-11-28T",
		"2025-11-28T03:00:00Zz",
		"2025-11-28T03:00:00+1",
		"2025-11-28T03:00:00+25:00",
		"1e9",
		"99999999999999999999",
		"03:00\n",
		" 03:00",
		"nowx",
		"-99999999999999999999m",
		"1764298800x",
		"\x1b[2J",
	};
	struct err err;
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err = (struct err){ 0 };
		if (when_parse(&ms, wrong[i], NOW_MS, &err) != -EINVAL)
			fail_msg("\"%s\" was taken for %lld", wrong[i], (long long)ms);
		assert_non_null(strstr(err.text, "is not a time"));
		assert_null(strchr(err.text, '\x1b'));
	}
}

static void test_spans(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0 = none */
	} rows[] = {
		{ "90", 90000 },
		{ "90s", 90000 },
		{ "10m", 600000 },
		{ "2h", 7200000 },
		{ "7d", 604800000 },
		{ "1h30m", 5400000 },
		{ "1d2h3m4s", 93784000 },
		{ "3650d", 315360000000 },
		{ "", 0 },
		{ "0", 0 },
		{ "0m", 0 },
		{ "m", 0 },
		{ "1h30", 0 },
		{ "30m1h", 0 },
		{ "1m1m", 0 },
		{ "1 m", 0 },
		{ "-1m", 0 },
		{ "1.5h", 0 },
		{ "4000d", 0 },
		{ "99999999999d", 0 },
		{ "1w", 0 },
		{ "9999999999999999999999s", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		int64_t ms = 0;
		int ret = when_span(&ms, rows[i].text, &err);

		if (ret != (rows[i].ms ? 0 : -EINVAL) || ms != rows[i].ms)
			fail_msg("\"%s\": %d, %lld", rows[i].text, ret, (long long)ms);
	}
}

/* report, mcp and the web side ask so. */
static void test_stretches(void **state)
{
	static const struct {
		const char *at, *length;
		int64_t from_ms, to_ms; /* before now */
	} rows[] = {
		{ NULL, "10m", 600000, 0 },	    { "now", "10m", 600000, 0 },
		{ "-1h", "10m", 3600000, 3000000 }, { "-10m", "10m", 600000, 0 },
		{ "-5m", "10m", 300000, 0 }, /* not over yet */
	};
	int64_t from_ms, to_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			when_stretch(&from_ms, &to_ms, rows[i].at, rows[i].length, NOW_MS, NULL),
			0);
		assert_int_equal(from_ms, NOW_MS - rows[i].from_ms);
		assert_int_equal(to_ms, NOW_MS - rows[i].to_ms);
	}
	assert_int_equal(when_stretch(&from_ms, &to_ms, "2100-01-01 00:00", "1m", NOW_MS, NULL),
			 -EINVAL);
	assert_int_equal(when_stretch(&from_ms, &to_ms, "now", "0", NOW_MS, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),	    cmocka_unit_test(test_local),
		cmocka_unit_test(test_summer_ends), cmocka_unit_test(test_no_times),
		cmocka_unit_test(test_spans),	    cmocka_unit_test(test_stretches),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
