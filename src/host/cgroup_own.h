/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cgroup of one's own, to limit the memory of processes that one starts: it takes root, and a
 * memory controller that may be used.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct cgroup_own {
	int version; /* 1, 2 */
	char path[512]; /* of its directory; "" = none */
};

/* Where one called @name would be, which is not made yet. */
int cgroup_own_place(struct cgroup_own *cgroup, const char *name, struct err *err);
/* Once its directory is made: what is in it may be swapped out, whatever the host's swappiness. */
void cgroup_own_swaps(const struct cgroup_own *cgroup);
/* Limit its memory: what is above it goes to swap, or is dropped, before this returns. */
int cgroup_own_limit(const struct cgroup_own *cgroup, int64_t limit_bytes, struct err *err);
/* The calling process moves into the cgroup @path, and its children are born there. 0 or a
 * negative errno; for children that are about to exec(), too. */
int cgroup_own_enter(const char *path);
