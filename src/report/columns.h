/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The columns of each kind of row, as data: what a column is called in JSON and CSV and
 * what for people, where its value is in the row, how it is written. All forms of a
 * report are folded from these tables, so a new column is one line in columns.c.
 */
#pragma once

#include <jansson.h>

#include "report/text.h"

enum cell {
	CELL_COMMAND, /* const char *; for people "(event loop)" when "" */
	CELL_WORD, /* const char *: a name of ours or the server's */
	CELL_NAME, /* const char *, any bytes; their number in the size_t right behind */
	CELL_BYTES, /* int64_t */
	CELL_COUNT, /* int64_t */
	CELL_TIME, /* int64_t: nanoseconds since 1970 */
	CELL_BYTES_SUM, /* double: an estimate of whole bytes */
	CELL_BYTES_RATE, /* likewise; for people in a second of the watch */
	CELL_BYTES_MEAN, /* double */
	CELL_ESTIMATE, /* double: of a count */
	CELL_SECONDS, /* double */
	CELL_RATIO, /* double */
};

/*
 * The value is the member at @at; with @of, what that makes of it: a double, whatever the
 * cell. Unknown (RECORD_UNKNOWN, NAN) is null in JSON, nothing in CSV and "-" for people.
 */
struct column {
	const char *name; /* in JSON and CSV; NULL = only for people */
	const char *head; /* for people; NULL = only for programs */
	int place; /* among the columns for people, from 1 */
	enum cell cell;
	size_t at;
	double (*of)(const struct model *m, const void *member);
	const char *sensor; /* unknown while that one was off; NULL = known without */
	bool more; /* for people: only with -v */
};

struct columns {
	const struct column *column;
	size_t count;
};

/* Of struct command_row, prefix_row and thread_row... */
extern const struct columns columns_commands, columns_prefixes, columns_threads;
/* ...and what `alloc` says of them; of struct alloc_class. */
extern const struct columns columns_alloc_commands, columns_alloc_prefixes, columns_alloc_threads,
	columns_alloc_classes;
/* Of struct error_row, refusal_row and replica_row. */
extern const struct columns columns_errors, columns_refusals, columns_replicas;
/* Of struct class_row and client_row. */
extern const struct columns columns_classes, columns_clients;
/* Are its values words, not numbers? */
bool column_is_word(const struct column *column);
/* Are its values whole numbers, each as it was counted? */
bool column_is_integer(const struct column *column);

/* A value for people, of a name at most @max columns; and as a number, NAN where it is not known:
 * of columns that are no words. */
void column_text(struct buf *out, const struct column *column, const struct model *m,
		 const void *row, size_t max);
double column_number(const struct column *column, const struct model *m, const void *row);

/* @count rows of an array, @bytes each: those at @order where that is not NULL. */
struct rows {
	const void *row;
	size_t bytes;
	const size_t *order;
	size_t count;
};

#define ROWS(array, total) (&(struct rows){ (array), sizeof((array)[0]), NULL, (total) })

/* A table for people, as wide as what is in it. */
void columns_text(struct text *t, const struct columns *columns, const struct rows *rows);
/* An array of objects, and one row as an object to which others may be added. */
json_t *columns_json(const struct model *m, const struct columns *columns, const struct rows *rows);
json_t *columns_object(const struct model *m, const struct columns *columns, const void *row);
/* The number of a row in the column called @name; NAN where it is not known. */
double columns_number(const struct model *m, const struct columns *columns, const char *name,
		      const void *row);
/* The line of names, and a row (RFC 4180, see escape_csv()). */
void columns_csv_head(struct buf *out, const struct columns *columns);
void columns_csv_row(struct buf *out, const struct columns *columns, const void *row);
