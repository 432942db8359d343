/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table for people: cells are filled one after another, row by row, and each column
 * is as wide as its widest cell.
 */
#pragma once

#include "report/text.h"

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
