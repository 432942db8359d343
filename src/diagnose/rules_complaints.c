/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server itself complains of: saves that fail, commands it refuses, connections
 * it does not take, replicas that start over, memory that waits to be freed; and the
 * kernel, when it killed the server or its child.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* --- a kernel that kills ------------------------------------------------------ */

/* The first one it chose in the window; NULL. */
static const struct record_life *oom_victim(const struct model *m)
{
	for (size_t i = 0; i < m->life_count; i++)
		if (strcmp(m->life[i].life.event, "oom") == 0)
			return &m->life[i].life;
	return NULL;
}

/* Processes of the server's cgroup killed in the window; 0 when not known. */
static int64_t oom_kills(const struct model *m)
{
	int64_t before = m->host_start.cgroup_oom_kills_total;
	int64_t after = m->host_end.cgroup_oom_kills_total;

	if (!m->have_host || before == RECORD_UNKNOWN || after <= before)
		return 0;
	return after - before;
}

static bool server_ended(const struct model *m)
{
	for (size_t i = 0; i < m->life_count; i++)
		if (strcmp(m->life[i].life.event, "exit") == 0)
			return true;
	return false;
}

bool measure_killed(const struct model *m)
{
	const struct record_life *victim = oom_victim(m);

	return victim != NULL ? victim->child_pid == 0 : oom_kills(m) > 0 && server_ended(m);
}

/* A child of the window that SIGKILL ended while its cgroup counted a kill, or that the
 * kernel was seen to choose; NULL. */
static const struct record_child *killed_child(const struct model *m)
{
	const struct record_life *victim = oom_victim(m);

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;

		if (victim != NULL ? victim->child_pid == child->pid :
				     child->exit_signal == SIGKILL && oom_kills(m) > 0)
			return child;
	}
	return NULL;
}

/* The limit it was killed at: the cgroup's when that was met in the window or nearly used
 * up when the watch began or ended, else the machine's memory. */
static int64_t kill_limit(const struct model *m, int64_t held, const char **what)
{
	const struct record_host *from = &m->host_start, *to = &m->host_end;
	int64_t limit = to->cgroup_near_limit_bytes != RECORD_UNKNOWN ?
				to->cgroup_near_limit_bytes :
				from->cgroup_near_limit_bytes; /* where it was, when it is gone */
	bool met = to->cgroup_near_hits_total > from->cgroup_near_hits_total &&
		   from->cgroup_near_hits_total != RECORD_UNKNOWN;

	if (limit == RECORD_UNKNOWN)
		limit = to->cgroup_limit_bytes;
	*what = "the cgroup's limit";
	if (limit != RECORD_UNKNOWN &&
	    (met || measure_ratio(held, limit) >= NEAR_WARNING_RATIO ||
	     measure_ratio(to->cgroup_usage_bytes, limit) >= NEAR_WARNING_RATIO))
		return limit;
	*what = "the machine's memory";
	return to->mem_total_bytes;
}

static void killed_title(const struct model *m, struct finding *f, const char *who, int64_t held)
{
	const char *what;
	int64_t limit = kill_limit(m, held, &what);
	int64_t refused = model_errors(m, "MISCONF");

	if (held > 0 && limit != RECORD_UNKNOWN)
		finding_title(f, "The kernel killed %s, which held %s, at %s of %s", who,
			      say_bytes(held).s, what, say_bytes(limit).s);
	else
		finding_title(f, "The kernel killed %s for lack of memory", who);
	finding_evidence_bytes(f, "held_bytes", held > 0 ? held : RECORD_UNKNOWN, BASIS_EXACT);
	finding_evidence_bytes(f, strcmp(what, "the cgroup's limit") ? "mem_total" : "cgroup_limit",
			       limit, BASIS_EXACT);
	if (refused > 0)
		finding_evidence_count(f, "misconf_replies", refused, "errors", BASIS_EXACT);
}

