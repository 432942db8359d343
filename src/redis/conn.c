/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection: a stream of bytes, hiredis' parser and formatter, and a queue of
 * callbacks. Replies come in the order of the requests, so the oldest request is always
 * the one a reply belongs to.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/sock.h"
#include "redis/conn.h"
#include "redis/greeting.h"
#include "redis/headroom.h"
#include "redis/info.h"
#include "redis/knowledge.h"
#include "redis/reader.h"
#include "redis/stream.h"

#define READ_BYTES	16384
#define READS_MAX	64 /* at a stretch: then whoever waits looks at its deadline */
#define IDLE_BYTES	65536 /* of a buffer that is kept when it is empty */
#define LINE_MAX_BYTES	65536 /* of an error or a status, which are a line */
#define REPLY_MAX_BYTES ((size_t)64 << 20) /* far more than what redmem asks for */

/* A request whose replies have not come. */
struct waiting {
	struct waiting *next;
	conn_reply_fn fn;
	void *ctx;
	int64_t sent_ns;
	size_t replies; /* still to come */
	char name[48]; /* as in commandstats; "" = not counted */
};

struct conn {
	struct stream *stream; /* NULL once failed */
	redisReader *reader;
	size_t unfinished; /* bytes that have come of a reply that is not here whole */
	bool open; /* the stream is */
	bool accepted; /* the greeting is answered */
	int64_t deadline_ns; /* for opening */
	struct greeting greeting;
	struct request first; /* the greeting's on its way */
	size_t first_sent;
	struct buf out; /* all else, not before the greeting is over */
	size_t out_sent;
	struct waiting *oldest, *newest;
	size_t pending;
	int db;
	struct own_calls *calls;
	enum conn_no_touch no_touch;
	struct headroom room; /* every request asks it: put_request(), conn_send_raw() */
	struct err error;
	char name[256];
	char address[64]; /* our own, as the server writes it; "" when it has none */
};

/* --- what goes out ------------------------------------------------------- */

static bool has_output(const struct conn *conn)
{
	return conn->first.len || (conn->accepted && conn->out.len);
}

/* One write of one piece; true when it has gone whole. */
static bool write_piece(struct conn *conn, const char *data, size_t len, size_t *sent, int *rc)
{
	ssize_t put = stream_write(conn->stream, data + *sent, len - *sent, &conn->error);

	if (put > 0)
		*sent += (size_t)put;
	else if (put != -EAGAIN)
		*rc = (int)put;
	return *sent == len;
}

static int write_requests(struct conn *conn)
{
	struct request *first = &conn->first;
	int rc = 0;

	if (!has_output(conn))
		return 0;
	if (first->len) {
		if (!write_piece(conn, first->data, first->len, &conn->first_sent, &rc))
			return rc;
		request_free(first);
		conn->first_sent = 0;
		return write_requests(conn);
	}
	if (!write_piece(conn, conn->out.data, conn->out.len, &conn->out_sent, &rc))
		return rc;
	conn->out_sent = 0;
	if (conn->out.cap > IDLE_BYTES)
		buf_free(&conn->out);
	else
		buf_clear(&conn->out);
	return 0;
}

/* The one way out of a connection: nobody waits for a reply any longer. */
static int conn_fail(struct conn *conn)
{
	struct waiting *request;

	stream_close(conn->stream);
	conn->stream = NULL;
	request_free(&conn->first);
	greeting_clear(&conn->greeting);
	buf_free(&conn->out);
	while ((request = conn->oldest)) {
		conn->oldest = request->next;
		conn->pending--;
		request->fn(request->ctx, NULL, (double)(clock_mono_ns() - request->sent_ns) / 1e9);
		free(request);
	}
	conn->newest = NULL;
	return conn->error.code;
}

static struct waiting *waiting_new(conn_reply_fn fn, void *ctx, size_t replies)
{
	struct waiting *request = xcalloc(1, sizeof(*request));

	request->fn = fn;
	request->ctx = ctx;
	request->replies = replies;
	request->sent_ns = clock_mono_ns();
	return request;
}

