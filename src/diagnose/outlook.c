/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits and what counts against them, over hours and days; see outlook.h. */
#include "diagnose/outlook.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define POINTS 720
/* Apart: windows of ten seconds for two hours, and the most of six minutes for three days. */
#define FINE_SECONDS   10.0
#define COARSE_SECONDS 360.0
#define PAGE	       4096.0
#define UNKNOWN	       UINT32_MAX
/* What is farther is not in sight. */
#define HORIZON_SECONDS 86400.0
#define RECKON_SECONDS	60.0
/* A rise is the usual one of this time of the day up to so many times of it. */
#define USUAL_RATIO 1.5
/* So much more, or less, than at the last save is believed. */
#define SAVE_RATIO 8.0
/* Prefixes whose growth is known, and how fast it is forgotten. */
#define PREFIXES       64
#define FORGET_SECONDS 3600.0

/* Points at even distances or so, the newest last. */
struct ring {
	double distance; /* between two: what comes sooner goes into the last */
	size_t count;
	double t[POINTS];
	uint32_t pages[LIMIT_KINDS][POINTS];
};

struct growing {
	struct bytes prefix; /* owned */
	double bytes; /* grown by, what is long ago counting less */
};

struct outlook {
	struct ring fine, coarse;
	double limits[LIMIT_KINDS]; /* bytes, of the last window; NAN */
	struct trend trends[LIMIT_KINDS];
	double reckoned[LIMIT_KINDS]; /* when */
	double end, first;
	struct growing prefixes[PREFIXES];
	size_t prefixes_count;
	struct outlook_save last, now; /* now: the server, without a fork */
};

static const struct outlook_save no_save = { NAN, NAN, NAN, NAN, NAN, NAN };

struct outlook *outlook_new(void)
{
	struct outlook *o = xcalloc(1, sizeof(*o));

	o->fine.distance = FINE_SECONDS * 0.75;
	o->coarse.distance = COARSE_SECONDS;
	o->end = o->first = NAN;
	o->last = o->now = no_save;
	for (int kind = 0; kind < LIMIT_KINDS; kind++) {
		o->limits[kind] = NAN;
		o->reckoned[kind] = -INFINITY;
	}
	return o;
}

void outlook_free(struct outlook *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->prefixes_count; i++)
		free((char *)o->prefixes[i].prefix.data);
	free(o);
}

/* --- taking ------------------------------------------------------------------------- */

static void ring_add(struct ring *r, double t, const uint32_t pages[LIMIT_KINDS])
{
	bool more = !r->count || t - r->t[r->count - 1] >= r->distance;

	if (more && r->count == POINTS) {
		memmove(r->t, r->t + 1, (POINTS - 1) * sizeof(r->t[0]));
		for (int kind = 0; kind < LIMIT_KINDS; kind++)
			memmove(r->pages[kind], r->pages[kind] + 1,
				(POINTS - 1) * sizeof(r->pages[0][0]));
		r->count--;
	}
	if (more) {
		r->t[r->count] = t;
		for (int kind = 0; kind < LIMIT_KINDS; kind++)
			r->pages[kind][r->count] = UNKNOWN;
		r->count++;
	}
	for (int kind = 0; kind < LIMIT_KINDS; kind++) {
		uint32_t *last = &r->pages[kind][r->count - 1];

		if (pages[kind] != UNKNOWN && (*last == UNKNOWN || pages[kind] > *last))
			*last = pages[kind];
	}
}

static struct growing *growing_of(struct outlook *o, struct bytes prefix, double bytes)
{
	struct growing *least = o->prefixes;

	for (size_t i = 0; i < o->prefixes_count; i++) {
		if (bytes_same(o->prefixes[i].prefix, prefix))
			return &o->prefixes[i];
		if (fabs(o->prefixes[i].bytes) < fabs(least->bytes))
			least = &o->prefixes[i];
	}
	if (o->prefixes_count < PREFIXES)
		least = &o->prefixes[o->prefixes_count++];
	else if (fabs(least->bytes) >= fabs(bytes))
		return NULL;
	free((char *)least->prefix.data);
	*least = (struct growing){ { xmemdup(prefix.data, prefix.len), prefix.len }, 0 };
	return least;
}

static void grew(struct outlook *o, struct bytes prefix, double bytes)
{
	struct growing *growing;

	if (!isfinite(bytes) || bytes == 0)
		return;
	growing = growing_of(o, prefix, bytes);
	if (growing)
		growing->bytes += bytes;
}

static void take_prefixes(struct outlook *o, const struct model *m)
{
	for (size_t i = 0; i < m->prefixes_count; i++) {
		const struct prefix_row *row = &m->prefixes[i];

		grew(o, (struct bytes){ row->prefix, row->prefix_len },
		     row->charge.alloc_bytes - row->charge.free_bytes);
	}
}

static double known(int64_t n)
{
	return n == RECORD_UNKNOWN ? NAN : (double)n;
}

/* Of a child that ended well in the window. One that was not looked at had no time to copy. */
static void take_saves(struct outlook *o, const struct model *m)
{
	o->now.rss = known(measure_rss(m));
	o->now.used = known(measure_used(m));
	o->now.alloc_rate = m->alloc.alloc_bytes / m->duration_seconds;
	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;

		if (isnan(child->t_end_seconds) || child->exit_code != 0)
			continue;
		o->last = o->now;
		o->last.seconds = child->t_end_seconds - child->t_start_seconds;
		o->last.copied = known(child->private_bytes);
		o->last.fork_seconds = child->fork_seconds;
	}
}

