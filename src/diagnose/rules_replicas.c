/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replicas: they start over, lag, or keep writes waiting in the server's memory; and what is kept
 * for them. Covers rule
 * 7 of MEMORY DOCTOR, which compares the total of all replicas with a limit it says is for
 * each; that is corrected here.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* --- replicas that start over ----------------------------------------------------- */

/* One full synchronisation is how a replica begins; one partial is a link that was lost once. */
#define RESYNCS_LOOP	 2
#define RESYNCS_CRITICAL 3
/* A replica acknowledges every second; min-replicas-max-lag, from which it counts as gone, is 10 by
 * default. */
#define LAG_NOTE_SECONDS 5
#define LAG_SECONDS	 10
/* A backlog is there for a restart or a short loss of the network. */
#define BACKLOG_SECONDS 10.0
/* Of the limit of its buffer: what is written in the time of one synchronisation. */
#define BUFFER_LIKELY_RATIO 0.5

/* The hard limit of replicas in "normal 0 0 0 slave 268435456 67108864 60 pubsub ...";
 * RECORD_UNKNOWN. 0 = none. */
static int64_t replica_buffer_limit(const struct model *m)
{
	const char *limits = model_config(m, "client-output-buffer-limit");
	const char *at = limits != NULL ? strstr(limits, "slave ") : NULL;

	if (at == NULL && limits != NULL)
		at = strstr(limits, "replica ");
	return at != NULL ? strtoll(strchr(at, ' '), NULL, 10) : RECORD_UNKNOWN;
}

int64_t measure_replica_buffer_bound(const struct model *m)
{
	int64_t limit = replica_buffer_limit(m), backlog = model_info_end(m, "repl_backlog_size");

	return limit > 0 && backlog > limit && version_at_least(m->target.version, 7, 0) ? backlog :
											   limit;
}

struct resyncs {
	int64_t full, partial, refused; /* in the window; refused = of partial ones asked for */
	int64_t replicas; /* connected at the end */
	int64_t disconnections; /* for their buffers, since 7.4; RECORD_UNKNOWN */
	const struct replica_row *worst; /* not online, or with the largest lag; NULL */
};

static struct resyncs resyncs_of(const struct model *m)
{
	return (struct resyncs){
		.full = model_info_delta(m, "sync_full"),
		.partial = model_info_delta(m, "sync_partial_ok"),
		.refused = model_info_delta(m, "sync_partial_err"),
		.replicas = model_info_end(m, "connected_slaves"),
		.disconnections = model_info_delta(m, "client_output_buffer_limit_disconnections"),
		.worst = link_worst_replica(m),
	};
}

/* What was written while one synchronisation lasted, against the buffer's limit. */
static bool buffer_cuts_off(const struct model *m, const struct resyncs *r)
{
	double each = m->duration_seconds / (double)r->full;
	int64_t bound = measure_replica_buffer_bound(m);

	if (r->disconnections > 0)
		return true;
	return bound > 0 &&
	       m->replication.write_bytes_per_second * each > BUFFER_LIKELY_RATIO * (double)bound;
}

static void resync_evidence(const struct model *m, struct finding *f, const struct resyncs *r)
{
	finding_evidence_count(f, "sync_full", r->full, "synchronisations", BASIS_EXACT);
	finding_evidence_count(f, "sync_partial_ok", r->partial, "synchronisations", BASIS_EXACT);
	finding_evidence_count(f, "sync_partial_err", r->refused, "refusals", BASIS_EXACT);
	finding_evidence_count(f, "connected_slaves", r->replicas, "replicas", BASIS_EXACT);
	if (r->worst != NULL) {
		finding_evidence_text(f, "replica", r->worst->address, BASIS_EXACT);
		finding_evidence_text(f, "replica_state", r->worst->state, BASIS_EXACT);
		finding_evidence_count(f, "replica_lag_seconds", r->worst->lag_seconds, "seconds",
				       BASIS_EXACT);
	}
	finding_evidence(f, "write_bytes_per_second", m->replication.write_bytes_per_second,
			 "bytes", BASIS_DERIVED);
	finding_evidence_bytes(f, "repl_backlog_size", m->replication.backlog_bytes, BASIS_EXACT);
	finding_evidence(f, "backlog_seconds", m->replication.backlog_seconds, "seconds",
			 BASIS_DERIVED);
	finding_evidence_bytes(f, "replica_output_buffer_limit", replica_buffer_limit(m),
			       BASIS_EXACT);
	finding_evidence_count(f, "client_output_buffer_limit_disconnections", r->disconnections,
			       "clients", BASIS_EXACT);
}

