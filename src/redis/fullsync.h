/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A full synchronisation: the server forks, and its child writes all keys as a dump, straight
 * to us (diskless) or to a file of the server's that is then sent. It is asked for as by
 * redis-cli --rdb: REPLCONF rdb-only 1, so that the server keeps no changes for us (since
 * Redis 6.2), REPLCONF capa eof, and SYNC, which needs no acknowledgements. A second channel
 * for the dump is never announced, and no setting is changed.
 * Source: syncCommand(), replconfCommand() and replicationCron() of the servers.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "redis/conn.h"

struct fullsync;

/*
 * Ask @conn, which is greeted and waits for nothing. 0, and then the connection is used up:
 * only conn_close() is left for it. -EACCES when the server refuses, CONN_WITHHELD, or the
 * error of the connection.
 */
int fullsync_start(struct fullsync **sync, struct conn *conn, struct err *err);
/* At most @size bytes of the dump; waits for them. 0 = that was all of it, or a negative errno
 * with @err. The first call waits until the server has begun, which may take minutes. */
ssize_t fullsync_read(struct fullsync *sync, void *data, size_t size, struct err *err);
/* From another thread: whoever waits in fullsync_read() comes back from there with an error. */
void fullsync_stop(struct fullsync *sync);
/* From any thread: bytes of the dump as the server has told them, RECORD_UNKNOWN before that
 * and for a dump without a length (diskless). */
int64_t fullsync_size(const struct fullsync *sync);
void fullsync_free(struct fullsync *sync); /* may be NULL */
