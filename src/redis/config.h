/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings redmem reads (never writes): those that decide about memory and
 * stalls. CONFIG GET takes one pattern before 7.0, so they are asked one by one.
 */
#pragma once

#include <stddef.h>

#include <hiredis/hiredis.h>

#include "record/record.h"
#include "redis/conn.h"

/* Patterns for CONFIG GET, NULL-terminated. None matches a password. */
extern const char *const config_patterns[];

/*
 * Emit a RECORD_CONFIG for each name and value of a CONFIG GET reply; an empty
 * list is a setting this server does not have. -EPROTO when it is no list of pairs.
 */
int config_emit(const redisReply *reply, const struct record_sink *sink);

/* Ask for all of them and wait; what the server refuses is left out. 0, or the error of
 * the connection. */
int config_read(struct conn *conn, int timeout_ms, const struct record_sink *sink);
