/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is not data: buffers of clients and of the AOF, scripts, and what waits to be
 * freed. Covers rules 6 and 8 of MEMORY DOCTOR.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/harm.h"
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

bool rule_aof_buffer(const struct model *m, struct finding *f)
{
	int64_t bytes = m->aof_buffer_most_bytes, now = model_info_end(m, "mem_aof_buffer");
	int64_t delayed = model_info_delta(m, "aof_delayed_fsync");
	struct waits w = waits_of(m, f->id);
	bool held = waits_severity(m, &w) > SEVERITY_INFO;

	if (bytes == RECORD_UNKNOWN || bytes < AOF_BUFFER_BYTES)
		return false;
	if (held) {
		waits_tell(m, f, &w);
		f->rank = RANK_WAITED;
	} else {
		f->severity =
			now >= AOF_BUFFER_BYTES || delayed > 0 ? SEVERITY_WARNING : SEVERITY_INFO;
		f->cost = (double)bytes;
	}
	f->weak = !(delayed > 0);
	finding_title(f, "%s %s to be written to the AOF%s%s", say_bytes(bytes).s,
		      now == bytes ? "wait" : "waited",
		      held ? "; moving them in memory held the server for " : "",
		      held ? say_seconds(w.seconds).s : "");
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

/* --- memory that waits to be freed -------------------------------------------------- */

#define LAZYFREE_OBJECTS 1000

/* What was freed in the background for each object that was, in the window; NAN. */
static double lazyfree_bytes_each(const struct model *m)
{
	int64_t freed = model_info_delta(m, "lazyfreed_objects");

	for (size_t i = 0; i < m->threads_count && freed > 0; i++)
		if (strcmp(m->threads[i].thread, "bio_lazy_free") == 0)
			return m->threads[i].charge.free_bytes / (double)freed;
	return NAN;
}

/* What waits: all of the data when no key is left, else by what the others took. */
static int64_t lazyfree_waits(const struct model *m, int64_t pending, enum basis *basis)
{
	int64_t keys, expires;
	double each = lazyfree_bytes_each(m);

	measure_keyspace(m, &keys, &expires);
	*basis = BASIS_DERIVED;
	if (keys == 0)
		return model_info_end(m, "used_memory_dataset");
	*basis = BASIS_SAMPLED;
	return isnan(each) ? RECORD_UNKNOWN : sum_whole(each * (double)pending);
}

bool rule_lazyfree_pending(const struct model *m, struct finding *f)
{
	int64_t pending = model_info_end(m, "lazyfree_pending_objects"), bytes;
	enum basis basis;

	if (pending == RECORD_UNKNOWN || pending <= 0)
		return false;
	bytes = lazyfree_waits(m, pending, &basis);
	if (pending < LAZYFREE_OBJECTS && !(bytes >= WASTE_FLOOR_BYTES))
		return false;
	/* It passes by itself. */
	f->severity = SEVERITY_INFO;
	f->cost = bytes > 0 ? (double)bytes : 0;
	if (bytes != RECORD_UNKNOWN)
		finding_title(f, "Some %s wait to be freed in the background (%s objects)",
			      say_bytes(bytes).s, say_count(pending).s);
	else
		finding_title(f, "%s objects wait to be freed in the background",
			      say_count(pending).s);
	finding_evidence_count(f, "lazyfree_pending_objects", pending, "objects", BASIS_EXACT);
	finding_evidence_count(f, "lazyfreed_objects", model_info_delta(m, "lazyfreed_objects"),
			       "objects", BASIS_EXACT);
	finding_evidence_bytes(f, "waiting_bytes", bytes, basis);
	finding_cause(
		f, "UNLINK, FLUSHALL ASYNC and the lazyfree-* settings hand data to a thread that "
		   "frees it later; until then used_memory counts it, in no key.");
	finding_action(f, bytes, "", "Wait: look again in a minute before you act on used_memory.");
	return true;
}
