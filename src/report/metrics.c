/* SPDX-License-Identifier: BSD-2-Clause */
/* What windows add up to, and which names have a series of their own; see metrics.h. */
#include "report/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/escape.h"
#include "report/metrics_store.h"

/* How long a series counts as recent, and one that is new is safe. */
#define RECENT_SECONDS 600.0
/* At most one series is given to another name in this time. */
#define REPLACE_SECONDS 60.0
/* For so long a finding is told after its last window. */
#define HOLD_SECONDS 60.0

/* --- series ------------------------------------------------------------------------------ */

static void series_free(struct metrics *metrics, enum group group, struct metric_series *series)
{
	for (size_t i = 0; i < metrics->cells[group]; i++)
		free(series->cells[i].hist);
	free(series->cells);
	free(series);
}

static struct metric_series *series_find(const struct metric_server *server, enum group group,
					 const char *labels)
{
	struct metric_series *series;

	HASH_FIND_STR(server->series[group], labels, series);
	return series;
}

static struct metric_series *series_get(struct metrics *metrics, struct metric_server *server,
					enum group group, const char *labels)
{
	struct metric_series *series = series_find(server, group, labels);

	if (series)
		return series;
	series = xcalloc(1, sizeof(*series) + strlen(labels) + 1);
	strcpy(series->labels, labels);
	series->cells = xcalloc(metrics->cells[group], sizeof(*series->cells));
	for (size_t i = 0; i < metrics->cells[group]; i++)
		series->cells[i].value = NAN;
	series->since_seconds = server->seconds;
	HASH_ADD_STR(server->series[group], labels, series);
	return series;
}

static void labels_of(struct buf *out, const struct metric_group *group,
		      const struct metric_row *row)
{
	buf_clear(out);
	for (int i = 0; i < METRIC_LABELS && group->labels[i]; i++) {
		const struct bytes *label = &row->label[i];

		buf_printf(out, "%s%s=\"", i ? "," : "", group->labels[i]);
		if (row->other)
			buf_puts(out, "other");
		else
			escape_label(out, label->data, label->len, METRICS_LABEL_BYTES);
		buf_putc(out, '"');
	}
}

/* --- numbers ------------------------------------------------------------------------------ */

static bool counts_bytes(const struct metric *metric)
{
	static const char end[] = "_bytes_total";
	size_t len = strlen(metric->name);

	return len > sizeof(end) && !strcmp(metric->name + len - (sizeof(end) - 1), end);
}

static double number_of(const struct metric *metric, const struct metrics_input *in,
			const void *row)
{
	double number;

	if (metric->columns)
		number = columns_number(in->m, metric->columns, metric->column, row);
	else if (metric->info)
		number = in->m->info_end ? info_double(in->m->info_end, metric->info) : NAN;
	else
		number = metric->value ? metric->value(in, row) : 0;
	if (metric->divisor > 0)
		number /= metric->divisor;
	/* Whole bytes, so that sums are exact. */
	return counts_bytes(metric) ? round(number) : number;
}

/* @nothing: what is new is another's already. */
static void tell_hist(struct metric_cell *cell, const struct metric *metric,
		      const struct metrics_input *in, const void *row, bool nothing)
{
	struct metric_hist more = { 0 };

	if (!metric->add(in, row, &more))
		return;
	if (!cell->hist)
		cell->hist = xcalloc(1, sizeof(*cell->hist));
	for (int i = 0; i < METRIC_BOUNDS && !nothing; i++)
		cell->hist->bucket[i] += more.bucket[i];
	cell->hist->count += nothing ? 0 : more.count;
	cell->hist->sum += nothing ? 0 : more.sum;
}

static void tell_number(struct metric_cell *cell, const struct metric *metric, double number,
			bool nothing)
{
	if (!isfinite(number)) {
		if (metric->type != METRIC_COUNTER && !metric->lasts)
			cell->value = NAN;
	} else if (metric->type != METRIC_COUNTER || metric->total) {
		cell->value = number;
	} else {
		cell->value = isnan(cell->value) ? 0 : cell->value;
		cell->value += nothing || number < 0 ? 0 : number;
	}
}

static void tell(struct metrics *metrics, struct metric_server *server,
		 struct metric_series *series, enum group group, const struct metrics_input *in,
		 const void *row, bool nothing)
{
	size_t count = metrics->options.redis ? metrics->count : metrics->own_count;

	series->turn = server->turn;
	series->told_seconds = server->seconds;
	for (size_t i = 0; i < count; i++) {
		const struct metric *metric = metrics->metric[i];
		struct metric_cell *cell = &series->cells[metrics->cell[i]];

		if (metric->group != group)
			continue;
		if (metric->type == METRIC_HISTOGRAM)
			tell_hist(cell, metric, in, row, nothing);
		else
			tell_number(cell, metric, number_of(metric, in, row), nothing);
	}
}

