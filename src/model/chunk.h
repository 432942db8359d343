/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks: a stream of records in pieces of some seconds (ten), from any of which one may begin.
 * What `redmem serve` hands to its keeper, and what the history keeps.
 *
 * A chunk holds what happened from its start to its end, by the rule of window.h (a record belongs
 * to the time in which it happened, whenever it comes), with all marks, and a last mark that says
 * that the chunk's time has been handed over: whoever replays chunks into windows of a chunk's
 * length, or of several, gets each at the end of its last chunk. Before that it has the state at
 * its start (state.h); the first of a session has none, as the session begins there. Times and
 * counters are the session's, as in the stream.
 *
 * Windows over chunks give the reports that windows over the stream give, but for what is left out
 * so that a busy server's chunk stays small:
 *  - Profile rows alike are added up over the chunk, to 17 bits: who had most bytes is known of the
 *    chunk, not of each second of it (`alloc`'s timeline, and its peak). Functions
 *    (profile.symbol) go, and modules other than the allocator and the kernel become one.
 *  - Keys are folded to their prefix, with the first as its example; but for the CHUNK_KEYS with
 *    most CPU time (chunk_rows.h). So of a key that is in no chunk among these nothing is known,
 *    and which command it had most time in is told by sums, not in the order of the samples.
 *  - When there are more than CHUNK_ROWS rows, those of the least weight are added to rows without
 *    a key.
 *  - Bytes that no hit stands for (model/unseen.c) go to those who had bytes in the chunk, not in
 *    the seconds around.
 *  - Of the allocator calls of bursts at most CHUNK_CALLS, evenly picked, each standing for several
 *    (record_call.calls): the slowest may not be among them.
 *  - Ticks nearer than a tenth of the chunk, or so. Of their INFO, but for the last, what the
 *    timeline needs; of what redmem cost, and of totals, the last of the chunk.
 *  - Of MALLOC-STATS what is parsed.
 *  - Of other kinds at most CHUNK_KIND records, those of most weight.
 */
#pragma once

#include "base/err.h"
#include "record/record.h"

#define CHUNK_CALLS 256
#define CHUNK_KIND  1024

struct chunk {
	double start_seconds, end_seconds; /* since t = 0 of the session */
	int64_t wall_start_ns; /* of start_seconds, since 1970; RECORD_UNKNOWN */
	bool first; /* of its session */
	const void *data; /* all of it, the above as well: see chunk_open() */
	size_t len;
};

struct chunker;

/* Pieces of @seconds (whole ones, where there are to be several). @take gets each as soon as it is
 * complete; its data is valid during the call. */
struct chunker *chunker_new(double seconds, void (*take)(void *ctx, const struct chunk *chunk),
			    void *ctx);
struct record_sink chunker_sink(struct chunker *chunker);
/* What has come so far is but the state (chunk_replay_state()) at which the first piece begins. For
 * making one chunk of several. */
void chunker_begin(struct chunker *chunker);
/* Does a chunk end at a mark of that time? As windows_end_at(): who makes the marks asks the
 * server then. */
bool chunker_end_at(const struct chunker *chunker, double t_seconds);
/* The stream is over: hand over what is under way, however short. */
void chunker_end(struct chunker *chunker);
void chunker_free(struct chunker *chunker); /* may be NULL */

/* Fill in @chunk from the bytes of one; @data is borrowed. -EBADMSG. */
int chunk_open(struct chunk *chunk, const void *data, size_t len, struct err *err);

/*
 * Hand the records of a chunk to @sink, in order. @go_on: the chunk before it was the last that
 * @sink got, so it needs no state.
 *
 * Windows that begin in the middle of a session are opened between the state and the rest:
 *
 *	struct windows *w = windows_new();
 *	struct record_sink sink = windows_sink(w);
 *	chunk_replay_state(chunk, &sink, err);
 *	windows_open(w, seconds, take, ctx);
 *	chunk_replay(chunk, true, &sink, err); and the next likewise, each with true
 *	windows_end(w);
 *
 * which is right for the first chunk of a session as well. A session that follows another one
 * (chunk->first) begins again: it needs windows of its own. -EBADMSG, after the records before
 * the damage.
 */
int chunk_replay(const struct chunk *chunk, bool go_on, const struct record_sink *sink,
		 struct err *err);
int chunk_replay_state(const struct chunk *chunk, const struct record_sink *sink, struct err *err);
