/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening the file, which may be anybody's; see internal.h. */
#include <sys/stat.h>

#include "base/clock.h"
#include "history/internal.h"

/* Most that a reader or writer waits for the other, which holds the file for ms. */
#define BUSY_MS 2000
/* Instructions of SQLite's machine between two looks at the clock. */
#define STEPS 10000
/* Small ones: a chunk has some of its own, of which the last is half empty. */
#define PAGE_BYTES "1024"
/* Pages in the journal when it is copied into the file: 1 MiB. */
#define CHECKPOINT_PAGES "1024"
/* Most that the file's own pages may take in memory, KiB. */
#define CACHE_KIB "1024"

static int look_at_clock(void *ctx)
{
	const struct history *history = ctx;

	return history->deadline_ns && clock_mono_ns() > history->deadline_ns;
}

/* The file may come from a stranger: nothing in it is to be run, and no number in it believed. */
static void be_wary(struct history *history)
{
	sqlite3 *db = history->db;

	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)CHUNK_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_progress_handler(db, STEPS, look_at_clock, history);
}

static int pragmas(struct history *history)
{
	int code = sqlite3_exec(history->db,
				"PRAGMA cell_size_check = ON;"
				"PRAGMA mmap_size = 0;"
				"PRAGMA temp_store = MEMORY;"
				"PRAGMA cache_size = -" CACHE_KIB ";",
				NULL, NULL, NULL);

	if (code != SQLITE_OK || !history->writer)
		return code;
	/* NORMAL: the journal is forced to the disk before it is copied into the file, so that a
	 * power cut loses windows and never the file; kill -9 loses what is not committed. The
	 * first of these counts only in a file without tables. */
	return sqlite3_exec(history->db,
			    "PRAGMA page_size = " PAGE_BYTES ";"
			    "PRAGMA auto_vacuum = INCREMENTAL;"
			    "PRAGMA journal_mode = WAL;"
			    "PRAGMA synchronous = NORMAL;"
			    "PRAGMA wal_autocheckpoint = " CHECKPOINT_PAGES ";"
			    "PRAGMA journal_size_limit = 4194304;"
			    "CREATE TEMP TABLE merged (id INTEGER PRIMARY KEY, start INTEGER);",
			    NULL, NULL, NULL);
}

static int open_file(struct history *history)
{
	int flags = SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    (history->writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE :
				       SQLITE_OPEN_READONLY);
	int code = sqlite3_open_v2(history->path, &history->db, flags, NULL);

	if (code != SQLITE_OK)
		return code;
	be_wary(history);
	return pragmas(history);
}

int db_open(struct history *history, struct err *err)
{
	/* The chunks have names of keys in them. */
	mode_t mask = history->writer ? umask(077) : 0;
	int code = open_file(history), ret;

	if (history->writer)
		umask(mask);
	if (code != SQLITE_OK)
		ret = db_error(history, code, "opening it", err);
	else
		ret = schema_fits(history, err);
	if (!ret && history->writer)
		ret = schema_migrate(history, SCHEMA_NEWEST, err);
	if (ret)
		db_close(history);
	return ret;
}
