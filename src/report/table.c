/* SPDX-License-Identifier: BSD-2-Clause */
/* A table for people; see table.h. */
#include <stdlib.h>

#include "report/table.h"

#define TABLE_GAP 2

struct table {
	const struct table_column *columns;
	size_t columns_count;
	struct buf *cells;
	size_t cells_count, cells_room;
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
	if (table->cells_count == table->cells_room) {
		table->cells_room = table->cells_room ? table->cells_room * 2 : 64;
		table->cells = xrealloc(table->cells, table->cells_room * sizeof(struct buf));
	}
	table->cells[table->cells_count] = (struct buf){ 0 };
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
