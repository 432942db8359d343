/* SPDX-License-Identifier: BSD-2-Clause */
/* LATENCY LATEST: the server's own record of events above its threshold. */
#pragma once

#include <hiredis/hiredis.h>

#include "record/record.h"

/*
 * Emit a RECORD_LATENCY for each event (none with the monitor off, the default).
 * -EPROTO when the reply is no list; entries that are not understood are skipped.
 */
int latency_emit(const redisReply *reply, const struct record_sink *sink);
