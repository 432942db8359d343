/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection: hiredis's non-blocking context (formatting, buffers, parser)
 * with a queue of callbacks. Replies come in the order of the requests, so the
 * oldest request is always the one a reply belongs to. hiredis's own async layer
 * is not used: it cannot wait for one reply, nor tell how long one is overdue.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/sock.h"
#include "redis/conn.h"
#include "redis/conn_socket.h"

#define WORDS_MAX 8

struct request {
	struct request *next;
	conn_reply_fn fn;
	void *ctx;
	int64_t sent_ns;
	size_t replies; /* still to come */
	char name[48]; /* as in commandstats; "" = not counted */
};

struct conn {
	redisContext *redis; /* NULL once failed */
	bool connecting; /* the socket is not connected yet */
	bool accepted; /* the greeting is answered */
	size_t greetings; /* unanswered requests of the greeting */
	int64_t deadline_ns; /* for connecting */
	struct request *oldest, *newest;
	size_t pending;
	int db;
	bool with_user; /* AUTH had a user name */
	pid_t peer_pid; /* not checked yet: who must be there; 0 */
	struct buf held; /* requests that wait for that */
	struct own_calls *calls;
	struct err error;
	char name[256];
};

static void drop_held(struct conn *conn)
{
	if (conn->held.data)
		explicit_bzero(conn->held.data, conn->held.len); /* it holds AUTH */
	buf_free(&conn->held);
}

/* The one way out of a connection: nobody waits for a reply any longer. */
static int conn_fail(struct conn *conn)
{
	struct request *request;

	if (conn->redis)
		redisFree(conn->redis);
	conn->redis = NULL;
	while ((request = conn->oldest)) {
		conn->oldest = request->next;
		conn->pending--;
		request->fn(request->ctx, NULL, (double)(clock_mono_ns() - request->sent_ns) / 1e9);
		free(request);
	}
	conn->newest = NULL;
	drop_held(conn);
	return conn->error.code;
}

static int conn_fail_redis(struct conn *conn)
{
	conn_socket_error(conn->redis, conn->name, &conn->error);
	return conn_fail(conn);
}

static struct request *queue_request(struct conn *conn, conn_reply_fn fn, void *ctx, size_t replies)
{
	struct request *request = xcalloc(1, sizeof(*request));

	request->fn = fn;
	request->ctx = ctx;
	request->replies = replies;
	request->sent_ns = clock_mono_ns();
	if (conn->newest)
		conn->newest->next = request;
	else
		conn->oldest = request;
	conn->newest = request;
	conn->pending++;
	return request;
}

/* To the server, or on hold while it is not known who it is. */
static int append(struct conn *conn, const char *bytes, size_t len)
{
	if (!conn->redis)
		return -ENOTCONN;
	if (conn->peer_pid)
		buf_add(&conn->held, bytes, len);
	else if (redisAppendFormattedCommand(conn->redis, bytes, len) != REDIS_OK)
		return -ENOMEM;
	return 0;
}

int conn_send(struct conn *conn, conn_reply_fn fn, void *ctx, int argc, const char **argv,
	      const size_t *argvlen)
{
	struct request *request;
	char *bytes;
	int len = redisFormatCommandArgv(&bytes, argc, argv, argvlen);
	int rc;

	if (len < 0)
		return -ENOMEM;
	rc = append(conn, bytes, (size_t)len);
	explicit_bzero(bytes, (size_t)len); /* it may be AUTH */
	redisFreeCommand(bytes);
	if (rc)
		return rc;
	request = queue_request(conn, fn, ctx, 1);
	own_calls_name(request->name, sizeof(request->name), argc, argv);
	return 0;
}

int conn_send_raw(struct conn *conn, conn_reply_fn fn, void *ctx, const struct buf *commands,
		  size_t replies)
{
	int rc = append(conn, commands->data, commands->len);

	if (!rc)
		queue_request(conn, fn, ctx, replies);
	return rc;
}

/* Split in place; returns the number of words. */
static int split_words(char *line, const char **words)
{
	char *rest = line;
	char *word;
	int count = 0;

	while (count < WORDS_MAX && (word = strsep(&rest, " ")))
		words[count++] = word;
	return count;
}

