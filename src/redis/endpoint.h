/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a server is and how it is to be spoken to, as the user has said; its name in
 * messages, and what a person can do when it is not reached.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define CONN_CLIENT_NAME	"redmem" /* CLIENT SETNAME; in CLIENT LIST and SLOWLOG */
#define CONN_CONNECT_TIMEOUT_MS 5000

struct own_calls;

struct conn_options {
	const char *host; /* NULL = 127.0.0.1 */
	int port; /* 0 = 6379 */
	const char *socket_path; /* a unix socket instead of host and port; NULL */
	const char *user; /* NULL = the default user */
	const char *password; /* NULL = none; not kept, never in an error text */
	int db;
	/* Connect as from inside this process: its network namespace, its root directory,
	 * no link leading out of it; 0 = as from ours. Needs root where they differ. */
	pid_t netns_pid;
	/* Who must be at the other end, or the connection fails with -EPERM before anything
	 * is said but PING or INFO; 0 = whoever is there, as in redis-cli. */
	pid_t peer_pid;
	int connect_timeout_ms; /* 0 = CONN_CONNECT_TIMEOUT_MS */
	bool tls;
	const char *tls_ca_cert, *tls_ca_dir; /* NULL both = the system's certificates */
	const char *tls_cert, *tls_key; /* of our own; NULL = none */
	const char *tls_server_name; /* what the certificate must be for; NULL = host */
	bool tls_insecure; /* take any certificate */
	/* Send no AUTH, no name, no SELECT: a server whose password is not known still
	 * answers HELLO, with an error. */
	bool silent;
	/* The server is one that we have started to try something on it: it is asked whatever it
	 * costs it, also near its maxmemory (headroom.h). */
	bool ours;
	struct own_calls *calls; /* counts executed commands; borrowed; NULL = nobody counts */
};

/* "127.0.0.1:6379" or the socket's path, for error texts. */
void endpoint_name(char *name, size_t size, const struct conn_options *options);
/* The error of a connection to @name that failed with @code, and the next step; @code. */
int endpoint_error(const char *name, int code, struct err *err);
