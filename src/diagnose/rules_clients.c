/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is not data: buffers of clients, replicas and the AOF, and
 * scripts. Covers rules 6, 7 and 8 of MEMORY DOCTOR; rule 7 compares the total
 * of all replicas with a limit it says is for each, which is corrected here.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* MEMORY DOCTOR rule 6, an average over clients. */
#define CLIENT_AVERAGE_BYTES (200 * KIB)
/* Below this total an average says nothing: one INFO reply on a server with two
 * clients passes it. MEMORY DOCTOR's own floor for everything else. */
#define CLIENT_FLOOR_BYTES (10 * MIB)
/* An ordinary connection takes 20 to 40 KB (16 KiB for replies, as much for queries);
 * a fifth of the memory is a burden however it is spread. */
#define CLIENT_SHARE 0.20
/* MEMORY DOCTOR rule 7, for each replica. */
#define REPLICA_BYTES (10 * MIB)
/* The AOF buffer holds what one iteration of the event loop writes; this much means the
 * disk does not take it. (Twice the 16 MiB chunk Redis itself writes at most.) */
#define AOF_BUFFER_BYTES (32 * MIB)
/* MEMORY DOCTOR rule 8. */
#define SCRIPTS_MANY 1000
/* The floor of every waste here; an empty Lua state takes 40 KiB. */
#define SCRIPTS_BYTES (64 * MIB)

bool rule_client_buffers(const struct model *m, struct finding *f)
{
	int64_t bytes = model_info_end(m, "mem_clients_normal");
	int64_t clients = model_info_end(m, "connected_clients");
	int64_t used = measure_used(m);
	double average = measure_ratio(bytes, clients), share = measure_ratio(bytes, used);
	bool high_average = bytes >= CLIENT_FLOOR_BYTES && average > (double)CLIENT_AVERAGE_BYTES;
	bool high_share = bytes >= WASTE_FLOOR_BYTES && share > CLIENT_SHARE;

	if (!high_average && !high_share)
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)bytes;
	if (isnan(average))
		finding_title(f, "Client buffers take %s", say_bytes(bytes).s);
	else
		finding_title(f, "Client buffers take %s, %s for each of %s clients",
			      say_bytes(bytes).s, say_bytes(sum_whole(average)).s,
			      say_count(clients).s);
	finding_evidence_bytes(f, "mem_clients_normal", bytes, BASIS_EXACT);
	finding_evidence_count(f, "connected_clients", clients, "clients", BASIS_EXACT);
	finding_evidence(f, "used_memory_ratio", share, "ratio", BASIS_DERIVED);
	finding_evidence_bytes(f, "client_recent_max_input_buffer",
			       model_info_end(m, "client_recent_max_input_buffer"), BASIS_EXACT);
	finding_evidence_bytes(f, "client_recent_max_output_buffer",
			       model_info_end(m, "client_recent_max_output_buffer"), BASIS_EXACT);
	finding_cause(f, "Clients send or are owed more than they take: large replies, slow "
			 "readers (subscribers, MONITOR), or long pipelines.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
		       "See whose they are: omem is output waiting, qbuf input, tot-mem all.");
	finding_action(f, bytes, say_cli(m, "CONFIG SET maxmemory-clients 5%%").s,
		       "Limit them (7.0 and later), or set client-output-buffer-limit normal.");
	return true;
}

/* The largest lag of a replica in seconds, from the slaveN lines of INFO. */
static int64_t replica_lag(const struct model *m, int64_t replicas)
{
	int64_t most = RECORD_UNKNOWN;

	for (int64_t i = 0; i < replicas && i < 1000; i++) {
		char name[32];
		const char *value;
		int64_t lag;

		snprintf(name, sizeof(name), "slave%lld", (long long)i);
		value = measure_info_text(m, name);
		lag = value != NULL ? info_sub_int(value, "lag") : RECORD_UNKNOWN;
		most = lag > most ? lag : most;
	}
	return most;
}

