/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened in a window: stalls, findings, forks, the server's life. A finding is one row
 * from the window in which it was first until it has been gone for a minute; what comes and
 * goes from one window to the next is one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/sum.h"
#include "diagnose/measure.h"
#include "history/internal.h"

/* So long may a finding be absent and go on. */
#define GONE_MS 60000
/* A fork is the same when it began within so much of what was said before. */
#define SAME_FORK_MS 2000
#define KEY_COLUMNS  100
/* Causes of a stall that are named, and the least part that is. */
#define CAUSES_SHOWN 3
#define CAUSE_RATIO  0.05

/* When it was, of seconds since the window's start. */
static int64_t at(const struct history_window *w, double seconds)
{
	return isfinite(seconds) ? sum_of(w->start_ms, sum_whole(round(seconds * 1e3))) :
				   RECORD_UNKNOWN;
}

static int64_t micro(double seconds)
{
	return isfinite(seconds) ? sum_whole(round(seconds * 1e6)) : RECORD_UNKNOWN;
}

/* --- stalls ---------------------------------------------------------------------------------- */

/* "84 % allocator, 12 % own computing" */
static void write_causes(struct buf *out, const struct stall *stall, const struct blame *blame,
			 size_t count)
{
	for (size_t i = 0; i < count && i < CAUSES_SHOWN; i++) {
		double ratio = blame[i].seconds / stall->duration_seconds;

		if (i && ratio < CAUSE_RATIO)
			break;
		buf_printf(out, "%s%.0f %% %s", i ? ", " : "", ratio * 100,
			   cause_table[blame[i].cause].words);
	}
}

static int put_stall(struct history *history, int64_t server, const struct history_window *w,
		     const struct stall *stall)
{
	struct buf causes = {}, key = {};
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	int code;

	write_causes(&causes, stall, blame, count);
	escape_terminal(&key, stall->key.data, stall->key.len, KEY_COLUMNS);
	code = db_run(history,
		      "INSERT INTO stall (server, at, us, command, key, cause, causes) "
		      "VALUES (?, ?, ?, ?, ?, ?, ?)",
		      "iiitttt", server, at(w, stall->t_seconds), micro(stall->duration_seconds),
		      stall->command ? stall->command : "", buf_str(&key),
		      count ? cause_table[blame[0].cause].name : "", buf_str(&causes));
	buf_free(&causes);
	buf_free(&key);
	return code;
}

/* The longest: they are sorted. */
static int put_stalls(struct history *history, int64_t server, const struct history_window *w)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < w->m->stalls_count && i < TOP_ROWS && code == SQLITE_OK; i++)
		if (isfinite(w->m->stalls[i].stall.t_seconds))
			code = put_stall(history, server, w, &w->m->stalls[i].stall);
	return code;
}

/* --- findings -------------------------------------------------------------------------------- */

int happened_end_findings(struct history *history, int64_t server, int64_t before_ms)
{
	return db_run(history,
		      "UPDATE finding SET end = seen WHERE server = ? AND end IS NULL AND seen < ?",
		      "ii", server, before_ms);
}

/* The words are those of when it was worst. */
static int put_finding(struct history *history, int64_t server, const struct history_window *w,
		       const struct finding *f)
{
	int64_t id;
	int code = db_number(history, &id,
			     "SELECT id FROM finding WHERE server = ? AND finding = ? "
			     "AND end IS NULL",
			     "it", server, f->id);

	if (code != SQLITE_OK)
		return code;
	if (id == RECORD_UNKNOWN)
		return db_run(history,
			      "INSERT INTO finding (server, finding, severity, begin, seen, title,"
			      " cause) VALUES (?, ?, ?, ?, ?, ?, ?)",
			      "itiiitt", server, f->id, (int64_t)f->severity, w->start_ms,
			      w->end_ms, f->title ? f->title : "", f->cause ? f->cause : "");
	return db_run(
		history,
		"UPDATE finding SET seen = max(seen, ?2),"
		" title = iif(?3 >= severity, ?4, title), cause = iif(?3 >= severity, ?5, cause),"
		" severity = max(severity, ?3) WHERE id = ?1",
		"iiitt", id, w->end_ms, (int64_t)f->severity, f->title ? f->title : "",
		f->cause ? f->cause : "");
}

