/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A look at the keys that showed up in a watch: what they are and how big.
 *
 * It leaves no trace in LRU and LFU: TYPE, OBJECT ENCODING, MEMORY USAGE and PTTL
 * look keys up without touching (LOOKUP_NOTOUCH, src/db.c), the last three are
 * bounded (MEMORY USAGE samples 5 elements). Commands for the number of elements
 * do touch, and XINFO GROUPS of a stream, so they are asked only where CLIENT NO-TOUCH (7.2)
 * works. The look
 * does count in keyspace_hits, and a key past its expiry goes, as on any access.
 */
#pragma once

#include <stddef.h>

#include "record/record.h"
#include "redis/conn.h"

#define KEYLOOK_MAX 64

/*
 * Queue a look at the first KEYLOOK_MAX of @keys (copied), in the connection's
 * db. A RECORD_KEY comes for each when its last reply is in; type "none" when the
 * key is gone; no record when the server refuses TYPE or the connection ends.
 * @sink is copied. 0, or -ENOTCONN.
 */
int keylook_start(struct conn *conn, const struct record_sink *sink, const struct bytes *keys,
		  size_t count);
/*
 * The same for keys of whatever database: @dbs has that of each, RECORD_UNKNOWN for the
 * connection's own. It selects those it must, and its own again; nothing is told of keys
 * whose database may not be selected.
 */
int keylook_found(struct conn *conn, const struct record_sink *sink, const struct bytes *keys,
		  const int64_t *dbs, size_t count);
/* The server's word for what the user may not do, the first; "" = it was refused nothing. As it
 * came: to be escaped. */
struct keylook_refusal {
	char text[200];
};

void keylook_note(struct keylook_refusal *refusal, const redisReply *reply);
/* The same for keys drawn at random from database @db, which is the connection's now. @refusal may
 * be NULL, and lives as long as the connection. */
int keylook_drawn(struct conn *conn, const struct record_sink *sink, int64_t db,
		  const struct bytes *keys, size_t count, struct keylook_refusal *refusal);