bool rule_killed_limit(const struct model *m, struct finding *f)
{
	const struct record_life *victim = oom_victim(m);
	const struct record_child *child = killed_child(m);
	int64_t kills = oom_kills(m), held = victim != NULL ? victim->held_bytes : RECORD_UNKNOWN;
	bool server = measure_killed(m);

	if (victim == NULL && kills == 0)
		return false;
	f->severity = SEVERITY_CRITICAL;
	f->cost = COST_PER_SECOND * (server ? 100 : 10);
	if (child != NULL && held == RECORD_UNKNOWN)
		held = child->private_bytes;
	killed_title(m, f,
		     server	   ? "the server" :
		     child != NULL ? "its saving child" :
				     "a process of the server's cgroup",
		     held);
	finding_evidence_count(f, "oom_kills", kills > 0 ? kills : RECORD_UNKNOWN, "kills",
			       BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", measure_used(m), BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", model_info_end(m, "maxmemory"), BASIS_EXACT);
	finding_evidence_bytes(f, "rss_of_last_tick", measure_rss(m), BASIS_EXACT);
	finding_cause(f, "%s",
		      server ? "What the server and those beside it hold met a limit that the "
			       "kernel keeps by killing; maxmemory, which it keeps by evicting, "
			       "was further up or not set." :
		      child != NULL ? "A saving child copies each page that is written while it "
				      "works; the copies met the limit, and the child was chosen. "
				      "Until a save succeeds nothing new is safe, and with "
				      "stop-writes-on-bgsave-error writes are refused." :
				      "Processes of one cgroup share its limit.");
	finding_action(f, RECORD_UNKNOWN, "journalctl -k -g \"Out of memory|oom\"",
		       "See what the kernel counted.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Set maxmemory so far below the limit that the copies of a fork, buffers "
		       "and fragmentation fit between them, or raise the limit.");
	return true;
}

/* --- saves -------------------------------------------------------------------- */

/* vm.overcommit_memory: promise anything; never promise more than the limit. */
#define OVERCOMMIT_ALWAYS 1
#define OVERCOMMIT_NEVER  2

static bool status_is_err(const struct model *m, const char *field)
{
	const char *status = measure_info_text(m, field);

	return status != NULL && strcmp(status, "err") == 0;
}

static bool last_save_failed(const struct model *m)
{
	return status_is_err(m, "rdb_last_bgsave_status") ||
	       status_is_err(m, "aof_last_write_status") ||
	       status_is_err(m, "aof_last_bgrewrite_status");
}

/* A child that did not end well; SIGUSR1 is how the server itself stops one (rdb.c,
 * backgroundSaveDoneHandlerDisk()). The last one of the window; NULL. */
static const struct record_child *failed_child(const struct model *m)
{
	const struct record_child *failed = NULL;

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;

		if (child->exit_code > 0 ||
		    (child->exit_signal > 0 && child->exit_signal != SIGUSR1))
			failed = child;
	}
	/* One that fed a replica fails with it, and no save is lost. */
	return last_save_failed(m) || !(model_info_delta(m, "sync_full") > 0) ? failed : NULL;
}

/* A fork asks for as much again as the server may write to. */
static bool fork_does_not_fit(const struct model *m)
{
	const struct record_host *h = &m->host_end;
	int64_t need = measure_anonymous(m);

	if (!m->have_host || h->overcommit_memory != OVERCOMMIT_NEVER ||
	    h->commit_limit_bytes == RECORD_UNKNOWN || h->committed_bytes == RECORD_UNKNOWN)
		return false;
	return need > sum_less(h->commit_limit_bytes, h->committed_bytes);
}

/* The last save failed and no child was made for it. */
bool measure_fork_refused(const struct model *m)
{
	int64_t saves = model_info_delta(m, "rdb_saves"),
		forks = model_info_delta(m, "total_forks");

	if (!status_is_err(m, "rdb_last_bgsave_status") &&
	    !status_is_err(m, "aof_last_bgrewrite_status"))
		return false;
	if (failed_child(m) != NULL)
		return false;
	return model_info_end(m, "total_forks") == 0 || (saves > 0 && forks == 0) ||
	       fork_does_not_fit(m);
}

/* Does the server refuse writes as long as it cannot save? (server.c,
 * writeCommandsDeniedByDiskError()) */
static bool save_stops_writes(const struct model *m)
{
	const char *save = model_config(m, "save");

	return status_is_err(m, "aof_last_write_status") ||
	       (status_is_err(m, "rdb_last_bgsave_status") && save != NULL && save[0] != '\0' &&
		measure_config_is(m, "stop-writes-on-bgsave-error", "yes"));
}

bool measure_saves_fail(const struct model *m)
{
	return last_save_failed(m) || failed_child(m) != NULL;
}

