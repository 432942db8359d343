/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that tells of a shortage of memory must outlive it: what it has stays in memory, and
 * what it once took it keeps, so that the way to the report takes nothing from the kernel.
 */
#pragma once

#include "base/err.h"

/*
 * From now on pages of this process stay in memory once they are there: its program, its heap, its
 * stacks. Nothing is brought in for that (MCL_ONFAULT, Linux 4.4). What fork() makes is not locked.
 * Lifts RLIMIT_MEMLOCK, which takes CAP_SYS_RESOURCE where it is not infinite already; under a
 * limit nothing is locked, since what goes beyond it could not be had at all. 0, or a negative
 * errno with the reason.
 */
int memory_lock(struct err *err);
/* Give back what malloc() has and nobody uses: of locked memory the kernel takes none. */
void memory_trim(void);