static struct waiting *queue(struct conn *conn, conn_reply_fn fn, void *ctx, size_t replies)
{
	struct waiting *request = waiting_new(fn, ctx, replies);

	if (conn->newest)
		conn->newest->next = request;
	else
		conn->oldest = request;
	conn->newest = request;
	conn->pending++;
	return request;
}

/* Queue @request, and give it up. */
static int put_request(struct conn *conn, conn_reply_fn fn, void *ctx, struct request request)
{
	struct waiting *waiting;
	int rc = !conn->stream				  ? -ENOTCONN :
		 !headroom_may(&conn->room, request.name) ? CONN_WITHHELD :
							    0;

	if (!rc) {
		headroom_sent(&conn->room, request.name);
		buf_add(&conn->out, request.data, request.len);
		waiting = queue(conn, fn, ctx, 1);
		memcpy(waiting->name, request.name, sizeof(waiting->name));
	}
	request_free(&request);
	return rc;
}

int conn_send(struct conn *conn, conn_reply_fn fn, void *ctx, int argc, const char **argv,
	      const size_t *argvlen)
{
	return put_request(conn, fn, ctx, request_make(argc, argv, argvlen));
}

int conn_send_line(struct conn *conn, conn_reply_fn fn, void *ctx, const char *line)
{
	return put_request(conn, fn, ctx, request_line(line));
}

int conn_send_raw(struct conn *conn, conn_reply_fn fn, void *ctx, const struct buf *commands,
		  size_t replies, const char *const *names)
{
	if (!conn->stream)
		return -ENOTCONN;
	for (size_t i = 0; names[i]; i++)
		if (!headroom_may(&conn->room, names[i]))
			return CONN_WITHHELD;
	for (size_t i = 0; names[i]; i++)
		headroom_sent(&conn->room, names[i]);
	buf_add(&conn->out, commands->data, commands->len);
	queue(conn, fn, ctx, replies);
	return 0;
}

/* --- the greeting -------------------------------------------------------- */

static void greet_on(struct conn *conn);

static void greeting_replied(void *ctx, redisReply *reply, double seconds)
{
	struct conn *conn = ctx;
	int rc;

	(void)seconds;
	if (!reply)
		return;
	rc = greeting_take(&conn->greeting, &conn->room, reply, stream_socket(conn->stream),
			   &conn->error);
	freeReplyObject(reply);
	if (rc)
		conn_fail(conn);
	else
		greet_on(conn);
}

/* On to the next request of the greeting, or to its end. None is on its way, and what others
 * have queued has not gone out: this comes before it. */
static void greet_on(struct conn *conn)
{
	int rc = greeting_next(&conn->greeting, &conn->room, &conn->first, &conn->error);
	struct waiting *waiting;

	if (rc < 0)
		conn_fail(conn);
	if (rc <= 0) {
		conn->accepted = !rc;
		return;
	}
	headroom_sent(&conn->room, conn->first.name);
	waiting = waiting_new(greeting_replied, conn, 1);
	memcpy(waiting->name, conn->first.name, sizeof(waiting->name));
	waiting->next = conn->oldest;
	conn->oldest = waiting;
	if (!conn->newest)
		conn->newest = waiting;
	conn->pending++;
}

int conn_open(struct conn **out, const struct conn_options *options, struct err *err)
{
	int timeout_ms =
		options->connect_timeout_ms ? options->connect_timeout_ms : CONN_CONNECT_TIMEOUT_MS;
	struct conn *conn = xcalloc(1, sizeof(*conn));
	int rc;

	*out = NULL;
	endpoint_name(conn->name, sizeof(conn->name), options);
	conn->db = options->db;
	conn->calls = options->calls;
	conn->room.off = options->ours;
	conn->deadline_ns = clock_mono_ns() + timeout_ms * INT64_C(1000000);
	conn->reader = reader_new();
	rc = conn->reader ? stream_open(&conn->stream, options, err) :
			    err_set(err, -ENOMEM, "connection: out of memory");
	if (rc) {
		conn_close(conn);
		return rc;
	}
	greeting_init(&conn->greeting, options);
	greet_on(conn);
	*out = conn;
	return 0;
}