static const char *save_name(const struct model *m)
{
	const struct record_child *child = failed_child(m);

	if (status_is_err(m, "aof_last_write_status"))
		return "Writing the AOF";
	if (status_is_err(m, "rdb_last_bgsave_status") ||
	    (child != NULL && strcmp(child->purpose, "aof") != 0))
		return "Saving (RDB)";
	return "Rewriting the AOF";
}

static void save_title(const struct model *m, struct finding *f)
{
	const struct record_child *child = failed_child(m);
	int64_t refused = model_errors(m, "MISCONF");
	struct buf why = { 0 };

	if (child != NULL && child->exit_signal > 0)
		buf_printf(&why, ": the child was killed by signal %lld (%s)",
			   (long long)child->exit_signal, strsignal((int)child->exit_signal));
	else if (child != NULL)
		buf_printf(&why, ": the child gave up with exit code %lld",
			   (long long)child->exit_code);
	else if (measure_fork_refused(m))
		buf_puts(&why, ": the kernel refuses the fork");
	if (refused > 0)
		buf_printf(&why, "; %s requests were refused with MISCONF", say_count(refused).s);
	else if (save_stops_writes(m))
		buf_puts(&why, "; writes are refused until it succeeds");
	finding_title(f, "%s failed%s", save_name(m), buf_str(&why));
	buf_free(&why);
}

static void save_cause(const struct model *m, struct finding *f)
{
	const struct record_child *child = failed_child(m);

	if (status_is_err(m, "aof_last_write_status"))
		finding_cause(f, "The disk did not take what was written to the AOF: full, broken, "
				 "or no longer writable.");
	else if (child != NULL && child->exit_signal > 0)
		finding_cause(f, "Somebody or the kernel killed the child before it was done (a "
				 "timeout of a script, a container's limit, a crash).");
	else if (child != NULL)
		finding_cause(f, "The child could not write its file: the disk is full, the "
				 "directory is not there or not writable.");
	else if (measure_fork_refused(m))
		finding_cause(f,
			      "A fork asks for as much memory as the server has, though it will "
			      "use little of it; with vm.overcommit_memory=%lld the kernel does "
			      "not promise it.",
			      (long long)m->host_end.overcommit_memory);
	else
		finding_cause(f, "It failed before this watch; the server's log tells why.");
}

static void save_evidence(const struct model *m, struct finding *f)
{
	static const char *const fields[] = { "rdb_last_bgsave_status", "aof_last_write_status",
					      "aof_last_bgrewrite_status" };
	const struct record_child *child = failed_child(m);
	const struct record_host *h = &m->host_end;
	int64_t misconf = model_errors(m, "MISCONF");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		finding_evidence_text(f, fields[i], measure_info_text(m, fields[i]), BASIS_EXACT);
	if (misconf > 0)
		finding_evidence_count(f, "misconf_replies", misconf, "errors", BASIS_EXACT);
	finding_evidence_count(f, "rdb_changes_since_last_save",
			       model_info_end(m, "rdb_changes_since_last_save"), "changes",
			       BASIS_EXACT);
	finding_evidence_text(f, "stop-writes-on-bgsave-error",
			      model_config(m, "stop-writes-on-bgsave-error"), BASIS_EXACT);
	if (child != NULL) {
		finding_evidence(f, "child_exit_signal", (double)child->exit_signal, "signal",
				 BASIS_EXACT);
		finding_evidence(f, "child_exit_code", (double)child->exit_code, "code",
				 BASIS_EXACT);
		finding_evidence(f, "child_seconds", child->t_end_seconds - child->t_start_seconds,
				 "seconds", BASIS_EXACT);
	}
	if (child != NULL || !m->have_host || !measure_fork_refused(m))
		return;
	finding_evidence(f, "overcommit_memory", (double)h->overcommit_memory, "mode", BASIS_EXACT);
	finding_evidence_bytes(f, "commit_limit", h->commit_limit_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "committed_as", h->committed_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "server_anonymous", measure_anonymous(m), BASIS_EXACT);
}

static void save_actions(const struct model *m, struct finding *f)
{
	if (measure_fork_refused(m) && m->host_end.overcommit_memory != OVERCOMMIT_ALWAYS)
		finding_action(f, RECORD_UNKNOWN, "sysctl vm.overcommit_memory=1",
			       "Let the kernel grant the fork (and write it to /etc/sysctl.d).");
	else
		finding_action(f, RECORD_UNKNOWN, "",
			       "Look into the server's log and at the space left where it saves "
			       "(CONFIG GET dir).");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "BGSAVE").s,
		       "Then save once: one that succeeds clears the error and lets writes in "
		       "again.");
}

