/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server itself: it hung, was stopped, or died during the watch; and settings of the
 * machine that hurt it, now or when it saves. These are risks, not damage, so they stay
 * notes unless the data says otherwise.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/harm.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"
#include "redis/info.h"

/* --- its life ---------------------------------------------------------------- */

/* How bad the server's end is, worst first; NULL event = it lived. */
static const struct {
	const char *event, *title, *cause;
} ends[] = {
	{ "exit", "The server exited during the watch",
	  "It was shut down, crashed, or was killed; its log tells which." },
	{ "stopped", "The server is stopped (SIGSTOP)",
	  "A signal or a debugger holds the process; it runs on with SIGCONT." },
};

static const struct record_life *life_find(const struct model *m, const char *event)
{
	for (size_t i = 0; i < m->life_count; i++)
		if (strcmp(m->life[i].life.event, event) == 0)
			return &m->life[i].life;
	return NULL;
}

/* A stopped server that answers later, or was seen to go on, is a silence, not an end. */
static bool lives_again(const struct model *m, const struct record_life *stop)
{
	if (strcmp(stop->event, "stopped") != 0)
		return false;
	for (size_t i = 0; i < m->life_count; i++)
		if (strcmp(m->life[i].life.event, "answer") == 0 &&
		    m->life[i].life.t_seconds >= stop->t_seconds)
			return true;
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (!stall->running && stall->t_seconds <= stop->t_seconds &&
		    stall->t_seconds + stall->duration_seconds >= stop->t_seconds)
			return true;
	}
	return false;
}

static bool ended(const struct model *m, struct finding *f)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct record_life *life = life_find(m, ends[i].event);

		if (life == NULL || lives_again(m, life))
			continue;
		f->severity = SEVERITY_CRITICAL;
		f->cost = COST_PER_SECOND * fmax(m->duration_seconds - life->t_seconds, 1);
		finding_title(f, "%s, %s after it began", ends[i].title,
			      say_seconds(life->t_seconds).s);
		finding_evidence_text(f, "event", ends[i].event, BASIS_EXACT);
		finding_evidence(f, "t_seconds", life->t_seconds, "seconds", BASIS_EXACT);
		if (life->detail != NULL && life->detail[0] != '\0')
			finding_evidence_text(f, "detail", life->detail, BASIS_EXACT);
		finding_cause(f, "%s", ends[i].cause);
		finding_action(f, RECORD_UNKNOWN, "", "Look into the server's log.");
		return true;
	}
	return false;
}

/* What held the loop meanwhile has findings of its own, which say why. */
static bool silence_explained(const struct model *m, double seconds)
{
	double stalled = measure_paused(m).seconds;

	for (size_t i = 0; i < m->stalls_count; i++)
		stalled += m->stalls[i].stall.duration_seconds;
	return stalled >= seconds / 2;
}

/* ", 8 times, at most 191 ms at once", or "" where it was once. */
static struct phrase say_times(const struct waits *stops)
{
	struct phrase out = { "" };

	if (stops->stalls_total > 1)
		snprintf(out.s, sizeof(out.s), ", %.30s times, at most %.30s at once",
			 say_count(stops->stalls_total).s, say_seconds(stops->longest_seconds).s);
	return out;
}

