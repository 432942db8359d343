/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server says no to, though nothing is wrong with the request: commands it does not
 * run, connections it does not take.
 */
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* --- commands ------------------------------------------------------------------- */

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
