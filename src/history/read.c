/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading: servers, what happened, and a time of old as records or as a model; see history.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/sum.h"
#include "history/internal.h"
#include "model/window.h"

/* Most that one question may take. */
#define READ_SECONDS 20

void reading_begin(struct history *history)
{
	history->deadline_ns = clock_mono_ns() + READ_SECONDS * 1000000000LL;
	pack_forget(history);
	sqlite3_exec(history->db, "BEGIN", NULL, NULL, NULL);
}

int reading_end(struct history *history, int code, struct err *err)
{
	history->deadline_ns = 0;
	sqlite3_exec(history->db, "COMMIT", NULL, NULL, NULL);
	return code == SQLITE_OK || code == SQLITE_DONE ?
		       0 :
		       db_error(history, code, "reading it", err);
}

/* --- servers --------------------------------------------------------------------------------- */

int history_servers(struct history *history, history_server_take take, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt;
	int code;

	reading_begin(history);
	code = db_query(history, &stmt,
			"SELECT label, (SELECT min(start) FROM window WHERE server = s.id), "
			"(SELECT end FROM window WHERE server = s.id ORDER BY start DESC LIMIT 1) "
			"FROM server s ORDER BY label",
			"");
	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		take(ctx, &(struct history_server){ db_text(stmt, 0), db_int(stmt, 1),
						    db_int(stmt, 2) });
		code = SQLITE_OK;
	}
	return reading_end(history, code, err);
}

/* --- what happened ------------------------------------------------------------------------ */

/* One row each: at, end, server, kind, id, severity, text, us, bytes. Names in text were made
 * safe when they were kept; whoever prints does it again, as the file may be anybody's. */
static const char happened[] =
	"SELECT at, end, s.label, kind, e.id, severity, text, us, bytes FROM ("
	"SELECT server, at, at + us / 1000 AS end, 'stall' AS kind, cause AS id,"
	" NULL AS severity, trim(iif(command = '', '(event loop)', upper(command)) || ' ' || key) "
	"|| ': ' || causes AS text, us,"
	" NULL AS bytes FROM stall UNION ALL "
	"SELECT server, begin, end, 'finding', finding, severity, title, NULL, NULL FROM finding"
	" UNION ALL "
	"SELECT server, begin, end, 'fork', purpose, NULL,"
	" iif(exit_signal > 0, 'killed by signal ' || exit_signal,"
	" iif(exit_code > 0, 'exit code ' || exit_code, '')), (end - begin) * 1000, copied"
	" FROM fork UNION ALL "
	"SELECT server, at, at, 'death', cause, NULL, detail, NULL, held FROM death UNION ALL "
	"SELECT server, at, at + ifnull(us, 0) / 1000, event, '', NULL, detail, us, NULL"
	" FROM event) e LEFT JOIN server s ON s.id = e.server"
	" WHERE at <= ?2 AND ifnull(end, ?2) >= ?1 AND (?3 IS NULL OR s.label = ?3)"
	" ORDER BY at, kind, e.id";

static void give_event(sqlite3_stmt *stmt, history_event_take take, void *ctx)
{
	int64_t severity = db_int(stmt, 5);
	struct history_event event = {
		.at_ms = db_int(stmt, 0),
		.end_ms = db_int(stmt, 1),
		.server = db_text(stmt, 2),
		.kind = db_text(stmt, 3),
		.id = db_text(stmt, 4),
		.severity = severity >= SEVERITY_INFO && severity <= SEVERITY_CRITICAL ?
				    severity_name((enum severity)severity) :
				    "",
		.text = db_text(stmt, 6),
		.seconds = db_real(stmt, 7) / 1e6,
		.bytes = db_int(stmt, 8),
	};

	take(ctx, &event);
}

int history_events(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		   history_event_take take, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt;
	int code;

	reading_begin(history);
	code = db_query(history, &stmt, happened, "iit", from_ms, to_ms, server);
	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		give_event(stmt, take, ctx);
		code = SQLITE_OK;
	}
	return reading_end(history, code, err);
}

/* --- a time of old ------------------------------------------------------------------------ */

/* Windows of one session, in their order. */
struct found {
	int64_t *ids;
	size_t count;
	int64_t start_ms, end_ms;
	int64_t longest_ms;
	bool more_sessions;
};

