/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening, closing, and a window more; see history.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sum.h"
#include "history/internal.h"

/* A file that is looked at for longer at opening is good enough. */
#define CHECK_SECONDS 1.0
/* Windows of one session say when it began by the same clock, but for rounding. */
#define SAME_SESSION_MS 2

/* --- opening ------------------------------------------------------------------------------- */

static struct history *history_new(bool writer)
{
	struct history *history = xcalloc(1, sizeof(*history));

	history->writer = writer;
	history->dir_fd = history->lock_fd = -1;
	history->stats.ok = true;
	return history;
}

/* A damaged one is set aside, and a new one begun. */
static int open_or_begin(struct history *history, struct err *err)
{
	int ret = db_open(history, err);

	if (!ret) {
		ret = db_check(history, CHECK_SECONDS, err);
		if (!ret)
			return 0;
		db_close(history);
	}
	if (ret != -EBADMSG)
		return ret;
	ret = folder_set_aside(history, err);
	return ret ? ret : db_open(history, err);
}

void history_resize(struct history *history, int64_t size_bytes)
{
	history->size_bytes = size_bytes ? size_bytes : HISTORY_SIZE;
}

int history_open(struct history **out, const char *dir, const struct history_config *config,
		 struct err *err)
{
	struct history *history = history_new(true);
	int ret = folder_open(history, dir, err);

	*out = NULL;
	history_resize(history, config ? config->size_bytes : 0);
	if (!ret)
		ret = folder_lock(history, err);
	if (!ret)
		ret = open_or_begin(history, err);
	if (ret) {
		history_close(history);
		return ret;
	}
	*out = history;
	return 0;
}

int history_open_reader(struct history **out, const char *dir, struct err *err)
{
	struct history *history = history_new(false);
	int ret = folder_open(history, dir, err);

	*out = NULL;
	if (!ret && access(history->path, F_OK))
		ret = err_set(err, -errno,
			      "history: %s: %s; `redmem serve` keeps one there, or name another "
			      "folder with --state",
			      history->path, strerror(errno));
	if (!ret)
		ret = db_open(history, err);
	if (ret) {
		history_close(history);
		return ret;
	}
	*out = history;
	return 0;
}

void history_close(struct history *history)
{
	if (!history)
		return;
	db_close(history);
	ZSTD_freeCCtx(history->pack);
	ZSTD_freeDCtx(history->unpack);
	buf_free(&history->key.bytes);
	buf_free(&history->last.bytes);
	if (history->lock_fd >= 0)
		close(history->lock_fd);
	if (history->dir_fd >= 0)
		close(history->dir_fd);
	free(history->dir);
	free(history->path);
	free(history);
}

void history_stats(const struct history *history, struct history_stats *out)
{
	*out = history->stats;
	out->bytes = folder_bytes(history);
}

/* --- a window -------------------------------------------------------------------------------- */

/* When the session began, by the wall clock: the same number for all its windows. */
static int session_of(struct history *history, int64_t server, const struct history_window *w,
		      int64_t *session)
{
	int64_t began = w->start_ms, last;
	int code;

	if (w->chunk)
		began = sum_less(began, sum_whole(w->chunk->start_seconds * 1e3));
	if (w->chunk && w->chunk->wall_start_ns != RECORD_UNKNOWN)
		began = sum_less(w->chunk->wall_start_ns,
				 sum_whole(w->chunk->start_seconds * 1e9)) /
			1000000;
	code = db_number(history, &last,
			 "SELECT session FROM window WHERE server = ? ORDER BY start DESC LIMIT 1",
			 "i", server);
	if (code == SQLITE_OK)
		*session =
			last != RECORD_UNKNOWN && llabs(sum_less(began, last)) <= SAME_SESSION_MS ?
				last :
				began;
	return code;
}

static int put_window(struct history *history, const struct history_window *w)
{
	int64_t server, session, window;
	int code = server_id(history, w->server, true, &server);

	if (code == SQLITE_OK)
		code = session_of(history, server, w, &session);
	if (code == SQLITE_OK)
		code = db_run(history,
			      "INSERT INTO window (server, start, end, level, session) "
			      "VALUES (?, ?, ?, ?, ?)",
			      "iiiii", server, w->start_ms, w->end_ms, (int64_t)LEVEL_FINE,
			      session);
	if (code != SQLITE_OK)
		return code;
	window = sqlite3_last_insert_rowid(history->db);
	code = rows_put(history, window, w);
	if (code == SQLITE_OK)
		code = happened_put(history, server, w);
	if (code == SQLITE_OK)
		code = passes_put(history, server, w);
	if (code == SQLITE_OK && w->chunk && w->chunk->len <= CHUNK_MAX)
		code = pack_put(history, server, window, w->start_ms, LEVEL_FINE, w->chunk);
	return code;
}

int history_append(struct history *history, const struct history_window *window, struct err *err)
{
	int64_t start = clock_mono_ns();
	int ret;

	if (!writing_begin(history)) {
		history->stats.lost_total++;
		return 0;
	}
	ret = writing_end(history, put_window(history, window), "a window", err);
	if (ret || !history->stats.ok)
		history->stats.lost_total++;
	else
		history->stats.windows_total++;
	history->stats.write_seconds_total += (double)(clock_mono_ns() - start) / 1e9;
	return ret;
}

/* --- what no model tells ------------------------------------------------------------ */

int history_note(struct history *history, const char *server, int64_t at_ms, const char *event,
		 const char *detail, struct err *err)
{
	int64_t id = RECORD_UNKNOWN;
	int code = SQLITE_OK;

	if (!writing_begin(history))
		return 0;
	if (*server)
		code = server_id(history, server, true, &id);
	if (code == SQLITE_OK)
		code = happened_event(history, id, at_ms, event, detail, NAN);
	return writing_end(history, code, event, err);
}

int history_gone(struct history *history, const char *server, int64_t at_ms, struct err *err)
{
	int64_t id;
	int code;

	if (!writing_begin(history))
		return 0;
	code = server_id(history, server, false, &id);
	if (code == SQLITE_OK && id != RECORD_UNKNOWN) {
		code = happened_end_findings(history, id, INT64_MAX);
		if (code == SQLITE_OK)
			code = db_run(history,
				      "UPDATE fork SET end = ? WHERE server = ? AND end IS NULL",
				      "ii", at_ms, id);
	}
	return writing_end(history, code, "the end of a server", err);
}
