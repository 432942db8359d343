/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tables of the screen show: which columns of report/columns.h each has, its rows sorted
 * and filtered, and which of them is chosen.
 */
#pragma once

#include "report/columns.h"
#include "report/screen_line.h"

#define HEADS_MAX 20
#define WORD_MOST 200 /* no terminal is wider; a name may have 64 KiB */

/* What a table shows of a row: columns by their heads, of two tables, in order of importance. */
struct view_table {
	const struct columns *from[2];
	const char *heads[HEADS_MAX]; /* to a NULL */
	const char *sort; /* by which it is as long as nobody asked; NULL = as the rows come */
	const char *mark; /* by which a row is known again; NULL = the first */
};

struct finding_row {
	const char *severity, *id, *title;
};

/* One row, and what it is sorted by. */
struct view_row {
	const void *row;
	size_t was; /* its place before */
	double number;
	char *word; /* NULL = by the number */
};

struct view_rows {
	const struct view_table *table;
	const struct model *m; /* they are of; NULL for those that need none */
	struct view_row *row;
	size_t count;
	void *own; /* rows that were made for this */
	size_t own_count;
};

/* How many columns can a tab be sorted by? */
size_t screen_sorts(enum screen_tab tab);
/* Has it rows to choose one of? */
bool screen_has_rows(enum screen_tab tab);

/* The rows of the view's tab. They point into @servers. */
void screen_rows(struct view_rows *rows, const struct screen_view *view,
		 const struct screen_server *servers, size_t count);
void screen_rows_free(struct view_rows *rows);

/* By its head; NULL = there is none. @columns may be NULL. */
const struct column *screen_column_in(const struct columns *columns, const char *head);
const struct column *screen_column(const struct view_table *table, const char *head);
/* Which column of the table it is sorted by; NULL = none. */
const char *screen_sort_head(const struct view_table *table, const struct screen_place *place);

/* Look for the row chosen, where it has gone. False when it is no more, or there is none. The mark
 * is "" when the viewer has moved to where place->at is. */
bool screen_find_mark(const struct view_rows *rows, struct screen_place *place);
/* The row chosen, or what has come into its place, and @room rows about it. */
void screen_follow(const struct view_rows *rows, struct screen_place *place, size_t room);