bool rule_not_answering(const struct model *m, struct finding *f)
{
	/* Stalls that only this finding speaks of: the process was stopped. */
	struct waits stops = waits_of(m, f->id);
	bool stopped = stops.stalls_total > 0;
	int64_t ticks;
	double seconds = measure_silence(m, &ticks);

	if (measure_killed(m))
		return false; /* killed.limit tells it */
	if (ended(m, f))
		return true;
	if (!stopped &&
	    (silence_explained(m, seconds) || !(seconds >= harm_table[HARM_SILENCE].bound)))
		return false;
	stops.longest_seconds = seconds = fmax(seconds, stops.longest_seconds);
	waits_include(&stops, seconds);
	f->severity = waits_severity(m, &stops);
	if (f->severity == SEVERITY_INFO)
		return false;
	f->cost = stops.seconds * COST_PER_SECOND;
	finding_title(f, "The server %s for %s%s", stopped ? "was stopped" : "did not answer",
		      say_seconds(stops.seconds).s, say_times(&stops).s);
	finding_evidence(f, "silence_seconds", seconds, "seconds", BASIS_EXACT);
	if (stopped) {
		finding_evidence_count(f, "stops_total", stops.stalls_total, "stops", BASIS_EXACT);
		finding_evidence(f, "stopped_seconds", stops.seconds, "seconds", BASIS_EXACT);
	}
	finding_evidence(f, "unanswered_ticks_total", ticks > 0 ? (double)ticks : NAN, "ticks",
			 BASIS_EXACT);
	f->weak = !stopped;
	if (stopped)
		finding_cause(f, "A signal (SIGSTOP) or a debugger held the process.");
	else
		finding_cause(f, "What it did in that time was not seen.");
	finding_action(f, RECORD_UNKNOWN, "",
		       stopped ? "Find out who stops it: a debugger, a snapshot of the machine, a "
				 "frozen container." :
				 "See under stalls and in the server's log what it did then.");
	return true;
}

/* --- it loads its data --------------------------------------------------------- */

/* After a start, or what a master sent: clients are told LOADING until it is done. */
bool rule_loading(const struct model *m, struct finding *f)
{
	int64_t refused = model_errors(m, "LOADING"),
		eta = model_info_end(m, "loading_eta_seconds");
	bool over = model_info_end(m, "loading") != 1;
	double done = info_double(m->info_end, "loading_loaded_perc");
	struct waits w = waits_of(m, f->id);

	if (model_info_start(m, "loading") != 1 && over)
		return false;
	waits_tell(m, f, &w);
	if (refused > 0 && f->severity == SEVERITY_INFO)
		f->severity = SEVERITY_WARNING;
	if (over)
		finding_title(f, "The server loaded its data when the watch began%s",
			      say_refused(m, "LOADING").s);
	else
		finding_title(f,
			      "The server loads its data and serves nothing yet: %s are done%s%s",
			      isnan(done) ? "some" : say_percent(done / 100).s,
			      eta >= 0 ? ", to be ready in " : "",
			      eta >= 0 ? say_seconds((double)eta).s : "");
	finding_evidence_count(f, "LOADING", refused > 0 ? refused : RECORD_UNKNOWN, "errors",
			       BASIS_EXACT);
	if (!over) {
		finding_evidence(f, "loading_loaded_perc", done, "percent", BASIS_EXACT);
		finding_evidence_count(f, "loading_eta_seconds", eta, "seconds", BASIS_DERIVED);
		finding_evidence_bytes(f, "loading_total_bytes",
				       model_info_end(m, "loading_total_bytes"), BASIS_EXACT);
	}
	finding_cause(f, "It was started, or takes its master's data: until all of it is in memory "
			 "nearly every command is refused, and the loop answers only now and "
			 "then.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Wait, and let clients retry; a replica that takes over meanwhile spares "
		       "them the wait. If it was not meant to restart, its log tells why it did.");
	return true;
}

/* --- the machine's settings -------------------------------------------------- */

/* vm.overcommit_memory (kernel: Documentation/mm/overcommit-accounting.rst). */
#define OVERCOMMIT_HEURISTIC 0
#define OVERCOMMIT_NEVER     2
/* The heuristic refuses what is obviously too much; a fork doubles the server. */
#define FORK_FITS_RATIO 0.50
/* "Never" allows swap + vm.overcommit_ratio (50 %) of memory, and the fork counts twice. */
#define FORK_FITS_STRICT_RATIO 0.25