bool rule_repl_buffer(const struct model *m, struct finding *f)
{
	int64_t replicas = model_info_end(m, "connected_slaves");
	int64_t bytes = model_info_end(m, "mem_clients_slaves");
	double each = measure_ratio(bytes, replicas);

	if (!(each > (double)REPLICA_BYTES))
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)bytes;
	finding_title(f, "Replication buffers take %s, %s for each of %s replica%s",
		      say_bytes(bytes).s, say_bytes((int64_t)each).s, say_count(replicas).s,
		      replicas == 1 ? "" : "s");
	finding_evidence_bytes(f, "mem_clients_slaves", bytes, BASIS_EXACT);
	finding_evidence_count(f, "connected_slaves", replicas, "replicas", BASIS_EXACT);
	finding_evidence_bytes(f, "mem_total_replication_buffers",
			       model_info_end(m, "mem_total_replication_buffers"), BASIS_EXACT);
	finding_evidence_count(f, "replica_lag_seconds", replica_lag(m, replicas), "seconds",
			       BASIS_EXACT);
	finding_evidence_text(f, "client-output-buffer-limit",
			      model_config(m, "client-output-buffer-limit"), BASIS_EXACT);
	finding_cause(f, "A replica takes the stream more slowly than it is written (network, "
			 "disk, or a full synchronisation under way); past "
			 "client-output-buffer-limit it is cut off and starts over.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "INFO replication").s,
		       "Find the replica whose offset stays behind; look at its network and "
		       "disk.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "If it happens at each reconnect, a larger repl-backlog-size avoids full "
		       "synchronisations.");
	return true;
}

bool rule_aof_buffer(const struct model *m, struct finding *f)
{
	int64_t bytes = model_info_end(m, "mem_aof_buffer");
	int64_t delayed = model_info_delta(m, "aof_delayed_fsync");

	if (bytes == RECORD_UNKNOWN || bytes < AOF_BUFFER_BYTES)
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)bytes;
	f->weak = !(delayed > 0);
	finding_title(f, "%s wait to be written to the AOF", say_bytes(bytes).s);
	finding_evidence_bytes(f, "mem_aof_buffer", bytes, BASIS_EXACT);
	finding_evidence_count(f, "aof_delayed_fsync", delayed, "delays", BASIS_EXACT);
	finding_evidence_text(f, "appendfsync", model_config(m, "appendfsync"), BASIS_EXACT);
	finding_evidence_text(f, "aof_last_write_status",
			      measure_info_text(m, "aof_last_write_status"), BASIS_EXACT);
	finding_cause(f, "The disk does not take the AOF as fast as it is written (a slow fsync, "
			 "or a save or rewrite that keeps the disk busy).");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET no-appendfsync-on-rewrite yes").s,
		       "Do not fsync during saves (up to 30 s of writes may be lost in a crash), "
		       "or move the AOF to a faster disk.");
	return true;
}

/* Lua and function engines with their scripts; names grew with the versions. */
static int64_t scripts_bytes(const struct model *m)
{
	int64_t vm = model_info_end(m, "used_memory_vm_total");

	if (vm == RECORD_UNKNOWN)
		vm = model_info_end(m, "used_memory_lua"); /* before 7.0 */
	return measure_sum(vm, model_info_end(m, "used_memory_scripts"));
}

bool rule_scripts(const struct model *m, struct finding *f)
{
	int64_t scripts = model_info_end(m, "number_of_cached_scripts");
	int64_t bytes = scripts_bytes(m);
	bool many = scripts > SCRIPTS_MANY;

	if (!many && bytes <= SCRIPTS_BYTES)
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = bytes > 0 ? (double)bytes : 0;
	if (many)
		finding_title(f, "%s scripts are cached (%s)", say_count(scripts).s,
			      bytes != RECORD_UNKNOWN ? say_bytes(bytes).s : "size unknown");
	else
		finding_title(f, "Scripts and their engine take %s", say_bytes(bytes).s);
	finding_evidence_count(f, "number_of_cached_scripts", scripts, "scripts", BASIS_EXACT);
	finding_evidence_bytes(f, "scripts_and_engine", bytes, BASIS_EXACT);
	finding_evidence_count(f, "number_of_functions", model_info_end(m, "number_of_functions"),
			       "functions", BASIS_EXACT);
	finding_cause(f, many ? "Scripts are generated with values written into their text, so "
				"each call is a new script." :
				"Scripts keep large tables or strings alive in the engine.");
	finding_action(f, bytes, "",
		       "Drop the cache (SCRIPT FLUSH ASYNC), if all clients load a script again "
		       "when they get NOSCRIPT.");
	if (many)
		finding_action(f, RECORD_UNKNOWN, "",
			       "Pass values as KEYS and ARGV, so that the script stays the same.");
	return true;
}
