/* SPDX-License-Identifier: BSD-2-Clause */
/* Scheduled passes over the keys: what each found, as rows, and again as records of a model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/sum.h"
#include "history/internal.h"

/* One that is older says nothing of now. */
#define NEWEST_MS (8 * DAY_MS)

static const char *const kinds[] = { "all", "prefix", "key" };
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

/* --- keeping -------------------------------------------------------------------------------- */

static int put_row(struct history *history, int64_t pass, const struct record_passed *row)
{
	struct buf name = {};
	int kind = 0, code;

	while (kind < KINDS && strcmp(kinds[kind], row->what) != 0)
		kind++;
	if (kind == KINDS)
		return SQLITE_OK;
	escape_redis(&name, row->key.data, row->key.len); /* it may hold any byte */
	code = db_run(
		history,
		"INSERT INTO passed (pass, kind, name, db, type, keys, never, elements, bytes) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		"iititiiii", pass, (int64_t)kind, buf_str(&name), row->db, row->type,
		row->keys_total, row->no_ttl_total, row->elements, row->bytes);
	buf_free(&name);
	return code;
}

int passes_put(struct history *history, int64_t server, const struct history_window *w)
{
	const struct model *m = w->m;
	int64_t pass;
	int code;

	if (!m->passed_count)
		return SQLITE_OK;
	code = db_run(history, "INSERT INTO pass (server, at, us, ending) VALUES (?, ?, ?, ?)",
		      "iiit", server,
		      m->passed_wall_ns == RECORD_UNKNOWN ? w->end_ms : m->passed_wall_ns / 1000000,
		      sum_whole(m->passed[0].passed.seconds * 1e6), m->passed[0].passed.end);
	pass = sqlite3_last_insert_rowid(history->db);
	for (size_t i = 0; i < m->passed_count && code == SQLITE_OK; i++)
		code = put_row(history, pass, &m->passed[i].passed);
	return code;
}

/* --- reading -------------------------------------------------------------------------------- */

/* A pass as it was kept. */
struct pass {
	int64_t id, at_ms; /* RECORD_UNKNOWN = there is none */
	double seconds;
	char ending[24];
};

/* The newest of after @from_ms that ended by @to_ms; with @whole only one that was complete. */
static int find_pass(struct history *history, int64_t server, int64_t from_ms, int64_t to_ms,
		     bool whole, struct pass *pass)
{
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt,
			    "SELECT id, at, us / 1e6, ending FROM pass WHERE server = ? AND "
			    "at > ? AND at <= ? AND (? = 0 OR ending = 'complete') "
			    "ORDER BY at DESC LIMIT 1",
			    "iiii", server, from_ms, to_ms, (int64_t)whole);

	pass->id = pass->at_ms = RECORD_UNKNOWN;
	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? SQLITE_OK : code;
	pass->id = db_int(stmt, 0);
	pass->at_ms = db_int(stmt, 1);
	pass->seconds = db_real(stmt, 2);
	snprintf(pass->ending, sizeof(pass->ending), "%s", db_text(stmt, 3));
	sqlite3_reset(stmt);
	return SQLITE_OK;
}

static void give_row(struct history *history, sqlite3_stmt *stmt, const struct pass *pass,
		     struct model *m)
{
	struct record record = { .kind = RECORD_PASSED };
	struct record_sink model = model_sink(m), sink = model;
	int64_t kind = db_int(stmt, 0);
	const char *text = db_text(stmt, 1);
	struct buf name = {};
	size_t before = m->passed_count;

	if (kind < 0 || kind >= KINDS || unescape_redis(&name, text, strlen(text)))
		return;
	if (history->filter)
		sink = history->filter(history->filter_ctx, &model);
	record.passed = (struct record_passed){
		.t_seconds = NAN,
		.what = kinds[kind],
		.key = { buf_str(&name), name.len },
		.db = db_int(stmt, 2),
		.type = db_text(stmt, 3),
		.keys_total = db_int(stmt, 4),
		.no_ttl_total = db_int(stmt, 5),
		.elements = db_int(stmt, 6),
		.bytes = db_int(stmt, 7),
		.end = pass->ending,
		.seconds = pass->seconds,
	};
	record_emit(&sink, &record);
	if (m->passed_count && (m->passed_count > before || !kind))
		m->passed[m->passed_count - 1].before_bytes = db_int(stmt, 8);
	buf_free(&name);
}

/* Its rows, each with what the same had in the pass before. */
static int give_pass(struct history *history, const struct pass *pass, const struct pass *before,
		     struct model *m)
{
	sqlite3_stmt *stmt;
	int code =
		db_query(history, &stmt,
			 "SELECT p.kind, p.name, p.db, p.type, p.keys, p.never, p.elements, "
			 "p.bytes, (SELECT b.bytes FROM passed b WHERE b.pass = ?2 AND "
			 "b.kind = p.kind AND b.name = p.name AND ifnull(b.db, 0) = "
			 "ifnull(p.db, 0) LIMIT 1) FROM passed p WHERE p.pass = ?1 ORDER BY p.id",
			 "ii", pass->id, before->id);

	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		give_row(history, stmt, pass, m);
		code = SQLITE_OK;
	}
	if (m->passed_count) {
		m->passed_wall_ns = pass->at_ms * 1000000;
		m->passed_before_ns =
			before->at_ms == RECORD_UNKNOWN ? RECORD_UNKNOWN : before->at_ms * 1000000;
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int passes_get(struct history *history, const char *server, int64_t to_ms, struct model *m)
{
	struct pass pass, before;
	int64_t id;
	int code = server_id(history, server, false, &id);

	if (code != SQLITE_OK || id == RECORD_UNKNOWN)
		return code;
	code = find_pass(history, id, sum_less(to_ms, NEWEST_MS), to_ms, false, &pass);
	if (code != SQLITE_OK || pass.id == RECORD_UNKNOWN)
		return code;
	code = find_pass(history, id, INT64_MIN + 1, pass.at_ms - 1, true, &before);
	return code == SQLITE_OK ? give_pass(history, &pass, &before, m) : code;
}
