/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes give up what they do not need.
 *
 * The keeper answers strangers, and reads what the watcher sends; whoever takes it over shall have
 * nothing but the history and the sockets that are open.
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

/* What a command is for, and so what it keeps of its rights. */
enum confine_for {
	CONFINE_NOT, /* it starts servers, or has an arrangement of its own */
	CONFINE_FILES, /* it reads files: of root's rights that of reading those of others */
	CONFINE_LOOK, /* it looks at servers */
	CONFINE_LOOK_ON, /* and counts anew each minute what its programs take */
};

/* No core has what is in the memory of this process, such as passwords, and where it is root's no
 * other process may look into it. To be called before there are any. */
void confine_memory(void);
/*
 * When a command begins, before it has threads: capabilities that it has no use for go (also out
 * of the bounding set, where they may be taken out of it), new ones cannot come by exec, and system
 * calls that it never makes fail. Whoever has no capabilities has the rest of it. What is left for
 * looking, and for what, is in redmem-security(7).
 */
int confine_command(enum confine_for what, struct err *err);
/* When all is attached, for the calling thread: what was for that alone goes, too, where
 * confine_command() was for looking. @server: who is watched, 0 = nobody of this host. */
void confine_attached(pid_t server);
/* The same as the first thing that a thread does which only drains and probes what is attached. */
void confine_thread(void);

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