/* --- who has a series ----------------------------------------------------------------------- */

struct named_row {
	char *labels;
	const void *row;
	double weight;
	bool fresh; /* it has no series yet */
};

/* One group of one window. */
struct taking {
	struct metrics *metrics;
	struct metric_server *server;
	enum group group;
	const struct metrics_input *in;
	struct metric_series *other;
	struct named_row *rows; /* of names, where only so many have a series */
	size_t count;
	struct buf labels;
};

static int limit_of(const struct metrics *metrics, enum group group)
{
	int limit = metric_groups[group].limit;

	return limit < 0 ? metrics->options.prefixes : limit;
}

static struct metric_series *other_of(struct taking *t)
{
	const struct metric_row other = { .other = true };
	struct buf labels = { 0 };

	if (!t->other) {
		labels_of(&labels, &metric_groups[t->group], &other);
		t->other = series_get(t->metrics, t->server, t->group, buf_str(&labels));
		buf_free(&labels);
	}
	return t->other;
}

static void take_row(void *ctx, const struct metric_row *row)
{
	struct taking *t = ctx;
	struct named_row *named;

	labels_of(&t->labels, &metric_groups[t->group], row);
	if (!metric_groups[t->group].limit || row->other) {
		struct metric_series *series =
			row->other ?
				other_of(t) :
				series_get(t->metrics, t->server, t->group, buf_str(&t->labels));

		tell(t->metrics, t->server, series, t->group, t->in, row->row, false);
		return;
	}
	t->rows = array_grow(t->rows, t->count, sizeof(*t->rows));
	named = &t->rows[t->count++];
	*named = (struct named_row){ .labels = xstrdup(buf_str(&t->labels)),
				     .row = row->row,
				     .weight = row->weight };
}

static int heavier(const void *a, const void *b)
{
	const struct named_row *x = a, *y = b;

	if (x->weight != y->weight)
		return (x->weight < y->weight) - (x->weight > y->weight);
	return strcmp(x->labels, y->labels);
}

/* Names beside "other" with a series. */
static bool has_room(struct taking *t)
{
	return (int)HASH_COUNT(t->server->series[t->group]) - 1 < limit_of(t->metrics, t->group);
}

/* Give the bytes of a series that goes to the counter that is there for them. */
static void keep_gone(struct metrics *metrics, struct metric_server *server, enum group group,
		      const struct metric_series *series)
{
	struct metric_series *gone = server->series[GROUP_GONE];

	for (size_t i = 0; i < metrics->own_count; i++) {
		const struct metric *metric = metrics->metric[i];
		double value;

		if (metric->group != group || !metric->gone)
			continue;
		value = series->cells[metrics->cell[i]].value;
		if (isnan(value))
			continue;
		for (size_t n = 0; n < metrics->own_count; n++)
			if (!strcmp(metrics->metric[n]->name, metric->gone))
				gone->cells[metrics->cell[n]].value += value;
	}
}

/* Of those that are not new the one with least in the last ten minutes; NULL. */
static struct metric_series *lightest(struct taking *t)
{
	struct metric_series *series, *next, *least = NULL;

	HASH_ITER(hh, t->server->series[t->group], series, next)
		if (series != t->other &&
		    t->server->seconds - series->since_seconds >= RECENT_SECONDS &&
		    (!least || series->recent < least->recent))
			least = series;
	return least;
}

/* A series goes for the heaviest name that has none, where there is no room and that is due. */
static void give_way(struct taking *t)
{
	struct metric_series *least;
	size_t i = 0;

	while (i < t->count && !t->rows[i].fresh)
		i++;
	if (i == t->count || metric_groups[t->group].limit > 0 || has_room(t) ||
	    t->server->seconds - t->server->replaced_seconds < REPLACE_SECONDS)
		return;
	least = lightest(t);
	if (!least || !(t->rows[i].weight > least->recent))
		return;
	keep_gone(t->metrics, t->server, t->group, least);
	HASH_DEL(t->server->series[t->group], least);
	series_free(t->metrics, t->group, least);
	t->server->replaced_seconds = t->server->seconds;
}

/* In the first window all names begin with their server, and have what was in it. */
static void admit_first(struct taking *t)
{
	for (size_t i = 0; i < t->count && has_room(t); i++)
		series_get(t->metrics, t->server, t->group, t->rows[i].labels);
}

