/* SPDX-License-Identifier: BSD-2-Clause */
/* A full synchronisation; see fullsync.h. */
#include "redis/fullsync.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/escape.h"
#include "record/record.h"
#include "redis/stream.h"

#define CALL_MS	     5000
#define SILENCE_MS   60000 /* repl-timeout's default; waiting servers send a newline each 10 s */
#define WINDOW_BYTES ((size_t)64 << 10)
#define MARK_BYTES   40 /* behind a dump without a length */
#define LINE_MAX     512
#define LINE_SHOWN   160

struct fullsync {
	struct stream *stream;
	char name[256]; /* of the server */
	enum { HEAD, SIZED, MARKED } state;
	char mark[MARK_BYTES];
	_Atomic int64_t size; /* RECORD_UNKNOWN = not told */
	int64_t given; /* of the dump */
	/* [at, have) has been received and not been given; [at, ready) is the dump's for certain */
	char *window;
	size_t at, ready, have;
	bool ended; /* it is all that is left of it */
};

/* --- asking --------------------------------------------------------------- */

static int refused(const struct fullsync *sync, const char *said, struct err *err)
{
	static const struct {
		const char *begins, *advice;
	} rows[] = {
		{ "NOPERM", "; the user needs +sync and +replconf (ACL SETUSER)" },
		{ "LOADING", "; wait until it has loaded its own dump" },
		{ "MASTERDOWN", "; ask its primary, or another replica" },
		{ "NOMASTERLINK", "; ask its primary, or another replica" },
		{ "ERR unknown command", "; managed services often take it away: use an export" },
	};
	const char *advice = "";
	struct buf shown = {};
	size_t len = strlen(said);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strncmp(said, rows[i].begins, strlen(rows[i].begins)))
			advice = rows[i].advice;
	escape_redis(&shown, said, len < LINE_SHOWN ? len : LINE_SHOWN);
	err_set(err, -EACCES, "rdb: %s: the server refuses a full synchronisation: %s%s",
		sync->name, buf_str(&shown), advice);
	buf_free(&shown);
	return -EACCES;
}

/* A server that does not know the option, or a user who may not, does without it. */
static int announce(struct conn *conn, const char *line, const struct fullsync *sync,
		    struct err *err)
{
	redisReply *reply;
	int rc = conn_call_line(conn, CALL_MS, &reply, line);

	if (rc == CONN_WITHHELD)
		return conn_withheld_error(conn, "rdb: a full synchronisation", err);
	if (rc)
		return err_set(err, rc, "rdb: %s: %s: %s", sync->name, line, strerror(-rc));
	freeReplyObject(reply);
	return 0;
}

