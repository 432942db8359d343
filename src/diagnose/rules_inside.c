/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is in used_memory and in no key, and that no other count of the server tells: its
 * slow log, what clients track, subscribe to and WATCH; and what was found in no key at all.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "redis/info.h"

/* Below this none is worth a word: a slow log at its default has at most 1 MB. */
#define INSIDE_BYTES (8 * MIB)
/* From there on it is harm, whatever the size of the server: a fifth of what it uses, as with the
 * buffers of clients. */
#define INSIDE_HARM_BYTES (16 * MIB)
#define INSIDE_HARM_SHARE 0.20
/* Freeing an entry of the slow log: some thirty allocations. */
#define SLOWLOG_ENTRY_SECONDS 1.5e-6
/* The server's default (src/config.c). */
#define LOG_LEN 128

/* Of keys under WATCH no server before 7.4 tells how many there are. */
static enum basis counted_basis(const struct model *m, enum inside what)
{
	return what == INSIDE_WATCH && model_info_end(m, "total_watched_keys") < 0 ? BASIS_DERIVED :
										     BASIS_EXACT;
}

/* How bad it is that so much lies in no key. */
static enum severity inside_severity(int64_t bytes, int64_t used)
{
	return measure_waste_matters(bytes, used) ||
			       (bytes >= INSIDE_HARM_BYTES &&
				measure_ratio(bytes, used) >= INSIDE_HARM_SHARE) ?
		       SEVERITY_WARNING :
		       SEVERITY_INFO;
}

/* Is it enough for a finding? Then it says how bad it is, and has the numbers. */
static bool inside_matters(const struct model *m, struct finding *f, enum inside what,
			   const char *count_name, const char *unit)
{
	const struct inside_row *row = &m->inside[what];
	int64_t used = measure_used(m);

	if (row->bytes < INSIDE_BYTES)
		return false;
	f->severity = inside_severity(row->bytes, used);
	f->cost = (double)row->bytes;
	finding_evidence_bytes(f, inside_name(what), row->bytes, row->basis);
	finding_evidence_count(f, count_name, row->objects_total, unit, counted_basis(m, what));
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	return true;
}

/* What the server logs of commands. */
static const struct command_log {
	const char *held; /* struct record_held */
	const char *title;
	const char *most, *above, *unit; /* settings: how many entries, and of what */
	int64_t usual, low; /* of the latter: its default, and where nearly all is above it */
	const char *advice;
} command_logs[] = {
	{ "slowlog", "The slow log", "slowlog-max-len", "slowlog-log-slower-than", "microseconds",
	  10000, 1000, "Log what is slow only (10 ms)." },
	{ "large-request", "The log of large requests (COMMANDLOG)",
	  "commandlog-large-request-max-len", "commandlog-request-larger-than", "bytes", 1048576,
	  4096, "Log what is large only (1 MiB)." },
	{ "large-reply", "The log of large replies (COMMANDLOG)", "commandlog-large-reply-max-len",
	  "commandlog-reply-larger-than", "bytes", 1048576, 4096,
	  "Log what is large only (1 MiB)." },
};

/* The one that takes most. */
static const struct command_log *largest_log(const struct model *m)
{
	const struct command_log *largest = command_logs;

	for (size_t i = 1; i < sizeof(command_logs) / sizeof(command_logs[0]); i++)
		if (inside_log_bytes(m, command_logs[i].held) > inside_log_bytes(m, largest->held))
			largest = &command_logs[i];
	return largest;
}

bool rule_slowlog(const struct model *m, struct finding *f)
{
	const struct inside_row *row = &m->inside[INSIDE_SLOWLOG];
	const struct command_log *log = largest_log(m);
	int64_t above = measure_config(m, log->above);
	bool of_all = above >= 0 && above < log->low;

	if (!inside_matters(m, f, INSIDE_SLOWLOG, "slowlog_entries_total", "entries"))
		return false;
	finding_title(f, "%s takes %s: %s entries", log->title, say_bytes(row->bytes).s,
		      say_count(row->objects_total).s);
	finding_evidence_count(f, log->most, measure_config(m, log->most), "entries", BASIS_EXACT);
	finding_evidence_count(f, log->above, above, log->unit, BASIS_EXACT);
	finding_cause(f,
		      "Each entry keeps up to 32 arguments of up to 128 bytes; the log was made "
		      "very long%s.",
		      of_all ? ", and nearly every command comes into it" : "");
	finding_action(f, row->bytes, say_cli(m, "CONFIG SET %s %d", log->most, LOG_LEN).s,
		       "Make it shorter. What is beyond goes with the next command, all at once, "
		       "which takes the server about %s: go down in steps where that is too long.",
		       say_seconds((double)row->objects_total * SLOWLOG_ENTRY_SECONDS).s);
	if (of_all)
		finding_action(
			f, RECORD_UNKNOWN,
			say_cli(m, "CONFIG SET %s %lld", log->above, (long long)log->usual).s, "%s",
			log->advice);
	return true;
}

