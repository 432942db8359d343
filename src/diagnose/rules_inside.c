/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is in used_memory and in no key, and that no other count of the server tells: its
 * slow log, what clients track, subscribe to and WATCH; and what was found in no key at all.
 */
#include <math.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* Below this none is worth a word: a slow log at its default has at most 1 MB. */
#define INSIDE_BYTES (8 * MIB)
/* From there on it is harm, whatever the size of the server: a fifth of what it uses, as with the
 * buffers of clients. */
#define INSIDE_HARM_BYTES (16 * MIB)
#define INSIDE_HARM_SHARE 0.20
/* Freeing an entry of the slow log: some thirty allocations. */
#define SLOWLOG_ENTRY_SECONDS 1.5e-6
/* The server's default (src/config.c). */
#define SLOWLOG_LEN 128

/* Is it enough for a finding? Then it says how bad it is, and has the numbers. */
static bool inside_matters(const struct model *m, struct finding *f, enum inside what,
			   const char *count_name, const char *unit)
{
	const struct inside_row *row = &m->inside[what];
	int64_t used = measure_used(m);

	if (row->bytes < INSIDE_BYTES)
		return false;
	f->severity = measure_waste_matters(row->bytes, used) ||
				      (row->bytes >= INSIDE_HARM_BYTES &&
				       measure_ratio(row->bytes, used) >= INSIDE_HARM_SHARE) ?
			      SEVERITY_WARNING :
			      SEVERITY_INFO;
	f->cost = (double)row->bytes;
	finding_evidence_bytes(f, inside_name(what), row->bytes, row->basis);
	finding_evidence_count(f, count_name, row->objects_total, unit, BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	return true;
}

bool rule_slowlog(const struct model *m, struct finding *f)
{
	const struct inside_row *row = &m->inside[INSIDE_SLOWLOG];
	int64_t slower = measure_config(m, "slowlog-log-slower-than");

	if (!inside_matters(m, f, INSIDE_SLOWLOG, "slowlog_entries_total", "entries"))
		return false;
	finding_title(f, "The slow log takes %s: %s entries", say_bytes(row->bytes).s,
		      say_count(row->objects_total).s);
	finding_evidence_count(f, "slowlog-max-len", measure_config(m, "slowlog-max-len"),
			       "entries", BASIS_EXACT);
	finding_evidence_count(f, "slowlog-log-slower-than", slower, "microseconds", BASIS_EXACT);
	finding_cause(f,
		      "Each entry keeps up to 32 arguments of up to 128 bytes; the log was made "
		      "very long%s.",
		      slower >= 0 && slower < 1000 ? ", and nearly every command comes into it" :
						     "");
	finding_action(f, row->bytes, say_cli(m, "CONFIG SET slowlog-max-len %d", SLOWLOG_LEN).s,
		       "Make it shorter. What is beyond goes with the next command, all at once, "
		       "which takes the server about %s: go down in steps where that is too long.",
		       say_seconds((double)row->objects_total * SLOWLOG_ENTRY_SECONDS).s);
	if (slower >= 0 && slower < 1000)
		finding_action(f, RECORD_UNKNOWN,
			       say_cli(m, "CONFIG SET slowlog-log-slower-than 10000").s,
			       "Log what is slow only (10 ms).");
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

bool rule_in_no_key(const struct model *m, struct finding *f)
{
	const struct keys_check *check = &m->keys_check;
	int64_t bytes = ledger_bytes(&m->ledger, "in_no_key");

	if (bytes == RECORD_UNKNOWN || bytes < INSIDE_BYTES)
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)bytes;
	f->weak = true;
	finding_title(f, "%s of used_memory were found in none of the %s keys looked at",
		      say_bytes(bytes).s, say_count(check->looked_total).s);
	finding_evidence_bytes(f, "in_no_key", bytes, check->basis);
	finding_evidence_bytes(f, "keys_bytes", check->bytes, check->basis);
	finding_evidence_bytes(f, "keys_error_bytes", check->error_bytes, BASIS_DERIVED);
	finding_evidence_count(f, "keys_total", check->keys_total, "keys", BASIS_EXACT);
	finding_evidence_count(f, "looked_total", check->looked_total, "keys", BASIS_EXACT);
	finding_evidence_text(f, "module", measure_info_text(m, "module"), BASIS_EXACT);
	finding_cause(f, "%s, or a module or a part of the server that counts nothing has it.",
		      check->looked_total < check->keys_total ?
			      "A few big keys were not among those drawn" :
			      "Elements of big keys that MEMORY USAGE does not look at have it");
	if (check->looked_total < check->keys_total)
		finding_action(f, RECORD_UNKNOWN, "",
			       "`redmem keys` looks at all of them, and finds the big ones.");
	return true;
}
