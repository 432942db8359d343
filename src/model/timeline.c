/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened over time: the timeline, and children that still save at its end. */
#define _GNU_SOURCE 1 /* strchrnul() */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "model/private.h"

/* --- the timeline ------------------------------------------------------------ */

/*
 * The timeline: each tick of the host with the INFO that belongs to it. A reply
 * comes a little after the tick that asked for it, or much later, when the
 * server was busy; it belongs to the nearest tick, if that is within half an
 * interval, so that a late reply does not fill a row it knows nothing about.
 */

/* What the timeline takes from one INFO. */
struct server_sample {
	double t_seconds;
	int64_t used_memory_bytes;
	int64_t commands_total;
	int64_t evicted_keys_total;
	int64_t expired_keys_total;
	int64_t expired_fields_total;
	int64_t connected_clients;
	int64_t blocked_clients;
	int64_t aof_buffer_bytes;
	int64_t clients_bytes;
	int64_t link_down_seconds;
	enum pause pause;
};

/* What of an INFO goes where; some have another name with another server. */
static const struct {
	const char *names[2];
	size_t offset; /* in struct server_sample */
} sample_fields[] = {
	{ { "used_memory" }, offsetof(struct server_sample, used_memory_bytes) },
	{ { "total_commands_processed" }, offsetof(struct server_sample, commands_total) },
	{ { "evicted_keys" }, offsetof(struct server_sample, evicted_keys_total) },
	{ { "expired_keys" }, offsetof(struct server_sample, expired_keys_total) },
	{ { "expired_subkeys", "expired_fields" },
	  offsetof(struct server_sample, expired_fields_total) },
	{ { "connected_clients" }, offsetof(struct server_sample, connected_clients) },
	{ { "blocked_clients" }, offsetof(struct server_sample, blocked_clients) },
	{ { "mem_aof_buffer" }, offsetof(struct server_sample, aof_buffer_bytes) },
	{ { "mem_clients_normal" }, offsetof(struct server_sample, clients_bytes) },
	{ { "master_link_down_since_seconds" }, offsetof(struct server_sample, link_down_seconds) },
};

#define SAMPLE_FIELDS (sizeof(sample_fields) / sizeof(sample_fields[0]))

/* What of it says that clients are made to wait (pause_of()). */
static const char *const pause_fields[] = { "shutdown_in_milliseconds", "master_failover_state",
					    "paused_reason" };

#define PAUSE_FIELDS (sizeof(pause_fields) / sizeof(pause_fields[0]))

static bool says(const struct info *info, const char *field, const char *begins)
{
	const char *value = info_get(info, field);

	return value && !strncmp(value, begins, strlen(begins));
}

static enum pause pause_of(const struct info *info)
{
	const char *failover = info_get(info, "master_failover_state");

	if (info_int(info, "shutdown_in_milliseconds") >= 0 ||
	    says(info, "paused_reason", "shutdown"))
		return PAUSE_SHUTDOWN;
	if ((failover && strcmp(failover, "no-failover") != 0) ||
	    says(info, "paused_reason", "failover"))
		return PAUSE_FAILOVER;
	if (says(info, "paused_reason", "slot_migration"))
		return PAUSE_MIGRATION;
	return info_get(info, "paused_reason") && !says(info, "paused_reason", "none") ?
		       PAUSE_COMMAND :
		       PAUSE_NONE;
}

/* Rows of the longest timeline: an hour's ticks and more. When they are there, two become one. */
#define ROWS_MAX 4096

static void settle(struct model *m, size_t end);

static int64_t memory_of(const struct timeline_row *row)
{
	return row->used_memory_bytes != RECORD_UNKNOWN ? row->used_memory_bytes :
							  row->host.rss_bytes;
}

/* Of two rows that with more memory stays, so that no peak goes, and the first of all. */
static void thin(struct model *m)
{
	size_t kept = 1;

	settle(m, m->timeline_count - 1);
	for (size_t i = 1; i + 1 < m->timeline_count; i += 2) {
		const struct timeline_row *pair = &m->timeline[i];

		m->timeline[kept++] = memory_of(&pair[1]) > memory_of(&pair[0]) ? pair[1] : pair[0];
	}
	if (m->timeline_count % 2 == 0)
		m->timeline[kept++] = m->timeline[m->timeline_count - 1];
	m->priv->settled_rows = kept - 1; /* an answer to the last may be on its way */
	m->timeline_count = kept;
}

