/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits seen over hours and days of windows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "diagnose/outlook.h"
#include "model_records.h"

#define HOUR 3600.0
#define DAY  86400.0
#define MAX  (2000 * MIB)

static void window(struct outlook *o, double t, double used, double user_bytes)
{
	struct model *m = model_new();
	char text[128];

	take_sensor(m, "flow", true);
	snprintf(text, sizeof(text), "used_memory:%.0f\r\nmaxmemory:%lld\r\n", used,
		 (long long)MAX);
	take_info(m, 0, "tick", text);
	take_profile(m, EVENT_ALLOC, "set", "user:1", user_bytes, NAN);
	take_profile(m, EVENT_ALLOC, "set", "cart:1", 1000, NAN);
	take_profile(m, EVENT_FREE, "del", "cart:1", 1000, NAN);
	model_finish(m);
	outlook_take(o, m, t);
	model_free(m);
}

static void test_growth(void **state)
{
	struct outlook *o = outlook_new();
	struct trend trend;
	struct bytes prefix;
	double rate;

	(void)state;
	assert_false(outlook_behind(o, &prefix, &rate));
	assert_true(isnan(outlook_trend(o, LIMIT_MAXMEMORY).bytes_per_second));
	for (int i = 0; i < 360; i++) {
		window(o, 1e9 + 10 * i, 1000 * MIB + 0.1 * MIB * 10 * i, 1 * MIB);
		if (i < TREND_POINTS_MIN - 1)
			assert_true(isnan(outlook_trend(o, LIMIT_MAXMEMORY).bytes_per_second));
	}
	trend = outlook_trend(o, LIMIT_MAXMEMORY);
	assert_true(fabs(trend.seconds - 6410) < 700);
	assert_true(trend.confidence > 0.8);
	assert_true(fabs(trend.bytes_per_second - 0.1 * MIB) < 0.01 * MIB);
	assert_true(isinf(outlook_trend(o, LIMIT_CGROUP).seconds)); /* there is none */
	assert_true(outlook_behind(o, &prefix, &rate));
	assert_int_equal(prefix.len, 6);
	assert_memory_equal(prefix.data, "user:*", 6);
	assert_true(fabs(rate - 0.1 * MIB) < 0.01 * MIB);
	outlook_free(o);
}

static double day(double t)
{
	return 1000 * MIB + 400 * MIB * sin(2 * M_PI * t / DAY);
}

/* In the middle of the rise of each day a line through the last hours meets the limit. */
static void test_morning(void **state)
{
	struct outlook *o = outlook_new();
	double t = 0;
	struct trend trend;

	(void)state;
	for (; t < 3 * DAY + HOUR; t += 30)
		window(o, t, day(t), 0);
	trend = outlook_trend(o, LIMIT_MAXMEMORY);
	assert_true(fabs(trend.period_seconds - DAY) < HOUR);
	assert_true(isinf(trend.seconds));
	/* more than that is a leak, whatever the time of the day */
	for (double from = t; t < from + HOUR; t += 30)
		window(o, t, day(t) + (t - from) * 0.1 * MIB, 0);
	trend = outlook_trend(o, LIMIT_MAXMEMORY);
	assert_true(trend.seconds < 3 * HOUR);
	outlook_free(o);
}

static void test_clock(void **state)
{
	struct outlook *o = outlook_new();

	(void)state;
	for (int i = 0; i < 100; i++)
		window(o, 1e9 + 10 * i, 1000 * MIB + 10 * MIB * i, 0);
	assert_true(isfinite(outlook_trend(o, LIMIT_MAXMEMORY).seconds));
	window(o, 1e8, 1000 * MIB, 0); /* set back by years: what was before is of no use */
	assert_true(isnan(outlook_trend(o, LIMIT_MAXMEMORY).bytes_per_second));
	outlook_free(o);
}

/* A window in which a save ended, or none did. */
static void save_window(struct outlook *o, double t, double used, double written, bool saved)
{
	struct record child = record_new(RECORD_CHILD), tick = record_new(RECORD_TICK);
	struct model *m = model_new();
	char text[64];

	take_sensor(m, "flow", true);
	snprintf(text, sizeof(text), "used_memory:%.0f\r\n", used);
	take_info(m, 0, "tick", text);
	tick.tick.t_seconds = 10;
	tick.tick.rss_bytes = (int64_t)(1.5 * used);
	model_take(m, &tick);
	take_profile(m, EVENT_ALLOC, "set", "user:1", written, NAN);
	child.child.pid = 7;
	child.child.t_start_seconds = 1;
	child.child.t_end_seconds = 5;
	child.child.exit_code = 0;
	child.child.private_bytes = 30 * MIB;
	child.child.fork_seconds = 0.02;
	if (saved)
		model_take(m, &child);
	model_finish(m);
	outlook_take(o, m, t);
	model_free(m);
}

static void test_save(void **state)
{
	struct outlook *o = outlook_new();
	struct next_save save = outlook_save(o);

	(void)state;
	assert_true(isnan(save.fork_seconds) && isnan(save.seconds) && isnan(save.copied_bytes));
	save_window(o, 10, 1000 * MIB, 50 * MIB, true);
	save = outlook_save(o);
	assert_true(fabs(save.fork_seconds - 0.02) < 1e-6);
	assert_true(fabs(save.seconds - 4) < 1e-6);
	assert_true(fabs(save.copied_bytes - 30 * MIB) < 1);
	/* twice the data, and three times as much written */
	save_window(o, 20, 2000 * MIB, 150 * MIB, false);
	save = outlook_save(o);
	assert_true(fabs(save.fork_seconds - 0.04) < 1e-6);
	assert_true(fabs(save.seconds - 8) < 1e-6);
	assert_true(fabs(save.copied_bytes - 180 * MIB) < 1 * MIB);
	outlook_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_morning),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_save),
	};

	return cmocka_run_group_tests_name("outlook", tests, NULL, NULL);
}
