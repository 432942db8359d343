/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger as a bar chart. A screenful shows the lines of 1 % and more and adds the
 * others up, so that what is printed still sums to its parent; -v shows every line.
 */
#include <stdlib.h>
#include <string.h>

#include "report/text.h"

#define NAME_COLUMNS  32 /* more when a title needs it */
#define BYTES_COLUMNS 12
#define SHARE_COLUMNS 9
#define SMALL_SHARE   0.01
#define BAR_MIN	      8
#define BAR_MAX	      40

struct chart {
	struct text *t;
	const struct ledger *ledger;
	bool *shown;
	double rss; /* bytes; 0 when not known */
	double full; /* bytes of a full bar */
	size_t name_columns;
	int bar_columns;
};

static bool is_child(const struct ledger_line *line, const char *parent)
{
	if (!line->parent || !parent)
		return !line->parent && !parent;
	return !strcmp(line->parent, parent);
}

/* "defrag 1.2 GiB, thp or restart 800.0 MiB" */
static void write_reclaim(struct buf *out, const struct ledger_line *line)
{
	const char *separator = "";

	for (size_t i = 0; i < line->reclaim_count; i++) {
		const struct reclaim *way = &line->reclaim[i];
		bool same = i + 1 < line->reclaim_count && way[1].bytes == way->bytes &&
			    strcmp(way[1].action, "none");

		if (!strcmp(way->action, "none"))
			continue;
		buf_printf(out, "%s%s", separator, way->action);
		if (!same) {
			buf_putc(out, ' ');
			fmt_bytes(out, way->bytes);
		}
		separator = same ? " or " : ", ";
	}
}

static void write_line(struct chart *chart, const struct ledger_line *line)
{
	struct buf row = { 0 }, cell = { 0 };

	buf_fill(&cell, ' ', (size_t)line->depth * 2 + 2);
	text_safe(&cell, line->title);
	text_pad(&row, buf_str(&cell), chart->name_columns, false);
	buf_clear(&cell);
	if (line->basis == BASIS_DERIVED)
		buf_putc(&cell, '~');
	fmt_bytes(&cell, line->bytes);
	text_pad(&row, buf_str(&cell), BYTES_COLUMNS, true);
	buf_clear(&cell);
	if (chart->rss > 0 && line->bytes != RECORD_UNKNOWN)
		text_percent(&cell, (double)line->bytes / chart->rss);
	text_pad(&row, buf_str(&cell), SHARE_COLUMNS, true);
	buf_puts(&row, "  ");
	text_bar(&row, chart->full > 0 ? (double)line->bytes / chart->full : 0, chart->bar_columns);
	buf_puts(&row, "  ");
	write_reclaim(&row, line);
	if (line->basis == BASIS_SAMPLED)
		buf_puts(&row, " (sampled)");
	text_trim(&row);
	if (line->depth == 0)
		text_paint(chart->t, PAINT_BOLD, buf_str(&row));
	else if (line->bytes < 0)
		text_paint(chart->t, PAINT_DIM, buf_str(&row));
	else
		buf_puts(chart->t->out, buf_str(&row));
	buf_putc(chart->t->out, '\n');
	buf_free(&row);
	buf_free(&cell);
}

static void write_children(struct chart *chart, const char *parent)
{
	struct ledger_line rest = { .basis = BASIS_EXACT };
	struct buf title = { 0 };
	size_t hidden = 0;

	for (size_t i = 0; i < chart->ledger->count; i++) {
		const struct ledger_line *line = &chart->ledger->lines[i];

		if (!is_child(line, parent))
			continue;
		if (chart->shown[i]) {
			write_line(chart, line);
			write_children(chart, line->id);
			continue;
		}
		hidden++;
		rest.depth = line->depth;
		if (line->bytes != RECORD_UNKNOWN)
			rest.bytes += line->bytes;
		if (line->basis != BASIS_EXACT)
			rest.basis = BASIS_DERIVED;
	}
	if (hidden) {
		buf_printf(&title, "%zu smaller", hidden);
		rest.title = buf_str(&title);
		write_line(chart, &rest);
	}
	buf_free(&title);
}

/* A line is shown for itself or for a child that is. */
static void chart_select(struct chart *chart)
{
	const struct ledger_line *lines = chart->ledger->lines;

	for (size_t i = chart->ledger->count; i-- > 0;) {
		double size = lines[i].bytes == RECORD_UNKNOWN ? 0 : (double)llabs(lines[i].bytes);

		if (chart->t->style->verbose || !lines[i].parent ||
		    !strcmp(lines[i].id, "unexplained") || size >= SMALL_SHARE * chart->rss)
			chart->shown[i] = true;
		for (size_t p = 0; chart->shown[i] && p < i; p++)
			if (is_child(&lines[i], lines[p].id))
				chart->shown[p] = true;
	}
}

/* The longest bar takes the columns that are left: with swap, or where memory is counted
 * that is not resident, a line can be longer than rss. */
static void chart_scale(struct chart *chart)
{
	size_t name = NAME_COLUMNS, room = 0, used;
	struct buf reclaim = { 0 };

	for (size_t i = 0; i < chart->ledger->count; i++) {
		const struct ledger_line *line = &chart->ledger->lines[i];
		size_t width = utf8_columns(line->title) + (size_t)line->depth * 2 + 2;

		if (!chart->shown[i])
			continue;
		if (line->bytes != RECORD_UNKNOWN && (double)line->bytes > chart->full)
			chart->full = (double)line->bytes;
		name = width > name ? width : name;
		buf_clear(&reclaim);
		write_reclaim(&reclaim, line);
		room = reclaim.len > room ? reclaim.len : room;
	}
	buf_free(&reclaim);
	chart->name_columns = name;
	used = name + BYTES_COLUMNS + SHARE_COLUMNS + 4 + room;
	chart->bar_columns = chart->t->columns - (int)used;
	if (chart->bar_columns < BAR_MIN)
		chart->bar_columns = BAR_MIN;
	if (chart->bar_columns > BAR_MAX)
		chart->bar_columns = BAR_MAX;
}

void text_ledger(struct text *t)
{
	struct chart chart = { .t = t, .ledger = &t->m->ledger };
	int64_t rss = ledger_bytes(chart.ledger, "rss");

	if (!chart.ledger->count) {
		text_head(t, "MEMORY", "not known: the server's mappings could not be read");
		return;
	}
	chart.rss = rss == RECORD_UNKNOWN ? 0 : (double)rss;
	chart.shown = xcalloc(chart.ledger->count, sizeof(*chart.shown));
	chart_select(&chart);
	chart_scale(&chart);
	text_head(t, "MEMORY",
		  "bytes, share of rss, what would give it back; ~ = difference of two");
	write_children(&chart, NULL);
	free(chart.shown);
}
