/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deaths: the windows of the last ten minutes of a server that died, from a whole minute on
 * (pack.c), are kept as they are (level 0), however old they get: of the newest deaths, and of
 * one of each server and cause a day.
 */
#include <errno.h>
#include <string.h>

#include "base/sum.h"
#include "history/internal.h"

#define DEATHS_KEPT 50
#define MINUTES_MS  600000LL /* of a death that are kept */
/* The kernel chooses, and the process ends a little later; one that came again dies anew. */
#define SAME_DEATH_MS 60000

/* Its windows are thinned again, but for those that another death keeps. */
static int release(struct history *history, int64_t death)
{
	int code = db_run(history, "UPDATE death SET kept = 0 WHERE id = ?", "i", death);

	if (code != SQLITE_OK)
		return code;
	return db_run(history,
		      "UPDATE window SET level = ?2 WHERE level = 0 AND server = "
		      "(SELECT server FROM death WHERE id = ?1) AND NOT EXISTS "
		      "(SELECT 1 FROM death d WHERE d.server = window.server AND d.kept AND "
		      "window.start <= d.at AND window.start >= (d.at - ?3) / ?4 * ?4)",
		      "iiii", death, (int64_t)LEVEL_FINE, MINUTES_MS, pack_stretch_ms(LEVEL_FINE));
}

int deaths_release_oldest(struct history *history, bool *more)
{
	int64_t death;
	int code = db_number(history, &death, "SELECT id FROM death WHERE kept ORDER BY id LIMIT 1",
			     "");

	*more = death != RECORD_UNKNOWN;
	return code == SQLITE_OK && *more ? release(history, death) : code;
}

static int keep(struct history *history, int64_t server, int64_t death, int64_t at_ms)
{
	int64_t stretch = pack_stretch_ms(LEVEL_FINE), first = at_ms - MINUTES_MS, kept = 0;
	bool more;
	int code = db_run(history, "UPDATE death SET kept = 1 WHERE id = ?", "i", death);

	if (code == SQLITE_OK)
		code = db_run(history,
			      "UPDATE window SET level = 0 WHERE server = ? AND level = ? AND "
			      "start <= ? AND start >= ?",
			      "iiii", server, (int64_t)LEVEL_FINE, at_ms, first - first % stretch);
	if (code == SQLITE_OK)
		code = db_number(history, &kept, "SELECT count(*) FROM death WHERE kept", "");
	if (code == SQLITE_OK && kept > DEATHS_KEPT)
		code = deaths_release_oldest(history, &more);
	return code;
}

int deaths_put(struct history *history, int64_t server, int64_t at_ms, const char *cause,
	       const char *detail, int64_t held)
{
	int64_t day_ms = at_ms - at_ms % DAY_MS, id, death;
	int code = db_number(history, &id,
			     "SELECT id FROM death d WHERE server = ? AND at > ? AND NOT EXISTS "
			     "(SELECT 1 FROM event WHERE server = d.server AND at >= d.at AND "
			     "event = 'restarted') LIMIT 1",
			     "ii", server, at_ms - SAME_DEATH_MS);

	if (code != SQLITE_OK || id != RECORD_UNKNOWN)
		return code;
	code = db_run(history,
		      "INSERT INTO death (server, at, cause, detail, held) VALUES (?, ?, ?, ?, ?)",
		      "iitti", server, at_ms, cause, detail, held);
	death = sqlite3_last_insert_rowid(history->db);
	if (code == SQLITE_OK)
		code = db_number(history, &id,
				 "SELECT id FROM death WHERE server = ? AND cause = ? AND kept AND "
				 "at >= ? AND at < ?",
				 "itii", server, cause, day_ms, day_ms + DAY_MS);
	return code == SQLITE_OK && id == RECORD_UNKNOWN ? keep(history, server, death, at_ms) :
							   code;
}