void conn_close(struct conn *conn)
{
	if (!conn)
		return;
	conn_fail(conn);
	if (conn->reader)
		redisReaderFree(conn->reader);
	headroom_clear(&conn->room);
	free(conn);
}

struct stream *conn_take_stream(struct conn *conn)
{
	struct stream *stream = conn->stream;

	conn->stream = NULL;
	conn_fail(conn);
	return stream;
}

void conn_hang_up(struct conn *conn)
{
	if (!conn->error.code)
		err_set(&conn->error, -ETIMEDOUT, "connection: %s: the server does not answer",
			conn->name);
	conn_fail(conn);
}

/* --- in the loop --------------------------------------------------------- */

int conn_fd(const struct conn *conn)
{
	return conn->stream ? stream_fd(conn->stream) : -1;
}

short conn_poll_events(const struct conn *conn)
{
	return conn->stream ? stream_events(conn->stream, has_output(conn)) : 0;
}

/* 1 when it is open, 0 when not yet, or the failure. */
static int go_on_opening(struct conn *conn)
{
	int rc = stream_advance(conn->stream, &conn->error);

	if (!rc && clock_mono_ns() > conn->deadline_ns)
		rc = endpoint_error(conn->name, -ETIMEDOUT, &conn->error);
	if (rc < 0)
		return conn_fail(conn);
	conn->open = rc == 1;
	if (conn->open)
		sock_own_address(stream_socket(conn->stream), conn->address, sizeof(conn->address));
	return rc;
}

static void take_reply(struct conn *conn, redisReply *reply)
{
	struct waiting *request = conn->oldest;
	bool counted = conn->calls && request->name[0];
	bool executed = reply->type != REDIS_REPLY_ERROR;

	if (--request->replies) {
		request->fn(request->ctx, reply,
			    (double)(clock_mono_ns() - request->sent_ns) / 1e9);
		return;
	}
	conn->oldest = request->next;
	if (!conn->oldest)
		conn->newest = NULL;
	conn->pending--;
	if (counted && executed)
		own_calls_lookup(conn->calls, request->name, reply);
	else if (counted)
		own_calls_error(conn->calls, request->name, reply->str);
	request->fn(request->ctx, reply, (double)(clock_mono_ns() - request->sent_ns) / 1e9);
	/* Counted after its callback: an INFO does not count itself either. Commands
	 * that were refused are not in the server's calls (src/server.c, call()). */
	if (counted && executed)
		own_calls_add(conn->calls, request->name);
	free(request);
}

/* Of a reply without an end nothing would be seen but the memory it takes. */
static int check_unfinished(struct conn *conn)
{
	const redisReader *reader = conn->reader;
	size_t left = reader->len - reader->pos;
	bool endless =
		left > LINE_MAX_BYTES && !memchr(reader->buf + reader->pos, '\n', LINE_MAX_BYTES);

	if (!endless && conn->unfinished <= REPLY_MAX_BYTES)
		return 0;
	return err_set(&conn->error, -EPROTO, "connection: %s: a %s of more than %zu bytes",
		       conn->name, endless ? "line" : "reply",
		       endless ? (size_t)LINE_MAX_BYTES : REPLY_MAX_BYTES);
}

/* All replies that are here whole. */
static int take_replies(struct conn *conn)
{
	void *reply;

	while (conn->stream) {
		reply = NULL;
		if (redisReaderGetReply(conn->reader, &reply) != REDIS_OK)
			return err_set(&conn->error, -EPROTO,
				       "connection: %s: %s; is it a redis-server, and does this "
				       "port need --tls?",
				       conn->name, conn->reader->errstr);
		if (!reply)
			return check_unfinished(conn);
		conn->unfinished = conn->reader->len - conn->reader->pos;
		if (!conn->oldest) {
			freeReplyObject(reply);
			return err_set(&conn->error, -EPROTO,
				       "connection: %s: a reply nobody asked for", conn->name);
		}
		take_reply(conn, reply);
	}
	return conn->error.code;
}

