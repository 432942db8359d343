/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saves that fail: the child was killed or gave up, the fork was refused, the disk took
 * nothing; and writes that are refused for it.
 */
#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

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

bool measure_forks_in_vain(const struct model *m)
{
	return measure_fork_refused(m) && m->children_count == 0 &&
	       model_info_delta(m, "total_forks") == 0;
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

/* What the forks took, as far as it held the loop long enough to be seen; NAN. */
static double forks_took(const struct model *m)
{
	double seconds = 0;

	for (size_t i = 0; i < m->stalls_count; i++)
		seconds += m->stalls[i].stall.seconds[CAUSE_FORK];
	return seconds > 0 ? seconds : NAN;
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
	if (measure_forks_in_vain(m))
		finding_evidence(f, "fork_seconds", forks_took(m), "seconds", BASIS_EXACT);
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
	if (!measure_saves_fail(m) || measure_killed_child(m) != NULL)
		return false;
	f->severity = misconf > 0 || save_stops_writes(m) ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = COST_PER_SECOND * (misconf > 0 ? 10 : 1);
	save_title(m, f);
	save_evidence(m, f);
	save_cause(m, f);
	save_actions(m, f);
	return true;
}