/* Later ones begin with nothing, which "other" has. */
static void admit_late(struct taking *t)
{
	for (size_t i = 0; i < t->count && has_room(t); i++) {
		struct named_row *row = &t->rows[i];
		struct metric_series *series;

		if (!row->fresh || series_find(t->server, t->group, row->labels))
			continue;
		series = series_get(t->metrics, t->server, t->group, row->labels);
		series->recent = row->weight;
		tell(t->metrics, t->server, series, t->group, t->in, row->row, true);
	}
}

static void tell_names(struct taking *t)
{
	other_of(t);
	if (t->count)
		qsort(t->rows, t->count, sizeof(*t->rows), heavier);
	if (!t->server->begun)
		admit_first(t);
	for (size_t i = 0; i < t->count; i++)
		t->rows[i].fresh = !series_find(t->server, t->group, t->rows[i].labels);
	give_way(t);
	for (size_t i = 0; i < t->count; i++) {
		const struct named_row *row = &t->rows[i];
		struct metric_series *series = series_find(t->server, t->group, row->labels);

		series = series ? series : t->other;
		series->recent += row->weight;
		tell(t->metrics, t->server, series, t->group, t->in, row->row, false);
	}
	admit_late(t);
}

/* --- what is told no more ------------------------------------------------------------------- */

static bool is_known(const struct metrics *metrics, enum group group,
		     const struct metric_series *series)
{
	for (size_t i = 0; i < metrics->cells[group]; i++)
		if (!isnan(series->cells[i].value) || series->cells[i].hist)
			return true;
	return false;
}

static void fade(struct metrics *metrics, const struct metric_server *server, enum group group,
		 struct metric_series *series)
{
	enum metric_keep keep = metric_groups[group].keep;

	if (keep == KEEP_A_MINUTE && server->seconds - series->told_seconds < HOLD_SECONDS)
		return;
	for (size_t i = 0; i < metrics->count; i++)
		if (metrics->metric[i]->group == group &&
		    metrics->metric[i]->type != METRIC_COUNTER && !metrics->metric[i]->lasts)
			series->cells[metrics->cell[i]].value = keep == KEEP_NONE ? NAN : 0;
}

static void fade_untold(struct metrics *metrics, struct metric_server *server, enum group group)
{
	struct metric_series *series, *next;

	HASH_ITER(hh, server->series[group], series, next) {
		if (series->turn == server->turn)
			continue;
		fade(metrics, server, group, series);
		if (is_known(metrics, group, series))
			continue;
		HASH_DEL(server->series[group], series);
		series_free(metrics, group, series);
	}
}

static void forget_the_past(struct metric_server *server, enum group group, double seconds)
{
	struct metric_series *series, *next;

	HASH_ITER(hh, server->series[group], series, next)
		series->recent *= exp(-seconds / RECENT_SECONDS);
}

/* --- taking --------------------------------------------------------------------------------- */

static void take_group(struct metrics *metrics, struct metric_server *server, enum group group,
		       const struct metrics_input *in)
{
	struct taking t = { .metrics = metrics, .server = server, .group = group, .in = in };

	server->turn++;
	metric_groups[group].each(in, &(struct metric_rows){ take_row, &t });
	if (metric_groups[group].limit)
		tell_names(&t);
	else
		fade_untold(metrics, server, group);
	for (size_t i = 0; i < t.count; i++)
		free(t.rows[i].labels);
	free(t.rows);
	buf_free(&t.labels);
}

static void take_all(struct metrics *metrics, struct metric_server *server,
		     enum metric_source source, const struct metrics_input *in)
{
	for (int group = 0; group < METRIC_GROUPS; group++)
		if (metric_groups[group].source == source)
			take_group(metrics, server, (enum group)group, in);
}

/* --- servers -------------------------------------------------------------------------------- */

static void server_clear(struct metrics *metrics, struct metric_server *server)
{
	for (int group = 0; group < METRIC_GROUPS; group++) {
		struct metric_series *series, *next;

		HASH_ITER(hh, server->series[group], series, next) {
			HASH_DEL(server->series[group], series);
			series_free(metrics, (enum group)group, series);
		}
	}
	outlook_free(server->outlook);
	buf_free(&server->label);
	free(server->name);
}

static void count_servers(struct metrics *metrics)
{
	take_all(metrics, &metrics->own, FROM_REDMEM,
		 &(struct metrics_input){ .servers = HASH_COUNT(metrics->servers) });
}

static int by_name(const struct metric_server *a, const struct metric_server *b)
{
	return strcmp(a->name, b->name);
}

static struct metric_server *server_get(struct metrics *metrics, const char *name)
{
	struct metric_server *server;

