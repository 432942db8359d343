/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is not data: buffers of clients (of one, and of all) and of the AOF, and what
 * waits to be freed. Covers rule 6 of MEMORY DOCTOR.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* MEMORY DOCTOR rule 6, an average over clients. */
#define CLIENT_AVERAGE_BYTES (200 * KIB)
/* Below this total an average says nothing: one INFO reply on a server with two
 * clients passes it. MEMORY DOCTOR's own floor for everything else. */
#define CLIENT_FLOOR_BYTES (10 * MIB)
/* An ordinary connection takes 20 to 40 KB (16 KiB for replies, as much for queries);
 * a fifth of the memory is a burden however it is spread. */
#define CLIENT_SHARE 0.20

/* One client with as much is a leak or a reader that has gone, not traffic: hundreds of the
 * largest replies that are usual. */
#define CLIENT_ONE_BYTES (32 * MIB)
/* From there on it is harm: of the memory in use, or as it is. */
#define CLIENT_ONE_SHARE 0.02
#define CLIENT_ONE_LARGE (128 * MIB)

/* --- one client ------------------------------------------------------------------- */

static int64_t client_bytes(const struct record_client *client)
{
	int64_t bytes = client->memory_bytes; /* RECORD_UNKNOWN is below all others */

	if (client->output_bytes > bytes)
		bytes = client->output_bytes;
	return client->query_bytes > bytes ? client->query_bytes : bytes;
}

const struct record_client *measure_heaviest_client(const struct model *m, int64_t *bytes)
{
	const struct record_client *most = NULL;

	for (size_t i = 0; i < m->clients_count; i++) {
		const struct record_client *client = &m->clients[i].client;

		if (client->id != RECORD_UNKNOWN && !strpbrk(client->flags, "SMO") &&
		    (!most || client_bytes(client) > client_bytes(most)))
			most = client;
	}
	*bytes = most ? client_bytes(most) : RECORD_UNKNOWN;
	return most;
}

static enum severity client_severity(const struct model *m, int64_t bytes)
{
	bool harm = bytes >= CLIENT_ONE_LARGE ||
		    measure_ratio(bytes, measure_used(m)) >= CLIENT_ONE_SHARE;

	return harm && bytes >= CLIENT_ONE_BYTES ? SEVERITY_WARNING : SEVERITY_INFO;
}

/* Which way most of it goes, in words around the bytes. */
struct way {
	const char *before, *after, *cause;
};

static const struct way *client_way(const struct record_client *client, int64_t bytes)
{
	static const struct way owed = {
		"is owed",
		" that it does not read",
		"It asks for more than it takes: a slow reader, a subscriber that stands still, or "
		"a "
		"process that has hung with its connection open.",
	};
	static const struct way sent = {
		"has sent",
		" of a command that has no end yet",
		"The server keeps what it reads until the command is whole: a huge value under "
		"way, "
		"or a client that stopped in the middle of one.",
	};
	static const struct way queued = {
		"has",
		" of commands queued in a MULTI",
		"Commands of a transaction are kept until its EXEC: it is very large, or its end "
		"was "
		"forgotten.",
	};
	static const struct way takes = {
		"takes",
		"",
		"The server keeps this for the connection: arguments, subscriptions, keys under "
		"WATCH.",
	};

	if (client->output_bytes >= bytes / 2)
		return &owed;
	if (client->queued_bytes >= bytes / 2)
		return &queued;
	if (measure_sum(measure_sum(client->query_bytes, client->query_free_bytes),
			client->argument_bytes) >= bytes / 2)
		return &sent;
	return &takes;
}

static void client_counts(const struct model *m, struct finding *f)
{
	const struct record_held *held = model_held(m, "clients");

	finding_evidence_bytes(f, "mem_clients_normal", model_info_end(m, "mem_clients_normal"),
			       BASIS_EXACT);
	finding_evidence_count(f, "connected_clients", model_info_end(m, "connected_clients"),
			       "clients", BASIS_EXACT);
	if (held)
		finding_evidence_count(f, "clients_looked_at", held->looked_total, "clients",
				       BASIS_EXACT);
}

static void client_evidence(const struct model *m, struct finding *f,
			    const struct record_client *client)
{
	finding_evidence_text(f, "client", say_client(client).s, BASIS_EXACT);
	finding_evidence_bytes(f, "client_memory_bytes", client->memory_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "client_output_bytes", client->output_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "client_query_bytes", client->query_bytes, BASIS_EXACT);
	finding_evidence_count(f, "client_id", client->id, "id", BASIS_EXACT);
	finding_evidence_text(f, "client_user", *client->user ? client->user : NULL, BASIS_EXACT);
	finding_evidence_text(f, "client_last_command",
			      *client->command ? say_command(client->command).s : NULL,
			      BASIS_EXACT);
	finding_evidence_count(f, "client_age_seconds", client->age_seconds, "seconds",
			       BASIS_EXACT);
	finding_evidence_count(f, "client_idle_seconds", client->idle_seconds, "seconds",
			       BASIS_EXACT);
	client_counts(m, f);
}

