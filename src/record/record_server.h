/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of what a server tells by its protocol; see record.h. */
#pragma once

#include "record/bytes.h"

/* One CONFIG GET parameter, or one redmem learnt elsewhere. */
struct record_config {
	const char *name;
	const char *value;
};

/* The host's side of one tick of the watch. t_seconds counts from the start. */
struct record_tick {
	double t_seconds;
	int64_t rss_bytes; /* anon + file + shmem */
	int64_t rss_anon_bytes;
	int64_t rss_file_bytes;
	int64_t rss_shmem_bytes;
	int64_t swap_bytes;
	int64_t vm_size_bytes;
	int64_t minor_faults_total; /* of the process since its start */
	int64_t major_faults_total;
	double cpu_seconds; /* user + system, since its start */
	int64_t threads_total;
	char state; /* R, S, D, T, Z... of the main thread; '?' unknown */
	bool answered; /* the server answered INFO for this tick */
	double reply_seconds; /* round trip of that INFO; NAN when none */
};

/* A raw INFO reply. phase: "start", "window" (one ends and the next begins) or "end", which
 * hold everything; "tick"; or "event" (only INFO memory). */
struct record_info {
	double t_seconds;
	const char *phase;
	const char *text;
};

/* MEMORY STATS flattened: "name value" lines, nested maps joined with '.'. */
struct record_memory_stats {
	double t_seconds;
	const char *phase;
	const char *text;
};

struct record_malloc_stats {
	double t_seconds;
	const char *phase;
	const char *text; /* raw MEMORY MALLOC-STATS */
	double reply_seconds;
};

struct record_slowlog {
	int64_t id;
	int64_t unix_seconds;
	double seconds;
	const char *command; /* first argument, lower case */
	struct bytes
		key; /* by the rule of the command (redis/knowledge_commands.h); may be empty */
	struct bytes client; /* "127.0.0.1:51234" or a socket's path; may be empty */
	struct bytes client_name; /* CLIENT SETNAME; may be empty */
	/* Of a command of several keys: how many, and some besides the one above; 0 and less, and
	 * empty, where it has one. */
	int64_t keys_total;
	struct bytes key_2, key_3, key_4;
};

/* A command whose request or reply was large, as the server logged it (COMMANDLOG, Valkey 8.1). */
struct record_large {
	bool reply; /* else the request */
	int64_t id; /* of the log of the one or the other */
	int64_t unix_seconds;
	int64_t bytes;
	const char *command;
	struct bytes key;
	struct bytes client; /* address */
	struct bytes client_name;
};

struct record_latency {
	const char *event;
	int64_t unix_seconds;
	double latest_seconds;
	double max_seconds;
};

/* A client as the server lists it, at the end of the watch, and of one without end in each window;
 * not redmem's own. Of very many those with most memory (redis/clientsearch.h). */
struct record_client {
	int64_t id;
	struct bytes address; /* "127.0.0.1:51234" or a socket's path */
	struct bytes name; /* CLIENT SETNAME; may be empty */
	const char *user;
	const char *flags; /* as the server writes them: "O" monitor, "b" blocked, ... */
	const char *command; /* the last one: "client|list" */
	int64_t age_seconds, idle_seconds;
	int64_t query_bytes; /* sent and not yet read: qbuf */
	int64_t output_bytes; /* owed and not yet taken: omem */
	int64_t memory_bytes; /* all of it: tot-mem; RECORD_UNKNOWN before 6.2 */
	/* Parts of it: room left in the query's buffer (qbuf-free), arguments of the command under
	 * way (argv-mem), commands queued in a MULTI (multi-mem), the first buffer of replies
	 * (rbs). */
	int64_t query_free_bytes, argument_bytes, queued_bytes, reply_bytes;
	int64_t queued_total; /* commands queued in a MULTI: multi; none below 1 */
	int64_t subscriptions_total; /* channels and patterns: sub, psub, ssub */
	int64_t watched_total; /* keys it WATCHes; RECORD_UNKNOWN before 7.4 */
	/* What waits for it in the kernel, by the host's word on its socket. Where that is all that
	 * is known of it, the id is RECORD_UNKNOWN. */
	int64_t unsent_bytes;
};

/*
 * What the server holds that is no key and not in INFO: entries of a log, clients where they are
 * too many to list. Of some of them, looked at, it is known what they take. May come again; the
 * last one counts.
 */
struct record_held {
	double t_seconds;
	const char *name; /* "slowlog", "large-request", "large-reply", "clients" */
	int64_t objects_total; /* there are so many */
	int64_t looked_total; /* of which so many were looked at... */
	int64_t looked_bytes; /* ...and take so much in sum */
};

/* What redmem itself has made the server count, to be taken out of what INFO tells: calls by
 * command ("config|get", and "refused config|get"), and under INFO's own names errors
 * ("errorstat_NOPERM") and lookups ("keyspace_hits"). */
struct record_own_calls {
	double t_seconds; /* of the INFO it is to be taken out of */
	const char *phase; /* likewise */
	const char *command;
	int64_t calls_total; /* since the start */
};

/* MEMORY PURGE, sent because the user asked for it. */
struct record_purge {
	double t_seconds;
	double reply_seconds; /* round trip: the server stood still for most of it */
	const char *error; /* the server's refusal, "" when it did it */
	int64_t rss_before_bytes; /* of the server, as the kernel counts it */
	int64_t rss_after_bytes;
};