bool rule_tracking(const struct model *m, struct finding *f)
{
	const struct inside_row *row = &m->inside[INSIDE_TRACKING];
	int64_t most = measure_config(m, "tracking-table-max-keys");

	if (!inside_matters(m, f, INSIDE_TRACKING, "tracking_total_keys", "keys"))
		return false;
	finding_title(f, "%s keys are tracked for clients' caches, which takes about %s",
		      say_count(row->objects_total).s, say_bytes(row->bytes).s);
	finding_evidence_count(f, "tracking_clients", model_info_end(m, "tracking_clients"),
			       "clients", BASIS_EXACT);
	finding_evidence_count(f, "tracking_total_items", model_info_end(m, "tracking_total_items"),
			       "keys of clients", BASIS_EXACT);
	finding_evidence_count(f, "tracking-table-max-keys", most, "keys", BASIS_EXACT);
	finding_cause(f, "For CLIENT TRACKING the server remembers each key a client has read, "
			 "until it changes, goes, or too many are tracked.");
	finding_action(f, RECORD_UNKNOWN,
		       say_cli(m, "CONFIG SET tracking-table-max-keys %lld",
			       (long long)(row->objects_total / 2))
			       .s,
		       "Track fewer: clients are told to forget the others. Or track prefixes only "
		       "(BCAST), or what is asked for (OPTIN).");
	return true;
}

bool rule_pubsub(const struct model *m, struct finding *f)
{
	const struct inside_row *row = &m->inside[INSIDE_PUBSUB];

	if (!inside_matters(m, f, INSIDE_PUBSUB, "subscribed_total", "channels"))
		return false;
	finding_title(f, "%s channels are subscribed to, which takes about %s",
		      say_count(row->objects_total).s, say_bytes(row->bytes).s);
	finding_evidence_count(f, "pubsub_channels", model_info_end(m, "pubsub_channels"),
			       "channels", BASIS_EXACT);
	finding_evidence_count(f, "pubsubshard_channels", model_info_end(m, "pubsubshard_channels"),
			       "channels", BASIS_EXACT);
	finding_evidence_count(f, "pubsub_patterns", model_info_end(m, "pubsub_patterns"),
			       "patterns", BASIS_EXACT);
	finding_evidence_count(f, "pubsub_clients", model_info_end(m, "pubsub_clients"), "clients",
			       BASIS_EXACT);
	finding_cause(f, "Each channel has a name, an entry and a list of its subscribers as long "
			 "as anybody subscribes.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST TYPE pubsub").s,
		       "See who subscribes to so many (sub, psub, ssub); a pattern instead, or "
		       "UNSUBSCRIBE of what is no longer wanted.");
	return true;
}

bool rule_watch(const struct model *m, struct finding *f)
{
	const struct inside_row *row = &m->inside[INSIDE_WATCH];

	if (!inside_matters(m, f, INSIDE_WATCH, "watched_keys_total", "keys"))
		return false;
	finding_title(f, "%s keys are under WATCH, which takes about %s",
		      say_count(row->objects_total).s, say_bytes(row->bytes).s);
	finding_evidence_count(f, "watching_clients", model_info_end(m, "watching_clients"),
			       "clients", BASIS_EXACT);
	finding_cause(f, "A WATCH lasts until EXEC, DISCARD, UNWATCH or the end of the connection: "
			 "transactions are begun and not ended.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
		       "See which clients did WATCH last and stay idle (cmd=watch); end "
		       "transactions also where nothing is to be done (UNWATCH).");
	return true;
}