static int read_replies(struct conn *conn)
{
	char bytes[READ_BYTES];
	ssize_t got;
	int rc = 0, reads = 0;

	do {
		got = stream_read(conn->stream, bytes, sizeof(bytes), &conn->error);
		conn->unfinished += got > 0 ? (size_t)got : 0;
		if (got > 0 && redisReaderFeed(conn->reader, bytes, (size_t)got) != REDIS_OK)
			got = err_set(&conn->error, -ENOMEM, "connection: %s: out of memory",
				      conn->name);
		/* What the server still said before it closed counts: "max number of clients". */
		rc = take_replies(conn);
		if (!rc && !got)
			rc = endpoint_error(conn->name, -ECONNRESET, &conn->error);
	} while (!rc && got == sizeof(bytes) && ++reads < READS_MAX);
	if (!rc && got < 0 && got != -EAGAIN)
		rc = (int)got;
	return rc;
}

int conn_dispatch(struct conn *conn, short revents)
{
	int rc;

	if (!conn->stream)
		return conn->error.code ? conn->error.code : -ENOTCONN;
	if (!conn->open) {
		rc = go_on_opening(conn);
		return rc == 1 ? conn_dispatch(conn, POLLOUT) : rc;
	}
	/* Reading first: the reason for a hang-up may be waiting there. */
	rc = revents & (POLLIN | POLLERR | POLLHUP) ? read_replies(conn) : 0;
	if (!rc && revents & POLLOUT)
		rc = write_requests(conn);
	return rc && conn->stream ? conn_fail(conn) : rc;
}

/* --- waiting for one reply ----------------------------------------------- */

struct call {
	redisReply *reply;
	bool done;
	bool abandoned; /* nobody waits any more: the callback frees it */
};

static void call_replied(void *ctx, redisReply *reply, double seconds)
{
	struct call *call = ctx;

	(void)seconds;
	if (call->abandoned) {
		freeReplyObject(reply);
		free(call);
		return;
	}
	call->reply = reply;
	call->done = true;
}

static int wait_for(struct conn *conn, const bool *done, int timeout_ms)
{
	int64_t deadline_ns = clock_mono_ns() + timeout_ms * INT64_C(1000000);
	int rc = 0;

	while (!*done && !rc) {
		int64_t left_ns = deadline_ns - clock_mono_ns();
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		if (left_ns <= 0)
			return -ETIMEDOUT;
		/* Opening has its own, perhaps earlier, deadline: look every 100 ms. */
		if (!conn->open && left_ns > INT64_C(100000000))
			left_ns = INT64_C(100000000);
		if (poll(&fd, 1, (int)((left_ns + 999999) / 1000000)) < 0)
			return -errno;
		rc = conn_dispatch(conn, fd.revents);
	}
	return *done ? 0 : rc;
}

int conn_greet(struct conn *conn, int timeout_ms)
{
	if (!conn->stream)
		return conn->error.code ? conn->error.code : -ENOTCONN;
	return wait_for(conn, &conn->accepted, timeout_ms);
}

static int call_request(struct conn *conn, int timeout_ms, redisReply **reply,
			struct request request)
{
	struct call *call = xcalloc(1, sizeof(*call));
	int rc;

	*reply = NULL;
	rc = put_request(conn, call_replied, call, request);
	if (rc) {
		free(call);
		return conn->error.code ? conn->error.code : rc;
	}
	rc = wait_for(conn, &call->done, timeout_ms);
	if (!call->done) {
		call->abandoned = true;
		return rc;
	}
	*reply = call->reply;
	free(call);
	if (*reply)
		return 0;
	return conn->error.code ? conn->error.code : -ENOTCONN;
}

int conn_call(struct conn *conn, int timeout_ms, redisReply **reply, int argc, const char **argv,
	      const size_t *argvlen)
{
	return call_request(conn, timeout_ms, reply, request_make(argc, argv, argvlen));
}

int conn_call_line(struct conn *conn, int timeout_ms, redisReply **reply, const char *line)
{
	return call_request(conn, timeout_ms, reply, request_line(line));
}

