/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share, and nobody else sees. */
#pragma once

#include <math.h>
#include <sqlite3.h>
#include <zstd.h>

#include "base/buf.h"
#include "history/history.h"
#include "model/moments.h"

#define HISTORY_FILE "history.db"
#define HISTORY_LOCK "history.lock"

/* Seconds a window of each fineness has, and how old one gets before it becomes the next. */
#define LEVEL_FINE   10
#define LEVEL_MINUTE 60
#define LEVEL_COARSE 600
#define DAY_MS	     86400000LL
#define WEEK_MS	     (7 * DAY_MS)
#define HOUR_MS	     3600000LL

/* What a chunk may have, unpacked: more than the pipe takes. */
#define CHUNK_MAX (16u << 20)
/* Rows of commands, prefixes, clients and stalls that a window has of each order. */
#define TOP_ROWS 20

#define STATEMENTS_MAX 96

struct statement {
	const char *text; /* a literal: known by its address */
	sqlite3_stmt *stmt;
};

/* A chunk, or a key chunk, as it is. */
struct unpacked {
	int64_t id; /* 0 = none */
	struct buf bytes;
};

struct history {
	sqlite3 *db; /* NULL while it has stopped and the file is closed */
	bool writer;
	int dir_fd, lock_fd; /* -1 */
	char *dir; /* without symbolic links */
	char *path; /* of the file */
	int64_t size_bytes;
	struct statement statements[STATEMENTS_MAX];
	size_t statements_count;
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
	struct unpacked key, last; /* what was needed last, and will be again */
	struct history_stats stats;
	int64_t retry_ns; /* when a stopped one is tried again; INT64_MAX = never */
	int64_t cleaned_day; /* names of before that are gone */
	int64_t deadline_ns; /* of the statement that runs; 0 = none */
	history_pass filter; /* NULL = none */
	void *filter_ctx;
};

/* --- folder.c: the folder, its lock, and files set aside --------------------------------- */

/* Open the folder, for a writer made when it is not there; refuse one that others may write. */
int folder_open(struct history *history, const char *dir, struct err *err);
/* -EBUSY and who has it. */
int folder_lock(struct history *history, struct err *err);
/* Rename the file, and what SQLite keeps beside it, and write where to into stats.set_aside. */
int folder_set_aside(struct history *history, struct err *err);
/* The files' sizes on disk. */
int64_t folder_bytes(const struct history *history);
int64_t folder_wal_bytes(const struct history *history);

/* --- db.c: SQLite, in a few words --------------------------------------------------------- */

/*
 * Run a statement with its parameters, one letter of @types each: i int64_t (RECORD_UNKNOWN is
 * NULL), d double (NAN is NULL), t text (NULL is NULL), b bytes and their size_t length.
 * db_run(): to its end. db_number(): the first column of its first row, RECORD_UNKNOWN when
 * there is none. db_query(): the rows by db_next(), until that gives something else than
 * SQLITE_ROW; a query that is left before has to be reset. @text is a literal.
 * They return codes of SQLite.
 */
int db_run(struct history *history, const char *text, const char *types, ...);
int db_number(struct history *history, int64_t *out, const char *text, const char *types, ...);
int db_query(struct history *history, sqlite3_stmt **out, const char *text, const char *types, ...);
int db_next(sqlite3_stmt *stmt);
/* A column; NULL is RECORD_UNKNOWN, NAN, "". */
int64_t db_int(sqlite3_stmt *stmt, int column);
double db_real(sqlite3_stmt *stmt, int column);
const char *db_text(sqlite3_stmt *stmt, int column);
/* The errno for @code, and what happened in @err. */
int db_error(struct history *history, int code, const char *what, struct err *err);
void db_close(struct history *history);
/* Is something wrong with the file? Looks for at most @seconds. -EBADMSG. */
int db_check(struct history *history, double seconds, struct err *err);

/* --- schema.c -------------------------------------------------------------------------------- */

