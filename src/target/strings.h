/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much the strings a server holds were rounded up by its allocator, from the heads of those
 * that lie in some pages of its memory: it does not notice, no key is touched, and no value is
 * kept.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "record/record.h"
#include "redis/footprint.h"

/* A RECORD_STRINGS for each size class that was met. Negative errno when nothing could be read. */
int strings_emit(pid_t pid, const struct footprint_layout *layout, double t_seconds,
		 const struct record_sink *sink, struct err *err);
