/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that the server makes wait on purpose: somebody sent CLIENT PAUSE, or a fail-over, a
 * shutdown or a migration of slots holds writes back until a replica has all that was written.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* --- how long ------------------------------------------------------------------------- */

/* Blocked in a command that blocks nobody by itself. */
static bool waits_in_pause(const struct record_client *client)
{
	static const char *const blocking[] = { "bl",	 "bz",	       "brpop",	  "xread",
						"wait",	 "xreadgroup", "module",  "eval",
						"fcall", "flush",      "shutdown" };

	if (!strchr(client->flags, 'b'))
		return false;
	for (size_t i = 0; i < sizeof(blocking) / sizeof(blocking[0]); i++)
		if (!strncmp(client->command, blocking[i], strlen(blocking[i])))
			return false;
	return true;
}

static bool any_waits(const struct model *m)
{
	for (size_t i = 0; i < m->clients_count; i++)
		if (waits_in_pause(&m->clients[i].client))
			return true;
	return false;
}

/* Who asked for the shutdown stands blocked, too. */
static bool waits_for_shutdown(const struct model *m)
{
	for (size_t i = 0; i < m->clients_count; i++)
		if (!strcmp(m->clients[i].client.command, "shutdown"))
			return true;
	return false;
}

/* Seconds of the ticks that saw more clients blocked than the quietest; most at once. */
static double blocked_seconds(const struct model *m, int64_t *most)
{
	int64_t least = INT64_MAX;
	double seconds = 0, last = NAN;

	*most = 0;
	for (size_t i = 0; i < m->timeline_count; i++)
		if (m->timeline[i].blocked_clients != RECORD_UNKNOWN &&
		    m->timeline[i].blocked_clients < least)
			least = m->timeline[i].blocked_clients;
	for (size_t i = 0; i < m->timeline_count; i++) {
		const struct timeline_row *row = &m->timeline[i];
		int64_t more = row->blocked_clients == RECORD_UNKNOWN ?
				       0 :
				       sum_less(row->blocked_clients, least);

		if (more > 0 && !isnan(last))
			seconds += row->host.t_seconds - last;
		*most = more > *most ? more : *most;
		last = row->host.t_seconds;
	}
	return seconds;
}

/* CLIENT PAUSE of a server that does not tell of it: by who stood blocked meanwhile. */
static struct paused paused_unsaid(const struct model *m)
{
	struct paused p = { .kind = PAUSE_COMMAND };
	double blocked = blocked_seconds(m, &p.clients);

	if (measure_calls(m, "cmdstat_client|pause") > 0)
		p.seconds = fmax(blocked, measure_silence(m, NULL));
	else if (any_waits(m)) /* where it was never less it began before */
		p.seconds = blocked > 0 ? blocked : m->duration_seconds;
	if (!(p.seconds > 0))
		return (struct paused){ .kind = PAUSE_NONE };
	return p;
}

/* Pauses of @kind as the ticks tell of them, each with the time since the tick before. */
static struct paused paused_told(const struct model *m, enum pause kind)
{
	struct paused p = { .kind = kind };
	double last = 0;

	for (size_t i = 0; i < m->timeline_count; i++) {
		const struct timeline_row *row = &m->timeline[i];

		if (row->used_memory_bytes == RECORD_UNKNOWN)
			continue; /* it did not answer */
		if (row->pause == kind) {
			p.seconds += row->host.t_seconds - last;
			p.ticks++;
			if (row->blocked_clients > p.clients)
				p.clients = row->blocked_clients;
		}
		p.running = row->pause == kind;
		last = row->host.t_seconds;
	}
	if (kind == PAUSE_SHUTDOWN && p.clients > 0 && waits_for_shutdown(m))
		p.clients--;
	return p;
}

struct paused measure_paused(const struct model *m)
{
	struct paused longest = { .kind = PAUSE_NONE };

	for (enum pause kind = PAUSE_COMMAND; kind <= PAUSE_MIGRATION; kind++) {
		struct paused p = paused_told(m, kind);

		if (p.seconds > longest.seconds)
			longest = p;
	}
	if (longest.kind == PAUSE_NONE || longest.kind == PAUSE_COMMAND) {
		struct paused p = paused_unsaid(m); /* also what came between two ticks */

		if (p.seconds > longest.seconds && longest.kind == PAUSE_NONE)
			longest = p;
	}
	if (longest.kind == PAUSE_FAILOVER || longest.kind == PAUSE_SHUTDOWN)
		longest.replica = link_silent_replica(m);
	return longest;
}

/* How bad it is: a pause that nobody ran into harmed nobody, and one that a single tick met may
 * have been short. */
static enum severity paused_severity(const struct model *m, const struct paused *p)
{
	struct waits w = { .seconds = p->seconds, .longest_seconds = p->seconds };
	enum severity severity = waits_severity(m, &w);