void outlook_refill(struct outlook *o, const struct outlook_past *point)
{
	double since = point->end_seconds - o->end;
	double keep = exp(-(since > 0 ? since : 0) / FORGET_SECONDS);
	uint32_t pages[LIMIT_KINDS];

	if (!(since > 0) && !isnan(o->end)) /* a clock went back: begin again there */
		o->fine.count = o->coarse.count = 0;
	for (int kind = 0; kind < LIMIT_KINDS; kind++) {
		double used = point->used[kind] / PAGE;

		o->limits[kind] = point->limit[kind];
		pages[kind] = used >= 0 && used < UNKNOWN ? (uint32_t)used : UNKNOWN;
	}
	ring_add(&o->fine, point->end_seconds, pages);
	ring_add(&o->coarse, point->end_seconds, pages);
	for (size_t i = 0; i < o->prefixes_count; i++)
		o->prefixes[i].bytes *= keep;
	if (isnan(o->first) || !(since > 0))
		o->first = point->end_seconds;
	o->end = point->end_seconds;
}

void outlook_take(struct outlook *o, const struct model *window, double end_seconds)
{
	struct outlook_past point = { .end_seconds = end_seconds };

	for (int kind = 0; kind < LIMIT_KINDS; kind++) {
		struct limit limit;
		bool known = measure_limit(window, (enum limit_kind)kind, &limit);

		point.limit[kind] = known ? (double)limit.bytes : NAN;
		point.used[kind] = known ? (double)limit.bytes - (double)limit.room : NAN;
	}
	outlook_refill(o, &point);
	take_prefixes(o, window);
	take_saves(o, window);
}

/* --- refilling ---------------------------------------------------------------------- */

bool outlook_is_empty(const struct outlook *o)
{
	return isnan(o->end);
}

void outlook_refill_prefix(struct outlook *o, struct bytes prefix, double bytes)
{
	grew(o, prefix, bytes);
}

void outlook_refill_save(struct outlook *o, const struct outlook_save *save)
{
	o->last = *save;
}

/* --- telling ------------------------------------------------------------------------ */

static size_t points_of(const struct ring *r, enum limit_kind kind,
			struct trend_point points[POINTS])
{
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->pages[kind][i] != UNKNOWN)
			points[count++] = (struct trend_point){ r->t[i], PAGE * r->pages[kind][i] };
	return count;
}

/* What it was at @t, or last before. */
static double bytes_at(const struct trend_point *points, size_t count, double t)
{
	double bytes = NAN;

	for (size_t i = 0; i < count && points[i].t_seconds <= t; i++)
		bytes = points[i].bytes;
	return bytes;
}

/* Did it rise so in these hours a period ago, too? Then the rise is no news. */
static bool is_usual(const struct trend_point *points, size_t count, double period, double seconds)
{
	double now = points[count - 1].t_seconds;
	double rise = points[count - 1].bytes - bytes_at(points, count, now - seconds);
	double before = bytes_at(points, count, now - period) -
			bytes_at(points, count, now - period - seconds);

	return rise <= USUAL_RATIO * before;
}

static struct trend reckon(const struct outlook *o, enum limit_kind kind)
{
	struct trend_point *points = xcalloc(POINTS, sizeof(*points));
	size_t count = points_of(&o->fine, kind, points);
	struct trend fine = trend_of(points, count, o->limits[kind], HORIZON_SECONDS), coarse;
	double span = count ? points[count - 1].t_seconds - points[0].t_seconds : 0;

	count = points_of(&o->coarse, kind, points);
	coarse = trend_of(points, count, o->limits[kind], HORIZON_SECONDS);
	if (coarse.confidence > fine.confidence && fine.confidence < 0.5)
		fine = coarse;
	else if (coarse.period_seconds > 2 * span &&
		 is_usual(points, count, coarse.period_seconds, span))
		fine = coarse;
	free(points);
	return fine;
}

struct trend outlook_trend(struct outlook *o, enum limit_kind kind)
{
	if (isnan(o->limits[kind]) || !o->fine.count)
		return trend_of(NULL, 0, 0, 0);
	if (o->end - o->reckoned[kind] >= RECKON_SECONDS || o->end < o->reckoned[kind]) {
		o->trends[kind] = reckon(o, kind);
		o->reckoned[kind] = o->end;
	}
	return o->trends[kind];
}

bool outlook_behind(const struct outlook *o, struct bytes *prefix, double *bytes_per_second)
{
	const struct growing *most = NULL;
	double seen = FORGET_SECONDS * (1 - exp(-(o->end - o->first) / FORGET_SECONDS));

	for (size_t i = 0; i < o->prefixes_count; i++)
		if (o->prefixes[i].bytes > 0 && (!most || o->prefixes[i].bytes > most->bytes))
			most = &o->prefixes[i];
	if (!most || !(seen > 0))
		return false;
	*prefix = most->prefix;
	*bytes_per_second = most->bytes / seen;
	return true;
}

/* @now over @then within what one can be to the other; as it was where it is not known. */
static double ratio(double now, double then)
{
	double times = now / then;

	return isfinite(times) ? fmin(fmax(times, 1 / SAVE_RATIO), SAVE_RATIO) : 1;
}

struct next_save outlook_save(const struct outlook *o)
{
	const struct outlook_save *now = &o->now, *last = &o->last;
	double longer = ratio(now->used, last->used);
	struct next_save save = {
		.fork_seconds = last->fork_seconds * ratio(now->rss, last->rss),
		.seconds = last->seconds * longer,
		.copied_bytes = last->copied * longer * ratio(now->alloc_rate, last->alloc_rate),
	};

	/* No more can be copied than there is. */
	if (save.copied_bytes > now->rss)
		save.copied_bytes = now->rss;
	return save;
}