static int wait_for(const struct fullsync *sync, short events)
{
	struct pollfd fd = { .fd = stream_socket(sync->stream), .events = events };
	int n;

	do
		n = poll(&fd, 1, SILENCE_MS);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

static int send_sync(struct fullsync *sync, struct err *err)
{
	static const char request[] = "*1\r\n$4\r\nSYNC\r\n";
	size_t len = sizeof(request) - 1, sent = 0;
	ssize_t n;
	int rc;

	while (sent < len) {
		n = stream_write(sync->stream, request + sent, len - sent, err);
		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return (int)n;
		rc = wait_for(sync, stream_events(sync->stream, true));
		if (rc)
			return err_set(err, rc, "rdb: %s: SYNC: %s", sync->name, strerror(-rc));
	}
	return 0;
}

static int ask(struct fullsync *sync, struct conn *conn, struct err *err)
{
	int rc = announce(conn, "REPLCONF rdb-only 1", sync, err);

	if (!rc)
		rc = announce(conn, "REPLCONF capa eof", sync, err);
	if (rc)
		return rc;
	if (!conn_may(conn, "sync"))
		return conn_withheld_error(conn, "rdb: a full synchronisation", err);
	sync->stream = conn_take_stream(conn);
	return send_sync(sync, err);
}

int fullsync_start(struct fullsync **out, struct conn *conn, struct err *err)
{
	struct fullsync *sync = xcalloc(1, sizeof(*sync));
	int rc;

	snprintf(sync->name, sizeof(sync->name), "%s", conn_name(conn));
	atomic_init(&sync->size, RECORD_UNKNOWN);
	sync->window = xcalloc(1, WINDOW_BYTES);
	rc = ask(sync, conn, err);
	if (rc)
		fullsync_free(sync);
	else
		*out = sync;
	return rc;
}

/* --- what comes ----------------------------------------------------------- */

static int lost(const struct fullsync *sync, const char *why, int code, struct err *err)
{
	int64_t size = fullsync_size(sync);
	struct buf of = {};

	if (sync->state == HEAD)
		return err_set(err, code,
			       "rdb: %s: %s before the dump began; the server's log says why (a "
			       "fork or a save that failed?)",
			       sync->name, why);
	if (size != RECORD_UNKNOWN)
		buf_printf(&of, " of %lld", (long long)size);
	err_set(err, code,
		"rdb: %s: %s at offset %lld%s of the dump; the server's log says why (its "
		"repl-timeout, client-output-buffer-limit, or a save that failed?)",
		sync->name, why, (long long)(sync->given + (int64_t)(sync->have - sync->at)),
		buf_str(&of));
	buf_free(&of);
	return code;
}

/* More into the window. */
static int receive(struct fullsync *sync, struct err *err)
{
	struct err why = {};
	ssize_t n;
	int rc;

	memmove(sync->window, sync->window + sync->at, sync->have - sync->at);
	sync->have -= sync->at;
	sync->at = 0;
	while ((n = stream_read(sync->stream, sync->window + sync->have, WINDOW_BYTES - sync->have,
				&why)) == -EAGAIN) {
		rc = wait_for(sync, stream_events(sync->stream, false));
		if (rc == -ETIMEDOUT)
			return lost(sync, "nothing came for a minute", rc, err);
		if (rc)
			return lost(sync, strerror(-rc), rc, err);
	}
	if (n <= 0)
		return lost(sync, "the connection was lost", n ? (int)n : -ECONNRESET, err);
	sync->have += (size_t)n;
	return 0;
}

static int nonsense(const struct fullsync *sync, const char *line, size_t len, struct err *err)
{
	struct buf shown = {};

	escape_redis(&shown, line, len < LINE_SHOWN ? len : LINE_SHOWN);
	err_set(err, -EPROTO, "rdb: %s: in place of a dump's length came %s; is it a redis-server?",
		sync->name, buf_str(&shown));
	buf_free(&shown);
	return -EPROTO;
}

/* "$1234" or "$EOF:" and the mark. */
static int take_line(struct fullsync *sync, const char *line, size_t len, struct err *err)
{
	char digits[19] = ""; /* what an int64_t holds */

	if (line[0] == '-')
		return refused(sync, line + 1, err);
	if (line[0] == '$' && len == 5 + MARK_BYTES && !memcmp(line, "$EOF:", 5)) {
		memcpy(sync->mark, line + 5, MARK_BYTES);
		sync->state = MARKED;
		return 0;
	}
	if (line[0] != '$' || len < 2 || len > sizeof(digits) - 1)
		return nonsense(sync, line, len, err);
	memcpy(digits, line + 1, len - 1);
	if (digits[strspn(digits, "0123456789")])
		return nonsense(sync, line, len, err);
	atomic_store(&sync->size, strtoll(digits, NULL, 10));
	sync->state = SIZED;
	return 0;
}

/* The line before the dump; newlines alone only say that the server lives. */
static int read_head(struct fullsync *sync, struct err *err)
{
	char *start, *end;
	size_t len;
	int rc;

	for (;;) {
		while (sync->at < sync->have && sync->window[sync->at] == '\n')
			sync->at++;
		start = sync->window + sync->at;
		len = sync->have - sync->at;
		end = memchr(start, '\n', len);
		if (end || len > LINE_MAX)
			break;
		rc = receive(sync, err);
		if (rc)
			return rc;
	}
	if (!end)
		return nonsense(sync, start, len, err);
	sync->at += (size_t)(end - start) + 1;
	if (end > start && end[-1] == '\r')
		end--;
	*end = '\0';
	return take_line(sync, start, (size_t)(end - start), err);
}

/* How much of the window is the dump's. Behind the mark nothing comes: the server waits for an
 * acknowledgement, or closes. */
static void settle(struct fullsync *sync)
{
	size_t len = sync->have - sync->at;
	int64_t left;

	if (sync->state == SIZED) {
		left = fullsync_size(sync) - sync->given;
		sync->ended = left <= (int64_t)len;
		sync->ready = sync->ended ? sync->at + (size_t)left : sync->have;
		return;
	}
	sync->ready = len > MARK_BYTES ? sync->have - MARK_BYTES : sync->at;
	sync->ended = len >= MARK_BYTES &&
		      !memcmp(sync->window + sync->have - MARK_BYTES, sync->mark, MARK_BYTES);
}

static int begin(struct fullsync *sync, struct err *err)
{
	int rc = read_head(sync, err);

	if (!rc)
		settle(sync);
	return rc;
}

ssize_t fullsync_read(struct fullsync *sync, void *data, size_t size, struct err *err)
{
	int rc = sync->state == HEAD ? begin(sync, err) : 0;
	size_t n;

	while (!rc && sync->at == sync->ready && !sync->ended) {
		rc = receive(sync, err);
		if (!rc)
			settle(sync);
	}
	if (rc)
		return rc;
	n = sync->ready - sync->at < size ? sync->ready - sync->at : size;
	memcpy(data, sync->window + sync->at, n);
	sync->at += n;
	sync->given += (int64_t)n;
	return (ssize_t)n;
}

void fullsync_stop(struct fullsync *sync)
{
	shutdown(stream_socket(sync->stream), SHUT_RDWR);
}

int64_t fullsync_size(const struct fullsync *sync)
{
	return atomic_load(&sync->size);
}

void fullsync_free(struct fullsync *sync)
{
	if (!sync)
		return;
	stream_close(sync->stream);
	free(sync->window);
	free(sync);
}
