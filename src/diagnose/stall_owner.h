/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose a stall is: each belongs to one finding, by what it was spent on most. Pure.
 */
#pragma once

#include "diagnose/finding.h"

/* Id of the finding that concludes @stall: by its main cause. Static, never NULL. */
const char *stall_finding(const struct model *m, const struct stall *stall);
/* Is it of finding @id, or its own work beside a longer wait for a CPU? */
bool stall_works_for(const struct model *m, const struct stall *stall, const char *id);
/* The command it comes from: the one that was met in it, or the PUBLISH whose messages the loop
 * wrote to subscribers; "". */
const char *stall_command(const struct model *m, const struct stall *stall);
/* What it took itself: without waiting for a CPU or a disk, and without the kernel's part. */
double stall_own_seconds(const struct stall *stall);
/* Is that what samples seen at one of those frames are said to do? */
bool activity_is_of(const char *words, const enum redmem_frame frames[], size_t count);
/* Did it do nothing so much as free memory? */
bool stall_frees(const struct stall *stall);
/* Did it wait for the AOF's disk? */
bool stall_waits_for_aof(const struct stall *stall);