static void resync_loop(const struct model *m, struct finding *f, const struct resyncs *r)
{
	int64_t needed = sum_whole(4 * m->replication.write_bytes_per_second * m->duration_seconds /
				   (double)r->full);

	f->severity = r->full >= RESYNCS_CRITICAL ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = COST_PER_SECOND * (double)r->full;
	finding_title(f, "%s full synchronisations in %s: %s%s starts over again and again",
		      say_count(r->full).s, say_seconds(m->duration_seconds).s,
		      r->worst != NULL ? "replica " : "a replica",
		      r->worst != NULL ? r->worst->address : "");
	if (!buffer_cuts_off(m, r)) {
		f->weak = true;
		finding_cause(f, "The replica comes back and cannot go on from where it was: it is "
				 "cut off, or restarts, or the backlog no longer has what it "
				 "missed. Each time the server forks and sends all of its data.");
		finding_action(f, RECORD_UNKNOWN, "",
			       "Look into the replica's log: why it lost the link tells which of "
			       "the three it is.");
		return;
	}
	f->weak = !(r->disconnections > 0);
	finding_cause(f,
		      "While the data is sent, %s a second are written and wait for the replica; "
		      "past client-output-buffer-limit (%s) it is cut off and starts over, with "
		      "a fork and all of the data each time.",
		      say_bytes(sum_whole(m->replication.write_bytes_per_second)).s,
		      say_bytes(measure_replica_buffer_bound(m)).s);
	finding_action(f, RECORD_UNKNOWN,
		       say_cli(m, "CONFIG SET client-output-buffer-limit \"replica %lld 0 0\"",
			       (long long)(needed > GIB ? needed : GIB))
			       .s,
		       "Let the buffer hold what is written in the time of one synchronisation; "
		       "that memory must be there.");
}

/* The link breaks, and the backlog still had what was missed. */
static void link_flaps(const struct model *m, struct finding *f, const struct resyncs *r)
{
	f->severity = SEVERITY_WARNING;
	f->cost = COST_PER_SECOND;
	finding_title(
		f, "Replicas%s%s lost their link %s times in %s, and went on from the backlog",
		r->worst != NULL ? ", such as " : "", r->worst != NULL ? r->worst->address : "",
		say_count(r->partial).s, say_seconds(m->duration_seconds).s);
	f->weak = !(r->disconnections > 0);
	if (r->disconnections > 0)
		finding_cause(
			f,
			"More waits for a replica than client-output-buffer-limit (%s) allows: "
			"it is cut off, and asks to go on from where it was.",
			say_bytes(measure_replica_buffer_bound(m)).s);
	else
		finding_cause(f, "The connection is closed by one side or between them: the "
				 "network, a firewall or proxy, repl-timeout, somebody who ends it "
				 "(CLIENT KILL), a replica that restarts. Meanwhile it serves old "
				 "data; when the backlog no longer has what it missed it must take "
				 "all of the data anew.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look into the replica's log and this server's: each says which side closed "
		       "the link.");
}

static void replica_silent(struct finding *f, const struct replica_row *replica)
{
	f->severity = replica->lag_seconds >= LAG_SECONDS ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = COST_PER_SECOND;
	finding_title(f, "Replica %s has not been heard of for %s", replica->address,
		      say_seconds((double)replica->lag_seconds).s);
	finding_cause(f, "It hangs, or the network does; after repl-timeout it is cut off.");
	finding_action(f, RECORD_UNKNOWN, "", "Look at the replica and at the network.");
}

static void backlog_short(const struct model *m, struct finding *f)
{
	f->severity = SEVERITY_INFO;
	finding_title(f, "The replication backlog holds %s of writes",
		      say_seconds(m->replication.backlog_seconds).s);
	finding_cause(f, "A replica that is away for longer (a restart, the network) must take all "
			 "of the data anew.");
	finding_action(f, RECORD_UNKNOWN,
		       say_cli(m, "CONFIG SET repl-backlog-size %lld",
			       (long long)sum_whole(60 * m->replication.write_bytes_per_second))
			       .s,
		       "Let it hold a minute of writes.");
}

