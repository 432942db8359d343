/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two formats of metrics: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0. In the second
 * a family has no _total, names its unit, and the last line is # EOF.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/metrics_store.h"

static bool ends_with(const char *name, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !strncmp(name + len - n, end, n);
}

/* The length of the family's name. */
static size_t family_len(const struct metric *metric, bool openmetrics)
{
	size_t len = strlen(metric->name);

	if (openmetrics && metric->type == METRIC_COUNTER && ends_with(metric->name, len, "_total"))
		return len - strlen("_total");
	if (openmetrics && metric->type == METRIC_INFO)
		return len - strlen("_info");
	return len;
}

/* The base unit a name ends with, "" without one. */
static const char *unit_of(const struct metric *metric, size_t len)
{
	static const char *const units[] = { "bytes", "seconds", "ratio" };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (ends_with(metric->name, len, units[i]) &&
		    metric->name[len - strlen(units[i]) - 1] == '_')
			return units[i];
	return "";
}

const char *metric_type_name(enum metric_type type, bool openmetrics)
{
	static const char *const names[METRIC_TYPES] = {
		[METRIC_GAUGE] = "gauge",
		[METRIC_COUNTER] = "counter",
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_INFO] = "info",
	};

	return names[type == METRIC_INFO && !openmetrics ? METRIC_GAUGE : type];
}

/* Help is our own, and has nothing that needs an escape. */
static void write_head(struct buf *out, const struct metric *metric, bool openmetrics)
{
	int len = (int)family_len(metric, openmetrics);
	const char *unit = unit_of(metric, (size_t)len);

	buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, metric->name, metric->help, len,
		   metric->name, metric_type_name(metric->type, openmetrics));
	if (openmetrics && *unit)
		buf_printf(out, "# UNIT %.*s %s\n", len, metric->name, unit);
}

/* As few digits as give the same number back. */
static void write_number(struct buf *out, double number)
{
	char digits[40];

	for (int precision = 15; precision <= 17; precision++) {
		snprintf(digits, sizeof(digits), "%.*g", precision, number);
		if (strtod(digits, NULL) == number)
			break;
	}
	buf_puts(out, digits);
}

/* A bound is a number with a point, in OpenMetrics, and the same in both. */
static void write_bound(struct buf *out, double bound)
{
	size_t start = out->len;

	write_number(out, bound);
	if (!strpbrk(buf_str(out) + start, ".e"))
		buf_puts(out, ".0");
}

/* One sample; @suffix behind the name, @le a label more (NULL = none). */
static void write_sample(struct buf *out, const struct metric *metric, const char *suffix,
			 const struct metric_server *server, const char *labels, const char *le,
			 double number)
{
	const char *parts[] = { buf_str(&server->label), labels, le ? le : "" };
	bool any = false;

	buf_puts(out, metric->name);
	buf_puts(out, suffix);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!*parts[i])
			continue;
		buf_putc(out, any ? ',' : '{');
		buf_puts(out, parts[i]);
		any = true;
	}
	buf_puts(out, any ? "} " : " ");
	write_number(out, number);
	buf_putc(out, '\n');
}

static void write_hist(struct buf *out, const struct metric *metric,
		       const struct metric_server *server, const char *labels,
		       const struct metric_hist *hist)
{
	struct buf le = { 0 };

	for (int i = 0; i < METRIC_BOUNDS; i++) {
		buf_clear(&le);
		buf_puts(&le, "le=\"");
		write_bound(&le, metric->bounds[i]);
		buf_putc(&le, '"');
		write_sample(out, metric, "_bucket", server, labels, buf_str(&le), hist->bucket[i]);
	}
	write_sample(out, metric, "_bucket", server, labels, "le=\"+Inf\"", hist->count);
	write_sample(out, metric, "_sum", server, labels, NULL, hist->sum);
	write_sample(out, metric, "_count", server, labels, NULL, hist->count);
	buf_free(&le);
}

/* One metric, while it is written. */
struct writing {
	const struct metrics *metrics;
	struct buf *out;
	bool openmetrics;
	size_t i; /* which metric */
	bool headed;
};

static void write_server(struct writing *w, const struct metric_server *server)
{
	const struct metric *metric = w->metrics->metric[w->i];
	const struct metric_series *series, *next;

	for (series = server->series[metric->group]; series; series = next) {
		const struct metric_cell *cell = &series->cells[w->metrics->cell[w->i]];

		next = series->hh.next;
		if (isnan(cell->value) && !cell->hist)
			continue;
		if (!w->headed)
			write_head(w->out, metric, w->openmetrics);
		w->headed = true;
		if (cell->hist)
			write_hist(w->out, metric, server, series->labels, cell->hist);
		else
			write_sample(w->out, metric, "", server, series->labels, NULL, cell->value);
	}
}

void metrics_write(const struct metrics *metrics, struct buf *out, bool openmetrics,
		   const char *only_server)
{
	size_t count = metrics->options.redis ? metrics->count : metrics->own_count;

	for (size_t i = 0; i < count; i++) {
		struct writing w = { metrics, out, openmetrics, i, false };
		const struct metric_server *server;

		if (!only_server)
			write_server(&w, &metrics->own);
		for (server = metrics->servers; server; server = server->hh.next)
			if (!only_server || !strcmp(server->name, only_server))
				write_server(&w, server);
	}
	if (openmetrics)
		buf_puts(out, "# EOF\n");
}
