/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demo's shortage of memory: a memory cgroup with a limit that comes late, and swap for what
 * does not fit below it, which needs root, a memory controller that may be used, and swap: the
 * host's own, or a file of the demo's.
 */
#pragma once

#include <limits.h>

#include "base/err.h"
#include "host/cgroup_own.h"

struct demo_swap {
	struct cgroup_own cgroup;
	char file[PATH_MAX]; /* the demo's own swap file, while it is on; "" = none */
};

/*
 * Make the cgroup and see to swap, with a file in @dir or, where that file system
 * takes none, in /var/tmp. On failure nothing is left and @err says what is
 * missing: the demo goes on without swap.
 */
int demo_swap_open(struct demo_swap *swap, const char *dir, struct err *err);
/* Undo all of it, once no process is left in the cgroup. Goes on after a failure, which
 * @err tells with what to do by hand: so where the file has become the swap of others that
 * would be killed without it. */
int demo_swap_close(struct demo_swap *swap, struct err *err);