void timeline_add_tick(struct model *m, const struct record_tick *tick)
{
	if (m->timeline_count == ROWS_MAX)
		thin(m);
	m->timeline = array_grow(m->timeline, m->timeline_count, sizeof(*m->timeline));
	m->timeline[m->timeline_count++] = (struct timeline_row){
		.host = *tick,
		.used_memory_bytes = RECORD_UNKNOWN,
		.commands_total = RECORD_UNKNOWN,
		.evicted_keys_total = RECORD_UNKNOWN,
		.expired_keys_total = RECORD_UNKNOWN,
		.expired_fields_total = RECORD_UNKNOWN,
		.connected_clients = RECORD_UNKNOWN,
		.blocked_clients = RECORD_UNKNOWN,
		.aof_buffer_bytes = RECORD_UNKNOWN,
		.clients_bytes = RECORD_UNKNOWN,
		.link_down_seconds = RECORD_UNKNOWN,
	};
}

static int64_t sample_value(const struct info *info, const char *const names[2])
{
	int64_t value = info_int(info, names[0]);

	return value == RECORD_UNKNOWN && names[1] ? info_int(info, names[1]) : value;
}

void timeline_add_info(struct model *m, double t_seconds, const struct info *info)
{
	struct model_private *p = m->priv;
	struct server_sample *sample;

	p->samples = array_grow(p->samples, p->samples_count, sizeof(*p->samples));
	sample = &p->samples[p->samples_count++];
	sample->t_seconds = t_seconds;
	for (size_t i = 0; i < SAMPLE_FIELDS; i++)
		*(int64_t *)((char *)sample + sample_fields[i].offset) =
			sample_value(info, sample_fields[i].names);
	sample->pause = pause_of(info);
}

static bool is_field(const char *line, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(line, name, len) && line[len] == ':';
}

static bool is_sampled(const char *line)
{
	for (size_t i = 0; i < SAMPLE_FIELDS; i++)
		for (size_t n = 0; n < 2 && sample_fields[i].names[n]; n++)
			if (is_field(line, sample_fields[i].names[n]))
				return true;
	for (size_t i = 0; i < PAUSE_FIELDS; i++)
		if (is_field(line, pause_fields[i]))
			return true;
	return false;
}

void timeline_info_lines(struct buf *out, const char *text)
{
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		if (is_sampled(text))
			buf_add(out, text, (size_t)(*end ? end + 1 - text : end - text));
	}
}

static int compare_rows(const void *a, const void *b)
{
	double x = ((const struct timeline_row *)a)->host.t_seconds;
	double y = ((const struct timeline_row *)b)->host.t_seconds;

	return (x > y) - (x < y);
}

/* Index of the row from @first to before @end that is nearest to @t; there is at least one. */
static size_t nearest_row(const struct model *m, size_t first, size_t end, double t)
{
	size_t low = first, high = end - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->timeline[middle].host.t_seconds < t)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > first &&
	    t - m->timeline[low - 1].host.t_seconds < m->timeline[low].host.t_seconds - t)
		low--;
	return low;
}

/* Seconds between the ticks of these rows; of a single one, all of the watch. */
static double interval(const struct model *m, size_t first, size_t end)
{
	const struct timeline_row *rows = m->timeline;

	if (end - first < 2)
		return m->timeline_count > 1 ? rows[end - 1].host.t_seconds -
						       rows[m->timeline_count - 2].host.t_seconds :
					       m->duration_seconds;
	return (rows[end - 1].host.t_seconds - rows[first].host.t_seconds) /
	       (double)(end - first - 1);
}

static void fill(struct timeline_row *row, const struct server_sample *sample)
{
	row->used_memory_bytes = sample->used_memory_bytes;
	row->commands_total = sample->commands_total;
	row->evicted_keys_total = sample->evicted_keys_total;
	row->expired_keys_total = sample->expired_keys_total;
	row->expired_fields_total = sample->expired_fields_total;
	row->connected_clients = sample->connected_clients;
	row->blocked_clients = sample->blocked_clients;
	row->aof_buffer_bytes = sample->aof_buffer_bytes;
	row->clients_bytes = sample->clients_bytes;
	row->link_down_seconds = sample->link_down_seconds;
	row->pause = sample->pause;
}