/* "2026-11-28 03:00:10", local. */
static const char *say_time(char text[32], int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

static int no_server(const char *server, struct err *err)
{
	return err_set(err, -ENOENT,
		       "history: nothing is kept of a server '%.80s'; `redmem history` names those "
		       "there are",
		       server);
}

static int none_then(struct history *history, int64_t server, const char *label, int64_t from_ms,
		     int64_t to_ms, struct err *err)
{
	char before_text[32], after_text[32];
	int64_t before, after;
	int code = db_number(history, &before,
			     "SELECT end FROM window WHERE server = ? AND start < ? "
			     "ORDER BY start DESC LIMIT 1",
			     "ii", server, from_ms);

	if (code == SQLITE_OK)
		code = db_number(history, &after,
				 "SELECT start FROM window WHERE server = ? AND start > ? "
				 "ORDER BY start LIMIT 1",
				 "ii", server, to_ms);
	if (code != SQLITE_OK)
		return db_error(history, code, "reading it", err);
	if (before == RECORD_UNKNOWN && after == RECORD_UNKNOWN)
		return err_set(err, -ENOENT, "history: nothing is kept of %.80s", label);
	return err_set(err, -ENOENT,
		       "history: nothing is kept of %.80s then; the nearest %s%s%s%s%s", label,
		       before == RECORD_UNKNOWN ? "" : "ends at ",
		       before == RECORD_UNKNOWN ? "" : say_time(before_text, before),
		       before == RECORD_UNKNOWN || after == RECORD_UNKNOWN ? "" : ", and ",
		       after == RECORD_UNKNOWN ? "" : "begins at ",
		       after == RECORD_UNKNOWN ? "" : say_time(after_text, after));
}

/* The one that went on at @at_ms, or ended last before that. */
static int session_at(struct history *history, int64_t server, int64_t at_ms, int64_t *session)
{
	return db_number(history, session,
			 "SELECT session FROM window WHERE server = ? AND start < ? "
			 "ORDER BY start DESC LIMIT 1",
			 "ii", server, at_ms);
}

/* The session that most of the span is of. */
static int find_session(struct history *history, int64_t server, int64_t from_ms, int64_t to_ms,
			int64_t *session, bool *more)
{
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt,
			    "SELECT session, sum(min(end, ?3) - max(start, ?2)) AS ms FROM window "
			    "WHERE server = ?1 AND start < ?3 AND end > ?2 GROUP BY session "
			    "ORDER BY ms DESC, session DESC LIMIT 2",
			    "iii", server, from_ms, to_ms);

	*session = RECORD_UNKNOWN;
	*more = false;
	for (int i = 0; code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW; i++) {
		if (i == 0)
			*session = db_int(stmt, 0);
		else
			*more = true;
		code = SQLITE_OK;
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int find_windows(struct history *history, int64_t server, int64_t from_ms, int64_t to_ms,
			bool last, struct found *found)
{
	sqlite3_stmt *stmt;
	int64_t session;
	int code = last ? session_at(history, server, to_ms, &session) :
			  find_session(history, server, from_ms, to_ms, &session,
				       &found->more_sessions);

	if (code != SQLITE_OK || session == RECORD_UNKNOWN)
		return code;
	code = db_query(history, &stmt,
			"SELECT w.id, start, end FROM window w JOIN chunk c ON c.window = w.id "
			"WHERE server = ? AND session = ? AND start < ? AND end > ? "
			"ORDER BY start, w.id",
			"iiii", server, session, to_ms, from_ms);
	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		int64_t start = db_int(stmt, 1), end = db_int(stmt, 2);

		found->ids = array_grow(found->ids, found->count, sizeof(*found->ids));
		if (!found->count)
			found->start_ms = start;
		found->ids[found->count++] = db_int(stmt, 0);
		found->end_ms = end;
		if (sum_less(end, start) > found->longest_ms)
			found->longest_ms = sum_less(end, start);
		code = SQLITE_OK;
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int find(struct history *history, const char *label, int64_t from_ms, int64_t to_ms,
		bool last, struct found *found, struct err *err)
{
	int64_t server;
	int code = server_id(history, label, false, &server);

	if (code == SQLITE_OK && server == RECORD_UNKNOWN)
		return no_server(label, err);
	if (code == SQLITE_OK)
		code = find_windows(history, server, from_ms, to_ms, last, found);
	if (code != SQLITE_OK)
		return db_error(history, code, "reading it", err);
	return found->count ? 0 : none_then(history, server, label, from_ms, to_ms, err);
}

static int open_chunk(struct history *history, int64_t window, struct chunk *chunk,
		      struct buf *bytes, struct err *err)
{
	int code = pack_get(history, window, bytes);

	if (code != SQLITE_OK)
		return db_error(history, code == SQLITE_DONE ? PACK_UNREADABLE : code, "a window",
				err);
	return chunk_open(chunk, bytes->data, bytes->len, err);
}

/* What becomes of the chunks of a span. */
struct player {
	const struct record_sink *sink;
	bool last; /* the session at the end, not that of most of the time */
	/* Called between the state of the first and the rest. */
	void (*begin)(struct player *player, const struct chunk *first, const struct chunk *last);
};

static int play_first(struct history *history, const struct found *found, struct player *player,
		      const struct chunk *first, struct err *err)
{
	struct buf bytes = {};
	struct chunk last = *first;
	int ret;

	ret = found->count == 1 ?
		      0 :
		      open_chunk(history, found->ids[found->count - 1], &last, &bytes, err);
	if (!ret)
		ret = chunk_replay_state(first, player->sink, err);
	if (!ret) {
		player->begin(player, first, &last);
		ret = chunk_replay(first, true, player->sink, err);
	}
	buf_free(&bytes);
	return ret;
}

static int play_all(struct history *history, const struct found *found, struct player *player,
		    struct err *err)
{
	struct buf bytes = {};
	struct chunk chunk;
	int ret = 0;

	for (size_t i = 0; i < found->count && !ret; i++) {
		ret = open_chunk(history, found->ids[i], &chunk, &bytes, err);
		if (!ret)
			ret = i ? chunk_replay(&chunk, true, player->sink, err) :
				  play_first(history, found, player, &chunk, err);
	}
	buf_free(&bytes);
	return ret;
}

static int play_span(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		     struct player *player, struct history_span *span, struct err *err)
{
	struct found found = {};
	int ret;

	if (to_ms <= from_ms)
		to_ms = from_ms + 1;
	reading_begin(history);
	ret = find(history, server, from_ms, to_ms, player->last, &found, err);
	if (!ret)
		ret = play_all(history, &found, player, err);
	if (!ret && span)
		*span = (struct history_span){ found.start_ms, found.end_ms, found.count,
					       (found.longest_ms + 500) / 1000,
					       found.more_sessions };
	reading_end(history, SQLITE_OK, NULL);
	free(found.ids);
	return ret;
}

/* --- as a model --------------------------------------------------------------------------- */

struct remaking {
	struct player player;
	struct windows *windows;
	struct model *m; /* of the longest window there was: behind its mark there is nothing */
};

static void take_window(void *ctx, struct model *m, double start_seconds)
{
	struct remaking *remaking = ctx;
	struct model *other = m;

	(void)start_seconds;
	if (!remaking->m || m->duration_seconds > remaking->m->duration_seconds) {
		other = remaking->m;
		remaking->m = m;
	}
	model_free(other);
}

/* One window over all of the chunks. */
static void open_window(struct player *player, const struct chunk *first, const struct chunk *last)
{
	struct remaking *remaking = (struct remaking *)player;

	windows_open(remaking->windows, piece_seconds(first->start_seconds, last->end_seconds),
		     take_window, remaking);
}

void history_filter(struct history *history, history_pass filter, void *ctx)
{
	history->filter = filter;
	history->filter_ctx = ctx;
}

/* What is known of the keys then. */
static int recall_pass(struct history *history, const char *server, int64_t to_ms, struct model *m,
		       struct err *err)
{
	reading_begin(history);
	return reading_end(history, passes_get(history, server, to_ms, m), err);
}

static int remake(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		  struct remaking *remaking, struct history_span *span, struct err *err)
{
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	int ret;

	windows_keep_whole(windows); /* as when they were judged first */
	if (history->filter)
		sink = history->filter(history->filter_ctx, &sink);
	remaking->player.sink = &sink;
	remaking->windows = windows;
	ret = play_span(history, server, from_ms, to_ms, &remaking->player, span, err);
	if (!ret)
		windows_end(windows);
	windows_free(windows);
	return ret;
}

static int remake_whole(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
			bool last, struct model **out, struct history_span *span, struct err *err)
{
	struct remaking remaking = { .player = { .last = last, .begin = open_window } };
	int ret = remake(history, server, from_ms, to_ms, &remaking, span, err);

	if (!ret && !remaking.m)
		ret = err_set(err, -EBADMSG, "history: %s: what is kept of %.80s then is empty",
			      history->path, server);
	if (!ret)
		ret = recall_pass(history, server, to_ms, remaking.m, err);
	if (ret) {
		model_free(remaking.m);
		remaking.m = NULL;
	}
	*out = remaking.m;
	return ret;
}

int history_model(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		  struct model **out, struct history_span *span, struct err *err)
{
	return remake_whole(history, server, from_ms, to_ms, false, out, span, err);
}

int history_model_until(struct history *history, const char *server, int64_t at_ms,
			int64_t length_ms, struct model **out, struct history_span *span,
			struct err *err)
{
	return remake_whole(history, server, sum_less(at_ms, length_ms), sum_of(at_ms, 1), true,
			    out, span, err);
}

/* --- what changed, and what died ----------------------------------------------------------- */

static const char growth[] =
	"SELECT * FROM (SELECT 1, n.text, sum(r.alloc) AS a, sum(r.free) AS f FROM window w"
	" JOIN prefix r ON r.window = w.id JOIN name n ON n.id = r.name"
	" WHERE w.server = ?1 AND w.start < ?3 AND w.end > ?2 GROUP BY n.id HAVING a > 0 OR f > 0"
	" ORDER BY abs(ifnull(a, 0) - ifnull(f, 0)) DESC, n.text LIMIT ?4) UNION ALL"
	" SELECT * FROM (SELECT 0, n.text, sum(r.alloc) AS a, sum(r.free) AS f FROM window w"
	" JOIN command r ON r.window = w.id JOIN name n ON n.id = r.name"
	" WHERE w.server = ?1 AND w.start < ?3 AND w.end > ?2 GROUP BY n.id HAVING a > 0 OR f > 0"
	" ORDER BY abs(ifnull(a, 0) - ifnull(f, 0)) DESC, n.text LIMIT ?4)";

static int64_t or_nothing(int64_t bytes)
{
	return bytes == RECORD_UNKNOWN ? 0 : bytes;
}

int history_growth(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		   size_t most, history_growth_take take, void *ctx, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	int64_t id;
	int code;

	reading_begin(history);
	code = server_id(history, server, false, &id);
	if (code == SQLITE_OK)
		code = db_query(history, &stmt, growth, "iiii", id, from_ms, to_ms, (int64_t)most);
	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		take(ctx, &(struct history_growth){ db_int(stmt, 0) == 1, db_text(stmt, 1),
						    or_nothing(db_int(stmt, 2)),
						    or_nothing(db_int(stmt, 3)) });
		code = SQLITE_OK;
	}
	return reading_end(history, code, err);
}

int history_last_death(struct history *history, const char *server, history_death_take take,
		       void *ctx, struct err *err)
{
	sqlite3_stmt *stmt;
	bool found = false;
	int code, ret;

	reading_begin(history);
	code = db_query(
		history, &stmt,
		"SELECT s.label, at, cause, detail, held FROM death d "
		"JOIN server s ON s.id = d.server WHERE kept AND (?1 IS NULL OR label = ?1) "
		"ORDER BY at DESC LIMIT 1",
		"t", server);
	while (code == SQLITE_OK && (code = db_next(stmt)) == SQLITE_ROW) {
		take(ctx,
		     &(struct history_death){ db_text(stmt, 0), db_int(stmt, 1), db_text(stmt, 2),
					      db_text(stmt, 3), db_int(stmt, 4) });
		found = true;
		code = SQLITE_OK;
	}
	ret = reading_end(history, code, err);
	if (ret || found)
		return ret;
	return err_set(err, -ENOENT,
		       "history: no death of %.80s is kept; `redmem history` lists "
		       "what happened",
		       server ? server : "any server");
}
