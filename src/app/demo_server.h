/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demo's server: private, on a unix socket in a directory of its own, without a port,
 * and not for longer than the process that started it. And its shortage of memory: a memory
 * cgroup with a limit that comes late, and swap for what does not fit below it, which needs
 * root, a memory controller that may be used, and swap: the host's own, or a file of the
 * demo's.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* --- the shortage of memory -------------------------------------------------- */

struct demo_swap {
	int cgroup_version; /* 1, 2 */
	char cgroup[512]; /* directory; "" = none */
	char file[PATH_MAX]; /* the demo's own swap file, while it is on; "" = none */
};

/*
 * Make the cgroup and see to swap, with a file in @dir or, where that file system
 * takes none, in /var/tmp. On failure nothing is left and @err says what is
 * missing: the demo goes on without swap.
 */
int demo_swap_open(struct demo_swap *swap, const char *dir, struct err *err);
/* Set the limit: what is above it goes to swap before this returns. */
int demo_swap_squeeze(const struct demo_swap *swap, int64_t limit_bytes, struct err *err);
/* Undo all of it, once no process is left in the cgroup. Goes on after a failure, which
 * @err tells with what to do by hand. */
int demo_swap_close(struct demo_swap *swap, struct err *err);

/* --- the server -------------------------------------------------------------- */

struct demo_server {
	pid_t pid; /* also of its process group, in which its saving children are */
	char socket[108];
};

/*
 * Start redis-server or valkey-server from PATH in @dir, inside @swap's cgroup
 * (NULL = none), and wait until it answers. On failure no process is left.
 */
int demo_server_start(struct demo_server *server, const char *dir, const struct demo_swap *swap,
		      struct err *err);
/* Kill it and its children, and wait for all children of the caller. */
void demo_server_end(const struct demo_server *server);