bool rule_save_failing(const struct model *m, struct finding *f)
{
	int64_t misconf = model_errors(m, "MISCONF");

	/* What killed the child is the trouble, and killed.limit tells it. */
	if (!measure_saves_fail(m) || killed_child(m) != NULL)
		return false;
	f->severity = misconf > 0 || save_stops_writes(m) ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = COST_PER_SECOND * (misconf > 0 ? 10 : 1);
	save_title(m, f);
	save_evidence(m, f);
	save_cause(m, f);
	save_actions(m, f);
	return true;
}

/* --- refused ------------------------------------------------------------------- */

/* What a server says no with, though nothing is wrong with the request. */
static const struct refusal_kind {
	const char *error;
	enum severity severity;
	const char *cause, *action;
} refusal_kinds[] = {
	{ "OOM", SEVERITY_CRITICAL,
	  "used_memory is above maxmemory and nothing could be evicted: the policy forbids it, or "
	  "what fills the memory is not keys.",
	  "Raise maxmemory if the machine has the memory, let a cache evict (maxmemory-policy), or "
	  "delete what is no longer needed." },
	{ "MISCONF", SEVERITY_CRITICAL,
	  "The server could not save, and stop-writes-on-bgsave-error is yes.",
	  "Make saving work; the server's log tells what failed." },
	{ "NOREPLICAS", SEVERITY_CRITICAL,
	  "Fewer replicas are connected and up to date than min-replicas-to-write asks for.",
	  "Bring the replicas back (INFO replication tells which are missing)." },
	{ "READONLY", SEVERITY_WARNING,
	  "Clients send writes to a replica, which does not take them: they took it for the "
	  "master, perhaps after a failover.",
	  "Let clients ask who the master is (Sentinel, cluster, or their configuration)." },
	{ "CLUSTERDOWN", SEVERITY_CRITICAL,
	  "The cluster is down, or a slot has no node (cluster-require-full-coverage).",
	  "Look at CLUSTER INFO and CLUSTER NODES." },
	{ "MASTERDOWN", SEVERITY_CRITICAL,
	  "The link with the master is down and replica-serve-stale-data is no.",
	  "Bring the master or the link back." },
	{ "BUSY", SEVERITY_CRITICAL,
	  "A script or function runs for longer than busy-reply-threshold.",
	  "Find it (SLOWLOG, FUNCTION STATS); SCRIPT KILL ends one that has not written." },
	{ "LOADING", SEVERITY_WARNING, "The server loads its data and serves nothing yet.",
	  "Wait, and let clients retry." },
};

/* Is it told by the finding on its cause? */
static bool refusal_told(const struct model *m, const char *error)
{
	if (strcmp(error, "MISCONF") == 0)
		return measure_saves_fail(m);
	/* evict.nothing_to_evict */
	return strcmp(error, "OOM") == 0 && measure_policy_is(m, "volatile-");
}

static const struct refusal_kind *worst_refusal(const struct model *m, int64_t *all)
{
	const struct refusal_kind *worst = NULL;
	int64_t most = 0;

	*all = 0;
	for (size_t i = 0; i < sizeof(refusal_kinds) / sizeof(refusal_kinds[0]); i++) {
		const struct refusal_kind *kind = &refusal_kinds[i];
		int64_t n = model_errors(m, kind->error);

		if (n <= 0 || refusal_told(m, kind->error))
			continue;
		sum_add(all, n);
		if (worst == NULL || kind->severity > worst->severity ||
		    (kind->severity == worst->severity && n > most)) {
			worst = kind;
			most = n;
		}
	}
	return worst;
}

/* The command most often refused; NULL. */
static const char *refused_command(const struct model *m)
{
	for (size_t i = 0; i < m->refusals_count; i++)
		if (m->refusals[i].rejected_total > 0)
			return m->refusals[i].command;
	return NULL;
}