	if (p->kind == PAUSE_COMMAND)
		return severity;
	if (p->clients == 0)
		return SEVERITY_INFO;
	return p->ticks == 1 && severity > SEVERITY_WARNING ? SEVERITY_WARNING : severity;
}

bool measure_paused_by_replica(const struct model *m)
{
	struct paused p = measure_paused(m);

	return p.replica && paused_severity(m, &p) > SEVERITY_INFO;
}

/* --- what is said of it ----------------------------------------------------------------- */

static void say_command_pause(const struct model *m, struct finding *f, const struct paused *p)
{
	int64_t calls = measure_calls(m, "cmdstat_client|pause");

	f->weak = calls == 0 && !measure_info_text(m, "paused_actions");
	finding_title(f, "Clients were told to wait (CLIENT PAUSE) for some %s",
		      say_seconds(p->seconds).s);
	finding_evidence(f, "client_pause_calls_total", (double)calls, "calls", BASIS_EXACT);
	finding_cause(f, "CLIENT PAUSE holds back the commands of all clients, or all writes, "
			 "until its time is over; fail-over tools use it.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
		       "Find out which tool or script sends it. CLIENT UNPAUSE ends it (6.2 and "
		       "later).");
}

static const struct {
	const char *by, *cause, *over, *running;
} held_back[] = {
	[PAUSE_FAILOVER] = { "a fail-over",
			     "Writes wait until the replica that is to take over has all that was "
			     "written before",
			     "Look at the replicas before the next one, and give FAILOVER a "
			     "TIMEOUT "
			     "that clients can wait for.",
			     "Look at that replica, or end it: FAILOVER ABORT (not of a fail-over "
			     "that the cluster or Sentinel runs)." },
	[PAUSE_SHUTDOWN] = { "a shutdown",
			     "A server that is shut down lets its replicas have all that was "
			     "written, up to shutdown-timeout (10 s), and takes no writes "
			     "meanwhile",
			     "Look at the replicas before the next one.",
			     "Look at that replica; SHUTDOWN ABORT calls it off, SHUTDOWN NOW does "
			     "not wait for replicas." },
	[PAUSE_MIGRATION] = { "a migration of slots",
			      "Writes wait until the node that takes the slots has all that was "
			      "written to them",
			      "A slot with very large keys takes longest: move it when there is "
			      "little to do.",
			      "Wait; see what is moved (CLUSTER GETSLOTMIGRATIONS)." },
};

static void say_held_back(const struct model *m, struct finding *f, const struct paused *p)
{
	const struct replica_row *replica = p->replica;

	finding_title(
		f, "Writes %s held back for some %s by %s%s%s%s", p->running ? "have been" : "were",
		say_seconds(p->seconds).s, held_back[p->kind].by,
		!replica   ? "" :
		p->running ? ", which waits for replica " :
			     ", which waited for replica ",
		replica ? replica->address : "", p->clients == 0 ? "; nobody wrote meanwhile" : "");
	if (replica) {
		finding_evidence_text(f, "replica", replica->address, BASIS_EXACT);
		finding_evidence_count(f, "replica_lag_seconds", replica->lag_seconds, "seconds",
				       BASIS_EXACT);
		finding_cause(f, "%s; replica %s has not been heard of for %s.",
			      held_back[p->kind].cause, replica->address,
			      say_seconds((double)replica->lag_seconds).s);
	} else {
		finding_cause(f, "%s.", held_back[p->kind].cause);
	}
	finding_evidence_text(f, "master_failover_state",
			      measure_info_text(m, "master_failover_state"), BASIS_EXACT);
	finding_evidence_count(f, "shutdown_in_milliseconds",
			       model_info_end(m, "shutdown_in_milliseconds"), "milliseconds",
			       BASIS_EXACT);
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "INFO replication").s, "%s",
		       p->running ? held_back[p->kind].running : held_back[p->kind].over);
}

bool rule_paused(const struct model *m, struct finding *f)
{
	struct paused p = measure_paused(m);
	struct waits w = { .seconds = p.seconds, .longest_seconds = p.seconds };

	if (p.kind == PAUSE_NONE ||
	    (p.kind == PAUSE_COMMAND && paused_severity(m, &p) == SEVERITY_INFO))
		return false;
	waits_tell(m, f, &w);
	f->severity = paused_severity(m, &p);
	if (p.kind == PAUSE_COMMAND)
		say_command_pause(m, f, &p);
	else
		say_held_back(m, f, &p);
	finding_evidence_count(f, "blocked_clients_most",
			       p.clients > 0 ? p.clients : RECORD_UNKNOWN, "clients", BASIS_EXACT);
	finding_evidence_text(f, "paused_reason", measure_info_text(m, "paused_reason"),
			      BASIS_EXACT);
	return true;
}
