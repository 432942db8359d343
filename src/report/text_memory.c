/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `redmem memory` for people: the ledger as a bar chart, the allocator's own totals, its size
 * classes at a glance, children of a fork, and what a purge gave back.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "report/text.h"

/* --- the ledger -------------------------------------------------------------- */

/*
 * The ledger as a bar chart. A screenful shows the lines of 1 % and more and adds the
 * others up, so that what is printed still sums to its parent; -v shows every line.
 */

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
	if (line->basis == BASIS_DERIVED && line->bytes != RECORD_UNKNOWN)
		buf_putc(&cell, '~');
	fmt_bytes(&cell, line->bytes);
	text_pad(&row, buf_str(&cell), BYTES_COLUMNS, true);
	buf_clear(&cell);
	if (chart->rss > 0 && line->bytes != RECORD_UNKNOWN)
		text_percent(&cell, (double)line->bytes / chart->rss);
	text_pad(&row, buf_str(&cell), SHARE_COLUMNS, true);
	buf_puts(&row, "  ");
	text_bar(&row,
		 chart->full > 0 && line->bytes != RECORD_UNKNOWN ?
			 (double)line->bytes / chart->full :
			 0,
		 chart->bar_columns);
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

/* --- the allocator ----------------------------------------------------------- */

#define PREFIX_COLUMNS 40

/* ", name 1.2 MiB" */
static void part(struct buf *line, const char *name, int64_t bytes)
{
	buf_printf(line, "%s%s ", line->len ? ", " : "", name);
	fmt_bytes(line, bytes);
}

/* "after 10 s", "never" */
static void decay(struct buf *line, const char *name, int64_t ms)
{
	buf_printf(line, "%s ", name);
	if (ms < 0) {
		buf_puts(line, ms == RECORD_UNKNOWN ? "-" : "never");
		return;
	}
	buf_puts(line, "after ");
	fmt_seconds(line, (double)ms / 1e3);
}

static void large_extents(struct buf *line, const struct malloc_stats *s)
{
	int64_t count = 0, bytes = 0;

	for (size_t i = 0; i < s->classes_count; i++)
		if (!s->classes[i].small) {
			sum_add(&count, s->classes[i].slabs);
			sum_add(&bytes, s->classes[i].allocated_bytes);
		}
	fmt_count(line, count);
	buf_puts(line, " large extents of ");
	fmt_bytes(line, bytes);
	buf_puts(line, " in all");
}

