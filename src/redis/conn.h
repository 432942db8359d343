/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the server that never makes the watch wait: it lives in the
 * caller's poll loop, requests are queued with a callback each, and a server
 * that hangs only lets the queue wait.
 *
 * Nothing here blocks but conn_call() and its like: names are looked up in a thread, TLS
 * is spoken over a socket that does not block. Reconnecting is the caller's decision:
 * close, and open again.
 *
 * Callbacks run inside conn_dispatch(), conn_call() and conn_close(). They may
 * send, and must not close the connection.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/err.h"
#include "redis/endpoint.h"
#include "redis/own_calls.h"

#define CONN_WITHHELD (-EDQUOT) /* not asked: it would cost a server without room memory */

struct conn;
struct stream;

/*
 * Receives the reply and owns it (freeReplyObject()); it may be an error reply.
 * NULL when the connection was lost or closed before. @seconds passed since the
 * request was queued. Every callback is called exactly once.
 */
typedef void (*conn_reply_fn)(void *ctx, redisReply *reply, double seconds);

/*
 * Begin to connect. The greeting goes before anything else, one request after the
 * other's reply: AUTH, INFO memory, CLIENT SETNAME and SELECT; should the server refuse
 * one that matters, the connection fails with -EACCES and an error that says what to
 * do. Returns 0, or a negative errno when it is clear at once (-ECONNREFUSED, -ENOENT,
 * -EINVAL for a file of TLS).
 */
int conn_open(struct conn **out, const struct conn_options *options, struct err *err);
/* Waiting callbacks are called with NULL. @conn may be NULL. */
void conn_close(struct conn *conn);

/* Wait until the server has accepted us. 0, -ETIMEDOUT, -EINTR, or the error of the
 * connection. */
int conn_greet(struct conn *conn, int timeout_ms);

/* Give the socket away, to speak another protocol over it: the server has accepted us and nothing
 * is pending. From now on it is the caller's, and @conn is one that was closed. */
struct stream *conn_take_stream(struct conn *conn);

/* Give up on the server: waiting callbacks are called with NULL, and @conn is from now
 * on one that failed with -ETIMEDOUT. */
void conn_hang_up(struct conn *conn);

/* For poll(): the descriptor, -1 once the connection failed, and POLLIN, POLLOUT. */
int conn_fd(const struct conn *conn);
short conn_poll_events(const struct conn *conn);

/*
 * Do what @revents of poll() allow: connect, write, read, call callbacks. With
 * @revents 0 it only looks at the connect timeout, so call it also when nothing
 * happened. Returns 0, or the negative errno with which the connection failed:
 * -ETIMEDOUT and errors of connecting, -ECONNRESET when the server closed it,
 * -EPROTO when it does not speak the protocol, -EACCES.
 */
int conn_dispatch(struct conn *conn, short revents);

/* Queue a command. @argvlen may be NULL for strings. -ENOTCONN after a failure, CONN_WITHHELD
 * when the server has no room for it (headroom.h), and no other error: the callback is not
 * called then. */
int conn_send(struct conn *conn, conn_reply_fn fn, void *ctx, int argc, const char **argv,
	      const size_t *argvlen);
/* The same for a fixed line of words, one space apart: "SLOWLOG GET 128". */
int conn_send_line(struct conn *conn, conn_reply_fn fn, void *ctx, const char *line);

/*
 * Queue @replies commands at once, already in the server's protocol (RESP) in
 * @commands, for those who send them by the million. @fn is called for each reply,
 * or a last time with NULL when the connection is lost; @seconds count from here.
 * own_calls does not count them. @names: of all commands among them, as in commandstats,
 * NULL behind the last. -ENOTCONN; CONN_WITHHELD when one of the names is.
 */
int conn_send_raw(struct conn *conn, conn_reply_fn fn, void *ctx, const struct buf *commands,
		  size_t replies, const char *const *names);

/*
 * Send a command and wait for its reply, which the caller owns; other callbacks
 * run meanwhile. -ETIMEDOUT (a later reply is dropped), -EINTR when a signal
 * came, CONN_WITHHELD, or the error of the connection.
 */
int conn_call(struct conn *conn, int timeout_ms, redisReply **reply, int argc, const char **argv,
	      const size_t *argvlen);
int conn_call_line(struct conn *conn, int timeout_ms, redisReply **reply, const char *line);

/* conn_call_line() for a reply that is text, to be freed. -EACCES with what the server
 * says when it refuses, CONN_WITHHELD with what to do, -EPROTO when it is no text. */
int conn_call_text(struct conn *conn, int timeout_ms, char **text, const char *line,
		   struct err *err);
/* SELECT another database. -EACCES when the server refuses; else as conn_call(). */
int conn_select(struct conn *conn, int db, int timeout_ms, struct err *err);

/* Requests without a reply, and for how long the oldest of them waits (0 when none does). */
size_t conn_pending(const struct conn *conn);
double conn_pending_seconds(const struct conn *conn);
/* It is open, down to TLS; whether the server answers on it is another matter. */
bool conn_reached(const struct conn *conn);
/* The server has accepted us. */
bool conn_connected(const struct conn *conn);
/* "127.0.0.1:6379" or the socket's path, for messages. */
const char *conn_name(const struct conn *conn);
/* Why it failed; code 0 when it did not. */
const struct err *conn_error(const struct conn *conn);
/* Our end's address as CLIENT LIST and SLOWLOG have it, "127.0.0.1:40500"; "" over a unix
 * socket, where all clients have one. */
const char *conn_address(const struct conn *conn);
int conn_db(const struct conn *conn);
struct own_calls *conn_calls(const struct conn *conn);

/*
 * Has the server promised not to touch the keys we look at (CLIENT NO-TOUCH ON, Redis 7.2
 * and Valkey)? It is asked once for a connection, and not at all where INFO has told that
 * the server does not know the command.
 */
enum conn_no_touch { NO_TOUCH_UNKNOWN, NO_TOUCH_PROMISED, NO_TOUCH_REFUSED };
enum conn_no_touch conn_no_touch(const struct conn *conn);
void conn_set_no_touch(struct conn *conn, bool promised);
/* What an INFO tells of the release, of the room below maxmemory, of commands used. */
struct info;
void conn_learn(struct conn *conn, const struct info *info);

/* Is the server near its maxmemory, by the newest INFO? Then replies are to be small. */
bool conn_tight(const struct conn *conn);
/* Would this be sent (@name as in commandstats)? For those to whom a part of what they ask is
 * of no use; whatever is sent is asked of the same rule. */
bool conn_may(struct conn *conn, const char *name);
/* For an error text: what was not asked and what to do, as headroom_error(). */
int conn_withheld_error(const struct conn *conn, const char *what, struct err *err);
/* Names of the commands that were not asked, as in commandstats; "" = none. */
const char *conn_withheld(const struct conn *conn);