bool rule_config_thp(const struct model *m, struct finding *f)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host || h->thp_enabled == NULL || strcmp(h->thp_enabled, "always") != 0 ||
	    h->thp_disabled_for_target)
		return false;
	f->severity = SEVERITY_WARNING;
	finding_title(f, "Transparent huge pages are on for the server (always)");
	finding_evidence_text(f, "transparent_hugepage", h->thp_enabled, BASIS_EXACT);
	finding_evidence_text(f, "disabled_for_server", "no", BASIS_EXACT);
	finding_evidence_text(f, "disable-thp", model_config(m, "disable-thp"), BASIS_EXACT);
	finding_cause(f, "With huge pages memory that was given back becomes resident again, and a "
			 "page fault clears 2 MiB where 4 KiB were asked for.");
	finding_action(f, RECORD_UNKNOWN,
		       "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
		       "Leave huge pages to programs that ask for them (and set it at boot: "
		       "transparent_hugepage=madvise).");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Or restart the server with disable-thp yes (6.2 and later; the default "
		       "there).");
	return true;
}

static bool overcommit_is_short(const struct model *m, int64_t mode)
{
	double ratio = measure_ratio(measure_used(m), m->host_end.mem_total_bytes);

	return ratio > (mode == OVERCOMMIT_NEVER ? FORK_FITS_STRICT_RATIO : FORK_FITS_RATIO);
}

bool rule_config_overcommit(const struct model *m, struct finding *f)
{
	int64_t mode = m->have_host ? m->host_end.overcommit_memory : RECORD_UNKNOWN;
	int64_t used = measure_used(m);

	if ((mode != OVERCOMMIT_HEURISTIC && mode != OVERCOMMIT_NEVER) || !measure_persists(m) ||
	    measure_fork_refused(m)) /* no risk any more: save.failing tells it */
		return false;
	f->severity = overcommit_is_short(m, mode) ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = f->severity == SEVERITY_WARNING ? (double)used : 0;
	if (f->severity == SEVERITY_WARNING)
		finding_title(f, "A save may fail: %s of data and vm.overcommit_memory=%lld",
			      say_bytes(used).s, (long long)mode);
	else
		finding_title(f, "vm.overcommit_memory is %lld, and the server forks to save",
			      (long long)mode);
	finding_evidence(f, "overcommit_memory", (double)mode, "mode", BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_total", m->host_end.mem_total_bytes, BASIS_EXACT);
	finding_evidence_text(f, "rdb_last_bgsave_status",
			      measure_info_text(m, "rdb_last_bgsave_status"), BASIS_EXACT);
	finding_cause(f, "A fork asks for as much memory as the server has, though it will use "
			 "little of it; the kernel may refuse, and then BGSAVE and AOF rewrites "
			 "fail.");
	finding_action(f, RECORD_UNKNOWN, "sysctl vm.overcommit_memory=1",
		       "Let the kernel grant it (and write it to /etc/sysctl.d).");
	return true;
}

bool rule_config_swappiness(const struct model *m, struct finding *f)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host || h->swap_total_bytes == RECORD_UNKNOWN || h->swap_total_bytes <= 0 ||
	    h->swappiness == RECORD_UNKNOWN || h->swappiness <= SWAPPINESS_HIGH)
		return false;
	f->severity = SEVERITY_INFO; /* harm done is swap.resident's and swap.in_path's to say */
	finding_title(f, "Swap is on and vm.swappiness is %lld", (long long)h->swappiness);
	finding_evidence(f, "swappiness", (double)h->swappiness, "weight", BASIS_EXACT);
	finding_evidence_bytes(f, "swap_total", h->swap_total_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "swap_free", h->swap_free_bytes, BASIS_EXACT);
	finding_cause(f, "When memory gets short the kernel moves idle data of the server to swap "
			 "rather early, in favour of page cache.");
	finding_action(f, RECORD_UNKNOWN, "sysctl vm.swappiness=1",
		       "Make it prefer to drop page cache (and write it to /etc/sysctl.d).");
	return true;
}