void text_allocator(struct text *t)
{
	const struct malloc_stats *s = t->m->malloc_stats;
	struct buf line = { 0 };

	if (!s)
		return;
	text_head(t, "ALLOCATOR", NULL);
	part(&line, "allocated", s->allocated_bytes);
	part(&line, "active", s->active_bytes);
	part(&line, "dirty", s->dirty_bytes);
	part(&line, "muzzy", s->muzzy_bytes);
	part(&line, "metadata", s->metadata_bytes);
	part(&line, "retained", s->retained_bytes);
	buf_puts(&line, " (addresses only)");
	text_wrap(t, "  ", buf_str(&line));
	buf_clear(&line);
	large_extents(&line, s);
	decay(&line, "; dirty pages go", s->dirty_decay_ms);
	decay(&line, ", muzzy ones", s->muzzy_decay_ms);
	buf_printf(&line, "; background thread %s", s->background_thread ? "on" : "off");
	text_wrap(t, "  ", buf_str(&line));
	buf_clear(&line);
	buf_puts(&line, "read in ");
	fmt_seconds(&line, t->m->malloc_stats_seconds);
	buf_puts(&line, " (MALLOC-STATS, there and back) and ");
	fmt_seconds(&line, t->m->have_self ? t->m->self.smaps_seconds : NAN);
	buf_puts(&line, " (smaps, beside it)");
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

/* "SET 12,000, HSET 300": faults. */
static void copied_by(struct text *t, const struct cow_rows *cow)
{
	struct buf line = { 0 };

	for (size_t i = 0; i < cow->prefixes_count; i++) {
		const struct prefix_row *row = cow->prefixes[i];

		buf_puts(&line, i ? ", " : "");
		text_key(&line, (struct bytes){ row->prefix, row->prefix_len }, PREFIX_COLUMNS);
		buf_putc(&line, ' ');
		text_estimate(&line, row->charge.cow_faults);
	}
	if (cow->prefixes_count)
		text_wrap(t, "  copied for keys: ", buf_str(&line));
	buf_clear(&line);
	for (size_t i = 0; i < cow->commands_count; i++) {
		buf_puts(&line, i ? ", " : "");
		text_command(&line, cow->commands[i]->command);
		buf_putc(&line, ' ');
		text_estimate(&line, cow->commands[i]->charge.cow_faults);
	}
	if (cow->commands_count)
		text_wrap(t, "  copied by: ", buf_str(&line));
	buf_free(&line);
}

void text_children(struct text *t)
{
	static const struct table_column columns[] = {
		{ "pid", true },	{ "purpose", false },	{ "start", true },
		{ "end", true },	{ "fork", true },	{ "rss", true },
		{ "private", true },	{ "cow faults", true }, { "done", true },
		{ "at the end", true },
	};
	struct cow_rows cow;
	struct table *table;

	if (!t->m->children_count)
		return;
	text_head(t, "CHILDREN", "private: pages no longer shared with the server");
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->children_count; i++) {
		const struct child_row *row = &t->m->children[i];
		const struct record_child *child = &row->child;

		buf_printf(table_cell(table), "%lld", (long long)child->pid);
		table_text(table, child->purpose);
		text_moment(table_cell(table), child->t_start_seconds);
		text_moment(table_cell(table), child->t_end_seconds);
		table_seconds(table, child->fork_seconds);
		table_bytes(table, child->rss_bytes);
		table_bytes(table, child->private_bytes);
		table_count(table, child->cow_faults);
		text_percent(table_cell(table), row->done_ratio);
		table_bytes(table, row->projected_bytes);
	}
	table_write(table, t);
	model_cow(t->m, &cow);
	copied_by(t, &cow);
}

