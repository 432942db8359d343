/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Size classes at a glance: what each holds and its holes, in one bar, and the
 * prefixes that live there. A screenful shows the classes with most holes; -v all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/table.h"
#include "report/text.h"

#define CLASSES_SHOWN  8
#define BAR_COLUMNS    20
#define PREFIX_COLUMNS 16
#define NAMES_SHOWN    2

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
		text_key(out, (struct bytes){ user->prefix, user->prefix_len }, PREFIX_COLUMNS);
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
