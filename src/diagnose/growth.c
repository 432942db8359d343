/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growth of used_memory: a line through the answers of the window. What clients have is there in
 * one second and gone in the next; one step is no line.
 */
#include "diagnose/growth.h"

#include <math.h>

#include "base/student.h"
#include "base/sum.h"
#include "diagnose/measure.h"

/* Less growth than this in a window is noise: buffers, statistics, a rehash. */
#define GROWTH_FLOOR (1 * MIB)
/* Clients that come and go are there by chance when it is looked, each with some 16 KB for
 * replies and as much for what it sends. */
#define CLIENT_BYTES (32 * KIB)
/* Steady: each third of the window grew at least so much of the mean. */
#define STEADY_RATIO 0.3
#define POINTS_MIN   4
/* Of a growth between two answers of the server: fewer seconds are of one answer that came late. */
#define STEP_SECONDS 0.5

/* What of a row of the timeline is followed; RECORD_UNKNOWN. */
typedef int64_t value_of(const struct timeline_row *row);

static int64_t all_used(const struct timeline_row *row)
{
	return row->used_memory_bytes;
}

static int64_t of_clients(const struct timeline_row *row)
{
	return row->used_memory_bytes == RECORD_UNKNOWN ? RECORD_UNKNOWN : row->clients_bytes;
}

static int64_t beside_clients(const struct timeline_row *row)
{
	return row->used_memory_bytes == RECORD_UNKNOWN ?
		       RECORD_UNKNOWN :
		       sum_less(row->used_memory_bytes, row->clients_bytes);
}

static bool clients_known(const struct model *m)
{
	for (size_t i = 0; i < m->timeline_count; i++)
		if (all_used(&m->timeline[i]) != RECORD_UNKNOWN &&
		    of_clients(&m->timeline[i]) == RECORD_UNKNOWN)
			return false;
	return true;
}

/* @value of the first tick that told it at or after @from; its index in *@at. */
static int64_t value_from(const struct model *m, value_of *value, size_t from, size_t *at)
{
	for (*at = from; *at < m->timeline_count; (*at)++)
		if (value(&m->timeline[*at]) != RECORD_UNKNOWN)
			return value(&m->timeline[*at]);
	return RECORD_UNKNOWN;
}

static int64_t value_until(const struct model *m, value_of *value, size_t *at)
{
	for (*at = m->timeline_count; *at > 0; (*at)--)
		if (value(&m->timeline[*at - 1]) != RECORD_UNKNOWN)
			return value(&m->timeline[--*at]);
	return RECORD_UNKNOWN;
}

static double slope(const struct model *m, value_of *value, size_t a, size_t b)
{
	double seconds = m->timeline[b].host.t_seconds - m->timeline[a].host.t_seconds;

	return seconds > 0 ?
		       (double)sum_less(value(&m->timeline[b]), value(&m->timeline[a])) / seconds :
		       NAN;
}

static bool thirds_are_steady(const struct model *m, value_of *value, size_t first, size_t last,
			      double mean)
{
	size_t from = first, to;

	for (size_t third = 1; third <= 3; third++) {
		if (value_from(m, value, first + (last - first) * third / 3, &to) ==
			    RECORD_UNKNOWN ||
		    to <= from || !(slope(m, value, from, to) >= STEADY_RATIO * mean))
			return false;
		from = to;
	}
	return true;
}

/* By how much the growth of a second, @mean, may be wrong (95 %), as it goes up and down from one
 * answer to the next. A line through few points that fits by chance is no trend. */
static double error_of_growth(const struct model *m, value_of *value, size_t first, size_t last,
			      double mean)
{
	double squares = 0;
	size_t from = first, to, n = 0;

	while (from < last && value_from(m, value, from + 1, &to) != RECORD_UNKNOWN) {
		double step = m->timeline[to].host.t_seconds - m->timeline[from].host.t_seconds;

		if (step >= STEP_SECONDS) {
			squares += pow(slope(m, value, from, to) - mean, 2);
			n++;
		}
		from = to;
	}
	if (n < 2)
		return INFINITY;
	return student_t(0.95, (double)(n - 1)) * sqrt(squares / (double)(n - 1) / (double)n);
}

/* The most that came between two answers less than half a window apart. */
static int64_t largest_step(const struct model *m, value_of *value, size_t first, size_t last,
			    double seconds)
{
	int64_t most = 0;
	size_t from = first, to;

	while (from < last && value_from(m, value, from + 1, &to) != RECORD_UNKNOWN) {
		int64_t step = sum_less(value(&m->timeline[to]), value(&m->timeline[from]));
		double took = m->timeline[to].host.t_seconds - m->timeline[from].host.t_seconds;

		if (step > most && took < seconds / 2)
			most = step;
		from = to;
	}
	return most;
}

/* The growth of @value, of which @bounded does not count. */
static struct growth line_of(const struct model *m, value_of *value, int64_t bounded)
{
	struct growth g = { .bytes_per_second = NAN };
	size_t first, last;
	int64_t from = value_from(m, value, 0, &first), to = value_until(m, value, &last);
	double mean;

	if (from == RECORD_UNKNOWN || to == RECORD_UNKNOWN || last < first + POINTS_MIN - 1)
		return g;
	g.bytes = sum_less(sum_less(to, from), bounded);
	g.seconds = m->timeline[last].host.t_seconds - m->timeline[first].host.t_seconds;
	if (g.bytes < GROWTH_FLOOR || !(g.seconds > 0))
		return g;
	g.bytes_per_second = (double)g.bytes / g.seconds;
	g.step_bytes = largest_step(m, value, first, last, g.seconds);
	mean = slope(m, value, first, last);
	g.least = g.bytes_per_second - error_of_growth(m, value, first, last, mean);
	g.steady = g.least > 0 && thirds_are_steady(m, value, first, last, mean);
	return g;
}

/* How far used_memory may be off without any growth. */
static int64_t noise_bytes(const struct model *m)
{
	int64_t opened = model_info_delta(m, "total_connections_received");
	int64_t clients = model_info_end(m, "connected_clients"), bytes = GROWTH_FLOOR;

	if (opened < clients)
		clients = opened;
	if (clients > 0)
		sum_add(&bytes, sum_whole((double)clients * CLIENT_BYTES));
	return bytes;
}

struct growth growth_of(const struct model *m, int64_t bounded)
{
	struct growth clients = line_of(m, of_clients, 0);
	bool without = clients_known(m) && !clients.steady; /* a queue that grows counts */
	struct growth g = line_of(m, without ? beside_clients : all_used, bounded);

	if (g.bytes < noise_bytes(m) || g.bytes - g.step_bytes < g.bytes / 2)
		g.bytes_per_second = NAN;
	return g;
}
