/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small replies of the server as records: its clients, its latency events, MEMORY STATS and its
 * settings; and the groups of a stream.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stddef.h>

#include "base/buf.h"
#include "record/record.h"
#include "redis/conn.h"

/*
 * CLIENT LIST: a line for each client, "id=3 addr=127.0.0.1:51234 name= age=0 ...".
 * Emit a RECORD_CLIENT for each but redmem's own, known by name or address as
 * in slowlog.h. -EPROTO when it is no text.
 */
int client_list_emit(const redisReply *reply, const char *own_address,
		     const struct record_sink *sink);

/*
 * LATENCY LATEST, the server's own record of events above its threshold.
 * Emit a RECORD_LATENCY for each event (none with the monitor off, the default).
 * -EPROTO when the reply is no list; entries that are not understood are skipped.
 */
int latency_emit(const redisReply *reply, const struct record_sink *sink);

/*
 * MEMORY STATS, a nested list of names and values, made flat.
 * Append the reply as "name value" lines, names of nested maps joined with '.'
 * ("db.0.overhead.hashtable.main 1136488"); readable by info_parse_pairs().
 * -EPROTO when it is no list of pairs; @out is untouched then.
 */
int memory_stats_flatten(struct buf *out, const redisReply *reply);

/*
 * Patterns for CONFIG GET, NULL-terminated, of the settings redmem reads (never writes):
 * those that decide about memory and stalls. CONFIG GET takes one pattern before 7.0, so
 * they are asked one by one. None matches a password.
 */
extern const char *const config_patterns[];

/*
 * Emit a RECORD_CONFIG for each name and value of a CONFIG GET reply; an empty
 * list is a setting this server does not have. -EPROTO when it is no list of pairs.
 */
int config_emit(const redisReply *reply, const struct record_sink *sink);

/* Ask for all of them and wait; what the server refuses is left out. 0, or the error of
 * the connection. */
int config_read(struct conn *conn, int timeout_ms, const struct record_sink *sink);

/* XINFO GROUPS: how many groups, and over them consumers and entries pending. -EPROTO when the
 * reply is no list. */
int stream_groups_count(const redisReply *reply, int64_t *groups, int64_t *consumers,
			int64_t *pending);
