/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a limit will be met: fifty shapes of load, of which the future is known, and shapes that
 * never meet it.
 *
 *	test_trend [-v]		tells each
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "diagnose/trend.h"

#define MIB 1048576.0

static bool verbose;

static uint64_t seed;

/* 0 to 1 */
static double chance(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(seed >> 33) / 2147483648.0;
}

/* --- shapes: bytes at a time, of a load that grows by G a second ------------------------- */

struct shape {
	const char *name;
	double (*at)(const struct shape *s, double t);
	double step, seconds; /* between points, of history */
	double ahead; /* of it the limit is met */
	double growth, size, period, noise;
};

static double linear(const struct shape *s, double t)
{
	return 1000 * MIB + s->growth * t;
}

/* Fills and is emptied at once, by expiry or a consumer. */
static double saw(const struct shape *s, double t)
{
	return linear(s, t) + s->size * fmod(t, s->period) / s->period;
}

/* Fills, and is emptied for a third of the time. */
static double tooth(const struct shape *s, double t)
{
	double phase = fmod(t, s->period) / s->period;

	return linear(s, t) + s->size * (phase < 0.66 ? phase / 0.66 : (1 - phase) / 0.34);
}

/* A batch each period. */
static double steps(const struct shape *s, double t)
{
	return 1000 * MIB + s->growth * s->period * floor(t / s->period);
}

static double wave(const struct shape *s, double t)
{
	return linear(s, t) + s->size * sin(2 * M_PI * t / s->period);
}

/* A wave, and teeth in it. */
static double wave_and_saw(const struct shape *s, double t)
{
	return wave(s, t) + s->size / 3 * fmod(t, s->period / 24) / (s->period / 24);
}

/* Grew more slowly before. */
static double bent(const struct shape *s, double t)
{
	double bend = s->seconds / 2;

	return 1000 * MIB +
	       (t < bend ? s->growth * t / 5 : s->growth * bend / 5 + s->growth * (t - bend));
}

/* Was emptied, and fills again. */
static double flushed(const struct shape *s, double t)
{
	return linear(s, t) - (t < s->seconds * 0.4 ? 0 : 600 * MIB);
}

/* Once a batch came, and it had nothing to do with the growth. */
static double lifted(const struct shape *s, double t)
{
	return linear(s, t) + (t < s->seconds * 0.6 ? 0 : s->size);
}

/* Grows faster and faster. */
static double curve(const struct shape *s, double t)
{
	return 1000 * MIB + s->growth * t * t / s->seconds / 2;
}

static double once(const struct shape *s, double t)
{
	return 1000 * MIB + (t < s->seconds / 2 ? 0 : s->size);
}

/* Comes to rest. */
static double filling(const struct shape *s, double t)
{
	return 1000 * MIB + s->size * (1 - exp(-t / s->period));
}

#define HOUR 3600.0
#define DAY  86400.0

/* Ten minutes ahead of an hour or two; of days it is scaled: four hours. */
#define SHORT(at, hours, growth, size, period, noise)                       \
	{                                                                   \
#at, at, 10, (hours)*HOUR, 600, growth, size, period, noise \
	}
#define LONG(at, days, growth, size, period, noise)                            \
	{                                                                      \
#at, at, 60, (days)*DAY, 4 * HOUR, growth, size, period, noise \
	}

