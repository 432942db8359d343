/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks in the file: compressed against the key chunk of their hour. Settings, the server's
 * state, most of INFO and the names of commands and prefixes are the same in one chunk as in the
 * next, so that with the key chunk as prefix (ZSTD_CCtx_refPrefix()) only what moved takes room.
 * The first chunk of an hour is its key chunk; it is kept once more as a chunk, as any other.
 */
#include <string.h>

#include "history/internal.h"

/* A chunk of a busy server takes a ms at it. */
#define PACK_LEVEL 6
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

/* Into @key. PACK_UNREADABLE also when there is none of that id. */
static int key_get(struct history *history, int64_t id, struct buf *key)
{
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt, "SELECT data FROM keychunk WHERE id = ?", "i", id);

	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? PACK_UNREADABLE : code;
	code = decompress(history, key, NULL, sqlite3_column_blob(stmt, 0),
			  (size_t)sqlite3_column_bytes(stmt, 0));
	sqlite3_reset(stmt);
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

/* That of the hour, made of @chunk when it is the first of it. */
static int key_of(struct history *history, int64_t server, int level, int64_t hour,
		  const struct chunk *chunk, int64_t *id, struct buf *key)
{
	int code = db_number(history, id,
			     "SELECT id FROM keychunk WHERE server = ? AND level = ? AND hour = ? "
			     "ORDER BY id DESC LIMIT 1",
			     "iii", server, (int64_t)level, hour);

	if (code != SQLITE_OK)
		return code;
	if (*id != RECORD_UNKNOWN) {
		code = key_get(history, *id, key);
		if (code != PACK_UNREADABLE)
			return code;
	}
	buf_clear(key);
	buf_add(key, chunk->data, chunk->len);
	return key_put(history, server, level, hour, chunk, id);
}

/* --- chunks ---------------------------------------------------------------------------------- */

int pack_put(struct history *history, int64_t server, int64_t window, int64_t start_ms, int level,
	     const struct chunk *chunk)
{
	struct buf key = {}, packed = {};
	/* of a coarser one there are as many to a key chunk: 60 windows and more */
	int64_t hour = start_ms / (HOUR_MS * (level / LEVEL_FINE)), id;
	int code = key_of(history, server, level, hour, chunk, &id, &key);

	if (code == SQLITE_OK)
		code = compress(history, &packed, &key, chunk->data, chunk->len);
	if (code == SQLITE_OK)
		code = db_run(history,
			      "INSERT INTO chunk (window, keychunk, data) VALUES (?, ?, ?)", "iib",
			      window, id, packed.data, packed.len);
	buf_free(&key);
	buf_free(&packed);
	return code;
}

int pack_get(struct history *history, int64_t window, struct buf *bytes)
{
	struct buf key = {};
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt, "SELECT keychunk, data FROM chunk WHERE window = ?",
			    "i", window);

	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code != SQLITE_ROW)
		return code;
	code = key_get(history, db_int(stmt, 0), &key);
	if (code == SQLITE_OK)
		code = decompress(history, bytes, &key, sqlite3_column_blob(stmt, 1),
				  (size_t)sqlite3_column_bytes(stmt, 1));
	sqlite3_reset(stmt);
	buf_free(&key);
	return code;
}

int pack_drop(struct history *history, int64_t window)
{
	int64_t key;
	int code = db_number(history, &key, "SELECT keychunk FROM chunk WHERE window = ?", "i",
			     window);

	if (code != SQLITE_OK || key == RECORD_UNKNOWN)
		return code;
	code = db_run(history, "DELETE FROM chunk WHERE window = ?", "i", window);
	if (code == SQLITE_OK)
		code = db_run(history,
			      "DELETE FROM keychunk WHERE id = ?1 AND NOT EXISTS "
			      "(SELECT 1 FROM chunk WHERE keychunk = ?1)",
			      "i", key);
	return code;
}
