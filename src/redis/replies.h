/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small replies of the server as records: its slow log, its latency events, MEMORY STATS and
 * its settings; and the nodes of a cluster.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stddef.h>

#include "base/buf.h"
#include "record/record.h"
#include "redis/conn.h"

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

/*
 * CLIENT LIST: a line for each client, "id=3 addr=127.0.0.1:51234 name= age=0 ...".
 * Emit a RECORD_CLIENT for each but redmem's own, known as above. -EPROTO when it is no text.
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

/* --- the nodes of a cluster, from CLUSTER NODES, which all versions have --- */

struct cluster_node {
	char id[64];
	char host[256]; /* "" = the node does not know its own address */
	int port;
	char primary[64]; /* of a replica: its primary's id */
	bool is_primary, with_slots, myself;
	bool usable; /* connected, not failing, with an address */
};

/* Parse the reply; @out is to be freed. Lines that are not understood are left out.
 * Returns how many nodes there are. */
size_t cluster_nodes_parse(const char *text, struct cluster_node **out);
/* The nodes whose keys together are all keys, in the order of the primaries' ids: each
 * primary with slots, or with @replicas a usable replica of it where there is one. Writes
 * at most @count pointers to @chosen; returns how many. */
size_t cluster_nodes_choose(const struct cluster_node *nodes, size_t count, bool replicas,
			    const struct cluster_node **chosen);