int conn_send_line(struct conn *conn, conn_reply_fn fn, void *ctx, const char *line)
{
	const char *words[WORDS_MAX];
	char *copy = xstrdup(line);
	int count = split_words(copy, words);
	int rc = conn_send(conn, fn, ctx, count, words, NULL);

	free(copy);
	return rc;
}

/* --- the greeting -------------------------------------------------------- */

static bool begins(const redisReply *reply, const char *prefix)
{
	return !strncmp(reply->str, prefix, strlen(prefix));
}

/* Refusals that may answer whatever comes first. */
static bool is_refused(struct conn *conn, const redisReply *reply)
{
	if (begins(reply, "NOAUTH"))
		err_set(&conn->error, -EACCES,
			"connection: %s: the server asks for a password; give it with -a or in "
			"REDISCLI_AUTH (and --user where it has ACLs)",
			conn->name);
	else if (begins(reply, "DENIED"))
		err_set(&conn->error, -EACCES,
			"connection: %s: the server's protected mode refuses remote clients; "
			"connect from its own host, or use its unix socket",
			conn->name);
	else if (begins(reply, "ERR max number of clients"))
		err_set(&conn->error, -EACCES,
			"connection: %s: the server has no free client slot; raise maxclients, or "
			"run redmem with --no-connect",
			conn->name);
	else
		return false;
	return true;
}

/*
 * One reply of the greeting is in. @fatal is set when redmem cannot go on, with
 * the error filled in.
 */
static void greeted(struct conn *conn, redisReply *reply, bool fatal)
{
	if (reply && reply->type == REDIS_REPLY_ERROR && is_refused(conn, reply))
		fatal = true;
	conn->greetings--;
	freeReplyObject(reply);
	if (fatal)
		conn_fail(conn);
	else if (!conn->greetings && conn->redis)
		conn->accepted = true;
}

/*
 * An error of AUTH is never quoted whole: a server without that command (renamed)
 * repeats its arguments.
 */
static void auth_replied(void *ctx, redisReply *reply, double seconds)
{
	struct conn *conn = ctx;
	bool failed = reply && reply->type == REDIS_REPLY_ERROR;

	(void)seconds;
	if (!failed) {
		greeted(conn, reply, false);
		return;
	}
	/* A password where none is needed does no harm: redis-cli goes on, too. */
	if (strstr(reply->str, "without any password configured") ||
	    strstr(reply->str, "no password is set"))
		failed = false;
	else if (begins(reply, "WRONGPASS") || begins(reply, "ERR invalid password"))
		err_set(&conn->error, -EACCES,
			"connection: %s: wrong password%s; check -a or REDISCLI_AUTH%s", conn->name,
			conn->with_user ? " or user name" : "",
			conn->with_user ? " and --user" : ", and --user where the server has ACLs");
	else if (conn->with_user && strstr(reply->str, "wrong number of arguments"))
		err_set(&conn->error, -EACCES,
			"connection: %s: the server knows no user names (before Redis 6); leave "
			"--user out",
			conn->name);
	else
		err_set(&conn->error, -EACCES,
			"connection: %s: the server refused AUTH (%.*s); check -a and --user",
			conn->name, (int)strcspn(reply->str, " "), reply->str);
	greeted(conn, reply, failed);
}

/* A name is a courtesy: users without the right to CLIENT go without. */
static void setname_replied(void *ctx, redisReply *reply, double seconds)
{
	(void)seconds;
	greeted(ctx, reply, false);
}

static void select_replied(void *ctx, redisReply *reply, double seconds)
{
	struct conn *conn = ctx;
	bool failed = reply && reply->type == REDIS_REPLY_ERROR;

	(void)seconds;
	if (failed)
		err_set(&conn->error, -EACCES, "connection: %s: SELECT %d: %s; check -n",
			conn->name, conn->db, reply->str);
	greeted(conn, reply, failed);
}

/* The process has accepted and answered: now its socket must be among its open files. */
static void probe_replied(void *ctx, redisReply *reply, double seconds)
{
	struct conn *conn = ctx;
	pid_t pid = conn->peer_pid;
	struct err why;

	(void)seconds;
	if (!reply)
		return;
	/* Who turns us away has closed its socket, and gets nothing anyway. */
	if (reply->type == REDIS_REPLY_ERROR && !begins(reply, "NOAUTH") &&
	    is_refused(conn, reply)) {
		conn_fail(conn);
	} else if (sock_check_peer(conn->redis->fd, pid, &why)) {
		err_set(&conn->error, -EPERM,
			"connection: %s: %s; it was not given the password; where does process %d "
			"listen?",
			conn->name, why.text, pid);
		conn_fail(conn);
	} else {
		conn->peer_pid = 0;
		append(conn, conn->held.data, conn->held.len);
		drop_held(conn);
	}
	freeReplyObject(reply);
}

