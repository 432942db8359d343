/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pieces of a report for people. Each section is one function; each report puts them in
 * order. Every string that may hold a server's bytes goes through
 * text_safe() or text_key(), and every number through a text_*() or fmt_*() that
 * prints "-" for what is not known.
 */
#pragma once

#include "base/buf.h"
#include "base/escape.h"
#include "report/report.h"

struct text {
	struct buf *out;
	const struct model *m;
	const struct findings *f;
	const struct report_style *style;
	int columns; /* usable width */
};

enum paint { PAINT_BOLD, PAINT_DIM, PAINT_RED, PAINT_YELLOW, PAINT_GREEN, PAINT_CYAN };

/* --- text_write.c: words on a terminal --- */

/* @text in colour where the style has colours. */
void text_paint(struct text *t, enum paint paint, const char *text);
/* An empty line, the head in bold and a note behind it (NULL = none). */
void text_head(struct text *t, const char *head, const char *note);
/* @lead, then the words of @text, wrapped and hanging behind @lead. */
void text_wrap(struct text *t, const char *lead, const char *text);
/* @text, then blanks up to @width columns; before it when @right. */
void text_pad(struct buf *out, const char *text, size_t width, bool right);
/* Cut the blanks at the end of @line. */
void text_trim(struct buf *line);
/* A sentence or name: as it is when harmless, else escaped. NULL adds nothing. */
void text_safe(struct buf *out, const char *text);
/* A key or prefix, cut to @max columns; nothing when there is none. */
void text_key(struct buf *out, struct bytes key, size_t max);
/* "12.3 %" of a ratio; "-" when not finite. */
void text_percent(struct buf *out, double ratio);
/* "+3.2 s" after the start of the watch or window, "-0.4 s" before it; "-" when not finite. */
void text_moment(struct buf *out, double t_seconds);
/* An estimate, rounded to a count; "-" when not finite. */
void text_estimate(struct buf *out, double n);
/* A command's name, "(event loop)" for "". */
void text_command(struct buf *out, const char *command);

/* A bar of @share of @columns, in eighths of a column and at least one for what is not
 * nothing, padded to @columns. */
void text_bar(struct buf *out, double share, int columns);

/*
 * A table: cells are filled one after another, row by row, and each column is as wide as
 * its widest cell.
 */
struct table_column {
	const char *head;
	bool right; /* numbers */
};

struct table;

/* @columns must outlive the table. */
struct table *table_new(const struct table_column *columns, size_t count);
/* The next cell, empty. Text in it must be harmless already. Valid until the next call. */
struct buf *table_cell(struct table *table);
/* Write the head and all rows, indented by two; frees the table. */
void table_write(struct table *table, struct text *t);

/* Cells with one number or name in it. */
void table_bytes(struct table *table, int64_t bytes);
void table_count(struct table *table, int64_t n);
void table_seconds(struct table *table, double seconds);
void table_text(struct table *table, const char *text);
#define TABLE(columns) table_new(columns, sizeof(columns) / sizeof((columns)[0]))

/* --- text_state.c: what all reports begin and end with --- */

/* @style with a usable width. */
void text_begin(struct text *t, const struct report_style *style);
void text_about(struct text *t); /* server and window */
void text_own_cost(struct text *t);
void text_cost(struct text *t); /* what watching took from the server */

/* --- the sections --- */

void text_alloc_top(struct text *t); /* of `redmem doctor`; nothing without the flow sensor */
void text_ledger(struct text *t);
void text_classes(struct text *t);
void text_allocator(struct text *t);
void text_children(struct text *t); /* nothing when there was no fork */
void text_purge(struct text *t); /* nothing when none was tried */
void text_stalls(struct text *t);
/* What held the loop and why: "DEL leaderboard:global, 84 % allocator, 12 % own computing". */
void text_stall(struct buf *out, const struct stall *stall);
/* Its two halves. */
void text_stall_what(struct buf *out, const struct stall *stall);
void text_stall_why(struct buf *out, const struct stall *stall);
void text_findings(struct text *t);
void text_finding(struct text *t, const struct finding *finding); /* one of them, whole */
/* The value of a window's line (`--every`) below that head. */
void text_window_value(struct buf *out, const struct model *m, const char *head);
void text_events(struct text *t);
void text_sensors(struct text *t);
void text_passed(struct text *t); /* nothing without a scheduled pass */
void text_keyspace(struct text *t); /* nothing without a pass over the keys */
void text_dumped(struct text *t); /* what only dumps tell of their keys */
struct report_dump;
void text_dump_file(struct text *t, const struct report_dump *file);
void text_concentration(struct text *t); /* of bytes over keys; nothing without enough keys */
void text_head_server(struct text *t); /* "redis 7.0.15, pid 4242, ..." */