static int put_findings(struct history *history, int64_t server, const struct history_window *w)
{
	/* First what has ended: one that comes back after long is another. */
	int code = happened_end_findings(history, server, w->start_ms - GONE_MS);

	for (size_t i = 0; w->f && i < w->f->count && code == SQLITE_OK; i++)
		code = put_finding(history, server, w, &w->f->items[i]);
	return code;
}

/* --- forks ----------------------------------------------------------------------------------- */

static int put_fork(struct history *history, int64_t server, const struct history_window *w,
		    const struct record_child *child)
{
	int64_t begin = at(w, child->t_start_seconds), id;
	int code;

	if (begin == RECORD_UNKNOWN)
		return SQLITE_OK;
	code = db_number(history, &id,
			 "SELECT id FROM fork WHERE server = ? AND pid = ? "
			 "AND begin BETWEEN ? AND ? ORDER BY id DESC LIMIT 1",
			 "iiii", server, child->pid, begin - SAME_FORK_MS, begin + SAME_FORK_MS);
	if (code == SQLITE_OK && id == RECORD_UNKNOWN) {
		code = db_run(history,
			      "INSERT INTO fork (server, pid, begin, purpose) VALUES (?, ?, ?, '')",
			      "iii", server, child->pid, begin);
		id = sqlite3_last_insert_rowid(history->db);
	}
	if (code != SQLITE_OK)
		return code;
	return db_run(
		history,
		"UPDATE fork SET end = ?2, purpose = iif(?3 = '', purpose, ?3),"
		" fork_us = ifnull(?4, fork_us), rss = ifnull(?5, rss),"
		" copied = ifnull(?6, copied), exit_code = ?7, exit_signal = ?8 WHERE id = ?1",
		"iitiiiii", id, at(w, child->t_end_seconds), child->purpose ? child->purpose : "",
		micro(child->fork_seconds), child->rss_bytes, child->private_bytes,
		child->exit_code, child->exit_signal);
}

static int put_forks(struct history *history, int64_t server, const struct history_window *w)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < w->m->children_count && code == SQLITE_OK; i++)
		code = put_fork(history, server, w, &w->m->children[i].child);
	return code;
}

/* --- life ------------------------------------------------------------------------------------ */

int happened_event(struct history *history, int64_t server, int64_t at_ms, const char *event,
		   const char *detail, double seconds)
{
	return db_run(history,
		      "INSERT INTO event (server, at, event, detail, us) VALUES (?, ?, ?, ?, ?)",
		      "iitti", server, at_ms, event, detail ? detail : "", micro(seconds));
}

/* "killed by signal 9" -> "signal 9"; NULL when it ended by itself, and well. */
static const char *cause_of_exit(const struct record_life *life)
{
	const char *signal = life->detail ? strstr(life->detail, "signal ") : NULL;

	if (signal)
		return signal;
	return life->detail && *life->detail ? life->detail : NULL;
}

static int put_death(struct history *history, int64_t server, const struct history_window *w,
		     const struct record_life *life, const char *cause)
{
	return deaths_put(history, server, at(w, life->t_seconds), cause,
			  life->detail ? life->detail : "", life->held_bytes);
}

static int put_life(struct history *history, int64_t server, const struct history_window *w,
		    const struct record_life *life)
{
	bool exit = !strcmp(life->event, "exit"), oom = !strcmp(life->event, "oom");
	const char *cause;

	if (!isfinite(life->t_seconds))
		return SQLITE_OK;
	if (oom && life->child_pid == 0)
		return put_death(history, server, w, life, "oom");
	if (!exit)
		return happened_event(history, server, at(w, life->t_seconds), life->event,
				      life->detail, life->seconds);
	cause = measure_killed(w->m) ? "oom" : cause_of_exit(life);
	if (cause)
		return put_death(history, server, w, life, cause);
	return happened_event(history, server, at(w, life->t_seconds), "ended", "", NAN);
}

int happened_put(struct history *history, int64_t server, const struct history_window *w)
{
	int code = put_stalls(history, server, w);

	if (code == SQLITE_OK)
		code = put_findings(history, server, w);
	if (code == SQLITE_OK)
		code = put_forks(history, server, w);
	for (size_t i = 0; i < w->m->life_count && code == SQLITE_OK; i++)
		code = put_life(history, server, w, &w->m->life[i].life);
	return code;
}
