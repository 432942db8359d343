/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A private server: on a unix socket in a directory of its own, without a port,
 * and not for longer than the process that started it.
 */
#pragma once

#include <sys/types.h>

#include "app/demo_swap.h"
#include "base/err.h"

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
