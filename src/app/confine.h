/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keeper gives up what it does not need: it answers strangers, and reads what the watcher
 * sends; whoever takes it over shall have nothing but the history and the sockets that are open.
 *
 *	struct confine_user user;
 *	confine_find(&user, NULL, "/var/lib/redmem", err);   while still root; makes nothing
 *	... listen, open the state directory (owned by user.uid), read files, lock memory ...
 *	confine_enter(&user, err);
 *	... threads begin only now ...
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct confine_user {
	uid_t uid;
	gid_t gid;
	char name[64]; /* for people */
};

/*
 * Who the keeper is to be: @name where it is given (unknown: -ENOENT), else "redmem" where there
 * is such a user, else the owner of @state_dir unless that is root, else nobody. Who is not
 * root stays what he is.
 */
int confine_find(struct confine_user *out, const char *name, const char *state_dir,
		 struct err *err);

/*
 * Become @user without groups, without capabilities (the bounding set empty, too), without
 * hope of new ones, not dumpable, with limits, and with a filter of system calls that ends the
 * process (SIGSYS) on what the keeper never does: exec, fork, ptrace, mount, bpf, perf, modules,
 * namespaces, keys, sockets of other families... What is locked in memory stays locked. The
 * process must have one thread yet. All or an error: the caller ends then.
 */
int confine_enter(const struct confine_user *user, struct err *err);
