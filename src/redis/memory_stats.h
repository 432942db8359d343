/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMORY STATS: a nested list of names and values, made flat. */
#pragma once

#include <hiredis/hiredis.h>

#include "base/buf.h"

/*
 * Append the reply as "name value" lines, names of nested maps joined with '.'
 * ("db.0.overhead.hashtable.main 1136488"); readable by info_parse_pairs().
 * -EPROTO when it is no list of pairs; @out is untouched then.
 */
int memory_stats_flatten(struct buf *out, const redisReply *reply);
