/* SPDX-License-Identifier: BSD-2-Clause */
/* The server a command works on: its process, and a connection to it if there can be one. */
#pragma once

#include "app/options.h"
#include "base/err.h"
#include "record/record.h"
#include "redis/conn.h"
#include "target/allocator.h"
#include "target/find.h"
#include "target/image.h"

/* A connection that is being made again. */
struct coming {
	struct conn *conn; /* NULL = none */
	size_t next; /* of the addresses to try */
	int64_t until_ns; /* this one has */
};

struct server {
	struct server_candidate where; /* pid, port, socket; a pid of 0: not to be seen from here */
	struct err where_error; /* then: why */
	struct image *image; /* NULL when the process may not be looked at */
	struct err image_error; /* why */
	struct allocator allocator; /* only with an image */
	struct own_calls *calls;
	struct conn_options connect;
	bool address_given; /* by the user; else it is where the process listens */
	bool tls; /* asked for, where there is any */
	struct conn *conn; /* NULL = not connected */
	struct err conn_error; /* why not */
	struct coming coming;
};

/* What @o says of the connection alone; borrowed from it. */
struct conn_options server_conn_options(const struct options *o);
/*
 * Find the server @o names (or the only one), look at its process, begin to
 * connect. A server that refuses the connection is still a success, and so is one at a given
 * address whose process cannot be seen, being on another host or somebody else's: its pid is
 * 0. A wrong pid, no server, or several without a choice are errors.
 */
int server_open(struct server *server, const struct options *o, struct err *err);
/* The same for those who need the connection: without one it is an error. */
int server_open_connected(struct server *server, const struct options *o, struct err *err);
/* The same without waiting, for a loop: begin, unless it has begun... */
void server_reconnect(struct server *server);
/* ...and go on with what @revents of poll() say of server->coming.conn; call it also when
 * nothing happened. True when there is a connection from now on; the server may still have to
 * answer on it. */
bool server_reconnect_on(struct server *server, short revents);
/* A connection that does not introduce itself, for a server that wants a password
 * redmem has not: enough for calibration. NULL when not even that. */
struct conn *server_knock(const struct server *server);
void server_disconnect(struct server *server, const struct err *why);
/* What is known of it as a record; version and role from @info when not NULL. */
struct info;
void server_emit(const struct server *server, const struct info *info,
		 const struct record_sink *sink);
/* Ask it for INFO and its settings, wait, and emit them and the target's record, as @o says with
 * or without names: what a report says of the server itself. 0, or a negative errno when it does
 * not tell INFO. */
int server_ask(struct server *server, const struct options *o, const struct record_sink *sink,
	       struct err *err);
/* Drive the connection for so long, with @until_idle only until nothing is pending; Ctrl-C ends it.
 * A negative errno when it is lost. */
int server_drive(struct conn *conn, double seconds, bool until_idle);
void server_close(struct server *server);
