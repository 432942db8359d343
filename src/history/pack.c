/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks in the file: compressed against the key chunk of their hour. Settings, the server's
 * state, most of INFO and the names of commands and prefixes are the same in one chunk as in the
 * next, so that with the key chunk as prefix (ZSTD_CCtx_refPrefix()) only what moved takes room.
 * The first chunk of an hour is its key chunk; it is kept once more as a chunk, as any other.
 *
 * Behind the key chunk stands the chunk before, of those that will be merged with it (keep.c), so
 * that none is left without the others: what one ends with, the next begins with.
 */
#include <string.h>

#include "history/internal.h"

/* A chunk of a busy server takes a ms at it. */
#define PACK_LEVEL 9
/* Of the window: the key chunk and the chunk behind it. */
#define WINDOW_LOG_MAX 25

/* --- bytes ----------------------------------------------------------------------------------- */

static int compress(struct history *history, struct buf *out, const struct buf *key,
		    const void *data, size_t len)
{
	size_t bound = ZSTD_compressBound(len), size;

	if (!history->pack)
		history->pack = ZSTD_createCCtx();
	if (!history->pack)
		return SQLITE_NOMEM;
	ZSTD_CCtx_reset(history->pack, ZSTD_reset_session_and_parameters);
	ZSTD_CCtx_setParameter(history->pack, ZSTD_c_compressionLevel, PACK_LEVEL);
	ZSTD_CCtx_setParameter(history->pack, ZSTD_c_checksumFlag, 1);
	if (key)
		ZSTD_CCtx_refPrefix(history->pack, key->data, key->len);
	buf_clear(out);
	buf_fill(out, 0, bound);
	size = ZSTD_compress2(history->pack, out->data, bound, data, len);
	if (ZSTD_isError(size))
		return SQLITE_NOMEM;
	out->len = size;
	return SQLITE_OK;
}

