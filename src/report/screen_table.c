/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of the screen as they are drawn, with as many columns as fit; and all that is known
 * of one row. See screen_table.h.
 */
#include "report/screen_table.h"

#include <stdlib.h>
#include <string.h>

#include "report/screen_rows.h"
#include "report/text.h"

#define GAP	   2
#define WORD_LEAST 12 /* columns a name keeps where others want in, too */

/* --- as many columns as fit ----------------------------------------------- */

struct view_field {
	const struct column *column;
	bool word, sorted;
	size_t natural, width;
};

static size_t least(const struct view_field *field)
{
	return field->word && field->natural > WORD_LEAST ? WORD_LEAST : field->natural;
}

/* The head: of the column it is sorted by in brackets. */
static void head_text(struct buf *out, const struct view_field *field)
{
	buf_printf(out, field->sorted ? "<%s>" : "%s", field->column->head);
}

static void measure(struct view_field *field, const struct view_rows *rows, size_t from, size_t to)
{
	struct buf cell = { 0 };

	head_text(&cell, field);
	field->natural = utf8_columns(buf_str(&cell));
	for (size_t i = from; i < to; i++) {
		size_t columns;

		buf_clear(&cell);
		column_text(&cell, field->column, rows->m, rows->row[i].row, WORD_MOST);
		columns = utf8_columns(buf_str(&cell));
		field->natural = columns > field->natural ? columns : field->natural;
	}
	buf_free(&cell);
}

/* The first that fit, and the one it is sorted by; returns how many. */
static size_t choose_fields(struct view_field *field, size_t count, size_t columns)
{
	size_t kept = 0, used = 0;

	for (size_t i = 0; i < count; i++)
		if (field[i].sorted)
			used = least(&field[i]) + GAP;
	for (size_t i = 0; i < count; i++) {
		size_t wants = field[i].sorted ? 0 : least(&field[i]) + GAP;

		if (kept && used + wants > columns + GAP)
			continue;
		used += wants;
		field[kept++] = field[i];
	}
	for (size_t i = 0; i < kept; i++)
		field[i].width = least(&field[i]);
	/* What is left is for names, the first first. */
	columns += GAP;
	for (size_t i = 0; i < kept && used < columns; i++) {
		size_t more = field[i].natural - field[i].width;

		more = more > columns - used ? columns - used : more;
		field[i].width += more;
		used += more;
	}
	return kept;
}

static size_t make_fields(struct view_field *field, const struct view_rows *rows,
			  const struct screen_place *place, size_t room, size_t columns)
{
	const char *sorted = screen_sort_head(rows->table, place);
	size_t end = place->top + room < rows->count ? place->top + room : rows->count;
	size_t count = 0;

	for (; count < HEADS_MAX && rows->table->heads[count]; count++) {
		const char *head = rows->table->heads[count];

		field[count] = (struct view_field){ .column = screen_column(rows->table, head) };
		field[count].word = column_is_word(field[count].column);
		field[count].sorted = sorted && !strcmp(sorted, head);
		measure(&field[count], rows, place->top, end);
	}
	return choose_fields(field, count, columns);
}

/* --- the table ------------------------------------------------------------ */

static void write_heads(struct screen_pen *pen, const struct view_field *field, size_t count)
{
	struct screen_line *line = screen_next(pen);
	struct buf head = { 0 };

	if (!line)
		return;
	for (size_t i = 0; i < count; i++) {
		buf_clear(&head);
		head_text(&head, &field[i]);
		screen_put(line, SCREEN_HEAD, i ? "  " : "");
		screen_field(line, SCREEN_HEAD, buf_str(&head), field[i].width, !field[i].word);
	}
	screen_fill(line, SCREEN_HEAD, pen->columns);
	screen_end(line, pen->columns);
	buf_free(&head);
}

static enum screen_attr row_attr(const struct screen_view *view, const void *row)
{
	const struct finding_row *finding = row;

	if (view->tab != SCREEN_FINDINGS)
		return SCREEN_PLAIN;
	if (!strcmp(finding->severity, severity_name(SEVERITY_CRITICAL)))
		return SCREEN_BAD;
	return strcmp(finding->severity, severity_name(SEVERITY_WARNING)) ? SCREEN_PLAIN :
									    SCREEN_WARNING;
}

static void write_row(struct screen_pen *pen, const struct view_rows *rows, size_t i,
		      const struct view_field *field, size_t count)
{
	bool chosen = pen->view->place[pen->view->tab].at == i;
	enum screen_attr attr = chosen ? SCREEN_CHOSEN : row_attr(pen->view, rows->row[i].row);
	struct screen_line *line = screen_next(pen);
	struct buf cell = { 0 };

	if (!line)
		return;
	for (size_t f = 0; f < count; f++) {
		buf_clear(&cell);
		column_text(&cell, field[f].column, rows->m, rows->row[i].row,
			    field[f].word ? field[f].width : 0);
		screen_put(line, attr, f ? "  " : "");
		screen_field(line, attr, buf_str(&cell), field[f].width, !field[f].word);
	}
	if (chosen)
		screen_fill(line, attr, pen->columns);
	screen_end(line, pen->columns);
	buf_free(&cell);
}

/* Why there is no row. */
static const char *nothing(const struct screen_view *view, const struct view_rows *rows)
{
	if (view->filter.len)
		return "no row has that in a name: / changes it";
	switch (view->tab) {
	case SCREEN_CLIENTS:
		return rows->m ? "no client but redmem" :
				 "not known yet: the server is asked every few seconds";
	case SCREEN_CLASSES:
		return "not known yet: asked each ten seconds, and only jemalloc tells";
	case SCREEN_STALLS:
		return "no stall seen yet";
	case SCREEN_FINDINGS:
		return "nothing found";
	default:
		return rows->m ? "nothing seen" : "not known yet";
	}
}

