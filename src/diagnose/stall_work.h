/* SPDX-License-Identifier: BSD-2-Clause */
/* What a stall was spent on by the server itself, by what was sampled in it. Pure. */
#pragma once

#include "model/model.h"

/* Is that what samples seen at one of those frames are said to do? */
bool activity_is_of(const char *words, const enum redmem_frame frames[], size_t count);
/* Did it do nothing so much as that? */
bool stall_does(const struct stall *stall, enum redmem_frame frame);
/* Was it seen in it at all? */
bool stall_does_also(const struct stall *stall, enum redmem_frame frame);
/* Did it do nothing so much as free memory? */
bool stall_frees(const struct stall *stall);
/* Is it of a command's own work, or the loop's: not for want of a CPU, a disk or memory? */
bool cause_is_own(enum redmem_cause cause);
/* What it took itself: without waiting for a CPU or a disk, and without the kernel's part. */
double stall_own_seconds(const struct stall *stall);