	HASH_FIND_STR(metrics->servers, name, server);
	if (server)
		return server;
	server = xcalloc(1, sizeof(*server));
	server->name = xstrdup(name);
	server->replaced_seconds = -INFINITY;
	server->outlook = outlook_new();
	buf_puts(&server->label, "server=\"");
	escape_label(&server->label, name, strlen(name), METRICS_LABEL_BYTES);
	buf_putc(&server->label, '"');
	HASH_ADD_KEYPTR(hh, metrics->servers, server->name, strlen(server->name), server);
	HASH_SRT(hh, metrics->servers, by_name);
	take_all(metrics, server, FROM_GONE, &(struct metrics_input){ 0 });
	count_servers(metrics);
	return server;
}

struct outlook *metrics_outlook(struct metrics *metrics, const char *name)
{
	return server_get(metrics, name)->outlook;
}

/* By the wall clock: what was not watched counts as time. */
static double end_of(const struct metric_server *server, const struct model *window)
{
	int64_t start_ns = window->session.wall_start_ns;

	return start_ns > 0 ? (double)start_ns / 1e9 + window->duration_seconds : server->seconds;
}

void metrics_take(struct metrics *metrics, const char *name, const struct model *window,
		  const struct findings *findings)
{
	struct metric_server *server = server_get(metrics, name);
	const struct metrics_input in = {
		.m = window, .f = findings, .outlook = server->outlook, .up = true
	};
	double seconds = window->duration_seconds > 0 ? window->duration_seconds : 0;

	server->seconds += seconds;
	outlook_take(server->outlook, window, end_of(server, window));
	forget_the_past(server, GROUP_PREFIXES, seconds);
	take_all(metrics, server, FROM_WINDOW, &in);
	if (window->passed_count)
		take_all(metrics, server, FROM_PASS, &in);
	server->begun = true;
	if (!server->stated)
		take_group(metrics, server, GROUP_UP, &in);
}

void metrics_state(struct metrics *metrics, const char *name, const char *state, bool up)
{
	struct metric_server *server = server_get(metrics, name);

	server->stated = true;
	take_all(metrics, server, FROM_STATE, &(struct metrics_input){ .state = state, .up = up });
}

void metrics_restarted(struct metrics *metrics, const char *name)
{
	take_group(metrics, server_get(metrics, name), GROUP_UP,
		   &(struct metrics_input){ .up = true, .restarted = true });
}

void metrics_end_findings(struct metrics *metrics, const char *name)
{
	struct metric_server *server;
	struct metric_series *series, *next;

	HASH_FIND_STR(metrics->servers, name, server);
	if (!server)
		return;
	HASH_ITER(hh, server->series[GROUP_FINDINGS], series, next) {
		series->told_seconds = -INFINITY;
		fade(metrics, server, GROUP_FINDINGS, series);
	}
}

void metrics_redis(struct metrics *metrics, bool on)
{
	metrics->options.redis = on;
}

void metrics_forget(struct metrics *metrics, const char *name)
{
	struct metric_server *server;

	HASH_FIND_STR(metrics->servers, name, server);
	if (!server)
		return;
	HASH_DEL(metrics->servers, server);
	server_clear(metrics, server);
	free(server);
	count_servers(metrics);
}

void metrics_self(struct metrics *metrics, const struct metrics_self *self)
{
	take_all(metrics, &metrics->own, FROM_SELF, &(struct metrics_input){ .self = self });
}

/* --- the whole ------------------------------------------------------------------------------- */

static void add_table(struct metrics *metrics, const struct metric_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		metrics->metric[metrics->count] = &table->metric[i];
		metrics->cell[metrics->count++] = metrics->cells[table->metric[i].group]++;
	}
}

struct metrics *metrics_new(const struct metrics_options *options)
{
	struct metrics *metrics = xcalloc(1, sizeof(*metrics));
	size_t most = metrics_own.count + metrics_of_redis.count;

	metrics->metric = xcalloc(most, sizeof(*metrics->metric));
	metrics->cell = xcalloc(most, sizeof(*metrics->cell));
	add_table(metrics, &metrics_own);
	metrics->own_count = metrics->count;
	add_table(metrics, &metrics_of_redis);
	metrics->options = *options;
	count_servers(metrics);
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	struct metric_server *server, *next;

	if (!metrics)
		return;
	HASH_ITER(hh, metrics->servers, server, next) {
		HASH_DEL(metrics->servers, server);
		server_clear(metrics, server);
		free(server);
	}
	server_clear(metrics, &metrics->own);
	free(metrics->metric);
	free(metrics->cell);
	free(metrics);
}
