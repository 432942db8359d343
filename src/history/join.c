/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several chunks become one: they are replayed into a chunker, whose piece is as long as all of
 * them. It ends where the last of them does, with its mark or with the session, so that windows
 * find the end where it was.
 */
#include "history/internal.h"

struct joining {
	struct buf *out; /* the first piece: behind its mark there is nothing */
	size_t pieces;
};

static void take_piece(void *ctx, const struct chunk *piece)
{
	struct joining *joining = ctx;

	if (!joining->pieces++)
		buf_add(joining->out, piece->data, piece->len);
}

/* SQLITE_DONE where a window has no chunk, or none that can be read any more. */
static int get(struct history *history, int64_t window, struct buf *bytes, struct chunk *chunk)
{
	int code = pack_get(history, window, bytes);

	if (code == SQLITE_OK && chunk_open(chunk, bytes->data, bytes->len, NULL))
		code = PACK_UNREADABLE;
	return code == PACK_UNREADABLE ? SQLITE_DONE : code;
}

static int play(struct history *history, const int64_t *ids, size_t count, struct chunker *chunker)
{
	struct record_sink sink = chunker_sink(chunker);
	struct buf bytes = {};
	struct chunk chunk;
	int code = SQLITE_OK;

	for (size_t i = 0; i < count && code == SQLITE_OK; i++) {
		code = get(history, ids[i], &bytes, &chunk);
		if (code == SQLITE_OK && !i) {
			code = chunk_replay_state(&chunk, &sink, NULL) ? SQLITE_DONE : SQLITE_OK;
			chunker_begin(chunker);
		}
		if (code == SQLITE_OK && chunk_replay(&chunk, true, &sink, NULL))
			code = SQLITE_DONE;
	}
	buf_free(&bytes);
	return code;
}

static int join(struct history *history, const int64_t *ids, size_t count, double seconds,
		struct joining *joining)
{
	struct chunker *chunker = chunker_new(seconds, take_piece, joining);
	int code = play(history, ids, count, chunker);

	if (code == SQLITE_OK)
		chunker_end(chunker);
	chunker_free(chunker);
	return code;
}

int join_chunks(struct history *history, const int64_t *ids, size_t count, struct buf *out)
{
	struct joining joining = { .out = out };
	struct chunk first, last = {};
	struct buf bytes = {};
	double seconds;
	int code = get(history, ids[0], &bytes, &first);

	if (code == SQLITE_OK)
		code = get(history, ids[count - 1], &bytes, &last);
	buf_free(&bytes);
	if (code == SQLITE_OK) {
		seconds = piece_seconds(first.start_seconds, last.end_seconds);
		code = join(history, ids, count, seconds, &joining);
	}
	if (code == SQLITE_DONE)
		buf_clear(out);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}
