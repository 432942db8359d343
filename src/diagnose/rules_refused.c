/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server says no to: commands it does not run though nothing is wrong with them, requests
 * of clients it does not know or trust, connections it does not take or closes by itself.
 */
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/harm.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/stall_work.h"
#include "redis/knowledge_commands.h"

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

/* Is a command told as what blocks (command.blocks) that answers others so meanwhile? */
static bool blocker_told(const struct model *m, const char *error)
{
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (stall_own_seconds(stall) >= harm_table[HARM_STALL].bound &&
		    !strcmp(command_refuses_with(stall->command), error))
			return true;
	}
	return false;
}

/* Is it told by the finding on its cause? */
static bool refusal_told(const struct model *m, const char *error)
{
	if (strcmp(error, "MISCONF") == 0)
		return measure_saves_fail(m);
	if (strcmp(error, "LOADING") == 0) /* server.loading; or a DEBUG RELOAD that blocked */
		return model_info_start(m, "loading") == 1 || model_info_end(m, "loading") == 1 ||
		       blocker_told(m, error);
	if (strcmp(error, "BUSY") == 0)
		return blocker_told(m, error);
	if (strcmp(error, "MASTERDOWN") == 0) { /* repl.resync */
		struct link link = link_of(m);

		return link.down || link.losses > 0;
	}
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

/* --- who asks ------------------------------------------------------------------- */

/* One that is refused now and then is a slip or a scan; a client that cannot work tries again, at
 * least once a second. */
#define DENIED_LEAST	  10
#define DENIED_PER_SECOND 1.0

static const struct denial {
	const char *error, *cause, *command, *action;
} denials[] = {
	{ "NOPERM", "The user has no right to the command, the key or the channel (ACL SETUSER).",
	  "ACL LOG 10",
	  "See who was denied what and grant it, or let the client log in as the user it is meant "
	  "to be." },
	{ "WRONGPASS",
	  "Clients log in with a password or a user that is not right: one was "
	  "changed and not everywhere, or somebody tries them out.",
	  "ACL LOG 10",
	  "See which user and address it was; bring the clients' configuration up to date." },
	{ "NOAUTH",
	  "Clients send commands without having logged in: their configuration lacks "
	  "the password.",
	  "CLIENT LIST", /* ACL LOG has none of them */
	  "See whose they are (addr, name); give them the password." },
};

#define DENIALS (sizeof(denials) / sizeof(denials[0]))

/* The commonest of them, and how many there were of all; NULL. */
static const struct denial *worst_denial(const struct model *m, int64_t *all)
{
	const struct denial *worst = NULL;
	int64_t most = 0;

	*all = 0;
	for (size_t i = 0; i < DENIALS; i++) {
		int64_t n = model_errors(m, denials[i].error);

		if (n <= 0)
			continue;
		sum_add(all, n);
		if (n > most) {
			most = n;
			worst = &denials[i];
		}
	}
	return worst;
}

bool rule_denied(const struct model *m, struct finding *f)
{
	int64_t all;
	const struct denial *worst = worst_denial(m, &all);
	const char *command = refused_command(m);

	if (!worst || all < DENIED_LEAST ||
	    !((double)all >= DENIED_PER_SECOND * m->duration_seconds))
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = COST_PER_SECOND;
	finding_title(f, "%s requests of clients were denied (%s) in %s", say_count(all).s,
		      worst->error, say_seconds(m->duration_seconds).s);
	for (size_t i = 0; i < DENIALS; i++) {
		int64_t n = model_errors(m, denials[i].error);

		if (n > 0)
			finding_evidence_count(f, denials[i].error, n, "errors", BASIS_EXACT);
	}
	finding_evidence_text(f, "command", command ? say_command(command).s : NULL, BASIS_EXACT);
	finding_evidence_count(f, "total_connections_received",
			       model_info_delta(m, "total_connections_received"), "connections",
			       BASIS_EXACT);
	finding_cause(f, "%s", worst->cause);
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "%s", worst->command).s, "%s", worst->action);
	return true;
}

/* --- all other errors ------------------------------------------------------------ */

/* A share of the commands that is no slip of one user, and one that is most of what one does. */
#define FAILED_RATIO	  0.01
#define FAILED_HARM_RATIO 0.10

