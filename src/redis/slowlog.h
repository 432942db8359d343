/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of the server's slow log, and of Valkey's logs of large requests and replies: as records,
 * and what the server's memory holds for them.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "record/record.h"

/*
 * SLOWLOG GET and COMMANDLOG GET n slow (Valkey 8.1), which reply alike.
 * Emit a RECORD_SLOWLOG for each entry but redmem's own, known by its client's name, or
 * where it may not have one by its address (conn_address(); "" = not known). The key is
 * where the command has it, so that a script's text is never taken for one. -EPROTO when
 * the reply is no list; entries that are not understood are skipped.
 */
int slowlog_emit(const redisReply *reply, const char *own_address, const struct record_sink *sink);
/* COMMANDLOG GET n large-request, or large-reply (@replies), likewise: a RECORD_LARGE for each. */
int large_emit(const redisReply *reply, bool replies, const char *own_address,
	       const struct record_sink *sink);

/*
 * Of the same reply: how many entries are not redmem's own, and what the server's memory holds
 * for them, with the allocator's rounding. -EPROTO as above.
 */
int slowlog_measure(const redisReply *reply, const char *own_address, int64_t *entries,
		    int64_t *bytes);