/* Any command will do: a server that wants a password answers with an error. */
static int probe(struct conn *conn, pid_t peer_pid)
{
	int rc = conn_send_line(conn, probe_replied, conn, "PING");

	conn->peer_pid = peer_pid;
	return rc;
}

static int greet(struct conn *conn, const struct conn_options *options)
{
	const char *auth[3] = { "AUTH" };
	char db[16];
	const char *select[2] = { "SELECT", db };
	int argc = 1;
	int rc = 0;

	if (options->peer_pid)
		rc = probe(conn, options->peer_pid);
	if (rc || options->silent) {
		conn->accepted = true;
		return rc;
	}
	conn->greetings = 1 + !!options->password + !!options->db;
	if (options->password) {
		if (options->user)
			auth[argc++] = options->user;
		auth[argc++] = options->password;
		rc = conn_send(conn, auth_replied, conn, argc, auth, NULL);
	}
	if (!rc)
		rc = conn_send_line(conn, setname_replied, conn,
				    "CLIENT SETNAME " CONN_CLIENT_NAME);
	snprintf(db, sizeof(db), "%d", options->db);
	if (!rc && options->db)
		rc = conn_send(conn, select_replied, conn, 2, select, NULL);
	return rc;
}

int conn_open(struct conn **out, const struct conn_options *options, struct err *err)
{
	int timeout_ms =
		options->connect_timeout_ms ? options->connect_timeout_ms : CONN_CONNECT_TIMEOUT_MS;
	struct conn *conn = xcalloc(1, sizeof(*conn));
	int rc;

	*out = NULL;
	conn_socket_name(conn->name, sizeof(conn->name), options);
	conn->db = options->db;
	conn->with_user = options->user;
	conn->calls = options->calls;
	conn->deadline_ns = clock_mono_ns() + timeout_ms * INT64_C(1000000);
	rc = conn_socket_open(&conn->redis, options, err);
	if (rc)
		goto fail;
	conn->connecting = !options->socket_path && !options->tls;
	rc = greet(conn, options);
	if (rc) {
		err_set(err, rc, "connection: %s: %s", conn->name, strerror(-rc));
		goto fail;
	}
	*out = conn;
	return 0;
fail:
	conn_close(conn);
	return rc;
}

void conn_close(struct conn *conn)
{
	if (!conn)
		return;
	conn_fail(conn);
	free(conn);
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
	return conn->redis ? conn->redis->fd : -1;
}

short conn_poll_events(const struct conn *conn)
{
	if (!conn->redis)
		return 0;
	if (conn->connecting)
		return POLLOUT;
	return (short)(POLLIN | (sdslen(conn->redis->obuf) ? POLLOUT : 0));
}

/* Is the socket connected now? 0 or the failure. */
static int finish_connect(struct conn *conn, short revents)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (!revents) {
		if (clock_mono_ns() < conn->deadline_ns)
			return 0;
		error = ETIMEDOUT;
	} else if (getsockopt(conn->redis->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
		error = errno;
	}
	if (!error) {
		conn->connecting = false;
		return 0;
	}
	errno = error;
	conn->redis->err = REDIS_ERR_IO;
	snprintf(conn->redis->errstr, sizeof(conn->redis->errstr), "%s", strerror(error));
	return conn_fail_redis(conn);
}

static int write_requests(struct conn *conn)
{
	struct conn_sigpipe sigpipe;
	int done = 0;
	int rc, number;

	conn_sigpipe_block(&sigpipe);
	errno = 0;
	rc = redisBufferWrite(conn->redis, &done);
	number = errno;
	conn_sigpipe_restore(&sigpipe);
	errno = number;
	return rc == REDIS_OK ? 0 : conn_fail_redis(conn);
}

