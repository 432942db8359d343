/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls joined and summed up; see stalls.h. */
#include "model/stalls.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/private.h"
#include "model/state.h"

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

	return m->session.wall_start_ns != RECORD_UNKNOWN &&
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

const struct record_slowlog *stall_slowlog(const struct model *m, const struct stall *stall)
{
	const struct record_slowlog *best = NULL;

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *entry = &m->slowlog[i].entry;

		if (same_command(stall->command, entry->command) &&
		    ended_at(m, stall, entry->unix_seconds) &&
		    fits(stall, entry->seconds, SLOWLOG_RATIO) &&
		    (!best || misfit(stall, entry->seconds) < misfit(stall, best->seconds)))
			best = entry;
	}
	return best;
}

const struct record_latency *stall_latency(const struct model *m, const struct stall *stall)
{
	const struct record_latency *best = NULL;

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct record_latency *event = &m->latency[i].event;

		if (ended_at(m, stall, event->unix_seconds) &&
		    fits(stall, event->latest_seconds, LATENCY_RATIO) &&
		    (!best ||
		     misfit(stall, event->latest_seconds) < misfit(stall, best->latest_seconds)))
			best = event;
	}
	return best;
}

const struct record_key *stall_key(const struct model *m, const struct stall *stall)
{
	for (size_t i = m->keys_count; stall->key.len && !stall->key_truncated && i-- > 0;)
		if (bytes_same(m->keys[i].key.key, stall->key) &&
		    (stall->db == RECORD_UNKNOWN || stall->db == m->keys[i].key.db))
			return &m->keys[i].key;
	return NULL;
}

/* --- what explains them --------------------------------------------------------------- */

/* Rows of the server's words, and records, from which on they are worth forgetting. */
#define CONTEXT_ROWS	512
#define CONTEXT_RECORDS 8192

struct stall_context {
	struct state *state;
	struct model *m;
	size_t records; /* it has taken; of each it may keep a name */
};

struct stall_context *stall_context_new(void)
{
	struct stall_context *context = xcalloc(1, sizeof(*context));

	context->state = state_new();
	context->m = model_new();
	return context;
}

void stall_context_free(struct stall_context *context)
{
	if (!context)
		return;
	state_free(context->state);
	model_free(context->m);
	free(context);
}

void stall_context_take(struct stall_context *context, const struct record *record)
{
	switch (record->kind) {
	case RECORD_SESSION:
	case RECORD_TARGET:
	case RECORD_SENSOR:
	case RECORD_HOST:
	case RECORD_CONFIG:
	case RECORD_TOTALS:
	case RECORD_SLOWLOG:
	case RECORD_LATENCY:
	case RECORD_KEY:
	case RECORD_SELF:
		state_take(context->state, record);
		model_take(context->m, record);
		context->records++;
		break;
	default:
		break;
	}
}

struct model *stall_context_model(struct stall_context *context)
{
	return context->m;
}

void stall_context_renew(struct stall_context *context)
{
	const struct model *m = context->m;
	struct record_sink sink;

	if (m->slowlog_count + m->latency_count + m->keys_count < CONTEXT_ROWS &&
	    context->records < CONTEXT_RECORDS)
		return;
	context->records = 0;
	model_free(context->m);
	context->m = model_new();
	sink = model_sink(context->m);
	state_emit(context->state, &sink);
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

static int longer(const void *a, const void *b)
{
	const struct stall_sum_row *x = a, *y = b;

	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* Names are without end where keys have no parts: half of the rows, with least time, are
 * told together from now on. */
static void fold_prefixes(struct stall_sum *sum)
{
	qsort(sum->prefixes, sum->prefixes_count, sizeof(sum->prefixes[0]), longer);
	while (sum->prefixes_count > STALL_PREFIXES / 2) {
		struct stall_sum_row *row = &sum->prefixes[--sum->prefixes_count];

		row_add(&sum->others, row->stalls_total, row->seconds);
		free(row->name);
	}
}

static struct stall_sum_row *prefix_row(struct stall_sum *sum, const struct buf *prefix)
{
	struct stall_sum_row *row;

	for (size_t i = 0; i < sum->prefixes_count; i++) {
		row = &sum->prefixes[i];
		if (row->name_len == prefix->len && !memcmp(row->name, prefix->data, prefix->len))
			return row;
	}
	if (!sum->prefixes)
		sum->prefixes = xcalloc(STALL_PREFIXES, sizeof(*sum->prefixes));
	if (sum->prefixes_count == STALL_PREFIXES)
		fold_prefixes(sum);
	row = &sum->prefixes[sum->prefixes_count++];
	*row = (struct stall_sum_row){ 0 };
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