/* Its id was not met, so the server says nothing of it. */
static bool unread_one(const struct model *m, struct finding *f)
{
	int64_t bytes;
	const struct record_client *client = measure_unread_client(m, &bytes);

	if (!client || bytes < CLIENT_ONE_BYTES)
		return false;
	f->severity = client_severity(m, bytes);
	f->cost = (double)bytes;
	f->weak = true;
	finding_title(f, "Client %s reads nothing, and clients not looked at have %s",
		      say_client(client).s, say_bytes(bytes).s);
	finding_evidence_text(f, "client", say_client(client).s, BASIS_EXACT);
	finding_evidence_bytes(f, "client_unsent_bytes", client->unsent_bytes, BASIS_EXACT);
	client_counts(m, f);
	finding_cause(f,
		      "The kernel holds %s for it that it does not take; what comes after that "
		      "waits in the server.",
		      say_bytes(client->unsent_bytes).s);
	finding_action(f, bytes, "", "See what runs there, and whether it hangs.");
	return true;
}

bool rule_client_one(const struct model *m, struct finding *f)
{
	int64_t bytes;
	const struct record_client *client = measure_heaviest_client(m, &bytes);
	const struct way *way;

	if (bytes < CLIENT_ONE_BYTES)
		return unread_one(m, f);
	way = client_way(client, bytes);
	f->severity = client_severity(m, bytes);
	f->cost = (double)bytes;
	finding_title(f, "Client %s %s %s%s", say_client(client).s, way->before, say_bytes(bytes).s,
		      way->after);
	client_evidence(m, f, client);
	finding_cause(f, "%s", way->cause);
	finding_action(f, bytes, say_cli(m, "CLIENT LIST ID %lld", (long long)client->id).s,
		       "See whose it is and whether it moves; end it (CLIENT KILL ID) where it was "
		       "left behind.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxmemory-clients 5%%").s,
		       "Limit what clients may take (7.0 and later), or set "
		       "client-output-buffer-limit normal and client-query-buffer-limit.");
	return true;
}

/* Is it told by one client, which has most of it? */
static bool is_of_one(const struct model *m, int64_t bytes)
{
	int64_t most;

	measure_heaviest_client(m, &most);
	if (most < CLIENT_ONE_BYTES && !measure_unread_client(m, &most))
		return false;
	return most >= CLIENT_ONE_BYTES && most >= bytes / 2 &&
	       client_severity(m, most) == SEVERITY_WARNING;
}

/* --- all of them ------------------------------------------------------------------- */

int64_t measure_client_buffers(const struct model *m)
{
	int64_t all = model_info_end(m, "mem_clients_normal");
	int64_t beside = sum_of(m->inside[INSIDE_PUBSUB].clients_bytes,
				m->inside[INSIDE_WATCH].clients_bytes);

	return all == RECORD_UNKNOWN ? all : sum_less(all, beside);
}

/* Commands that clients have queued in a MULTI, where most of @bytes is that; 0. */
static int64_t queued_commands(const struct model *m, int64_t bytes)
{
	int64_t queued = 0, commands = 0;

	for (size_t i = 0; i < m->clients_count; i++) {
		const struct record_client *client = &m->clients[i].client;

		if (client->queued_bytes <= 0 || client->queued_total <= 0)
			continue;
		sum_add(&queued, client->queued_bytes);
		sum_add(&commands, client->queued_total);
	}
	return queued >= bytes / 2 ? commands : 0;
}

static void client_buffers_advice(const struct model *m, struct finding *f, int64_t bytes)
{
	int64_t queued = queued_commands(m, bytes);

	if (queued > 0) {
		finding_evidence_count(f, "queued_total", queued, "commands", BASIS_EXACT);
		finding_cause(f, "Transactions are queued and not executed: the commands behind a "
				 "MULTI are kept until its EXEC.");
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
			       "See whose they are (multi, multi-mem): end each MULTI with EXEC or "
			       "DISCARD, and queue less in one.");
	} else {
		finding_cause(f, "Clients send or are owed more than they take: large replies, "
				 "slow readers (subscribers, MONITOR), or long pipelines.");
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
			       "See whose they are: omem is output waiting, qbuf input, tot-mem "
			       "all.");
	}
	finding_action(f, bytes, say_cli(m, "CONFIG SET maxmemory-clients 5%%").s,
		       "Limit them (7.0 and later), or set client-output-buffer-limit normal.");
}

