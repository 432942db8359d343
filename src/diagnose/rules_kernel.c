/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel makes the server wait for when memory is short, or comes in huge pages:
 * reclaim, compaction, copies on write, pages of files.
 */
#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

bool rule_reclaim_blocks(const struct model *m, struct finding *f)
{
	const struct charge *main_thread = measure_main_thread(m);
	struct waits w = waits_of(m, f->id);
	const char *what;
	int64_t room = measure_room(m, &what);

	/* Compaction is in that sum, too: what its own stalls had is told with it. */
	if (main_thread && !isnan(main_thread->reclaim_seconds))
		waits_include(&w, main_thread->reclaim_seconds -
					  waits_of(m, "compaction.blocks").seconds);
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "The server freed memory for the kernel for %s of %s",
		      say_seconds(w.seconds).s, say_seconds(m->duration_seconds).s);
	if (m->have_totals && m->totals.reclaim_entries > 0)
		finding_evidence_count(f, "reclaim_entries_total", m->totals.reclaim_entries,
				       "entries", BASIS_EXACT);
	finding_evidence_bytes(f, "mem_limit", room, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_available", m->host_end.mem_available_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_usage", m->host_end.cgroup_usage_bytes, BASIS_EXACT);
	finding_cause(f, "No memory was free when the server asked for some, so the kernel made it "
			 "look for pages to give up first (direct reclaim), with every client "
			 "waiting.");
	if (room != RECORD_UNKNOWN)
		finding_action(f, RECORD_UNKNOWN, "",
			       "Raise %s (%s), or lower maxmemory so that the server with its "
			       "buffers and a fork's copies stays below it.",
			       what, say_bytes(room).s);
	else
		finding_action(f, RECORD_UNKNOWN, "", "Give it more memory, or lower maxmemory.");
	return true;
}

bool rule_compaction_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "The kernel moved pages together for %s while the server waited",
		      say_seconds(w.seconds).s);
	finding_evidence_text(f, "transparent_hugepage", m->host_end.thp_enabled, BASIS_EXACT);
	finding_cause(f, "A huge page was asked for and no 2 MiB in one piece were free, so the "
			 "kernel made some (direct compaction) before the server could go on.");
	finding_action(f, RECORD_UNKNOWN, "echo defer > /sys/kernel/mm/transparent_hugepage/defrag",
		       "Let the kernel do that in the background, or switch huge pages off for "
		       "the server (disable-thp yes).");
	return true;
}

/* --- copies on write ---------------------------------------------------------------- */

/* Copies too short to be stalls: their share of all minor faults, of the time of these. */
static double copying_seconds(const struct model *m)
{
	const struct charge *c = measure_main_thread(m);
	double seconds;

	if (!c || !(c->cow_faults > 0) || !(c->minor_faults > 0) || isnan(c->fault_seconds))
		return 0;
	seconds = c->fault_seconds - (c->swap_fault_seconds > 0 ? c->swap_fault_seconds : 0);
	return seconds * fmin(c->cow_faults / c->minor_faults, 1);
}

bool rule_thp_cow(const struct model *m, struct finding *f)
{
	const struct charge *c = measure_main_thread(m);
	struct waits w = waits_of(m, f->id);

	if (measure_copies_huge_pages(m) && m->children_count > 0)
		waits_include(&w, copying_seconds(m));
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "Writes waited %s for copies of huge pages while a child saved",
		      say_seconds(w.seconds).s);
	finding_evidence(f, "cow_faults_total", c ? c->cow_faults : NAN, "faults", BASIS_SAMPLED);
	finding_evidence_text(f, "transparent_hugepage", m->host_end.thp_enabled, BASIS_EXACT);
	finding_cause(f, "The child shares the server's memory in huge pages; the first write to "
			 "each copies or splits 2 MiB where 4 KiB would do, and all clients "
			 "wait.");
	finding_action(f, RECORD_UNKNOWN,
		       "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
		       "Leave huge pages to programs that ask for them (what is mapped stays so "
		       "until the server starts again), or start it with disable-thp yes.");
	return true;
}

/* --- pages of files ------------------------------------------------------------------- */

bool rule_fault_file(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "The server waited %s for pages of its own program or of mapped files",
		      say_seconds(w.seconds).s);
	finding_evidence_bytes(f, "mem_available", m->host_end.mem_available_bytes, BASIS_EXACT);
	finding_cause(f, "Memory is so short that the kernel drops even the program's code, and "
			 "reads it from disk again when it is run.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Free memory on the machine or in the cgroup: page cache has none left.");
	return true;
}
