/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls joined and summed up; see stalls.h. */
#include "model/stalls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/private.h"

/* Whole seconds, and the server's clock may be a little behind (cached time). */
#define STAMP_SLACK_SECONDS 1.5
/* How much two measurements of the same thing may differ, and still be it. */
#define SLOWLOG_RATIO  0.5
#define LATENCY_RATIO  0.1 /* an event does not say which command */
#define LENGTH_SECONDS 0.002

/* "config|get" is "config" in the slow log. */
static bool same_command(const char *full, const char *first)
{
	size_t len = strcspn(full, "|");

	return *first && strlen(first) == len && !strncmp(full, first, len);
}

static bool ended_at(const struct model *m, const struct stall *stall, int64_t unix_seconds)
{
	double end = m->session.wall_start_ns / 1e9 + stall->t_seconds + stall->duration_seconds;

	return m->session.wall_start_ns != FACT_UNKNOWN &&
	       fabs(end - ((double)unix_seconds + 0.5)) <= STAMP_SLACK_SECONDS;
}

static double misfit(const struct stall *stall, double seconds)
{
	return fabs(stall->duration_seconds - seconds);
}

static bool fits(const struct stall *stall, double seconds, double ratio)
{
	return misfit(stall, seconds) <= ratio * stall->duration_seconds + LENGTH_SECONDS;
}

const struct fact_slowlog *stall_slowlog(const struct model *m, const struct stall *stall)
{
	const struct fact_slowlog *best = NULL;

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct fact_slowlog *entry = &m->slowlog[i].entry;

		if (same_command(stall->command, entry->command) &&
		    ended_at(m, stall, entry->unix_seconds) &&
		    fits(stall, entry->seconds, SLOWLOG_RATIO) &&
		    (!best || misfit(stall, entry->seconds) < misfit(stall, best->seconds)))
			best = entry;
	}
	return best;
}

const struct fact_latency *stall_latency(const struct model *m, const struct stall *stall)
{
	const struct fact_latency *best = NULL;

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct fact_latency *event = &m->latency[i].event;

		if (ended_at(m, stall, event->unix_seconds) &&
		    fits(stall, event->latest_seconds, LATENCY_RATIO) &&
		    (!best ||
		     misfit(stall, event->latest_seconds) < misfit(stall, best->latest_seconds)))
			best = event;
	}
	return best;
}

const struct fact_key *stall_key(const struct model *m, const struct stall *stall)
{
	for (size_t i = m->keys_count; stall->key.len && !stall->key_truncated && i-- > 0;)
		if (bytes_same(m->keys[i].key.key, stall->key) &&
		    (stall->db == FACT_UNKNOWN || stall->db == m->keys[i].key.db))
			return &m->keys[i].key;
	return NULL;
}

/* --- sums -------------------------------------------------------------------------- */

static void row_add(struct stall_sum_row *row, int64_t stalls, double seconds)
{
	row->stalls_total += stalls;
	row->seconds += seconds;
}

static struct stall_sum_row *cause_row(struct stall_sum *sum, enum redmem_cause cause)
{
	for (size_t i = 0; i < sum->causes_count; i++)
		if (sum->causes[i].cause == cause)
			return &sum->causes[i];
	sum->causes[sum->causes_count].cause = cause;
	return &sum->causes[sum->causes_count++];
}

static struct stall_sum_row *prefix_row(struct stall_sum *sum, const struct buf *prefix)
{
	struct stall_sum_row *row;

	for (size_t i = 0; i < sum->prefixes_count; i++) {
		row = &sum->prefixes[i];
		if (row->name_len == prefix->len && !memcmp(row->name, prefix->data, prefix->len))
			return row;
	}
	sum->prefixes = array_grow(sum->prefixes, sum->prefixes_count, sizeof(*sum->prefixes));
	row = &sum->prefixes[sum->prefixes_count++];
	row->name = xmemdup(prefix->data, prefix->len);
	row->name_len = prefix->len;
	row->cause = CAUSES;
	return row;
}

static void keep_longest(struct stall_sum *sum, const struct stall *stall)
{
	if (sum->longest_command && stall->duration_seconds <= sum->longest_seconds)
		return;
	sum->longest_seconds = stall->duration_seconds;
	free(sum->longest_command);
	sum->longest_command = xstrdup(stall->command);
	buf_clear(&sum->longest_key);
	buf_add(&sum->longest_key, stall->key.len ? stall->key.data : "", stall->key.len);
	sum->longest_key_truncated = stall->key_truncated;
}

void stall_sum_add(struct stall_sum *sum, const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	struct buf prefix = { 0 };

	sum->stalls_total++;
	sum->seconds += stall->duration_seconds;
	keep_longest(sum, stall);
	for (size_t i = 0; i < count; i++)
		row_add(cause_row(sum, blame[i].cause), i == 0, blame[i].seconds);
	if (stall->key.len) {
		prefix_fold(&prefix, stall->key.data, stall->key.len);
		row_add(prefix_row(sum, &prefix), 1, stall->duration_seconds);
		buf_free(&prefix);
	}
}

static int longer(const void *a, const void *b)
{
	const struct stall_sum_row *x = a, *y = b;

	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

void stall_sum_sort(struct stall_sum *sum)
{
	qsort(sum->causes, sum->causes_count, sizeof(sum->causes[0]), longer);
	if (sum->prefixes_count)
		qsort(sum->prefixes, sum->prefixes_count, sizeof(sum->prefixes[0]), longer);
}

void stall_sum_free(struct stall_sum *sum)
{
	for (size_t i = 0; i < sum->prefixes_count; i++)
		free(sum->prefixes[i].name);
	free(sum->prefixes);
	free(sum->longest_command);
	buf_free(&sum->longest_key);
	memset(sum, 0, sizeof(*sum));
}