static const struct failure {
	const char *error, *cause, *action;
} failures[] = {
	{ "WRONGTYPE",
	  "The command is not for the type of its key: two uses have one name, or a format "
	  "changed.",
	  "Find who writes the key (TYPE, and the application's log), and give each use its "
	  "name." },
	{ "NOSCRIPT",
	  "EVALSHA names a script that the server does not have, and nobody loads it: it has "
	  "restarted, or SCRIPT FLUSH was run.",
	  "Let clients send EVAL, or SCRIPT LOAD, after a NOSCRIPT; or use functions (7.0)." },
	{ "CROSSSLOT",
	  "A command names keys of different slots: a cluster runs only what lies in one slot.",
	  "Give keys that are used together one hash tag ({user:7}:cart, {user:7}:name), or send "
	  "a command for each." },
	{ "MOVED",
	  "Clients ask this node for keys of another: they are not cluster-aware, or do not look "
	  "up anew where slots lie.",
	  "Use the cluster mode of the client library (redis-cli -c), which learns where each slot "
	  "lies and remembers it." },
	{ "ERR",
	  "Wrong arguments, or a command or an option that this server does not have: a module's, "
	  "or "
	  "a newer release's.",
	  "The error's text is in the application's log; the server keeps none." },
};

#define FAILURES (sizeof(failures) / sizeof(failures[0]))

static int64_t commands_of(const struct model *m)
{
	return model_info_delta(m, "total_commands_processed");
}

/* It is how clients of a cluster learn where a slot lies: now and then, not with every tenth
 * command. */
static bool is_learning(const struct model *m, const struct error_row *row)
{
	double ratio = measure_ratio(row->replies_total, commands_of(m));

	return !strcmp(row->error, "ASK") ||
	       (!strcmp(row->error, "MOVED") && !(ratio >= FAILED_HARM_RATIO));
}

/* Told by other findings. */
static bool is_told_elsewhere(const char *error)
{
	for (size_t i = 0; i < DENIALS; i++)
		if (!strcmp(error, denials[i].error))
			return true;
	for (size_t i = 0; i < sizeof(refusal_kinds) / sizeof(refusal_kinds[0]); i++)
		if (!strcmp(error, refusal_kinds[i].error))
			return true;
	return false;
}

/* The commonest of all others, and how many there were of these; NULL. */
static const char *worst_failure(const struct model *m, int64_t *all)
{
	const char *worst = NULL;

	*all = 0;
	for (size_t i = 0; i < m->errors_count; i++) { /* the most come first */
		const struct error_row *row = &m->errors[i];

		if (is_told_elsewhere(row->error) || is_learning(m, row))
			continue;
		sum_add(all, row->replies_total);
		if (!worst)
			worst = row->error;
	}
	return worst;
}

/* The command that most of @all are of; NULL. */
static const char *failed_command(const struct model *m, int64_t all)
{
	for (size_t i = 0; i < m->refusals_count; i++) {
		const struct refusal_row *row = &m->refusals[i];

		if (sum_of(row->rejected_total, row->failed_total) > all / 2)
			return row->command;
	}
	return NULL;
}

static const struct failure *failure_of(const char *error)
{
	for (size_t i = 0; i < FAILURES; i++)
		if (!strcmp(failures[i].error, error))
			return &failures[i];
	return NULL;
}

bool rule_errors(const struct model *m, struct finding *f)
{
	int64_t all, commands = commands_of(m);
	const char *worst = worst_failure(m, &all), *command = failed_command(m, all);
	const struct failure *known = worst ? failure_of(worst) : NULL;
	double ratio = measure_ratio(all, commands > all ? commands : all);

	if (!worst || all < DENIED_LEAST || !(ratio >= FAILED_RATIO) ||
	    !((double)all >= DENIED_PER_SECOND * m->duration_seconds))
		return false;
	f->severity = ratio >= FAILED_HARM_RATIO ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = COST_PER_SECOND;
	finding_title(f, "%s requests failed (%s)%s%s in %s", say_count(all).s, worst,
		      command ? ", most of them " : "", command ? say_command(command).s : "",
		      say_seconds(m->duration_seconds).s);
	for (size_t i = 0; i < m->errors_count; i++)
		if (!is_told_elsewhere(m->errors[i].error) && !is_learning(m, &m->errors[i]) &&
		    f->evidence_count < 3)
			finding_evidence_count(f, m->errors[i].error, m->errors[i].replies_total,
					       "errors", BASIS_EXACT);
	finding_evidence_count(f, "total_commands_processed", commands, "commands", BASIS_EXACT);
	finding_evidence_text(f, "command", command ? say_command(command).s : NULL, BASIS_EXACT);
	finding_cause(f, "%s", known ? known->cause : "Clients send what the server cannot do.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "INFO errorstats").s, "%s",
		       known ? known->action :
			       "See in the application's log which requests these are.");
	return true;
}

/* --- connections that are not taken ---------------------------------------------- */

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

/* --- connections that are closed -------------------------------------------------- */

/* A client that is owed as much does not read as fast as it asks: hundreds of usual replies. */
#define CUT_OFF_OWED_BYTES (256 * KIB)

