/* SPDX-License-Identifier: BSD-2-Clause */
/* Words on a terminal: colour, width, wrapping, escaping; see text.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/escape.h"
#include "base/sum.h"
#include "report/text.h"

/* A sentence of ours is shorter; what is longer came from elsewhere. */
#define SENTENCE_MAX 1200

void text_paint(struct text *t, enum paint paint, const char *text)
{
	static const char *const codes[] = {
		[PAINT_BOLD] = "1",    [PAINT_DIM] = "2",    [PAINT_RED] = "1;31",
		[PAINT_YELLOW] = "33", [PAINT_GREEN] = "32", [PAINT_CYAN] = "36",
	};

	if (t->style->colour)
		buf_printf(t->out, "\033[%sm", codes[paint]);
	buf_puts(t->out, text);
	if (t->style->colour)
		buf_puts(t->out, "\033[0m");
}

void text_head(struct text *t, const char *head, const char *note)
{
	buf_putc(t->out, '\n');
	text_paint(t, PAINT_BOLD, head);
	if (note) {
		buf_puts(t->out, "  ");
		text_paint(t, PAINT_DIM, note);
	}
	buf_putc(t->out, '\n');
}

void text_wrap(struct text *t, const char *lead, const char *text)
{
	size_t hang = utf8_columns(lead), width = (size_t)t->columns, at = hang;
	struct buf safe = { 0 }, word = { 0 };

	text_safe(&safe, text);
	buf_puts(t->out, lead);
	for (const char *p = buf_str(&safe); *p;) {
		size_t len = strcspn(p, " ");
		size_t columns;

		buf_clear(&word);
		buf_add(&word, p, len);
		columns = utf8_columns(buf_str(&word));
		if (at > hang && at + 1 + columns > width) {
			buf_putc(t->out, '\n');
			buf_fill(t->out, ' ', hang);
			at = hang;
		} else if (at > hang) {
			buf_putc(t->out, ' ');
			at++;
		}
		buf_puts(t->out, buf_str(&word));
		at += columns;
		p += len;
		p += strspn(p, " ");
	}
	buf_putc(t->out, '\n');
	buf_free(&word);
	buf_free(&safe);
}

void text_pad(struct buf *out, const char *text, size_t width, bool right)
{
	size_t columns = utf8_columns(text);
	size_t blanks = columns < width ? width - columns : 0;

	if (right)
		buf_fill(out, ' ', blanks);
	buf_puts(out, text);
	if (!right)
		buf_fill(out, ' ', blanks);
}

void text_trim(struct buf *line)
{
	while (line->len && line->data[line->len - 1] == ' ')
		line->data[--line->len] = '\0';
}

void text_safe(struct buf *out, const char *text)
{
	size_t len;

	if (!text)
		return;
	len = strlen(text);
	if (len <= SENTENCE_MAX && utf8_is_plain(text, len))
		buf_add(out, text, len);
	else
		escape_terminal(out, text, len, SENTENCE_MAX);
}

void text_key(struct buf *out, struct bytes key, size_t max)
{
	if (key.data)
		escape_terminal(out, key.data, key.len, max);
}

void text_percent(struct buf *out, double ratio)
{
	if (isfinite(ratio))
		buf_printf(out, "%.1f %%", ratio * 100);
	else
		buf_putc(out, '-');
}

void text_moment(struct buf *out, double t_seconds)
{
	if (isfinite(t_seconds))
		buf_printf(out, "%+.1f s", t_seconds);
	else
		buf_putc(out, '-');
}

void text_estimate(struct buf *out, double n)
{
	if (isfinite(n) && fabs(n) < 9e18)
		fmt_count(out, sum_whole(round(n)));
	else
		buf_putc(out, '-');
}

void text_command(struct buf *out, const char *command)
{
	struct bytes name = { command, command ? strlen(command) : 0 };

	if (name.len)
		text_key(out, name, 24);
	else
		buf_puts(out, "(event loop)");
}

void text_bar(struct buf *out, double share, int columns)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	int width = 0;

	if (share > 0) {
		width = (int)(share * columns * 8 + 0.5);
		width = width < 1 ? 1 : width;
		width = width > columns * 8 ? columns * 8 : width;
	}
	for (int i = 0; i < width / 8; i++)
		buf_puts(out, "█");
	buf_puts(out, eighths[width % 8]);
	buf_fill(out, ' ', (size_t)(columns - (width + 7) / 8));
}

/* --- tables -------------------------------------------------------------------------------- */

#define TABLE_GAP 2

struct table {
	const struct table_column *columns;
	size_t columns_count;
	struct buf *cells;
	size_t cells_count;
};

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *table = xcalloc(1, sizeof(*table));

	table->columns = columns;
	table->columns_count = count;
	return table;
}

struct buf *table_cell(struct table *table)
{
	table->cells = array_grow(table->cells, table->cells_count, sizeof(struct buf));
	return &table->cells[table->cells_count++];
}

static size_t column_width(const struct table *table, size_t column)
{
	size_t width = utf8_columns(table->columns[column].head);

	for (size_t i = column; i < table->cells_count; i += table->columns_count) {
		size_t cell = utf8_columns(buf_str(&table->cells[i]));

		width = cell > width ? cell : width;
	}
	return width;
}

static void write_cell(struct buf *line, const struct table *table, size_t column, const char *text,
		       size_t width)
{
	buf_fill(line, ' ', TABLE_GAP);
	text_pad(line, text, width, table->columns[column].right);
}

void table_write(struct table *table, struct text *t)
{
	size_t *width = xcalloc(table->columns_count, sizeof(*width));
	struct buf line = { 0 };

	for (size_t i = 0; i < table->columns_count; i++) {
		width[i] = column_width(table, i);
		write_cell(&line, table, i, table->columns[i].head, width[i]);
	}
	text_trim(&line);
	text_paint(t, PAINT_DIM, buf_str(&line));
	buf_putc(t->out, '\n');
	buf_clear(&line);
	for (size_t i = 0; i < table->cells_count; i++) {
		size_t column = i % table->columns_count;

		write_cell(&line, table, column, buf_str(&table->cells[i]), width[column]);
		buf_free(&table->cells[i]);
		if (column + 1 < table->columns_count)
			continue;
		text_trim(&line);
		buf_puts(t->out, buf_str(&line));
		buf_putc(t->out, '\n');
		buf_clear(&line);
	}
	buf_free(&line);
	free(width);
	free(table->cells);
	free(table);
}

void table_bytes(struct table *table, int64_t bytes)
{
	fmt_bytes(table_cell(table), bytes);
}

void table_count(struct table *table, int64_t n)
{
	fmt_count(table_cell(table), n);
}

void table_seconds(struct table *table, double seconds)
{
	fmt_seconds(table_cell(table), seconds);
}

void table_text(struct table *table, const char *text)
{
	text_safe(table_cell(table), text);
}
