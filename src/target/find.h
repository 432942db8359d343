/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is meant. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct server_candidate {
	pid_t pid;
	/* Names this very process from before the first look at it (proc_hold()); below 0
	 * where the kernel has none. */
	int pidfd;
	char title[128]; /* what ps shows: "redis-server 127.0.0.1:6379" */
	int port; /* first TCP port it listens on, 0 = none */
	char socket[108]; /* first unix socket it listens on, "" = none */
};

/* Every candidate that was filled in is given back so. */
void target_release(struct server_candidate *candidate);

/* All servers on this host, by pid. The caller releases each and frees *@list. */
int target_list(struct server_candidate **list, size_t *count, struct err *err);

/*
 * The one that is meant when nobody said: the only one. -ENOENT when there is
 * none, -EEXIST with a list of them in @err when there are several.
 */
int target_only(struct server_candidate *out, struct err *err);

/* Ports and sockets of @pid; -ESRCH when there is no such process, -ENOENT when it is no server. */
int target_describe(pid_t pid, struct server_candidate *out, struct err *err);