bool rule_client_buffers(const struct model *m, struct finding *f)
{
	int64_t all = model_info_end(m, "mem_clients_normal");
	int64_t bytes = measure_client_buffers(m);
	int64_t clients = model_info_end(m, "connected_clients");
	int64_t used = measure_used(m);
	double average = measure_ratio(bytes, clients), share = measure_ratio(bytes, used);
	bool high_average = bytes >= CLIENT_FLOOR_BYTES && average > (double)CLIENT_AVERAGE_BYTES;
	bool high_share = bytes >= WASTE_FLOOR_BYTES && share > CLIENT_SHARE;

	if ((!high_average && !high_share) || is_of_one(m, all))
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)bytes;
	if (isnan(average))
		finding_title(f, "Client buffers take %s", say_bytes(bytes).s);
	else
		finding_title(f, "Client buffers take %s, %s for each of %s clients",
			      say_bytes(bytes).s, say_bytes(sum_whole(average)).s,
			      say_count(clients).s);
	finding_evidence_bytes(f, "mem_clients_normal", all, BASIS_EXACT);
	finding_evidence_count(f, "connected_clients", clients, "clients", BASIS_EXACT);
	finding_evidence(f, "used_memory_ratio", share, "ratio", BASIS_DERIVED);
	finding_evidence_bytes(f, "client_recent_max_input_buffer",
			       model_info_end(m, "client_recent_max_input_buffer"), BASIS_EXACT);
	finding_evidence_bytes(f, "client_recent_max_output_buffer",
			       model_info_end(m, "client_recent_max_output_buffer"), BASIS_EXACT);
	client_buffers_advice(m, f, bytes);
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

/* --- memory that waits to be freed -------------------------------------------------- */

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

/* It passes by itself, unless the event loop waits for the thread that frees: @held, NULL. */
static void lazyfree_severity(const struct model *m, struct finding *f, int64_t bytes,
			      const struct waits *held)
{
	f->severity = SEVERITY_INFO;
	f->cost = bytes > 0 ? (double)bytes : 0;
	if (!held)
		return;
	waits_tell(m, f, held);
	f->rank = RANK_WAITED;
	finding_action(f, RECORD_UNKNOWN, "",
		       "Give the server one more CPU than it has busy threads (quota, cpuset, "
		       "server_cpulist and bio_cpulist), so that this thread is not kept waiting "
		       "while it holds a lock.");
}

bool rule_lazyfree_pending(const struct model *m, struct finding *f)
{
	int64_t pending = model_info_end(m, "lazyfree_pending_objects"), bytes;
	struct waits w = waits_of(m, f->id);
	bool held = waits_severity(m, &w) > SEVERITY_INFO;
	struct phrase objects = say_count(pending);
	enum basis basis;

	if (pending == RECORD_UNKNOWN || (pending <= 0 && !held))
		return false;
	bytes = lazyfree_waits(m, pending, &basis);
	if (!held && pending < LAZYFREE_OBJECTS && !(bytes >= WASTE_FLOOR_BYTES))
		return false;
	if (held)
		finding_title(f,
			      "The event loop waited %s for the thread that frees in the "
			      "background (%s objects left)",
			      say_seconds(w.seconds).s, objects.s);
	else if (bytes != RECORD_UNKNOWN)
		finding_title(f, "Some %s wait to be freed in the background (%s objects)",
			      say_bytes(bytes).s, objects.s);
	else
		finding_title(f, "%s objects wait to be freed in the background", objects.s);
	lazyfree_severity(m, f, bytes, held ? &w : NULL);
	finding_evidence_count(f, "lazyfree_pending_objects", pending, "objects", BASIS_EXACT);
	finding_evidence_count(f, "lazyfreed_objects", model_info_delta(m, "lazyfreed_objects"),
			       "objects", BASIS_EXACT);
	finding_evidence_bytes(f, "waiting_bytes", bytes, basis);
	finding_cause(f,
		      "UNLINK, FLUSHALL ASYNC and the lazyfree-* settings hand data to a thread "
		      "that frees it later; until then used_memory counts it, in no key%s",
		      held ? ". It holds locks of the allocator while it works, and the event loop "
			     "needs them, too." :
			     ".");
	finding_action(f, bytes, "", "Wait: look again in a minute before you act on used_memory.");
	return true;
}
