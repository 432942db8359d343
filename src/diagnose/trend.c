/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forecasts by several ways, and which to believe; see trend.h.
 *
 * The series is brought to even steps. A way of forecasting tells the values of the next steps from
 * the first N. Which would have been right is tried out: the series is cut at a few places in its
 * last half, each way tells what came after, and that with the least error is taken for the next.
 */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "diagnose/trend.h"

#define STEPS_MAX 720 /* of the series */
/* Ahead: as many as two days have minutes. */
#define AHEAD_MAX 2880
/* Slopes are taken between the means of so many parts. */
#define PARTS 24
/* A period is one when what is a period apart is as alike as this (autocorrelation). */
#define PERIOD_LIKE 0.5
#define PERIOD_MIN  4 /* steps */
/* A growth that is not this many times its own error is none. */
#define GROWTH_SURE 2
/* No farther ahead than this many times what was seen: an hour tells of a day, and the two minutes
 * in which a server was filled do not. */
#define SEEN_TIMES 24
/* Of the noise around a line, the part that lies below: a limit is met by the peaks. */
#define PEAK 0.9
/* Places where the series is cut to try ways out, from its end: of all steps. */
static const double cuts[] = { 0.06, 0.12, 0.25, 0.4 };

#define CUTS (sizeof(cuts) / sizeof(cuts[0]))

struct series {
	double y[STEPS_MAX];
	size_t count;
	double step; /* seconds */
	size_t period; /* steps; 0 = none */
};

/* How the future is made of the first @n steps. */
struct way {
	void (*tell)(const struct series *s, size_t n, const struct way *way, double *ahead,
		     size_t count);
	double part; /* of the series, its last, that is looked at */
};

/* --- medians --------------------------------------------------------------------- */

static int rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static double quantile(double *values, size_t count, double q)
{
	if (!count)
		return NAN;
	qsort(values, count, sizeof(*values), rising);
	return values[(size_t)(q * (double)(count - 1) + 0.5)];
}

/* Half of what lies between all but the outer sixths: a standard deviation, of a normal
 * distribution. @values are sorted. */
static double spread_of(const double *values, size_t count)
{
	return count ? (values[(size_t)(0.84 * (double)(count - 1))] -
			values[(size_t)(0.16 * (double)(count - 1))]) /
			       2 :
		       NAN;
}

/* --- even steps -------------------------------------------------------------------- */

static double usual_distance(const struct trend_point *points, size_t count)
{
	double *distances = xcalloc(count, sizeof(*distances));
	double usual;

	for (size_t i = 1; i < count; i++)
		distances[i - 1] = points[i].t_seconds - points[i - 1].t_seconds;
	usual = quantile(distances, count - 1, 0.5);
	free(distances);
	return usual;
}

/* The largest of each step; a gap is filled with a straight line. False when there is too little
 * of it. */
static bool series_make(struct series *s, const struct trend_point *points, size_t count)
{
	double first = points[0].t_seconds, span = points[count - 1].t_seconds - first;
	size_t last = 0;

	s->step = usual_distance(points, count);
	if (!(s->step > 0) || !(span > 0))
		return false;
	s->step = fmax(s->step, span / (STEPS_MAX - 1));
	s->count = (size_t)(span / s->step + 0.5) + 1;
	if (s->count > STEPS_MAX)
		s->count = STEPS_MAX;
	for (size_t i = 0; i < s->count; i++)
		s->y[i] = NAN;
	for (size_t i = 0; i < count; i++) {
		size_t at = (size_t)((points[i].t_seconds - first) / s->step + 0.5);

		at = at < s->count ? at : s->count - 1;
		s->y[at] = fmax(s->y[at], points[i].bytes);
	}
	for (size_t i = 1; i < s->count; i++) {
		if (isnan(s->y[i]))
			continue;
		for (size_t j = last + 1; j < i; j++)
			s->y[j] = s->y[last] +
				  (s->y[i] - s->y[last]) * (double)(j - last) / (double)(i - last);
		last = i;
	}
	return s->count >= TREND_POINTS_MIN;
}

/* --- a line --------------------------------------------------------------------- */

struct line {
	double slope; /* a step */
	double at_end; /* of its peaks, at the last step */
	double noise; /* around it */
};

/* The median of the slopes between the means of parts (Theil and Sen): what does not belong to the
 * line has no weight in it. */
static struct line line_through(const double *y, size_t n)
{
	size_t parts = n < PARTS ? n : PARTS, slopes_count = 0;
	double means[PARTS], middles[PARTS], slopes[PARTS * PARTS / 2];
	double *rest = xcalloc(n, sizeof(*rest));
	struct line line;

