/* SPDX-License-Identifier: BSD-2-Clause */
/* What an outlook has to know of the time before a restart; see diagnose/outlook.h. */
#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "history/internal.h"

/* What an outlook remembers: of limits days, of prefixes some times an hour. */
#define DAYS_MS	    (3 * DAY_MS)
#define PREFIXES_MS (4 * HOUR_MS)

static int refill_prefixes(struct history *history, struct outlook *o, int64_t window)
{
	struct buf name = {};
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt,
			    "SELECT n.text, p.alloc - p.free FROM prefix p JOIN name n ON "
			    "n.id = p.name WHERE p.window = ? AND p.alloc IS NOT NULL AND p.free "
			    "IS NOT NULL",
			    "i", window);

	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		const char *text = db_text(stmt, 0);

		buf_clear(&name);
		if (!unescape_redis(&name, text, strlen(text)))
			outlook_refill_prefix(o, (struct bytes){ buf_str(&name), name.len },
					      db_real(stmt, 1));
		code = SQLITE_OK;
	}
	buf_free(&name);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* The windows after another, each with all of its limits. */
struct refilling {
	struct history *history;
	struct outlook *o;
	int64_t prefixes_from_ms;
	int64_t window, end_ms; /* under way; RECORD_UNKNOWN = none */
	struct outlook_past point;
};

static int hand_over(struct refilling *r)
{
	if (r->window == RECORD_UNKNOWN)
		return SQLITE_OK;
	outlook_refill(r->o, &r->point);
	return r->end_ms < r->prefixes_from_ms ? SQLITE_OK :
						 refill_prefixes(r->history, r->o, r->window);
}

static void begin_window(struct refilling *r, int64_t window, int64_t end_ms)
{
	r->window = window;
	r->end_ms = end_ms;
	r->point.end_seconds = (double)end_ms / 1e3;
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		r->point.limit[kind] = r->point.used[kind] = NAN;
}

static void take_limit(struct refilling *r, const char *name, double bytes, double used)
{
	for (int kind = 0; kind < LIMIT_KINDS; kind++) {
		if (strcmp(name, limit_kind_name((enum limit_kind)kind)) != 0)
			continue;
		r->point.limit[kind] = bytes;
		r->point.used[kind] = used;
	}
}

static int refill_limits(struct refilling *r, int64_t server, int64_t now_ms)
{
	sqlite3_stmt *stmt;
	int code = db_query(r->history, &stmt,
			    "SELECT w.id, w.end, n.text, l.bytes, l.used FROM window w "
			    "JOIN limits l ON l.window = w.id JOIN name n ON n.id = l.name "
			    "WHERE w.server = ? AND w.start >= ? AND w.end <= ? "
			    "ORDER BY w.start, w.id",
			    "iii", server, now_ms - DAYS_MS, now_ms);

	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		code = SQLITE_OK;
		if (db_int(stmt, 0) != r->window) {
			code = hand_over(r);
			begin_window(r, db_int(stmt, 0), db_int(stmt, 1));
		}
		take_limit(r, db_text(stmt, 2), db_real(stmt, 3), db_real(stmt, 4));
	}
	return code == SQLITE_DONE ? hand_over(r) : code;
}

/* The newest that ended well, and the window in which it did. */
static int refill_save(struct history *history, struct outlook *o, int64_t server, int64_t now_ms)
{
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt,
			    "SELECT w.rss, w.used_memory, w.alloc * 1000.0 / (w.end - w.start), "
			    "f.fork_us / 1e6, (f.end - f.begin) / 1e3, f.copied FROM fork f "
			    "JOIN window w ON w.server = f.server AND w.start < f.end AND "
			    "w.end >= f.end WHERE f.server = ? AND f.exit_code = 0 AND f.end <= ? "
			    "ORDER BY f.id DESC LIMIT 1",
			    "ii", server, now_ms);

	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code == SQLITE_ROW) {
		outlook_refill_save(o,
				    &(struct outlook_save){ db_real(stmt, 0), db_real(stmt, 1),
							    db_real(stmt, 2), db_real(stmt, 3),
							    db_real(stmt, 4), db_real(stmt, 5) });
		sqlite3_reset(stmt);
	}
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int history_outlook(struct history *history, const char *server, int64_t now_ms, struct outlook *o,
		    struct err *err)
{
	struct refilling r = { .history = history,
			       .o = o,
			       .prefixes_from_ms = now_ms - PREFIXES_MS,
			       .window = RECORD_UNKNOWN };
	int64_t id;
	int code;

	if (!history->db) /* it has stopped */
		return 0;
	reading_begin(history);
	code = server_id(history, server, false, &id);
	if (code == SQLITE_OK && id != RECORD_UNKNOWN)
		code = refill_limits(&r, id, now_ms);
	if (code == SQLITE_OK && id != RECORD_UNKNOWN)
		code = refill_save(history, o, id, now_ms);
	return reading_end(history, code, err);
}