static void refused_evidence(const struct model *m, struct finding *f)
{
	for (size_t i = 0; i < sizeof(refusal_kinds) / sizeof(refusal_kinds[0]); i++) {
		int64_t n = model_errors(m, refusal_kinds[i].error);

		if (n > 0)
			finding_evidence_count(f, refusal_kinds[i].error, n, "errors", BASIS_EXACT);
	}
	for (size_t i = 0; i < m->refusals_count && i < 3; i++)
		finding_evidence_count(f, say_command(m->refusals[i].command).s,
				       m->refusals[i].rejected_total, "rejected calls",
				       BASIS_EXACT);
}

static void refused_by_memory(const struct model *m, struct finding *f)
{
	finding_evidence_bytes(f, "used_memory", measure_used(m), BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", model_info_end(m, "maxmemory"), BASIS_EXACT);
	finding_evidence_text(f, "maxmemory_policy", measure_policy(m), BASIS_EXACT);
	finding_evidence_bytes(f, "mem_clients_normal", model_info_end(m, "mem_clients_normal"),
			       BASIS_EXACT);
}

bool rule_writes_refused(const struct model *m, struct finding *f)
{
	int64_t all;
	const struct refusal_kind *worst = worst_refusal(m, &all);
	const char *command = refused_command(m);

	if (worst == NULL)
		return false;
	f->severity = worst->severity;
	f->cost = COST_PER_SECOND * 10;
	finding_title(f, "%s request%s refused (%s)%s%s in %s", say_count(all).s,
		      all == 1 ? " was" : "s were", worst->error,
		      command != NULL ? ", most of them " : "",
		      command != NULL ? say_command(command).s : "",
		      say_seconds(m->duration_seconds).s);
	refused_evidence(m, f);
	if (strcmp(worst->error, "OOM") == 0)
		refused_by_memory(m, f);
	if (strcmp(worst->error, "NOREPLICAS") == 0)
		finding_evidence_count(f, "min_slaves_good_slaves",
				       model_info_end(m, "min_slaves_good_slaves"), "replicas",
				       BASIS_EXACT);
	finding_cause(f, "%s", worst->cause);
	finding_action(f, RECORD_UNKNOWN, "", "%s", worst->action);
	return true;
}

/* --- connections ---------------------------------------------------------------- */

static void near_maxclients_title(struct finding *f, int64_t rejected, int64_t clients, int64_t max)
{
	if (rejected > 0)
		finding_title(f, "%s connections were refused: maxclients is %s",
			      say_count(rejected).s, say_count(max).s);
	else
		finding_title(f, "%s of %s connections are in use", say_count(clients).s,
			      say_count(max).s);
}

bool rule_clients_near_max(const struct model *m, struct finding *f)
{
	int64_t clients = model_info_end(m, "connected_clients"), max;
	int64_t rejected = model_info_delta(m, "rejected_connections");
	double ratio;

	max = model_info_end(m, "maxclients"); /* 6.2 and later */
	if (max == RECORD_UNKNOWN)
		max = measure_config(m, "maxclients");
	ratio = measure_ratio(clients, max);
	if (!(rejected > 0) && !(ratio >= NEAR_WARNING_RATIO))
		return false;
	f->severity =
		rejected > 0 || ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = COST_PER_SECOND * (rejected > 0 ? 5 : 1);
	near_maxclients_title(f, rejected, clients, max);
	finding_evidence_count(f, "connected_clients", clients, "clients", BASIS_EXACT);
	finding_evidence_count(f, "maxclients", max, "clients", BASIS_EXACT);
	finding_evidence_count(f, "rejected_connections", rejected, "connections", BASIS_EXACT);
	finding_evidence_count(f, "total_connections_received",
			       model_info_delta(m, "total_connections_received"), "connections",
			       BASIS_EXACT);
	finding_cause(f,
		      "Each connection counts, idle ones and replicas too; beyond maxclients a new "
		      "one is closed with an error.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
		       "See whose they are (addr, name, idle): pools that are too large, or "
		       "connections nobody closes.");
	finding_action(
		f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxclients NUMBER").s,
		"Raise it, if the limit of open files allows; CONFIG SET timeout closes idle "
		"ones.");
	return true;
}

/* --- replicas that start over ----------------------------------------------------- */

/* One full synchronisation is how a replica begins. */
#define RESYNCS_LOOP	 2
#define RESYNCS_CRITICAL 3
/* A replica acknowledges every second (replicationCron()). */
#define LAG_SECONDS 10
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

/* A limit below the backlog's size is taken as that (7.0 and later: networking.c,
 * checkClientOutputBufferLimits()). */
static int64_t replica_buffer_bound(const struct model *m)
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
	struct resyncs r = {
		.full = model_info_delta(m, "sync_full"),
		.partial = model_info_delta(m, "sync_partial_ok"),
		.refused = model_info_delta(m, "sync_partial_err"),
		.replicas = model_info_end(m, "connected_slaves"),
		.disconnections = model_info_delta(m, "client_output_buffer_limit_disconnections"),
	};

	for (size_t i = 0; i < m->replicas_count; i++) {
		const struct replica_row *row = &m->replicas[i];
		bool online = strcmp(row->state, "online") == 0;

		if (r.worst == NULL || (!online && !strcmp(r.worst->state, "online")) ||
		    row->lag_seconds > r.worst->lag_seconds)
			r.worst = row;
	}
	return r;
}