/* clang-format off */
static const struct shape shapes[] = {
	SHORT(linear, 1, 0.1 * MIB, 0, 0, 0),
	SHORT(linear, 1, 1 * MIB, 0, 0, 2 * MIB),
	SHORT(linear, 2, 0.2 * MIB, 0, 0, 5 * MIB),
	SHORT(linear, 0.5, 0.5 * MIB, 0, 0, 10 * MIB),
	SHORT(linear, 1, 10 * MIB, 0, 0, 50 * MIB),
	SHORT(linear, 0.25, 0.1 * MIB, 0, 0, 1 * MIB),
	SHORT(saw, 1, 0.1 * MIB, 30 * MIB, 60, 1 * MIB),
	SHORT(saw, 1, 0.2 * MIB, 100 * MIB, 300, 2 * MIB),
	SHORT(saw, 2, 0.1 * MIB, 200 * MIB, 600, 2 * MIB),
	SHORT(saw, 1, 0.5 * MIB, 50 * MIB, 120, 5 * MIB),
	SHORT(saw, 1, 0.05 * MIB, 20 * MIB, 90, 1 * MIB),
	SHORT(saw, 2, 0.3 * MIB, 300 * MIB, 900, 5 * MIB),
	SHORT(saw, 1, 1 * MIB, 80 * MIB, 45, 3 * MIB),
	SHORT(tooth, 1, 0.1 * MIB, 30 * MIB, 60, 1 * MIB),
	SHORT(tooth, 1, 0.2 * MIB, 100 * MIB, 300, 2 * MIB),
	SHORT(tooth, 2, 0.1 * MIB, 150 * MIB, 600, 2 * MIB),
	SHORT(tooth, 1, 0.5 * MIB, 50 * MIB, 120, 5 * MIB),
	SHORT(tooth, 2, 0.25 * MIB, 100 * MIB, 400, 4 * MIB),
	SHORT(steps, 1, 0.2 * MIB, 0, 60, 1 * MIB),
	SHORT(steps, 1, 0.2 * MIB, 0, 120, 1 * MIB),
	SHORT(steps, 2, 0.1 * MIB, 0, 300, 2 * MIB),
	SHORT(steps, 2, 0.3 * MIB, 0, 200, 4 * MIB),
	SHORT(wave, 1, 0.2 * MIB, 40 * MIB, 300, 1 * MIB),
	SHORT(wave, 2, 0.1 * MIB, 50 * MIB, 600, 2 * MIB),
	SHORT(wave, 1, 0.5 * MIB, 50 * MIB, 400, 5 * MIB),
	SHORT(bent, 1, 0.5 * MIB, 0, 0, 2 * MIB),
	SHORT(bent, 1, 0.2 * MIB, 0, 0, 1 * MIB),
	SHORT(bent, 2, 1 * MIB, 0, 0, 5 * MIB),
	SHORT(flushed, 1, 0.5 * MIB, 0, 0, 2 * MIB),
	SHORT(flushed, 2, 0.3 * MIB, 0, 0, 2 * MIB),
	SHORT(lifted, 1, 0.5 * MIB, 300 * MIB, 0, 2 * MIB),
	SHORT(lifted, 2, 0.2 * MIB, 200 * MIB, 0, 2 * MIB),
	SHORT(curve, 1, 0.5 * MIB, 0, 0, 1 * MIB),
	SHORT(curve, 1, 1 * MIB, 0, 0, 2 * MIB),
	SHORT(curve, 2, 0.5 * MIB, 0, 0, 5 * MIB),
	LONG(linear, 1, 0.01 * MIB, 0, 0, 10 * MIB),
	LONG(linear, 2, 0.005 * MIB, 0, 0, 5 * MIB),
	LONG(wave, 3, 0.002 * MIB, 200 * MIB, DAY, 5 * MIB),
	LONG(wave, 3, 0.005 * MIB, 300 * MIB, DAY, 10 * MIB),
	LONG(wave, 4, 0.003 * MIB, 500 * MIB, DAY, 10 * MIB),
	LONG(wave, 5, 0.002 * MIB, 100 * MIB, DAY, 5 * MIB),
	LONG(wave_and_saw, 3, 0.004 * MIB, 300 * MIB, DAY, 5 * MIB),
	LONG(wave_and_saw, 4, 0.003 * MIB, 200 * MIB, DAY, 5 * MIB),
	LONG(saw, 2, 0.005 * MIB, 200 * MIB, HOUR, 5 * MIB),
	LONG(saw, 2, 0.01 * MIB, 300 * MIB, 2 * HOUR, 5 * MIB),
	LONG(steps, 2, 0.01 * MIB, 0, HOUR, 5 * MIB),
	LONG(steps, 1, 0.01 * MIB, 0, 0.5 * HOUR, 2 * MIB),
	LONG(lifted, 1, 0.01 * MIB, 500 * MIB, 0, 5 * MIB),
	LONG(flushed, 1, 0.02 * MIB, 0, 0, 5 * MIB),
	LONG(bent, 1, 0.02 * MIB, 0, 0, 5 * MIB),
};