#define SCHEMA_ID 0x726d6468 /* "rmdh": PRAGMA application_id */
/* Bring the file from its version up to @version; SCHEMA_NEWEST for what this redmem knows. */
#define SCHEMA_NEWEST 0
int schema_migrate(struct history *history, int version, struct err *err);
/* -ENOTSUP when it is newer, -EBADMSG when it is no history. */
int schema_fits(struct history *history, struct err *err);

/* --- pack.c: chunks ----------------------------------------------------------------------- */

/* The file is whole, and what a chunk is made of cannot be read: a code of SQLite that it does not
 * give in all this. */
#define PACK_UNREADABLE SQLITE_MISMATCH
/* Keep @chunk as that of @window, against the key chunk of its hour. */
int pack_put(struct history *history, int64_t server, int64_t window, int64_t start_ms, int level,
	     const struct chunk *chunk);
/* The chunk of @window into @bytes. SQLITE_DONE when it has none. */
int pack_get(struct history *history, int64_t window, struct buf *bytes);
/* How long a stretch of time is that windows of a fineness are merged over, from a multiple of it
 * on; 0 = they are not. */
static inline int64_t pack_stretch_ms(int level)
{
	return level == LEVEL_FINE   ? LEVEL_MINUTE * 1000 :
	       level == LEVEL_MINUTE ? LEVEL_COARSE * 1000 :
				       0;
}

/* Nothing that was read is to be believed any more: a transaction was undone. */
void pack_forget(struct history *history);
/* Forget the chunk, and its key chunk when that was the last. */
int pack_drop(struct history *history, int64_t window);

/* --- join.c: several chunks become one ------------------------------------------------------- */

/* Those of the windows @ids, of one session and in the order of time, into @out; it is empty when
 * that cannot be done. */
int join_chunks(struct history *history, const int64_t *ids, size_t count, struct buf *out);

/* What is nearer to a mark is at it. */
#define NOTHING_SECONDS 0.001

/* How long one piece (window or chunk) over chunks from @start to @end is, so that it is due with
 * the mark at the end of the last, and with none before: the end of a session is behind its last
 * mark, with a death in between, and there the stream's end is the piece's. */
static inline double piece_seconds(double start, double end)
{
	return end - NOTHING_SECONDS + MOMENTS_EARLY_SECONDS - round(start);
}

/* --- rows.c: what a window is in rows ------------------------------------------------------- */

int rows_put(struct history *history, int64_t window, const struct history_window *w);

/* --- happened.c: what began and ended ------------------------------------------------------- */

int happened_put(struct history *history, int64_t server, const struct history_window *w);
/* Something that happened; @server may be RECORD_UNKNOWN, @detail NULL, @seconds NAN. */
int happened_event(struct history *history, int64_t server, int64_t at_ms, const char *event,
		   const char *detail, double seconds);
/* Those of the server that were seen last before then have ended. */
int happened_end_findings(struct history *history, int64_t server, int64_t before_ms);

/* --- passes.c: scheduled passes over the keys ------------------------------------------------ */

int passes_put(struct history *history, int64_t server, const struct history_window *w);
/* Tell @m of the newest that ended before @to_ms, and how it grew since the one before. */
int passes_get(struct history *history, const char *server, int64_t to_ms, struct model *m);

/* --- deaths.c ------------------------------------------------------------------------------- */

/* A server died, and its last minutes are to be kept. */
int deaths_put(struct history *history, int64_t server, int64_t at_ms, const char *cause,
	       const char *detail, int64_t held);
/* Those of the oldest death are not, any more; @more = there was one. */
int deaths_release_oldest(struct history *history, bool *more);

/* --- open.c, read.c, write.c -------------------------------------------------------------- */

/* Open history->path and make it safe to use; of a writer also up to date. */
int db_open(struct history *history, struct err *err);

/* One state of the file for all that is asked between the two, and a bound of its time. */
void reading_begin(struct history *history);
int reading_end(struct history *history, int code, struct err *err);

int server_id(struct history *history, const char *label, bool make, int64_t *id);
/* May it be written to now? False while it has stopped. */
bool writing_begin(struct history *history);
/* End the transaction with @code: kept, or undone, and then the history stops. */
int writing_end(struct history *history, int code, const char *what, struct err *err);