/* Why the server closed connections in the window by itself; RECORD_UNKNOWN. */
struct cut_off {
	int64_t output,
		query; /* client-output-buffer-limit, client-query-buffer-limit: since 7.4 */
	int64_t evicted; /* maxmemory-clients: since 7.0 */
};

/* Replicas have a limit of their own, and what cutting them off leads to is told by repl.resync:
 * each comes back and asks to go on. */
static int64_t output_of_clients(const struct model *m)
{
	int64_t cut = model_info_delta(m, "client_output_buffer_limit_disconnections");
	int64_t synced = measure_sum(model_info_delta(m, "sync_full"),
				     model_info_delta(m, "sync_partial_ok"));

	if (cut > 0 && synced > 0)
		return cut > synced ? cut - synced : 0;
	return cut;
}

static struct cut_off cut_off_of(const struct model *m)
{
	return (struct cut_off){
		.output = output_of_clients(m),
		.query = model_info_delta(m, "client_query_buffer_limit_disconnections"),
		.evicted = model_info_delta(m, "evicted_clients"),
	};
}

int64_t measure_cut_off(const struct model *m)
{
	struct cut_off cut = cut_off_of(m);

	return measure_sum(measure_sum(cut.output, cut.query), cut.evicted);
}

/* The limit that most of them met. */
static const char *limit_met(const struct cut_off *cut)
{
	if (cut->evicted > cut->output && cut->evicted > cut->query)
		return "maxmemory-clients";
	return cut->query > cut->output ? "client-query-buffer-limit" :
					  "client-output-buffer-limit";
}

/* One that is there now and is on its way to it: which of those that went are not known. */
static const struct record_client *next_cut_off(const struct model *m)
{
	const struct record_client *most = NULL;

	for (size_t i = 0; i < m->clients_count; i++) {
		const struct record_client *client = &m->clients[i].client;
		bool subscribes = strchr(client->flags, 'P') != NULL;

		if (strpbrk(client->flags, "SMO") ||
		    (!subscribes && client->output_bytes < CUT_OFF_OWED_BYTES))
			continue;
		if (!most || client->output_bytes > most->output_bytes)
			most = client;
	}
	return most;
}

static void cut_off_evidence(const struct model *m, struct finding *f, const struct cut_off *cut,
			     const char *limit)
{
	const struct record_client *client = next_cut_off(m);

	finding_evidence_count(f, "client_output_buffer_limit_disconnections", cut->output,
			       "clients", BASIS_EXACT);
	finding_evidence_count(f, "client_query_buffer_limit_disconnections", cut->query, "clients",
			       BASIS_EXACT);
	finding_evidence_count(f, "evicted_clients", cut->evicted, "clients", BASIS_EXACT);
	finding_evidence_text(f, limit, model_config(m, limit), BASIS_EXACT);
	finding_evidence_count(f, "connected_clients", model_info_end(m, "connected_clients"),
			       "clients", BASIS_EXACT);
	finding_evidence_bytes(f, "mem_clients_normal", model_info_end(m, "mem_clients_normal"),
			       BASIS_EXACT);
	if (!client)
		return;
	finding_evidence_text(f, "one_that_is_there", say_client(client).s, BASIS_SAMPLED);
	finding_evidence_bytes(f, "client_output_bytes", client->output_bytes, BASIS_SAMPLED);
}

bool rule_cut_off(const struct model *m, struct finding *f)
{
	struct cut_off cut = cut_off_of(m);
	int64_t all = measure_cut_off(m);
	const char *limit = limit_met(&cut);

	if (all <= 0) /* one is one too many (harm.h) */
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = COST_PER_SECOND;
	finding_title(f, "The server cut off %s client%s in %s: %s was met", say_count(all).s,
		      all == 1 ? "" : "s", say_seconds(m->duration_seconds).s, limit);
	cut_off_evidence(m, f, &cut, limit);
	finding_cause(f, !strcmp(limit, "client-query-buffer-limit") ?
				 "A client sent more of one command than the limit allows; it is "
				 "closed without an answer." :
			 !strcmp(limit, "maxmemory-clients") ?
				 "All clients together took more than the limit, and those with "
				 "most are closed: slow readers, large replies, long pipelines." :
				 "More waited for a client than the limit allows (a subscriber or "
				 "reader that does not keep up, or a very large reply); it is "
				 "closed, and what it had not read is lost to it.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
		       "See who is owed much (omem) and what it asked last; make it read faster, "
		       "or ask for less at once. The server's log names each that was closed.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET %s", limit).s,
		       "Where what waits is what it must be, raise the limit; that memory must be "
		       "there.");
	return true;
}
