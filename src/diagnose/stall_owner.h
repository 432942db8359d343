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
/* Did it wait for the AOF's disk? */
bool stall_waits_for_aof(const struct stall *stall);
