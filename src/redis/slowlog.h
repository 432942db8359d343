/* SPDX-License-Identifier: BSD-2-Clause */
/* SLOWLOG GET and COMMANDLOG GET n slow (Valkey 8.1), which reply alike. */
#pragma once

#include <hiredis/hiredis.h>

#include "record/record.h"

/*
 * Emit a RECORD_SLOWLOG for each entry but redmem's own, known by its client's name, or
 * where it may not have one by its address (conn_address(); "" = not known). The key is
 * where the command has it, so that a script's text is never taken for one. -EPROTO when
 * the reply is no list; entries that are not understood are skipped.
 */
int slowlog_emit(const redisReply *reply, const char *own_address, const struct record_sink *sink);
