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
#include "redis/info.h"
#include "redis/knowledge.h"
#include "redis/stream.h"

#define WORDS_MAX  8
#define READ_BYTES 16384
#define IDLE_BYTES 65536 /* of a buffer that is kept when it is empty */

struct request {
	struct request *next;
	conn_reply_fn fn;
	void *ctx;
	int64_t sent_ns;
	size_t replies; /* still to come */
	char name[48]; /* as in commandstats; "" = not counted */
};

/* Bytes on their way out. */
struct outgoing {
	char *data;
	size_t len, sent;
};

/* The greeting, one request after the other's reply. */
enum step { STEP_AUTH, STEP_MEMORY, STEP_COMMANDS, STEP_NAME, STEP_SELECT, STEP_END };

struct conn {
	struct stream *stream; /* NULL once failed */
	redisReader *reader;
	bool open; /* the stream is */
	bool accepted; /* the greeting is answered */
	enum step step; /* of the greeting: what comes next */
	int64_t deadline_ns; /* for opening */
	pid_t peer_pid; /* not checked yet: who must be there; 0 */
	/* The greeting's request on its way; AUTH, which holds a password and is wiped as soon
	 * as it has gone; and all else, not before the greeting is over. */
	struct outgoing first, login;
	struct buf out;
	size_t out_sent;
	struct request *oldest, *newest;
	size_t pending;
	int db;
	bool with_user; /* AUTH had a user name */
	struct own_calls *calls;
	enum conn_no_touch no_touch;
	bool learned; /* an INFO memory was seen */
	bool tight; /* used_memory is near maxmemory, by the newest INFO */
	struct info *used; /* commandstats, newest; NULL = never seen */
	struct buf withheld; /* names of commands conn_may() said no to */
	struct err error;
	char name[256];
	char address[64]; /* our own, as the server writes it; "" when it has none */
};

/* --- what goes out ------------------------------------------------------- */

static void outgoing_free(struct outgoing *o)
{
	if (o->data) {
		explicit_bzero(o->data, o->len);
		redisFreeCommand(o->data);
	}
	*o = (struct outgoing){ 0 };
}

/* A command in the server's protocol. */
static struct outgoing format(int argc, const char **argv, const size_t *argvlen)
{
	struct outgoing o = { 0 };
	int len = redisFormatCommandArgv(&o.data, argc, argv, argvlen);

