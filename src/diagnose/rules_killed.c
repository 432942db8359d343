/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that kills the server or its child for lack of memory: which limit was met, and
 * what it held.
 */
#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

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
	return sum_less(after, before);
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
const struct record_child *measure_killed_child(const struct model *m)
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
	const struct record_child *child = measure_killed_child(m);
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