/* @line got no reply. */
static int call_error(const struct conn *conn, const char *line, int rc, struct err *err)
{
	struct buf what = { 0 };

	buf_printf(&what, "connection: %s: %s", conn->name, line);
	if (rc == CONN_WITHHELD)
		headroom_error(&conn->room, buf_str(&what), err);
	else if (*conn->error.text)
		err_set(err, rc, "%s", conn->error.text); /* says more */
	else
		err_set(err, rc, "%s: %s", buf_str(&what), strerror(-rc));
	buf_free(&what);
	return rc;
}

int conn_call_text(struct conn *conn, int timeout_ms, char **text, const char *line,
		   struct err *err)
{
	redisReply *reply;
	int rc = conn_call_line(conn, timeout_ms, &reply, line);

	*text = NULL;
	if (rc)
		return call_error(conn, line, rc, err);
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		*text = xmemdup(reply->str, reply->len);
	else if (reply->type == REDIS_REPLY_ERROR)
		rc = err_set(err, -EACCES, "connection: %s: %s: %s", conn->name, line, reply->str);
	else
		rc = err_set(err, -EPROTO, "connection: %s: %s: a reply of an unknown form",
			     conn->name, line);
	freeReplyObject(reply);
	return rc;
}

int conn_select(struct conn *conn, int db, int timeout_ms, struct err *err)
{
	redisReply *reply;
	char line[32];
	int rc;

	if (db == conn->db)
		return 0;
	snprintf(line, sizeof(line), "SELECT %d", db);
	rc = conn_call_line(conn, timeout_ms, &reply, line);
	if (rc)
		return call_error(conn, line, rc, err);
	if (reply->type == REDIS_REPLY_ERROR)
		rc = err_set(err, -EACCES, "connection: %s: %s: %s; check -n", conn->name, line,
			     reply->str);
	else
		conn->db = db;
	freeReplyObject(reply);
	return rc;
}

/* --- questions ----------------------------------------------------------- */

size_t conn_pending(const struct conn *conn)
{
	return conn->pending;
}

double conn_pending_seconds(const struct conn *conn)
{
	return conn->oldest ? (double)(clock_mono_ns() - conn->oldest->sent_ns) / 1e9 : 0;
}

bool conn_reached(const struct conn *conn)
{
	return conn->stream && conn->open;
}

bool conn_connected(const struct conn *conn)
{
	return conn->stream && conn->accepted;
}

const char *conn_name(const struct conn *conn)
{
	return conn->name;
}

const struct err *conn_error(const struct conn *conn)
{
	return &conn->error;
}

const char *conn_address(const struct conn *conn)
{
	return conn->address;
}

int conn_db(const struct conn *conn)
{
	return conn->db;
}

struct own_calls *conn_calls(const struct conn *conn)
{
	return conn->calls;
}

enum conn_no_touch conn_no_touch(const struct conn *conn)
{
	return conn->no_touch;
}

void conn_set_no_touch(struct conn *conn, bool promised)
{
	conn->no_touch = promised ? NO_TOUCH_PROMISED : NO_TOUCH_REFUSED;
}

/* Who has promised, by the release? */
static void learn_release(struct conn *conn, const struct info *info)
{
	const char *version = info_server_version(info);
	struct server_release release;

	if (!version || conn->no_touch != NO_TOUCH_UNKNOWN)
		return;
	release = server_release_of(info_server(info), version);
	if (release.major && !server_is(&release, PRODUCT_VALKEY, 7, 2) &&
	    !server_is(&release, PRODUCT_REDIS, 7, 2))
		conn->no_touch = NO_TOUCH_REFUSED;
}

void conn_learn(struct conn *conn, const struct info *info)
{
	headroom_learn(&conn->room, info);
	learn_release(conn, info);
}

bool conn_tight(const struct conn *conn)
{
	return conn->room.tight;
}

bool conn_may(struct conn *conn, const char *name)
{
	return headroom_may(&conn->room, name);
}

int conn_withheld_error(const struct conn *conn, const char *what, struct err *err)
{
	return headroom_error(&conn->room, what, err);
}

const char *conn_withheld(const struct conn *conn)
{
	return headroom_withheld(&conn->room);
}