	if (len < 0)
		out_of_memory();
	o.len = (size_t)len;
	return o;
}

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
	struct outgoing *first = &conn->first;
	int rc = 0;

	if (!has_output(conn))
		return 0;
	if (first->len) {
		if (!write_piece(conn, first->data, first->len, &first->sent, &rc))
			return rc;
		outgoing_free(first);
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
	struct request *request;

	stream_close(conn->stream);
	conn->stream = NULL;
	outgoing_free(&conn->first);
	outgoing_free(&conn->login);
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

static struct request *request_new(conn_reply_fn fn, void *ctx, size_t replies)
{
	struct request *request = xcalloc(1, sizeof(*request));

	request->fn = fn;
	request->ctx = ctx;
	request->replies = replies;
	request->sent_ns = clock_mono_ns();
	return request;
}

static struct request *queue_request(struct conn *conn, conn_reply_fn fn, void *ctx, size_t replies)
{
	struct request *request = request_new(fn, ctx, replies);

	if (conn->newest)
		conn->newest->next = request;
	else
		conn->oldest = request;
	conn->newest = request;
	conn->pending++;
	return request;
}

int conn_send(struct conn *conn, conn_reply_fn fn, void *ctx, int argc, const char **argv,
	      const size_t *argvlen)
{
	struct outgoing o;
	struct request *request;

	if (!conn->stream)
		return -ENOTCONN;
	o = format(argc, argv, argvlen);
	buf_add(&conn->out, o.data, o.len);
	outgoing_free(&o);
	request = queue_request(conn, fn, ctx, 1);
	own_calls_name(request->name, sizeof(request->name), argc, argv);
	return 0;
}

int conn_send_raw(struct conn *conn, conn_reply_fn fn, void *ctx, const struct buf *commands,
		  size_t replies)
{
	if (!conn->stream)
		return -ENOTCONN;
	buf_add(&conn->out, commands->data, commands->len);
	queue_request(conn, fn, ctx, replies);
	return 0;
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

static void greet_on(struct conn *conn);

/*
 * One reply of the greeting is in. @fatal is set when redmem cannot go on, with
 * the error filled in.
 */
static void greeted(struct conn *conn, redisReply *reply, bool fatal)
{
	if (reply && reply->type == REDIS_REPLY_ERROR && is_refused(conn, reply))
		fatal = true;
	freeReplyObject(reply);
	if (fatal)
		conn_fail(conn);
	else if (conn->stream)
		greet_on(conn);
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

static bool is_info(const redisReply *reply)
{
	return reply && reply->type == REDIS_REPLY_STRING;
}

static void learn_text(struct conn *conn, const char *text)
{
	struct info *info = info_parse(text);

	conn_learn(conn, info);
	info_free(info);
}

/* Who may not ask for INFO goes on without. */
static void info_replied(void *ctx, redisReply *reply, double seconds)
{
	struct conn *conn = ctx;

	(void)seconds;
	if (is_info(reply))
		learn_text(conn, reply->str);
	greeted(conn, reply, false);
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
	} else if (sock_check_peer(stream_socket(conn->stream), pid, &why)) {
		err_set(&conn->error, -EPERM,
			"connection: %s: %s; it was not given the password; where does process %d "
			"listen?",
			conn->name, why.text, pid);
		conn_fail(conn);
	} else {
		conn->peer_pid = 0;
		if (is_info(reply))
			learn_text(conn, reply->str);
		greet_on(conn);
	}
	freeReplyObject(reply);
}

/* The next request of the greeting. None is on its way, and what others have queued has
 * not gone out: this comes before it. */
static void send_first(struct conn *conn, conn_reply_fn fn, const char *line)
{
	struct request *request = request_new(fn, conn, 1);
	const char *words[WORDS_MAX];
	char *copy = xstrdup(line);
	int count = split_words(copy, words);

	request->next = conn->oldest;
	conn->oldest = request;
	if (!conn->newest)
		conn->newest = request;
	conn->pending++;
	own_calls_name(request->name, sizeof(request->name), count, words);
	if (!conn->first.len)
		conn->first = format(count, words, NULL);
	free(copy);
}

static void send_name(struct conn *conn)
{
	static const char line[] = "CLIENT SETNAME " CONN_CLIENT_NAME;

	if (conn_may_line(conn, line))
		send_first(conn, setname_replied, line);
}

static void send_select(struct conn *conn)
{
	char line[32];

	snprintf(line, sizeof(line), "SELECT %d", conn->db);
	send_first(conn, select_replied, line);
}

/*
 * On to the next request of the greeting that is needed, or to its end. INFO comes before
 * all else that is a courtesy: each command a server has never executed costs it memory.
 */
static void greet_on(struct conn *conn)
{
	while (!conn->first.len && !conn->accepted) {
		switch (conn->step) {
		case STEP_AUTH:
			conn->first = conn->login;
			conn->login = (struct outgoing){ 0 };
			if (conn->first.len)
				send_first(conn, auth_replied, "AUTH");
			break;
		case STEP_MEMORY:
			if (!conn->learned)
				send_first(conn, info_replied, "INFO memory");
			break;
		case STEP_COMMANDS:
			if (conn->tight)
				send_first(conn, info_replied, "INFO commandstats");
			break;
		case STEP_NAME:
			send_name(conn);
			break;
		case STEP_SELECT:
			if (conn->db)
				send_select(conn);
			break;
		case STEP_END:
			conn->accepted = true;
			return;
		}
		conn->step++;
	}
}

static void greet(struct conn *conn, const struct conn_options *options)
{
	const char *auth[3] = { "AUTH" };
	int argc = 1;

	if (options->silent)
		conn->step = STEP_END;
	if (options->password && !options->silent) {
		if (options->user)
			auth[argc++] = options->user;
		auth[argc++] = options->password;
		conn->login = format(argc, auth, NULL);
	}
	/* Any command will do to learn who is there: a server that wants a password answers
	 * with an error, and executes nothing. */
	conn->peer_pid = options->peer_pid;
	if (options->peer_pid)
		send_first(conn, probe_replied, options->password ? "PING" : "INFO memory");
	else
		greet_on(conn);
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
	conn->with_user = options->user;
	conn->calls = options->calls;
	conn->deadline_ns = clock_mono_ns() + timeout_ms * INT64_C(1000000);
	conn->reader = redisReaderCreate();
	rc = conn->reader ? stream_open(&conn->stream, options, err) :
			    err_set(err, -ENOMEM, "connection: out of memory");
	if (rc) {
		conn_close(conn);
		return rc;
	}
	greet(conn, options);
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
	info_free(conn->used);
	buf_free(&conn->withheld);
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
	struct request *request = conn->oldest;
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
		own_calls_error(conn->calls, reply->str);
	request->fn(request->ctx, reply, (double)(clock_mono_ns() - request->sent_ns) / 1e9);
	/* Counted after its callback: an INFO does not count itself either. Commands
	 * that were refused are not in the server's calls (src/server.c, call()). */
	if (counted && executed)
		own_calls_add(conn->calls, request->name);
	free(request);
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
			return 0;
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
	int rc = 0;

	do {
		got = stream_read(conn->stream, bytes, sizeof(bytes), &conn->error);
		if (got > 0 && redisReaderFeed(conn->reader, bytes, (size_t)got) != REDIS_OK)
			got = err_set(&conn->error, -ENOMEM, "connection: %s: out of memory",
				      conn->name);
		/* What the server still said before it closed counts: "max number of clients". */
		rc = take_replies(conn);
		if (!rc && !got)
			rc = endpoint_error(conn->name, -ECONNRESET, &conn->error);
	} while (!rc && got == sizeof(bytes));
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

bool conn_reached(const struct conn *conn)
{
	return conn->stream && conn->open;
}

bool conn_connected(const struct conn *conn)
{
	return conn->stream && conn->accepted;
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

/* Which commands has the server executed already? */
static void learn_commands(struct conn *conn, const struct info *info)
{
	struct info *used = info_parse("");

	for (size_t i = 0; i < info_count(info); i++)
		if (!strncmp(info_name_at(info, i), "cmdstat_", strlen("cmdstat_")))
			info_set(used, info_name_at(info, i), "");
	if (!info_count(used)) {
		info_free(used);
		return;
	}
	info_free(conn->used);
	conn->used = used;
}

void conn_learn(struct conn *conn, const struct info *info)
{
	int64_t used = info_int(info, "used_memory"), max = info_int(info, "maxmemory");

	if (used >= 0 && max >= 0) {
		conn->learned = true;
		conn->tight = max > 0 && used > max - CONN_TIGHT_BYTES;
	}
	learn_commands(conn, info);
	learn_release(conn, info);
}

bool conn_tight(const struct conn *conn)
{
	return conn->tight;
}

static bool is_used(const struct conn *conn, const char *name)
{
	char field[64];

	snprintf(field, sizeof(field), "cmdstat_%s", name);
	if (info_get(conn->used, field))
		return true;
	field[strcspn(field, "|")] = 0; /* before 7.0 subcommands are not told apart */
	return info_get(conn->used, field);
}

static void withhold(struct conn *conn, const char *name)
{
	char word[64];
	const char *had = buf_str(&conn->withheld);

	snprintf(word, sizeof(word), "%s%s", *had ? ", " : "", name);
	if (!strstr(had, name))
		buf_puts(&conn->withheld, word);
}

bool conn_may(struct conn *conn, int argc, const char **argv)
{
	char name[48];

	own_calls_name(name, sizeof(name), argc, argv);
	if (!conn->tight || !strcmp(name, "info") || (conn->used && is_used(conn, name)))
		return true;
	withhold(conn, name);
	return false;
}

bool conn_may_line(struct conn *conn, const char *line)
{
	const char *words[WORDS_MAX];
	char *copy = xstrdup(line);
	int count = split_words(copy, words);
	bool may = conn_may(conn, count, words);

	free(copy);
	return may;
}

const char *conn_withheld(const struct conn *conn)
{
	return buf_str(&conn->withheld);
}