	for (size_t p = 0; p < parts; p++) {
		size_t from = p * n / parts, to = (p + 1) * n / parts;

		means[p] = 0;
		for (size_t i = from; i < to; i++)
			means[p] += y[i] / (double)(to - from);
		middles[p] = (double)(from + to - 1) / 2;
		for (size_t q = 0; q < p; q++)
			slopes[slopes_count++] = (means[p] - means[q]) / (middles[p] - middles[q]);
	}
	line.slope = quantile(slopes, slopes_count, 0.5);
	for (size_t i = 0; i < n; i++)
		rest[i] = y[i] + line.slope * (double)(n - 1 - i);
	line.at_end = quantile(rest, n, PEAK);
	line.noise = spread_of(rest, n);
	free(rest);
	return line;
}

static const double *last_part(const struct series *s, size_t n, double part, size_t *count)
{
	*count = (size_t)((double)n * part);
	if (*count < TREND_POINTS_MIN)
		*count = n < TREND_POINTS_MIN ? n : TREND_POINTS_MIN;
	return s->y + n - *count;
}

static void tell_line(const struct series *s, size_t n, const struct way *way, double *ahead,
		      size_t count)
{
	size_t part;
	const double *y = last_part(s, n, way->part, &part);
	struct line line = line_through(y, part);

	/* What is no more than the noise around it is no growth. */
	if (fabs(line.slope) * (double)part < line.noise)
		line.slope = 0;
	for (size_t i = 0; i < count; i++)
		ahead[i] = line.at_end + line.slope * (double)(i + 1);
}

/* A line through each half: the slope goes on changing as it did, for as long as it was seen to,
 * and then stays. What slows down comes to rest. */
static void tell_curve(const struct series *s, size_t n, const struct way *way, double *ahead,
		       size_t count)
{
	size_t part;
	const double *y = last_part(s, n, way->part, &part);
	size_t half = part / 2;
	struct line before = line_through(y, half), after = line_through(y + half, part - half);
	double change = (after.slope - before.slope) / ((double)part / 2);
	double slope = after.slope + change * (double)(part - half) / 2, value;

	value = after.at_end + change * pow((double)(part - half), 2) / 8;
	for (size_t i = 0; i < count; i++) {
		if (slope * before.slope > 0 || change * before.slope > 0)
			value += slope;
		ahead[i] = value;
		if (i < part)
			slope += change;
	}
}

/* --- what comes again ----------------------------------------------------------------- */

/* How alike is what lies @lag steps apart, about a line through all? */
static double likeness(const double *rest, size_t n, size_t lag)
{
	double both = 0, a = 0, b = 0;

	for (size_t i = lag; i < n; i++) {
		both += rest[i] * rest[i - lag];
		a += rest[i] * rest[i];
		b += rest[i - lag] * rest[i - lag];
	}
	return a > 0 && b > 0 ? both / sqrt(a * b) : 0;
}

/* The shortest lag that is nearly as alike as the one that is most, at a peak of likeness. */
static size_t find_period(const struct series *s)
{
	struct line line = line_through(s->y, s->count);
	double rest[STEPS_MAX], like[STEPS_MAX / 2 + 1], most = PERIOD_LIKE, mean = 0;
	size_t lags = s->count / 2;

	for (size_t i = 0; i < s->count; i++) {
		rest[i] = s->y[i] - line.slope * (double)i;
		mean += rest[i] / (double)s->count;
	}
	for (size_t i = 0; i < s->count; i++)
		rest[i] -= mean;
	for (size_t lag = PERIOD_MIN - 1; lag <= lags; lag++)
		like[lag] = likeness(rest, s->count, lag);
	for (size_t lag = PERIOD_MIN; lag < lags; lag++)
		if (like[lag] >= like[lag - 1] && like[lag] >= like[lag + 1])
			most = fmax(most, like[lag]);
	for (size_t lag = PERIOD_MIN; lag < lags; lag++)
		if (like[lag] >= like[lag - 1] && like[lag] >= like[lag + 1] &&
		    like[lag] >= most * 0.9 && like[lag] >= PERIOD_LIKE)
			return lag;
	return 0;
}

/* What it grows by in a period; 0 when that is not sure. */
static double growth_of_period(const struct series *s, size_t n)
{
	size_t from = n > 4 * s->period ? n - 3 * s->period : s->period, count = 0;
	double differences[STEPS_MAX] = { 0 }, middle, spread;

	for (size_t i = from; i < n; i++)
		differences[count++] = s->y[i] - s->y[i - s->period];
	middle = quantile(differences, count, 0.5);
	spread = spread_of(differences, count);
	/* those next to one another are alike: of a period a few stand for themselves */
	return fabs(middle) > GROWTH_SURE * spread / sqrt(fmax((double)count / 8, 1)) ? middle : 0;
}

static void tell_again(const struct series *s, size_t n, const struct way *way, double *ahead,
		       size_t count)
{
	double growth;

	(void)way;
	if (!s->period || n < 2 * s->period) {
		tell_line(s, n, &(struct way){ .part = 1 }, ahead, count);
		return;
	}
	growth = growth_of_period(s, n);
	for (size_t i = 0; i < count; i++)
		ahead[i] =
			s->y[n - s->period + i % s->period] + growth * (double)(i / s->period + 1);
}