static void write_nothing(struct screen_pen *pen, const char *why)
{
	struct screen_line *line = screen_next(pen);

	if (!line)
		return;
	screen_put(line, SCREEN_DIM, why);
	screen_end(line, pen->columns);
}

static void write_table(struct screen_pen *pen, struct view_rows *rows)
{
	struct screen_place *place = &pen->view->place[pen->view->tab];
	size_t room = pen->last > pen->row ? (size_t)(pen->last - pen->row) : 0;
	struct view_field field[HEADS_MAX];
	size_t count;

	screen_follow(rows, place, room);
	if (pen->view->tab == SCREEN_SERVERS && rows->count)
		pen->view->server_chosen = rows->row[place->at].was;
	count = make_fields(field, rows, place, room, (size_t)pen->columns);
	write_heads(pen, field, count);
	if (!rows->count)
		write_nothing(pen, nothing(pen->view, rows));
	for (size_t i = place->top; i < rows->count && i < place->top + room; i++)
		write_row(pen, rows, i, field, count);
}

/* --- all that is known of a row ------------------------------------------- */

/* "in_allocator" as people write it. */
static void put_name(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_putc(out, *name == '_' ? ' ' : *name);
}

#define NAME_COLUMNS 24

/* Does one of @columns say it, too? */
static bool said_in(const struct columns *columns, const struct column *column)
{
	if (column->head)
		return screen_column_in(columns, column->head);
	for (size_t i = 0; columns && i < columns->count; i++) {
		const struct column *other = &columns->column[i];

		if (other->at == column->at && !other->of && !column->of)
			return true;
	}
	return false;
}

/* @beside: what is said anyway. */
static void describe_columns(struct text *t, const struct columns *columns,
			     const struct columns *beside, const void *row)
{
	struct buf lead = { 0 }, name = { 0 }, value = { 0 };

	for (size_t i = 0; columns && i < columns->count; i++) {
		const struct column *column = &columns->column[i];

		if (said_in(beside, column))
			continue;
		buf_clear(&lead);
		buf_clear(&name);
		buf_clear(&value);
		put_name(&name, column->head ? column->head : column->name);
		text_pad(&lead, buf_str(&name), NAME_COLUMNS, false);
		column_text(&value, column, t->m, row, 0);
		text_wrap(t, buf_str(&lead), value.len ? buf_str(&value) : "-");
	}
	buf_free(&lead);
	buf_free(&name);
	buf_free(&value);
}

static void describe(struct text *t, const struct screen_view *view,
		     const struct screen_server *server, const struct view_rows *rows, size_t i)
{
	const struct findings *f = screen_judged(server)->f;
	const struct finding_row *finding = rows->row[i].row;
	const struct screen_stall *stall = rows->row[i].row;

	if (view->tab == SCREEN_STALLS) {
		buf_puts(t->out, stall->whole);
		return;
	}
	for (size_t n = 0; view->tab == SCREEN_FINDINGS && f && n < f->count; n++)
		if (!strcmp(f->items[n].id, finding->id) &&
		    !strcmp(f->items[n].title, finding->title))
			text_finding(t, &f->items[n]);
	if (view->tab == SCREEN_FINDINGS)
		return;
	/* What both have is said once. */
	describe_columns(t, rows->table->from[0], NULL, rows->row[i].row);
	describe_columns(t, rows->table->from[1], rows->table->from[0], rows->row[i].row);
}

static void write_details(struct screen_pen *pen, const struct screen_server *server,
			  struct view_rows *rows)
{
	const struct report_style style = { .columns = pen->columns, .verbose = true };
	struct screen_place *place = &pen->view->place[pen->view->tab];
	struct buf out = { 0 };
	struct text t = { .out = &out, .m = rows->m, .f = screen_judged(server)->f };

	text_begin(&t, &style);
	if (screen_find_mark(rows, place))
		describe(&t, pen->view, server, rows, place->at);
	else
		buf_puts(&out, "not seen in this window\n");
	screen_text(pen, buf_str(&out));
	buf_free(&out);
}

/* Where the memory is: the ledger of the newest window that has one, and what is not seen. */
static void write_memory(struct screen_pen *pen, const struct screen_server *server)
{
	const struct report_style style = { .columns = pen->columns };
	const struct model *m = server->longer.m;
	struct buf out = { 0 };
	struct text t = { .out = &out, .f = screen_judged(server)->f };

	if (server->classes && server->classes->ledger.count)
		m = server->classes;
	else if (!m)
		m = server->second.m;
	if (!m) {
		write_nothing(pen, "not known yet");
		return;
	}
	t.m = m;
	text_begin(&t, &style);
	text_ledger(&t);
	text_allocator(&t);
	text_sensors(&t);
	text_own_cost(&t);
	screen_text(pen, buf_str(&out) + strspn(buf_str(&out), "\n"));
	buf_free(&out);
}

void screen_table(struct screen_pen *pen, const struct screen_server *servers, size_t count)
{
	struct screen_view *view = pen->view;
	struct view_rows rows;

	if (!screen_has_rows(view->tab)) {
		write_memory(pen, &servers[view->server]);
		return;
	}
	screen_rows(&rows, view, servers, count);
	if (view->details)
		write_details(pen, &servers[view->server], &rows);
	else
		write_table(pen, &rows);
	screen_rows_free(&rows);
}