/* Fill the rows up to @end that are not filled yet; replies up to then are used up. */
static void settle(struct model *m, size_t end)
{
	struct model_private *p = m->priv;
	size_t first = p->settled_rows, left = 0;
	double *distance; /* of the reply that filled the row so far */
	double half;

	if (first >= end)
		return;
	qsort(m->timeline, m->timeline_count, sizeof(*m->timeline), compare_rows);
	half = interval(m, first, end) / 2;
	distance = xcalloc(end - first, sizeof(*distance));
	for (size_t i = 0; i < end - first; i++)
		distance[i] = INFINITY;
	for (size_t i = 0; i < p->samples_count; i++) {
		const struct server_sample *sample = &p->samples[i];
		size_t row = nearest_row(m, first, end, sample->t_seconds);
		double away = fabs(sample->t_seconds - m->timeline[row].host.t_seconds);

		/* False also when a time is not known. */
		if (away <= half && away < distance[row - first]) {
			distance[row - first] = away;
			fill(&m->timeline[row], sample);
		}
		if (sample->t_seconds > m->timeline[end - 1].host.t_seconds + half)
			p->samples[left++] = *sample;
	}
	p->samples_count = left;
	free(distance);
}

void timeline_finish(struct model *m)
{
	settle(m, m->timeline_count);
	m->aof_buffer_most_bytes = model_info_end(m, "mem_aof_buffer");
	for (size_t i = 0; i < m->timeline_count; i++)
		if (m->timeline[i].aof_buffer_bytes > m->aof_buffer_most_bytes)
			m->aof_buffer_most_bytes = m->timeline[i].aof_buffer_bytes;
}

/* --- children ---------------------------------------------------------------- */

/*
 * Children that still save when the watch ends: how far they are, and what they
 * will hold when they are done. Pages become private at the rate the server
 * writes, so memory grows with time, and time is what is left of the keys.
 */

/* Below it the rate is a guess. */
#define DONE_MIN 0.05

/* current_save_keys_*: of the save (or rewrite) under way (Redis 7.0, server.c). */
static double done_ratio(const struct model *m)
{
	int64_t done = model_info_end(m, "current_save_keys_processed");
	int64_t total = model_info_end(m, "current_save_keys_total");

	return done < 0 || total <= 0 ? NAN : fmin((double)done / (double)total, 1);
}

void children_finish(struct model *m)
{
	double done = done_ratio(m);
	int64_t rss = model_mapping_rss(m, "allocator");

	for (size_t i = 0; i < m->children_count; i++) {
		struct child_row *row = &m->children[i];

		row->done_ratio = NAN;
		row->projected_bytes = RECORD_UNKNOWN;
		if (!isnan(row->child.t_end_seconds))
			continue;
		row->done_ratio = done;
		if (!(done >= DONE_MIN) || row->child.private_bytes < 0)
			continue;
		row->projected_bytes = (int64_t)((double)row->child.private_bytes / done);
		/* No more can be copied than there is. */
		if (rss > 0 && row->projected_bytes > rss)
			row->projected_bytes =
				rss > row->child.private_bytes ? rss : row->child.private_bytes;
	}
}

/* The place of an amount in a falling list of @count, COW_ROWS when it has none. */
static size_t place_of(double amount, const double *amounts, size_t count)
{
	size_t at = count;

	while (at > 0 && amounts[at - 1] < amount)
		at--;
	return amount > 0 ? at : COW_ROWS;
}

static void insert(const void **rows, double *amounts, size_t *count, const void *row,
		   double amount)
{
	size_t at = place_of(amount, amounts, *count);

	if (at >= COW_ROWS)
		return;
	if (*count < COW_ROWS)
		(*count)++;
	memmove(&rows[at + 1], &rows[at], (*count - at - 1) * sizeof(*rows));
	memmove(&amounts[at + 1], &amounts[at], (*count - at - 1) * sizeof(*amounts));
	rows[at] = row;
	amounts[at] = amount;
}

void model_cow(const struct model *m, struct cow_rows *out)
{
	double commands[COW_ROWS], prefixes[COW_ROWS];

	*out = (struct cow_rows){ .commands_count = 0 };
	for (size_t i = 0; i < m->commands_count; i++)
		insert((const void **)out->commands, commands, &out->commands_count,
		       &m->commands[i], m->commands[i].charge.cow_faults);
	for (size_t i = 0; i < m->prefixes_count; i++)
		insert((const void **)out->prefixes, prefixes, &out->prefixes_count,
		       &m->prefixes[i], m->prefixes[i].charge.cow_faults);
}

const struct timeline_row *model_last_row(const struct model *m)
{
	return m->timeline_count ? &m->timeline[m->timeline_count - 1] : NULL;
}
