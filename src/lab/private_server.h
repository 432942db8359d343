/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A private server: on a unix socket in a folder of its own, without a port, and not for longer
 * than the process that started it.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct private_server {
	pid_t pid; /* also of its process group, in which its saving children are */
	char socket[108];
};

/* All strings and lists are borrowed; lists end with NULL, and may be NULL. */
struct private_server_config {
	const char *who; /* the command it is for; begins messages: "demo" */
	const char *dir; /* its working directory */
	const char *const *command; /* the program, with what is before its own arguments */
	const char *const *settings; /* "--maxmemory", "1gb"...: after those of every private one */
	const char *const *environment; /* "NAME=VALUE", beside that of the caller */
	const char *cgroup; /* the directory of the one it is born in; NULL = the caller's */
	const volatile sig_atomic_t *stop; /* not 0: it is not waited for any more; NULL */
	const int *cpus; /* those it may use... */
	size_t cpus_count; /* ...0 = all of them */
};

/* Append the full name of @program by PATH, nothing where there is none; one with '/' as it is. */
void private_server_program(struct buf *out, const char *program);
/* Append the full name of redis-server, else valkey-server, by PATH. -ENOENT. */
int private_server_find(const char *who, struct buf *program, struct err *err);
/*
 * Start it and wait until it answers; -EINTR where @stop ends that. On failure no process is left.
 * It is killed when the calling thread ends.
 */
int private_server_start(struct private_server *server, const struct private_server_config *config,
			 struct err *err);
/* Has it ended by itself, in @dir? @how: "was ended by signal 11: " and what it said last. */
bool private_server_ended(struct private_server *server, struct buf *how, const char *dir);
/* Kill it and its children, and wait for those that are the caller's. */
void private_server_end(struct private_server *server);
