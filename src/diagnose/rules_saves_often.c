/* SPDX-License-Identifier: BSD-2-Clause */
/* Saves and rewrites of the AOF that follow one another, so that there is always a child. */
#include <math.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* Forks from which on a window has a row of saves, and the share of it that had a child. */
#define OFTEN_FORKS 3
#define OFTEN_SHARE 0.5

/* Seconds of the window with a child; they come one at a time. */
static double with_child(const struct model *m)
{
	double seconds = 0;

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;
		double end =
			isnan(child->t_end_seconds) ? m->duration_seconds : child->t_end_seconds;
		double start = child->t_start_seconds > 0 ? child->t_start_seconds : 0;

		if (end > start)
			seconds += end - start;
	}
	return seconds;
}

/* What the saves cost: the pages that are copied, and what the AOF waits as the child has the disk,
 * whose finding comes behind this one then. But for waits so long that they are critical: no child
 * explains a disk that hangs. */
static void often_cost(const struct model *m, struct finding *f)
{
	struct waits disk = waits_for_aof(m);

	f->severity = SEVERITY_WARNING;
	f->cost =
		(double)(measure_rss(m) > 0 ? measure_rss(m) : 0) + disk.seconds * COST_PER_SECOND;
	if (disk.seconds > 0)
		finding_evidence(f, "aof_waited_seconds", disk.seconds, "seconds", BASIS_EXACT);
}

/* What a full synchronisation forks for is repl.resync's to tell. */
bool rule_saves_often(const struct model *m, struct finding *f)
{
	int64_t forks = model_info_delta(m, "total_forks");
	bool rewrites = model_info_end(m, "aof_enabled") == 1;
	double share = with_child(m) / m->duration_seconds;

	if (forks < OFTEN_FORKS || !(share >= OFTEN_SHARE) || measure_saves_fail(m) ||
	    model_info_delta(m, "sync_full") > 0)
		return false;
	finding_title(f, "%s follow one another: %s forks in %s, with a child for %s of it",
		      rewrites ? "Saves or rewrites of the AOF" : "Saves", say_count(forks).s,
		      say_seconds(m->duration_seconds).s, say_percent(share).s);
	finding_evidence_count(f, "total_forks", forks, "forks", BASIS_EXACT);
	finding_evidence(f, "with_child_ratio", share, "ratio", BASIS_EXACT);
	often_cost(m, f);
	finding_evidence_text(f, "save", model_config(m, "save"), BASIS_EXACT);
	if (rewrites) {
		finding_evidence_count(f, "auto-aof-rewrite-percentage",
				       measure_config(m, "auto-aof-rewrite-percentage"), "percent",
				       BASIS_EXACT);
		finding_evidence_bytes(f, "auto-aof-rewrite-min-size",
				       measure_config(m, "auto-aof-rewrite-min-size"), BASIS_EXACT);
	}
	finding_cause(f, "What asks for the next one is met as soon as the last is over (a save "
			 "point of few seconds, a rewrite at a few per cent of growth, a job that "
			 "sends BGSAVE): the child takes a CPU and the disk all the time, and each "
			 "page that is written is copied again and again.");
	if (rewrites)
		finding_action(f, RECORD_UNKNOWN,
			       say_cli(m, "CONFIG SET auto-aof-rewrite-percentage 100").s,
			       "Rewrite when the AOF has doubled (the default).");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET save").s,
		       "Save at longer intervals, or see who sends BGSAVE or BGREWRITEAOF.");
	return true;
}
