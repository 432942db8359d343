/* SPDX-License-Identifier: BSD-2-Clause */
/* How conn.c gets its socket: addresses, namespaces, TLS. For conn.c only. */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "redis/conn.h"

/* "127.0.0.1:6379" or the socket's path, for error texts. */
void conn_socket_name(char *name, size_t size, const struct conn_options *options);

/*
 * Connect, or begin to (TCP without TLS): @out is non-blocking and its socket is
 * writable once connected. Errors as conn_open().
 */
int conn_socket_open(redisContext **out, const struct conn_options *options, struct err *err);

/* Negative errno and reason of a failed hiredis context. */
int conn_socket_error(const redisContext *redis, const char *name, struct err *err);

/*
 * Keep SIGPIPE away while hiredis writes, which it does without MSG_NOSIGNAL: a
 * server that went away must not end redmem, and a library must not change what
 * the program does on the signal.
 */
struct conn_sigpipe {
	sigset_t mask; /* to restore */
	bool pending; /* was so before: not ours to take */
};
void conn_sigpipe_block(struct conn_sigpipe *saved);
void conn_sigpipe_restore(const struct conn_sigpipe *saved);

/* -ENOTSUP with what to do when this build has no TLS. */
int conn_tls_check(const char *name, struct err *err);
/* Handshake on a blocking, connected context. */
int conn_tls_start(redisContext *redis, const struct conn_options *options, const char *name,
		   struct err *err);