/* That never meet a limit half as much again as they have. */
static const struct shape flats[] = {
	SHORT(linear, 1, 0, 0, 0, 10 * MIB),
	SHORT(linear, 2, 0, 0, 0, 50 * MIB),
	SHORT(saw, 1, 0, 200 * MIB, 300, 5 * MIB),
	SHORT(saw, 1, 0, 300 * MIB, 700, 5 * MIB),
	SHORT(tooth, 1, 0, 100 * MIB, 120, 2 * MIB),
	SHORT(wave, 2, 0, 200 * MIB, 900, 5 * MIB),
	SHORT(once, 1, 0, 300 * MIB, 0, 5 * MIB),
	SHORT(filling, 1, 0, 300 * MIB, 600, 1 * MIB),
	LONG(wave, 3, 0, 300 * MIB, DAY, 10 * MIB),
	LONG(saw, 1, 0, 300 * MIB, HOUR, 10 * MIB),
	LONG(once, 1, 0, 300 * MIB, 0, 10 * MIB),
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Around it, as often much as little. */
static double noisy(const struct shape *s, double t)
{
	return s->at(s, t) + s->noise * (chance() + chance() + chance() - 1.5);
}

static struct trend_point *history_of(const struct shape *s, size_t *count)
{
	struct trend_point *points;

	*count = (size_t)(s->seconds / s->step);
	points = xcalloc(*count, sizeof(*points));
	for (size_t i = 0; i < *count; i++)
		points[i] =
			(struct trend_point){ (double)i * s->step, noisy(s, (double)i * s->step) };
	return points;
}

/* The first time at or after @ahead at which it is higher than ever, and how much it is then. */
static double meets(const struct shape *s, const struct trend_point *points, size_t count,
		    double *limit)
{
	double now = points[count - 1].t_seconds, most = 0;

	for (size_t i = 0; i < count; i++)
		most = fmax(most, points[i].bytes);
	for (double t = now + s->step;; t += s->step) {
		double bytes = noisy(s, t);

		if (t >= now + s->ahead && bytes > most) {
			*limit = bytes;
			return t - now;
		}
		most = fmax(most, bytes);
	}
}

static void test_shapes(void **state)
{
	size_t right = 0;

	(void)state;
	assert_int_equal(COUNT(shapes), 50);
	for (size_t i = 0; i < COUNT(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct trend_point *points;
		struct trend trend;
		double limit, truth;
		bool good;
		size_t count;

		seed = 1000 + i;
		points = history_of(s, &count);
		truth = meets(s, points, count, &limit);
		trend = trend_of(points, count, limit, 7 * DAY);
		good = fabs(trend.seconds - truth) <= 0.2 * truth;
		right += good;
		if (verbose || !good)
			print_message("# %2zu %-12s %6.0f s true, %6.0f said (%.0f to %.0f), "
				      "confidence %.2f, period %.0f of %.0f%s\n",
				      i, s->name, truth, trend.seconds, trend.low_seconds,
				      trend.high_seconds, trend.confidence, trend.period_seconds,
				      s->period, good ? "" : "  WRONG");
		free(points);
	}
	print_message("# within 20 %%: %zu of %zu\n", right, COUNT(shapes));
	assert_true(right >= 45);
}

static void test_flat(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(flats); i++) {
		const struct shape *s = &flats[i];
		struct trend trend;
		size_t count;
		struct trend_point *points;

		seed = 2000 + i;
		points = history_of(s, &count);
		trend = trend_of(points, count, 2000 * MIB, DAY);
		if (isfinite(trend.seconds))
			fail_msg("%s %zu: is said to meet in %.0f s", s->name, i, trend.seconds);
		free(points);
	}
}

/* Two minutes of a server that was filled and has come to rest, as they were seen once: a curve
 * through them met 24 GB in an hour and a half. */
static void test_filled(void **state)
{
	static const double seen[] = { 695.4, 686.9, 687.0, 689.6, 688.9, 691.1,
				       688.8, 686.1, 691.6, 693.4, 693.4, 701.7 };
	struct trend_point points[COUNT(seen)];
	struct trend trend;

	(void)state;
	for (size_t i = 0; i < COUNT(seen); i++)
		points[i] = (struct trend_point){ 10.0 * (double)i, 1e6 * seen[i] };
	trend = trend_of(points, COUNT(seen), 25.3e9, DAY);
	assert_true(isinf(trend.seconds));
	/* what it grows by is told, and a limit that is near enough for what is known of it */
	trend = trend_of(points, COUNT(seen), 720e6, DAY);
	assert_true(isfinite(trend.seconds));
}

static void test_edges(void **state)
{
	struct trend_point points[40] = { 0 };
	struct trend trend;

	(void)state;
	trend = trend_of(points, 0, 100, DAY);
	assert_true(isinf(trend.seconds) && trend.confidence == 0);
	for (size_t i = 0; i < 40; i++)
		points[i] = (struct trend_point){ (double)i, i % 3 ? NAN : 5 + (double)i };
	trend = trend_of(points, TREND_POINTS_MIN - 1, 100, DAY);
	assert_true(isinf(trend.seconds));
	trend = trend_of(points, 40, 5, DAY); /* met already */
	assert_true(trend.seconds == 0 && trend.low_seconds == 0);
	trend = trend_of(points, 40, 64, DAY); /* one a second from 44 on */
	assert_true(fabs(trend.seconds - 20) < 4);
	assert_true(fabs(trend.bytes_per_second - 1) < 0.1);
	assert_true(trend.low_seconds < trend.seconds && trend.seconds < trend.high_seconds);
	trend = trend_of(points, 40, 1e9, 100); /* beyond the horizon */
	assert_true(isinf(trend.seconds));
	for (size_t i = 0; i < 40; i++) /* all at once: no time in it */
		points[i].t_seconds = 7;
	trend = trend_of(points, 40, 1e9, DAY);
	assert_true(isinf(trend.seconds));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_filled),
		cmocka_unit_test(test_edges),
	};

	verbose = argc > 1 && !strcmp(argv[1], "-v");
	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
