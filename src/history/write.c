/* SPDX-License-Identifier: BSD-2-Clause */
/* A transaction, and what becomes of a history that fails; see internal.h. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "history/internal.h"

/* A history that has stopped is tried again after so long. */
#define RETRY_NS 60000000000LL

int server_id(struct history *history, const char *label, bool make, int64_t *id)
{
	int code = db_number(history, id, "SELECT id FROM server WHERE label = ?", "t", label);

	if (code != SQLITE_OK || *id != RECORD_UNKNOWN || !make)
		return code;
	code = db_run(history, "INSERT INTO server (label) VALUES (?)", "t", label);
	*id = sqlite3_last_insert_rowid(history->db);
	return code;
}

static bool is_damage(int code)
{
	return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

static void stop(struct history *history, const struct err *why, int64_t retry_ns)
{
	history->stats.ok = false;
	history->retry_ns = retry_ns;
	snprintf(history->stats.reason, sizeof(history->stats.reason), "%s", why->text);
}

/* The file is set aside and a new one begun, while there are not too many of them. */
static int begin_anew(struct history *history, int code, const char *what, struct err *err)
{
	struct err why = {};
	int ret;

	db_error(history, code, what, &why);
	db_close(history);
	ret = folder_set_aside(history, &why);
	if (!ret)
		ret = db_open(history, &why);
	if (ret) {
		stop(history, &why, INT64_MAX);
		return err_set(err, ret, "%s; the history has stopped, watching goes on", why.text);
	}
	return err_set(err, -EBADMSG, "history: %s was damaged and is now %s; a new one is begun",
		       history->path, history->stats.set_aside);
}

bool writing_begin(struct history *history)
{
	if (!history->stats.ok && (!history->db || clock_mono_ns() < history->retry_ns))
		return false;
	/* The lock is taken by the first statement that writes, and its failure seen there. */
	return sqlite3_exec(history->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
}

int writing_end(struct history *history, int code, const char *what, struct err *err)
{
	bool was_ok = history->stats.ok;
	struct err why = {};
	int ret;

	if (code == SQLITE_OK)
		code = sqlite3_exec(history->db, "COMMIT", NULL, NULL, NULL);
	if (code == SQLITE_OK) {
		history->stats.ok = true;
		*history->stats.reason = '\0';
		return 0;
	}
	pack_forget(history);
	if (!sqlite3_get_autocommit(history->db))
		sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
	if (is_damage(code))
		return begin_anew(history, code, what, err);
	ret = db_error(history, code, what, &why);
	stop(history, &why, clock_mono_ns() + RETRY_NS);
	if (!was_ok) /* said before */
		return 0;
	return err_set(err, ret,
		       "%s; the history has stopped and is tried again each minute, "
		       "watching goes on",
		       why.text);
}
