/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first words over a connection, one request after the other's reply: who is there,
 * AUTH, INFO memory, CLIENT SETNAME and SELECT. What is asked next, and what a reply means;
 * conn.c sends and reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <hiredis/hiredis.h>

#include "base/err.h"
#include "redis/endpoint.h"
#include "redis/headroom.h"

enum greeting_step {
	GREETING_PEER,
	GREETING_AUTH,
	GREETING_MEMORY,
	GREETING_ROLE,
	GREETING_EVICTED,
	GREETING_COMMANDS,
	GREETING_NAME,
	GREETING_SELECT,
	GREETING_END,
};

/* In the server's protocol; freed by request_free(). */
struct request {
	char *data;
	size_t len;
	char name[48]; /* as in commandstats */
};

/* @argvlen may be NULL for strings. */
struct request request_make(int argc, const char **argv, const size_t *argvlen);
/* A fixed line of words, one space apart. */
struct request request_line(const char *line);
/* Wiped, since it may hold a password. */
void request_free(struct request *request);

struct greeting {
	enum greeting_step next, asked;
	char endpoint[256]; /* for error texts */
	struct request login; /* AUTH, wiped when it has gone */
	pid_t peer_pid; /* who must be there; 0 = whoever is */
	int db;
	bool silent, with_password, with_user;
};

void greeting_init(struct greeting *greeting, const struct conn_options *options);
void greeting_clear(struct greeting *greeting);
/* The next request that is needed, for the caller to free; not before the reply to the one
 * before. 1; 0 when the server has been greeted; -EDQUOT when SELECT is withheld, without
 * which the connection would be in another database than it was asked for. */
int greeting_next(struct greeting *greeting, struct headroom *room, struct request *out,
		  struct err *err);
/*
 * What the server said to it over @socket; the reply stays the caller's. What INFO tells goes
 * to @room. 0, or why the connection cannot be used: -EACCES, or -EPERM when it is another
 * process than the one asked for. An error of AUTH is never quoted whole: a server without
 * that command (renamed) repeats its arguments.
 */
int greeting_take(struct greeting *greeting, struct headroom *room, const redisReply *reply,
		  int socket, struct err *err);