static void take_reply(struct conn *conn, redisReply *reply)
{
	struct request *request = conn->oldest;
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
	request->fn(request->ctx, reply, (double)(clock_mono_ns() - request->sent_ns) / 1e9);
	/* Counted after its callback: an INFO does not count itself either. Commands
	 * that were refused are not in the server's calls (src/server.c, call()). */
	if (executed && conn->calls && request->name[0])
		own_calls_add(conn->calls, request->name);
	free(request);
}

static int read_replies(struct conn *conn)
{
	void *reply;

	/* What the server still said before it closed counts: "max number of clients". */
	errno = 0;
	if (redisBufferRead(conn->redis) != REDIS_OK && conn->redis->err != REDIS_ERR_EOF)
		return conn_fail_redis(conn);
	while (conn->redis) {
		int number = errno;

		reply = NULL;
		if (redisGetReplyFromReader(conn->redis, &reply) != REDIS_OK) {
			errno = number;
			return conn_fail_redis(conn);
		}
		if (!reply)
			break;
		if (conn->oldest) {
			take_reply(conn, reply);
			continue;
		}
		freeReplyObject(reply);
		err_set(&conn->error, -EPROTO, "connection: %s: a reply nobody asked for",
			conn->name);
		return conn_fail(conn);
	}
	if (conn->redis && conn->redis->err)
		return conn_fail_redis(conn);
	return conn->redis ? 0 : conn->error.code;
}

int conn_dispatch(struct conn *conn, short revents)
{
	int rc = 0;

	if (!conn->redis)
		return conn->error.code ? conn->error.code : -ENOTCONN;
	if (conn->connecting) {
		rc = finish_connect(conn, revents);
		if (rc || conn->connecting)
			return rc;
	}
	/* Reading first: the reason for a hang-up may be waiting there. */
	if (revents & (POLLIN | POLLERR | POLLHUP))
		rc = read_replies(conn);
	if (!rc && revents & POLLOUT)
		rc = write_requests(conn);
	return rc;
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

static int wait_for(struct conn *conn, const struct call *call, int timeout_ms)
{
	int64_t deadline_ns = clock_mono_ns() + timeout_ms * INT64_C(1000000);
	int rc = 0;

	while (!call->done && !rc) {
		int64_t left_ns = deadline_ns - clock_mono_ns();
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		if (left_ns <= 0)
			return -ETIMEDOUT;
		/* A connect has its own, perhaps earlier, deadline: look every 100 ms. */
		if (conn->connecting && left_ns > INT64_C(100000000))
			left_ns = INT64_C(100000000);
		if (poll(&fd, 1, (int)((left_ns + 999999) / 1000000)) < 0)
			return -errno;
		rc = conn_dispatch(conn, fd.revents);
	}
	return call->done ? 0 : rc;
}

int conn_call(struct conn *conn, int timeout_ms, redisReply **reply, int argc, const char **argv,
	      const size_t *argvlen)
{
	struct call *call = xcalloc(1, sizeof(*call));
	int rc;

	*reply = NULL;
	rc = conn_send(conn, call_replied, call, argc, argv, argvlen);
	if (rc) {
		free(call);
		return conn->error.code ? conn->error.code : rc;
	}
	rc = wait_for(conn, call, timeout_ms);
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

int conn_call_line(struct conn *conn, int timeout_ms, redisReply **reply, const char *line)
{
	const char *words[WORDS_MAX];
	char *copy = xstrdup(line);
	int count = split_words(copy, words);
	int rc = conn_call(conn, timeout_ms, reply, count, words, NULL);

	free(copy);
	return rc;
}

int conn_call_text(struct conn *conn, int timeout_ms, char **text, const char *line,
		   struct err *err)
{
	redisReply *reply;
	int rc = conn_call_line(conn, timeout_ms, &reply, line);

	*text = NULL;
	if (rc)
		return err_set(err, rc, "connection: %s: %s: %s", conn->name, line, strerror(-rc));
	if (reply->type == REDIS_REPLY_STRING)
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
		return err_set(err, rc, "connection: %s: %s: %s", conn->name, line, strerror(-rc));
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

bool conn_connected(const struct conn *conn)
{
	return conn->redis && conn->accepted;
}

const struct err *conn_error(const struct conn *conn)
{
	return &conn->error;
}

int conn_db(const struct conn *conn)
{
	return conn->db;
}

struct own_calls *conn_calls(const struct conn *conn)
{
	return conn->calls;
}
