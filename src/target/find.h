/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is meant. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/sock_listen.h"

#define TARGET_LISTENERS 8

struct server_candidate {
	pid_t pid;
	/* Names this very process from before the first look at it (proc_hold()); below 0
	 * where the kernel has none. */
	int pidfd;
	char title[128]; /* what ps shows: "redis-server 127.0.0.1:6379" */
	int port; /* first TCP port it listens on, 0 = none */
	char socket[108]; /* first unix socket it listens on, "" = none */
	/* What it listens on, in the order in which to try them. */
	struct sock_listener listeners[TARGET_LISTENERS];
	size_t listeners_count;
};

/* Every candidate that was filled in is given back so. */
void target_release(struct server_candidate *candidate);

/* All servers on this host, by pid. The caller releases each and frees *@list. */
int target_list(struct server_candidate **list, size_t *count, struct err *err);

/* Processes that were looked at; all zeros at first. */
struct target_look {
	pid_t *pids[2]; /* that were there the last time and the time before; rising */
	size_t count[2];
};

/* As target_list(), of those processes that came since the look before the last one: what
 * is no server, or one already, may have been about to become another. */
int target_list_new(struct target_look *look, struct server_candidate **list, size_t *count,
		    struct err *err);
/* Look at @pid again the next time, as if it had come then. */
void target_look_again(struct target_look *look, pid_t pid);
void target_look_free(struct target_look *look);

/*
 * May redmem take to @pid without being told to? Whoever can start a process named
 * redis-server would else be handed the password of the real one: it belongs to root, to
 * the caller, or to a uid of the system whose program file only root can write.
 * 0, or -EPERM with what to do.
 */
int target_trusted(pid_t pid, struct err *err);

/*
 * The one that is meant when nobody said: the only one. -ENOENT when there is
 * none, -EEXIST with a list of them in @err when there are several, -EPERM as
 * target_trusted().
 */
int target_only(struct server_candidate *out, struct err *err);

/* Ports and sockets of @pid; -ESRCH when there is no such process, -ENOENT when it is no server. */
int target_describe(pid_t pid, struct server_candidate *out, struct err *err);

/* Look again at its title and at what it listens on. */
void target_listeners(struct server_candidate *candidate);
/* Has it closed one of these since (CONFIG SET port or bind, another program)? What it has opened
 * beside them is not seen. Cheap: a readlink() each. */
bool target_moved(const struct server_candidate *candidate);