/* The library of TLS takes its memory from malloc(), past the server's count. */
bool rule_tls(const struct model *m, struct finding *f)
{
	const struct inside_row *row = &m->inside[INSIDE_TLS];

	if (!inside_matters(m, f, INSIDE_TLS, "tls_connections_total", "connections"))
		return false;
	finding_title(f, "%s connections over TLS take about %s beside used_memory",
		      say_count(row->objects_total).s, say_bytes(row->bytes).s);
	finding_evidence_count(f, "connected_clients", model_info_end(m, "connected_clients"),
			       "clients", BASIS_EXACT);
	finding_cause(f, "For each connection the library keeps its state and a buffer each way, "
			 "which neither used_memory nor maxmemory counts.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Keep fewer connections (a pool in the client library, a proxy), and leave "
		       "room for them above maxmemory.");
	return true;
}

/* --- what no key was found for ------------------------------------------------------- */

/* Of what no count tells how much it takes there may be a count that has to do with it. Where it
 * comes to half of what is missed by what one takes, it is named. */
#define HOLDER_RATIO 0.5

/* A key that a client waits for is in tables of the client's and of the server's, and a string; its
 * name has some 20 of its bytes. */
#define BLOCKING_KEY_BYTES 235
#define BLOCKING_PER_BYTE  (BLOCKING_KEY_BYTES / 20.0)

static double blocking_keys(const struct model *m)
{
	int64_t keys = model_info_end(m, "total_blocking_keys"); /* 7.2 and later */
	int64_t blocked = model_info_end(m, "blocked_clients"), seen = 0;
	double named = 0;

	for (size_t i = 0; i < m->clients_count; i++) {
		const struct record_client *client = &m->clients[i].client;

		if (!strchr(client->flags, 'b') || client->argument_bytes <= 0)
			continue;
		named += (double)client->argument_bytes * BLOCKING_PER_BYTE;
		seen++;
	}
	if (seen > 0 && blocked > seen) /* of very many not all are listed */
		named *= (double)blocked / (double)seen;
	return fmax(named, keys > 0 ? (double)keys * BLOCKING_KEY_BYTES : 0);
}

static int64_t counted_since_start(const struct model *m, const char *field, const char *what)
{
	const char *value = info_get(m->info_end, field);
	int64_t n = value ? info_sub_int(value, what) : RECORD_UNKNOWN;

	return n > 0 ? n : 0;
}

/* An entry has a line of CLIENT LIST (src/acl.c, addACLLogEntry()). */
#define ACL_ENTRY_BYTES 1200

static double acl_log(const struct model *m)
{
	static const char *const fields[] = { "acl_access_denied_auth", "acl_access_denied_cmd",
					      "acl_access_denied_key",
					      "acl_access_denied_channel" }; /* 7.2 and later */
	int64_t most = measure_config(m, "acllog-max-len");
	int64_t denied = sum_of(counted_since_start(m, "errorstat_WRONGPASS", "count"),
				counted_since_start(m, "errorstat_NOPERM", "count"));
	int64_t told = 0;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (model_info_end(m, fields[i]) > 0)
			sum_add(&told, model_info_end(m, fields[i]));
	denied = told > denied ? told : denied;
	return (double)(denied < most ? denied : most) * ACL_ENTRY_BYTES;
}

/* With a rule of some commands and a pattern of keys. */
#define ACL_USER_BYTES 600

static double acl_users(const struct model *m)
{
	return (double)counted_since_start(m, "cmdstat_acl|setuser", "calls") * ACL_USER_BYTES;
}

/* Of a queued command what counts as its client's is without the objects around its arguments. */
#define QUEUED_OBJECTS_BYTES 75

static double transactions(const struct model *m)
{
	double bytes = 0;

	for (size_t i = 0; i < m->clients_count; i++)
		if (m->clients[i].client.queued_total > 0)
			bytes += (double)m->clients[i].client.queued_total * QUEUED_OBJECTS_BYTES;
	return bytes;
}