/* --- which to believe ------------------------------------------------------------------ */

static const struct way ways[] = {
	{ tell_again, 1 },   { tell_line, 1 },	{ tell_line, 0.5 },  { tell_line, 0.25 },
	{ tell_line, 0.12 }, { tell_curve, 1 }, { tell_curve, 0.5 },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* What the way would have been wrong by, beside what there was to be told: how far the series moved
 * after the cut. */
static double error_at(const struct series *s, const struct way *way, size_t cut, double *ahead)
{
	size_t count = s->count - cut;
	double wrong = 0, moved = 0;

	way->tell(s, cut, way, ahead, count);
	for (size_t i = 0; i < count; i++) {
		wrong += fabs(ahead[i] - s->y[cut + i]);
		moved += fabs(s->y[cut + i] - s->y[cut - 1]);
	}
	return wrong / fmax(moved, 1e-9 * fabs(s->y[cut]) + 1);
}

static double error_of(const struct series *s, const struct way *way, double *ahead)
{
	double sum = 0;

	for (size_t i = 0; i < CUTS; i++) {
		size_t left = (size_t)((double)s->count * cuts[i]) + 2;

		sum += fmin(error_at(s, way, s->count - left, ahead), 2);
	}
	return sum / CUTS;
}

static const struct way *best_way(const struct series *s, double *ahead, double *error)
{
	const struct way *best = &ways[0];

	*error = INFINITY;
	for (size_t i = 0; i < WAYS; i++) {
		double wrong = error_of(s, &ways[i], ahead);

		/* a later one must be better, not just luckier */
		if (!(wrong < 0.9 * *error))
			continue;
		*error = wrong;
		best = &ways[i];
	}
	return best;
}

/* --- until the limit --------------------------------------------------------------------- */

static void meet(const struct series *s, const double *ahead, size_t count, double limit,
		 struct trend *out)
{
	double before = s->y[s->count - 1];

	for (size_t i = 0; i < count; i++) {
		if (ahead[i] >= limit) {
			double within = ahead[i] > before ?
						fmin((limit - before) / (ahead[i] - before), 1) :
						1;

			out->seconds = ((double)i + fmax(within, 0)) * s->step;
			return;
		}
		before = ahead[i];
	}
}

/* Beyond what is told step by step it goes on straight. */
static void meet_far(const struct series *s, const double *ahead, size_t count, double limit,
		     struct trend *out)
{
	if (isfinite(out->seconds) || !(out->bytes_per_second > 0))
		return;
	out->seconds = (double)count * s->step + (limit - ahead[count - 1]) / out->bytes_per_second;
}

struct trend trend_of(const struct trend_point *points, size_t count, double limit_bytes,
		      double horizon_seconds)
{
	struct trend out = { INFINITY, INFINITY, INFINITY, NAN, NAN, 0 };
	struct trend_point *known = xcalloc(count + 1, sizeof(*known));
	double *ahead = xcalloc(AHEAD_MAX, sizeof(*ahead)), error, off;
	struct series *s = xcalloc(1, sizeof(*s));
	const struct way *way;
	size_t known_count = 0, steps;

	for (size_t i = 0; i < count; i++)
		if (isfinite(points[i].bytes) && isfinite(points[i].t_seconds))
			known[known_count++] = points[i];
	if (known_count < TREND_POINTS_MIN || !series_make(s, known, known_count))
		goto out;
	horizon_seconds = fmin(horizon_seconds, SEEN_TIMES * (double)(s->count - 1) * s->step);
	s->period = find_period(s);
	way = best_way(s, ahead, &error);
	steps = (size_t)fmin(horizon_seconds / s->step + 1, AHEAD_MAX);
	way->tell(s, s->count, way, ahead, steps);
	if (way->tell == tell_again && s->period)
		out.period_seconds = (double)s->period * s->step;
	/* over whole periods, so that a wave adds nothing */
	{
		size_t over = steps - 1;

		if (way->tell == tell_again && s->period && over > s->period)
			over = over / s->period * s->period;
		out.bytes_per_second = (ahead[over] - ahead[0]) / ((double)over * s->step);
	}
	out.confidence = 1 - fmin(error, 1);
	if (s->y[s->count - 1] >= limit_bytes)
		out.seconds = 0;
	else {
		meet(s, ahead, steps, limit_bytes, &out);
		meet_far(s, ahead, steps, limit_bytes, &out);
	}
	if (!(out.seconds <= horizon_seconds))
		out.seconds = INFINITY;
	off = fmin(fmax(error, 0.05), 0.95);
	out.low_seconds = out.seconds * (1 - off);
	out.high_seconds = out.seconds / (1 - off);
out:
	free(known);
	free(ahead);
	free(s);
	return out;
}
