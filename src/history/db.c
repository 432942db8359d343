/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite, as the history uses it; see internal.h. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "history/internal.h"

/* --- statements --------------------------------------------------------------------------- */

static int prepared(struct history *history, sqlite3_stmt **out, const char *text)
{
	struct statement *statement;
	int code;

	for (size_t i = 0; i < history->statements_count; i++) {
		if (history->statements[i].text != text)
			continue;
		*out = history->statements[i].stmt;
		return SQLITE_OK;
	}
	if (history->statements_count == STATEMENTS_MAX)
		return SQLITE_MISUSE;
	statement = &history->statements[history->statements_count];
	code = sqlite3_prepare_v3(history->db, text, -1, SQLITE_PREPARE_PERSISTENT,
				  &statement->stmt, NULL);
	if (code != SQLITE_OK)
		return code;
	statement->text = text;
	history->statements_count++;
	*out = statement->stmt;
	return SQLITE_OK;
}

static int bind_int(sqlite3_stmt *stmt, int at, int64_t value)
{
	return value == RECORD_UNKNOWN ? sqlite3_bind_null(stmt, at) :
					 sqlite3_bind_int64(stmt, at, value);
}

/* Borrowed: all are there until the statement has run. */
static int bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	return text ? sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC) :
		      sqlite3_bind_null(stmt, at);
}

static int bind(sqlite3_stmt *stmt, const char *types, va_list args)
{
	int code = SQLITE_OK;

	for (int at = 1; *types && code == SQLITE_OK; types++, at++) {
		const void *bytes;

		switch (*types) {
		case 'i':
			code = bind_int(stmt, at, va_arg(args, int64_t));
			break;
		case 'd': /* NAN is NULL there */
			code = sqlite3_bind_double(stmt, at, va_arg(args, double));
			break;
		case 't':
			code = bind_text(stmt, at, va_arg(args, const char *));
			break;
		case 'b':
			bytes = va_arg(args, const void *);
			code = sqlite3_bind_blob64(stmt, at, bytes, va_arg(args, size_t),
						   SQLITE_STATIC);
			break;
		default:
			code = SQLITE_MISUSE;
		}
	}
	return code;
}

static int query(struct history *history, sqlite3_stmt **out, const char *text, const char *types,
		 va_list args)
{
	int code = history->db ? prepared(history, out, text) : SQLITE_MISUSE;

	return code == SQLITE_OK ? bind(*out, types, args) : code;
}

int db_query(struct history *history, sqlite3_stmt **out, const char *text, const char *types, ...)
{
	va_list args;
	int code;

	va_start(args, types);
	code = query(history, out, text, types, args);
	va_end(args);
	return code;
}

int db_next(sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	if (code != SQLITE_ROW)
		sqlite3_reset(stmt);
	return code;
}

/* To its end; or, with @out, only to its first row, whose first column that becomes. */
static int run(struct history *history, int64_t *out, const char *text, const char *types,
	       va_list args)
{
	sqlite3_stmt *stmt;
	int code = query(history, &stmt, text, types, args);

	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (out && code == SQLITE_ROW) {
		*out = db_int(stmt, 0);
		sqlite3_reset(stmt);
	}
	while (!out && code == SQLITE_ROW)
		code = db_next(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int db_run(struct history *history, const char *text, const char *types, ...)
{
	va_list args;
	int code;

	va_start(args, types);
	code = run(history, NULL, text, types, args);
	va_end(args);
	return code;
}

int db_number(struct history *history, int64_t *out, const char *text, const char *types, ...)
{
	va_list args;
	int code;

	*out = RECORD_UNKNOWN;
	va_start(args, types);
	code = run(history, out, text, types, args);
	va_end(args);
	return code;
}

int64_t db_int(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt, column) == SQLITE_NULL ?
		       RECORD_UNKNOWN :
		       sqlite3_column_int64(stmt, column);
}

double db_real(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_type(stmt, column) == SQLITE_NULL ?
		       NAN :
		       sqlite3_column_double(stmt, column);
}

const char *db_text(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text ? (const char *)text : "";
}

/* --- errors ------------------------------------------------------------------------------- */

int db_error(struct history *history, int code, const char *what, struct err *err)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return err_set(err, -ENOSPC, "history: %s: no room left for %s", history->path,
			       what);
	case SQLITE_IOERR:
		return err_set(err, -EIO, "history: %s: %s fails: %s", history->path, what,
			       sqlite3_errstr(code));
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, -EBADMSG, "history: %s is damaged (%s)", history->path, what);
	case PACK_UNREADABLE:
		return err_set(err, -EBADMSG, "history: %s: %s of then cannot be read any more",
			       history->path, what);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(
			err, -EBUSY,
			"history: %s is held by another program (%s); is it open in sqlite3?",
			history->path, what);
	case SQLITE_CANTOPEN:
		return err_set(err, -EACCES, "history: %s cannot be opened: %s", history->path,
			       strerror(history->db ? sqlite3_system_errno(history->db) : EACCES));
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return err_set(err, -EPERM, "history: %s may not be written to", history->path);
	case SQLITE_INTERRUPT:
		return err_set(err, -ETIMEDOUT, "history: %s: %s takes too long", history->path,
			       what);
	case SQLITE_NOMEM:
		return err_set(err, -ENOMEM, "history: %s: out of memory", history->path);
	}
	return err_set(err, -EINVAL, "history: %s: %s: %s", history->path, what,
		       history->db && sqlite3_errcode(history->db) == code ?
			       sqlite3_errmsg(history->db) :
			       sqlite3_errstr(code));
}

/* --- closing and checking ------------------------------------------------------------ */

void db_close(struct history *history)
{
	for (size_t i = 0; i < history->statements_count; i++)
		sqlite3_finalize(history->statements[i].stmt);
	history->statements_count = 0;
	sqlite3_close(history->db);
	history->db = NULL;
}

struct verdict {
	char text[160];
};

static int take_verdict(void *ctx, int columns, char **values, char **names)
{
	struct verdict *verdict = ctx;

	(void)names;
	if (columns > 0 && values[0])
		snprintf(verdict->text, sizeof(verdict->text), "%s", values[0]);
	return 0;
}

int db_check(struct history *history, double seconds, struct err *err)
{
	struct verdict verdict = {};
	int code;

	history->deadline_ns = clock_mono_ns() + (int64_t)(seconds * 1e9);
	code = sqlite3_exec(history->db, "PRAGMA quick_check(1)", take_verdict, &verdict, NULL);
	history->deadline_ns = 0;
	if ((code & 0xff) == SQLITE_INTERRUPT) /* so far it is good */
		return 0;
	if (code != SQLITE_OK)
		return db_error(history, code, "checking it", err);
	if (strcmp(verdict.text, "ok") != 0)
		return err_set(err, -EBADMSG, "history: %s is damaged (%s)", history->path,
			       verdict.text);
	return 0;
}