static const struct holder {
	double (*bytes)(const struct model *m);
	const char *name, *cause, *command, *action;
} holders[] = {
	{ blocking_keys, "blocked clients",
	  "Clients wait for very many keys (BLPOP and the like): each of these keys is in two "
	  "tables as long as they wait.",
	  "CLIENT LIST",
	  "See who waits (flags=b) and for how much (argv-mem): wait for fewer keys." },
	{ acl_log, "ACL LOG",
	  "The log of what was denied was made very long (acllog-max-len), and each entry has a "
	  "line on its client.",
	  "ACL LOG RESET", "Empty it, and make acllog-max-len shorter (128)." },
	{ acl_users, "ACL users",
	  "Very many users were made (ACL SETUSER), each with its rules and patterns of keys.",
	  "ACL USERS",
	  "Delete those that are not in use (ACL DELUSER), or let clients share some." },
	{ transactions, "transactions",
	  "Transactions are queued and not executed: the commands behind a MULTI are kept until "
	  "its EXEC.",
	  "CLIENT LIST", "See whose they are (multi, multi-mem): end each with EXEC or DISCARD." },
};

/* What most of @bytes is likely in; NULL. */
static const struct holder *holder_of(const struct model *m, int64_t bytes)
{
	const struct holder *best = NULL;
	double most = HOLDER_RATIO * (double)bytes;

	for (size_t i = 0; i < sizeof(holders) / sizeof(holders[0]); i++) {
		double has = holders[i].bytes(m);

		if (has >= most) {
			best = &holders[i];
			most = has;
		}
	}
	return best;
}

static void in_no_key_cause(const struct model *m, struct finding *f, const struct holder *holder,
			    int64_t bytes)
{
	const struct keys_check *check = &m->keys_check;
	bool all = check->looked_total >= check->keys_total;

	if (holder) {
		finding_cause(f, "%s", holder->cause);
		finding_action(f, bytes, say_cli(m, "%s", holder->command).s, "%s", holder->action);
	} else if (!check->keys_total) {
		finding_cause(f, "A module or a part of the server that counts nothing has it.");
	} else {
		finding_cause(
			f, "%s, or a module or a part of the server that counts nothing has it.",
			all ? "Elements of big keys that MEMORY USAGE does not look at have it" :
			      "A few big keys were not among those drawn");
	}
	if (!all)
		finding_action(f, RECORD_UNKNOWN, "",
			       "`redmem keys` looks at all of them, and finds the big ones.");
}

/* What was in keys that are gone, and its thread has not freed yet: lazyfree.pending tells. */
static bool waits_to_be_freed(const struct model *m)
{
	return !m->keys_check.keys_total &&
	       model_info_end(m, "lazyfree_pending_objects") >= LAZYFREE_OBJECTS;
}

/* Of no keys nothing is wrongly estimated, but a module may have what it likes. */
bool rule_in_no_key(const struct model *m, struct finding *f)
{
	const struct keys_check *check = &m->keys_check;
	int64_t bytes = ledger_bytes(&m->ledger, "in_no_key");
	const char *module = measure_info_text(m, "module");
	const struct holder *holder;

	if (bytes == RECORD_UNKNOWN || bytes < INSIDE_BYTES || waits_to_be_freed(m))
		return false;
	holder = holder_of(m, bytes);
	f->severity = holder || (!check->keys_total && !module) ?
			      inside_severity(bytes, measure_used(m)) :
			      SEVERITY_INFO;
	f->cost = (double)bytes;
	f->weak = check->keys_total > 0;
	if (check->keys_total)
		finding_title(f, "%s of used_memory were found in none of the %s keys looked at",
			      say_bytes(bytes).s, say_count(check->looked_total).s);
	else
		finding_title(f, "%s of used_memory are in no key: there are no keys",
			      say_bytes(bytes).s);
	finding_evidence_bytes(f, "in_no_key", bytes, check->basis);
	finding_evidence_bytes(f, "keys_bytes", check->bytes, check->basis);
	finding_evidence_bytes(f, "keys_error_bytes", check->error_bytes, BASIS_DERIVED);
	finding_evidence_count(f, "keys_total", check->keys_total, "keys", BASIS_EXACT);
	finding_evidence_count(f, "looked_total", check->looked_total, "keys", BASIS_EXACT);
	finding_evidence_text(f, "module", module, BASIS_EXACT);
	finding_evidence_text(f, "likely_in", holder ? holder->name : NULL, BASIS_DERIVED);
	in_no_key_cause(m, f, holder, bytes);
	return true;
}
