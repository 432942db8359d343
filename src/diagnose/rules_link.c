/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A replica's own side: it lost its master, hears nothing of it, or holds its loop up to make room
 * for the data that the master sends.
 */
#include <stdio.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* A link that is down for longer does not come back by itself soon. */
#define DOWN_SECONDS 10

/* --- what is said of it ----------------------------------------------------------------- */

static void link_evidence(const struct model *m, struct finding *f)
{
	int64_t refused = model_errors(m, "MASTERDOWN"), keys, expires;

	finding_evidence_text(f, "master_link_status", measure_info_text(m, "master_link_status"),
			      BASIS_EXACT);
	finding_evidence_text(f, "master_host", measure_info_text(m, "master_host"), BASIS_EXACT);
	if (refused > 0)
		finding_evidence_count(f, "MASTERDOWN", refused, "errors", BASIS_EXACT);
	measure_keyspace(m, &keys, &expires);
	if (expires > 0)
		finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
}

/* What that means for who reads from it. */
static const char *say_stale(const struct model *m)
{
	int64_t keys, expires;

	measure_keyspace(m, &keys, &expires);
	if (model_errors(m, "MASTERDOWN") > 0)
		return "Until the link is up it refuses nearly all commands "
		       "(replica-serve-stale-data is no).";
	return expires > 0 ? "What it serves meanwhile is old, and keys past their time stay in "
			     "its memory, hidden: a replica removes them when its master says so." :
			     "What it serves meanwhile is old.";
}

static void link_down(const struct model *m, struct finding *f, const struct link *link)
{
	int64_t down = link->down_seconds;
	bool bad = !link->was_up || down > DOWN_SECONDS;

	f->severity = bad && !link->syncing ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	if (model_errors(m, "MASTERDOWN") > 0)
		f->severity = SEVERITY_CRITICAL;
	f->cost = COST_PER_SECOND * (double)(down > 0 ? down : 1);
	if (link->syncing)
		finding_title(f, "This replica is not in step: it takes its master's data anew%s",
			      say_refused(m, "MASTERDOWN").s);
	else if (link->was_up)
		finding_title(f, "This replica lost the link to its master%s%s%s",
			      down > 0 ? ", and has been without it for " : "",
			      down > 0 ? say_seconds((double)down).s : "",
			      say_refused(m, "MASTERDOWN").s);
	else
		finding_title(f, "This replica is cut off from its master%s",
			      say_refused(m, "MASTERDOWN").s);
	if (down >= 0) /* -1: it never had one */
		finding_evidence_count(f, "master_link_down_since_seconds", down, "seconds",
				       BASIS_EXACT);
	finding_cause(f, "%s", say_stale(m));
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look into its log and its master's: the network, a password, or a master "
		       "that is gone.");
}

static void link_came_back(const struct model *m, struct finding *f, const struct link *link)
{
	int64_t times = link->losses, longest = link->longest_loss_seconds;

	f->severity = model_errors(m, "MASTERDOWN") > 0 ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = COST_PER_SECOND * (double)(longest > times ? longest : times);
	finding_title(f,
		      "This replica lost the link to its master %s time%s in %s%s; it is up "
		      "again",
		      say_count(times).s, times == 1 ? "" : "s", say_seconds(m->duration_seconds).s,
		      say_refused(m, "MASTERDOWN").s);
	finding_evidence_count(f, "links_lost_total", times, "times", BASIS_SAMPLED);
	finding_evidence_count(f, "link_down_seconds_max", longest, "seconds", BASIS_SAMPLED);
	finding_cause(f,
		      "The connection is closed by one side or between them: the network, a "
		      "firewall or proxy, repl-timeout, the master's limit for what waits "
		      "(client-output-buffer-limit). %s",
		      say_stale(m));
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look into its log and its master's: each says which side closed the link, "
		       "and whether all of the data was taken anew.");
}

static void link_silent(const struct model *m, struct finding *f, const struct link *link)
{
	f->severity = SEVERITY_WARNING;
	f->cost = COST_PER_SECOND * (double)link->silent_seconds;
	finding_title(f,
		      "This replica has heard nothing of its master for %s, though the link is up",
		      say_seconds((double)link->silent_seconds).s);
	finding_evidence_count(f, "master_last_io_seconds_ago", link->silent_seconds, "seconds",
			       BASIS_EXACT);
	finding_evidence_count(f, "repl-timeout", measure_config(m, "repl-timeout"), "seconds",
			       BASIS_EXACT);
	finding_cause(f,
		      "A master sends a ping every %s where nothing is written: it hangs, was "
		      "stopped, or the network lost the connection without a word; after "
		      "repl-timeout the replica gives it up. %s",
		      say_seconds((double)link_ping_seconds(m)).s, say_stale(m));
	finding_action(f, RECORD_UNKNOWN, "", "Look at the master and at the network between.");
}

bool link_troubled(const struct model *m, struct finding *f)
{
	struct link link = link_of(m);

	if (link.down)
		link_down(m, f, &link);
	else if (link.losses > 0)
		link_came_back(m, f, &link);
	else if (link.silent_seconds > 0)
		link_silent(m, f, &link);
	else
		return false;
	link_evidence(m, f);
	return true;
}

/* --- room for what it takes -------------------------------------------------------------- */

bool rule_sync_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);
	int64_t keys, expires;

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	f->weak = true; /* that it was for the synchronisation is concluded */
	finding_title(f,
		      "This replica freed its old data in the event loop for %s, to take its "
		      "master's",
		      say_seconds(w.seconds).s);
	info_keyspace(m->info_start, &keys, &expires);
	finding_evidence_count(f, "keys_total_start", keys, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory_start", model_info_start(m, "used_memory"),
			       BASIS_EXACT);
	finding_evidence_text(f, "replica-lazy-flush", model_config(m, "replica-lazy-flush"),
			      BASIS_EXACT);
	finding_evidence_text(f, "master_host", measure_info_text(m, "master_host"), BASIS_EXACT);
	finding_cause(f, "A full synchronisation replaces all of the data. Where "
			 "replica-lazy-flush is no the event loop frees what was there, key by "
			 "key, before it takes the new; nobody is answered meanwhile.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET replica-lazy-flush yes").s,
		       "Let a background thread free it; for a while old and new data are in "
		       "memory together.");
	return true;
}