void text_purge(struct text *t)
{
	const struct record_purge *purge = &t->m->purge;
	struct buf line = { 0 };

	if (!t->m->have_purge)
		return;
	text_head(t, "PURGE", "asked for with --try purge");
	if (*purge->error) {
		buf_puts(&line, "the server did not do it: ");
		text_safe(&line, purge->error);
	} else {
		part(&line, "expected", model_purgeable(t->m));
		buf_puts(&line, "; rss fell by ");
		fmt_bytes(&line, model_purged(t->m));
		buf_puts(&line, ", from ");
		fmt_bytes(&line, purge->rss_before_bytes);
		buf_puts(&line, " to ");
		fmt_bytes(&line, purge->rss_after_bytes);
		buf_puts(&line, ", in ");
		fmt_seconds(&line, purge->reply_seconds);
	}
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

/* --- size classes: what each holds and its holes in one bar, and the prefixes there ------ */

#define CLASSES_SHOWN 8
#define BAR_COLUMNS   20
#define USER_COLUMNS  16
#define NAMES_SHOWN   2

static int by_holes(const void *a, const void *b)
{
	const struct class_row *x = *(const struct class_row *const *)a;
	const struct class_row *y = *(const struct class_row *const *)b;

	if (x->size.holes_bytes != y->size.holes_bytes)
		return (x->size.holes_bytes < y->size.holes_bytes) -
		       (x->size.holes_bytes > y->size.holes_bytes);
	return (x->size.allocated_bytes < y->size.allocated_bytes) -
	       (x->size.allocated_bytes > y->size.allocated_bytes);
}

static int64_t held(const struct class_row *row)
{
	return row->size.allocated_bytes + (row->size.holes_bytes > 0 ? row->size.holes_bytes : 0);
}

/* "█████░░░░░░░": allocated and holes, the longest of all being BAR_COLUMNS. */
static void write_bar(struct buf *out, const struct class_row *row, int64_t longest)
{
	double unit = longest > 0 ? (double)BAR_COLUMNS / (double)longest : 0;
	int full = (int)((double)row->size.allocated_bytes * unit + 0.5);
	int all = (int)((double)held(row) * unit + 0.5);

	for (int i = 0; i < all; i++)
		buf_puts(out, i < full ? "█" : "░");
}

static void write_prefix(struct buf *out, const struct class_user *user)
{
	if (user->prefix_len)
		text_key(out, (struct bytes){ user->prefix, user->prefix_len }, USER_COLUMNS);
	else
		buf_puts(out, "(no key)");
}

/* "user:* 99 %, cart:* 1 %"; what is only likely is marked. */
static void write_holders(struct buf *out, const struct class_row *row)
{
	for (size_t i = 0; i < row->holders_count && i < NAMES_SHOWN; i++) {
		double share = row->holders[i].objects / row->holders_objects;

		if (i && share < 0.05)
			break;
		buf_printf(out, "%s%s", i ? ", " : "", row->holders[i].estimated ? "~" : "");
		write_prefix(out, &row->holders[i]);
		buf_printf(out, " %.0f %%", share * 100);
	}
	if (!row->holders_count)
		buf_putc(out, '-');
}

/* Who allocates and frees most there: "set bench:*". */
static void write_mover(struct buf *out, const struct class_row *row)
{
	if (!row->movers_count)
		return;
	text_command(out, row->movers[0].command);
	buf_putc(out, ' ');
	write_prefix(out, &row->movers[0]);
}

static void write_row(struct table *table, const struct class_row *row, int64_t longest,
		      bool movers)
{
	struct buf *cell;
	int64_t all = held(row);

	table_bytes(table, row->size.size_bytes);
	table_bytes(table, row->size.allocated_bytes);
	table_bytes(table, row->size.holes_bytes);
	text_percent(table_cell(table),
		     all > 0 ? (double)row->size.allocated_bytes / (double)all : NAN);
	table_count(table, row->size.slabs);
	cell = table_cell(table);
	write_bar(cell, row, longest);
	cell = table_cell(table);
	write_holders(cell, row);
	if (movers) {
		cell = table_cell(table);
		write_mover(cell, row);
	}
}

/* The classes to show, the worst first; returns how many. */
static size_t choose(const struct text *t, const struct class_row **rows)
{
	const struct model *m = t->m;
	size_t count = 0;

	for (size_t i = 0; i < m->classes_count; i++)
		rows[count++] = &m->classes[i];
	qsort(rows, count, sizeof(*rows), by_holes);
	if (!t->style->verbose && count > CLASSES_SHOWN)
		count = CLASSES_SHOWN;
	return count;
}

static void note(struct buf *out, const struct model *m, size_t shown)
{
	buf_printf(out, "the %zu of %zu with most holes: █ allocated ░ holes", shown,
		   m->classes_count);
	if (m->sampled_keys_total) {
		buf_puts(out, "; keys there, of ");
		fmt_count(out, m->sampled_keys_total);
		buf_puts(out, " drawn at random");
	}
}

void text_classes(struct text *t)
{
	static const struct table_column columns[] = {
		{ "size", true },	 { "allocated", true },
		{ "holes", true },	 { "used", true },
		{ "slabs", true },	 { "", false },
		{ "keys there", false }, { "mostly moved by", false },
	};
	const struct class_row **rows;
	struct buf line = { 0 };
	struct table *table;
	bool movers = false;
	int64_t longest = 0;
	size_t count;

	if (!t->m->classes_count) {
		text_head(t, "SIZE CLASSES",
			  t->m->malloc_stats_not_understood ?
				  "MALLOC-STATS was not understood; known are jemalloc 5.1 to 5.3" :
				  "not known without MEMORY MALLOC-STATS of jemalloc");
		return;
	}
	rows = xcalloc(t->m->classes_count, sizeof(const struct class_row *));
	count = choose(t, rows);
	for (size_t i = 0; i < count; i++) {
		longest = held(rows[i]) > longest ? held(rows[i]) : longest;
		movers |= rows[i]->movers_count > 0;
	}
	note(&line, t->m, count);
	text_head(t, "SIZE CLASSES", buf_str(&line));
	table = table_new(columns, sizeof(columns) / sizeof(columns[0]) - (movers ? 0 : 1));
	for (size_t i = 0; i < count; i++)
		write_row(table, rows[i], longest, movers);
	table_write(table, t);
	free(rows);
	buf_free(&line);
}