bool rule_repl_resync(const struct model *m, struct finding *f)
{
	struct resyncs r = resyncs_of(m);
	int64_t lag = r.worst ? r.worst->lag_seconds : RECORD_UNKNOWN;

	if (link_troubled(m, f))
		return true; /* of this server, which is a replica itself */
	if (r.full >= RESYNCS_LOOP && r.full > r.replicas)
		resync_loop(m, f, &r);
	else if (r.partial >= RESYNCS_LOOP && r.partial > r.replicas)
		link_flaps(m, f, &r);
	else if (lag >= LAG_NOTE_SECONDS && !measure_paused_by_replica(m))
		replica_silent(f, r.worst);
	else if (r.worst != NULL && m->replication.backlog_seconds < BACKLOG_SECONDS)
		backlog_short(m, f);
	else
		return false;
	resync_evidence(m, f, &r);
	return true;
}

/* --- what waits for them ------------------------------------------------------------ */

/* MEMORY DOCTOR rule 7, for each replica. */
#define REPLICA_BYTES (10 * MIB)

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

/* --- what is kept for them ------------------------------------------------------------ */

/* The default is 1 MB, 10 since Valkey 8.0: what is worth a word somebody has set. */
#define BACKLOG_BYTES (16 * MIB)
/* From there on more than the keys have. */
#define BACKLOG_SHARE 0.5
/* So long a restart takes, or a loss of the network that mends itself. */
#define BACKLOG_WANTED_SECONDS 60
#define BACKLOG_LEAST_BYTES    MIB

/* It counts against maxmemory, where keys make room for it, or writes are refused. */
static bool backlog_harms(const struct model *m, int64_t size)
{
	int64_t max = measure_is_replica(m) ? 0 : measure_max_memory(m);

	return max > 0 && (measure_ratio(size, max) >= BACKLOG_SHARE ||
			   model_info_delta(m, "evicted_keys") > 0 || model_errors(m, "OOM") > 0);
}

static void backlog_actions(const struct model *m, struct finding *f, int64_t held, int64_t size)
{
	double rate = m->replication.write_bytes_per_second;
	int64_t wanted = isnan(rate) ? RECORD_UNKNOWN : sum_whole(BACKLOG_WANTED_SECONDS * rate);
	int64_t ttl = measure_config(m, "repl-backlog-ttl");

	if (wanted != RECORD_UNKNOWN && wanted < BACKLOG_LEAST_BYTES)
		wanted = BACKLOG_LEAST_BYTES;
	if (wanted != RECORD_UNKNOWN && wanted < size)
		finding_action(f, held > wanted ? held - wanted : 0,
			       say_cli(m, "CONFIG SET repl-backlog-size %lld", (long long)wanted).s,
			       "Let it hold a minute of writes as they are now, or as long as a "
			       "replica may be away; look at the busiest hour first.");
	else
		finding_action(f, RECORD_UNKNOWN, "",
			       "At this rate of writes it is needed: leave room for it.");
	if (model_info_end(m, "connected_slaves") == 0 && ttl > 0)
		finding_action(f, held, "",
			       "No replica is there: what is kept goes by itself %s after the last "
			       "one has left (repl-backlog-ttl).",
			       say_seconds((double)ttl).s);
}

bool rule_repl_backlog(const struct model *m, struct finding *f)
{
	int64_t held = model_info_end(m, "mem_replication_backlog");
	int64_t size = model_info_end(m, "repl_backlog_size"), used = measure_used(m);

	if (held < BACKLOG_BYTES || !(measure_ratio(held, used) >= BACKLOG_SHARE))
		return false;
	f->severity = backlog_harms(m, size) ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)held;
	finding_title(f, "The replication backlog has %s of the %s in use", say_bytes(held).s,
		      say_bytes(used).s);
	finding_evidence_bytes(f, "mem_replication_backlog", held, BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "repl_backlog_size", size, BASIS_EXACT);
	finding_evidence(f, "write_bytes_per_second", m->replication.write_bytes_per_second,
			 "bytes", BASIS_DERIVED);
	finding_evidence(f, "backlog_seconds", m->replication.backlog_seconds, "seconds",
			 BASIS_DERIVED);
	finding_evidence_count(f, "connected_slaves", model_info_end(m, "connected_slaves"),
			       "replicas", BASIS_EXACT);
	finding_cause(f,
		      "repl-backlog-size sets it (%s): the last writes are kept, so that a replica "
		      "that was away need not take all of the data anew%s%s%s.",
		      say_bytes(size).s,
		      isfinite(m->replication.backlog_seconds) ? "; at this rate it holds " : "",
		      isfinite(m->replication.backlog_seconds) ?
			      say_seconds(m->replication.backlog_seconds).s :
			      "",
		      isfinite(m->replication.backlog_seconds) ? " of them" : "");
	backlog_actions(m, f, held, size);
	return true;
}