/* What was written while one synchronisation lasted, against the buffer's limit. */
static bool buffer_cuts_off(const struct model *m, const struct resyncs *r)
{
	double each = m->duration_seconds / (double)r->full;
	int64_t bound = replica_buffer_bound(m);

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
		      say_bytes(replica_buffer_bound(m)).s);
	finding_action(f, RECORD_UNKNOWN,
		       say_cli(m, "CONFIG SET client-output-buffer-limit \"replica %lld 0 0\"",
			       (long long)(needed > GIB ? needed : GIB))
			       .s,
		       "Let the buffer hold what is written in the time of one synchronisation; "
		       "that memory must be there.");
}

static void resync_of_replica(const struct model *m, struct finding *f, int64_t down)
{
	bool syncing = model_info_end(m, "master_sync_in_progress") == 1;

	f->severity = syncing ? SEVERITY_WARNING : SEVERITY_CRITICAL;
	f->cost = COST_PER_SECOND * (double)(down > 0 ? down : 1);
	finding_title(f, syncing ? "This replica is not in step: it takes its master's data anew" :
				   "This replica is cut off from its master");
	finding_evidence_text(f, "master_link_status", measure_info_text(m, "master_link_status"),
			      BASIS_EXACT);
	finding_evidence_count(f, "master_link_down_since_seconds", down, "seconds", BASIS_EXACT);
	finding_evidence_text(f, "master_host", measure_info_text(m, "master_host"), BASIS_EXACT);
	finding_cause(f, "Until the link is up what it serves is old.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look into its log and its master's: the network, a password, or a master "
		       "that is gone.");
}

/* On a replica: down when the watch began and when it ended. */
static bool link_is_down(const struct model *m)
{
	const char *end = measure_info_text(m, "master_link_status");
	const char *start = info_get(m->info_start, "master_link_status");

	return end != NULL && start != NULL && !strcmp(end, "down") && !strcmp(start, "down");
}

bool rule_repl_resync(const struct model *m, struct finding *f)
{
	struct resyncs r = resyncs_of(m);

	if (link_is_down(m)) {
		resync_of_replica(m, f, model_info_end(m, "master_link_down_since_seconds"));
		return true;
	}
	if (r.full >= RESYNCS_LOOP && r.full > r.replicas) {
		resync_loop(m, f, &r);
	} else if (r.worst != NULL && r.worst->lag_seconds > LAG_SECONDS) {
		f->severity = SEVERITY_WARNING;
		f->cost = COST_PER_SECOND;
		finding_title(f, "Replica %s has not been heard of for %s", r.worst->address,
			      say_seconds((double)r.worst->lag_seconds).s);
		finding_cause(f,
			      "It hangs, or the network does; after repl-timeout it is cut off.");
		finding_action(f, RECORD_UNKNOWN, "", "Look at the replica and at the network.");
	} else if (r.worst != NULL && m->replication.backlog_seconds < BACKLOG_SECONDS) {
		f->severity = SEVERITY_INFO;
		finding_title(f, "The replication backlog holds %s of writes",
			      say_seconds(m->replication.backlog_seconds).s);
		finding_cause(f, "A replica that is away for longer (a restart, the network) must "
				 "take all of the data anew.");
		finding_action(
			f, RECORD_UNKNOWN,
			say_cli(m, "CONFIG SET repl-backlog-size %lld",
				(long long)sum_whole(60 * m->replication.write_bytes_per_second))
				.s,
			"Let it hold a minute of writes.");
	} else {
		return false;
	}
	resync_evidence(m, f, &r);
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