static int decompress(struct history *history, struct buf *out, const struct buf *key,
		      const void *data, size_t len)
{
	unsigned long long size = ZSTD_getFrameContentSize(data, len);
	size_t got;

	if (size > CHUNK_MAX) /* an error and "unknown", too */
		return PACK_UNREADABLE;
	if (!history->unpack)
		history->unpack = ZSTD_createDCtx();
	if (!history->unpack)
		return SQLITE_NOMEM;
	ZSTD_DCtx_reset(history->unpack, ZSTD_reset_session_and_parameters);
	ZSTD_DCtx_setParameter(history->unpack, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	if (key)
		ZSTD_DCtx_refPrefix(history->unpack, key->data, key->len);
	buf_clear(out);
	buf_fill(out, 0, (size_t)size);
	got = ZSTD_decompressDCtx(history->unpack, out->data, (size_t)size, data, len);
	return got == size ? SQLITE_OK : PACK_UNREADABLE;
}

/* --- key chunks ------------------------------------------------------------------------------ */

/* Into history->key. PACK_UNREADABLE also when there is none of that id. */
static int key_get(struct history *history, int64_t id)
{
	sqlite3_stmt *stmt;
	int code;

	if (history->key.id == id)
		return SQLITE_OK;
	history->key.id = 0;
	code = db_query(history, &stmt, "SELECT data FROM keychunk WHERE id = ?", "i", id);
	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? PACK_UNREADABLE : code;
	code = decompress(history, &history->key.bytes, NULL, sqlite3_column_blob(stmt, 0),
			  (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_reset(stmt);
	if (code == SQLITE_OK)
		history->key.id = id;
	return code;
}

static int key_put(struct history *history, int64_t server, int level, int64_t hour,
		   const struct chunk *chunk, int64_t *id)
{
	struct buf packed = {};
	int code = compress(history, &packed, NULL, chunk->data, chunk->len);

	if (code == SQLITE_OK)
		code = db_run(
			history,
			"INSERT INTO keychunk (server, level, hour, data) VALUES (?, ?, ?, ?)",
			"iiib", server, (int64_t)level, hour, packed.data, packed.len);
	*id = sqlite3_last_insert_rowid(history->db);
	buf_free(&packed);
	return code;
}

/* That of the hour into history->key, made of @chunk when it is the first of it. */
static int key_of(struct history *history, int64_t server, int level, int64_t hour,
		  const struct chunk *chunk, int64_t *id)
{
	int code = db_number(history, id,
			     "SELECT id FROM keychunk WHERE server = ? AND level = ? AND hour = ? "
			     "ORDER BY id DESC LIMIT 1",
			     "iii", server, (int64_t)level, hour);

	if (code != SQLITE_OK)
		return code;
	if (*id != RECORD_UNKNOWN) {
		code = key_get(history, *id);
		if (code != PACK_UNREADABLE)
			return code;
	}
	code = key_put(history, server, level, hour, chunk, id);
	return code == SQLITE_OK ? key_get(history, *id) : code;
}

/* --- chunks ---------------------------------------------------------------------------------- */

/* Chunks before one that it needs to be read: those of a stretch, at most. */
#define BEFORE_MAX 64

static int get(struct history *history, int64_t window, int depth, struct buf *bytes);

/* The key chunk, and the chunk of window @before behind it (RECORD_UNKNOWN = none). */
static int prefix(struct history *history, int64_t key, int64_t before, int depth, struct buf *out)
{
	struct buf bytes = {};
	int code = SQLITE_OK;

	if (before != RECORD_UNKNOWN)
		code = depth < BEFORE_MAX ? get(history, before, depth + 1, &bytes) :
					    PACK_UNREADABLE;
	if (code == SQLITE_OK)
		code = key_get(history, key);
	if (code == SQLITE_OK) {
		buf_add(out, history->key.bytes.data, history->key.bytes.len);
		buf_add(out, bytes.data, bytes.len);
	}
	buf_free(&bytes);
	return code == SQLITE_DONE ? PACK_UNREADABLE : code;
}

static int read_packed(struct history *history, sqlite3_stmt *stmt, int depth, struct buf *bytes)
{
	struct buf packed = {}, before = {};
	int64_t key = db_int(stmt, 0), window = db_int(stmt, 1);
	int code;

	/* The statement is needed again for the one before. */
	buf_add(&packed, sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2));
	sqlite3_reset(stmt);
	code = prefix(history, key, window, depth, &before);
	if (code == SQLITE_OK)
		code = decompress(history, bytes, &before, packed.data, packed.len);
	buf_free(&packed);
	buf_free(&before);
	return code;
}

static void remember(struct history *history, int64_t window, const void *data, size_t len)
{
	history->last.id = window;
	buf_clear(&history->last.bytes);
	buf_add(&history->last.bytes, data, len);
}

static int get(struct history *history, int64_t window, int depth, struct buf *bytes)
{
	sqlite3_stmt *stmt;
	int code;

	if (history->last.id == window) {
		buf_clear(bytes);
		buf_add(bytes, history->last.bytes.data, history->last.bytes.len);
		return SQLITE_OK;
	}
	code = db_query(history, &stmt, "SELECT keychunk, before, data FROM chunk WHERE window = ?",
			"i", window);
	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code != SQLITE_ROW)
		return code;
	code = read_packed(history, stmt, depth, bytes);
	if (code != SQLITE_OK)
		return code;
	remember(history, window, bytes->data, bytes->len);
	return SQLITE_OK;
}

int pack_get(struct history *history, int64_t window, struct buf *bytes)
{
	return get(history, window, 0, bytes);
}

/* The newest chunk of the same stretch, with which it will be merged. */
static int find_before(struct history *history, int64_t window, int64_t start_ms, int level,
		       int64_t *before)
{
	int64_t stretch = pack_stretch_ms(level);

	*before = RECORD_UNKNOWN;
	if (!stretch)
		return SQLITE_OK;
	return db_number(history, before,
			 "SELECT w.id FROM window w JOIN window own ON own.id = ?1 JOIN chunk c ON "
			 "c.window = w.id WHERE w.server = own.server AND w.session = own.session "
			 "AND w.level = own.level AND w.start >= ?2 AND w.start < ?3 AND w.id < ?1 "
			 "ORDER BY w.start DESC LIMIT 1",
			 "iii", window, start_ms - start_ms % stretch, start_ms);
}

int pack_put(struct history *history, int64_t server, int64_t window, int64_t start_ms, int level,
	     const struct chunk *chunk)
{
	struct buf all = {}, packed = {};
	/* of a coarser one there are as many to a key chunk: 60 windows and more */
	int64_t hour = start_ms / (HOUR_MS * (level / LEVEL_FINE)), id, before;
	int code = find_before(history, window, start_ms, level, &before);

	if (code == SQLITE_OK)
		code = key_of(history, server, level, hour, chunk, &id);
	if (code == SQLITE_OK)
		code = prefix(history, id, before, 0, &all);
	if (code == PACK_UNREADABLE) { /* it can do without */
		before = RECORD_UNKNOWN;
		code = prefix(history, id, before, 0, &all);
	}
	if (code == SQLITE_OK)
		code = compress(history, &packed, &all, chunk->data, chunk->len);
	if (code == SQLITE_OK)
		code = db_run(history,
			      "INSERT INTO chunk (window, keychunk, before, data) "
			      "VALUES (?, ?, ?, ?)",
			      "iiib", window, id, before, packed.data, packed.len);
	if (code == SQLITE_OK)
		remember(history, window, chunk->data, chunk->len);
	buf_free(&all);
	buf_free(&packed);
	return code;
}

void pack_forget(struct history *history)
{
	history->key.id = history->last.id = 0;
}

int pack_drop(struct history *history, int64_t window)
{
	int64_t key;
	int code = db_number(history, &key, "SELECT keychunk FROM chunk WHERE window = ?", "i",
			     window);

	if (code != SQLITE_OK || key == RECORD_UNKNOWN)
		return code;
	pack_forget(history);
	code = db_run(history, "DELETE FROM chunk WHERE window = ?", "i", window);
	if (code == SQLITE_OK)
		code = db_run(history,
			      "DELETE FROM keychunk WHERE id = ?1 AND NOT EXISTS "
			      "(SELECT 1 FROM chunk WHERE keychunk = ?1)",
			      "i", key);
	return code;
}
