/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What active defragmentation can and cannot do, for people who wait for it: it is not
 * in this build, it does not start, or it runs and moves nothing.
 */
#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* RSS / used_memory from which people look for fragmentation (MEMORY DOCTOR rule 2). */
#define LOOKS_FRAGMENTED_RATIO 1.4
/* Defaults of config.c, for servers that do not tell theirs. */
#define DEFRAG_IGNORE_BYTES    (100 * MIB)
#define DEFRAG_THRESHOLD_LOWER 10
/* Allocations it looked at in a watch before its yield says anything, */
#define DEFRAG_LOOKED_MIN 10000
/* and the yield below which it turns in circles (redis#5603, redis#12458). */
#define DEFRAG_MOVED_RATIO 0.01

bool rule_defrag_impossible(const struct model *m, struct finding *f)
{
	int64_t holes = measure_slab_holes(m);
	int64_t allocated = measure_allocated(m);
	bool asked = measure_config_is(m, "activedefrag", "yes");
	const char *allocator = m->target.allocator;

	if (allocator == NULL || allocator[0] == '\0' || m->target.can_defrag)
		return false;
	if (!asked && !measure_waste_matters(holes, allocated))
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = holes > 0 ? (double)holes : 0;
	finding_title(f, "Active defragmentation cannot work in this build (%s%s)",
		      m->target.allocator_bundled ? "" : "the system's ", allocator);
	finding_evidence_text(f, "allocator", allocator, BASIS_EXACT);
	finding_evidence_bytes(f, "slab_holes", holes, BASIS_DERIVED);
	finding_evidence_text(f, "activedefrag", model_config(m, "activedefrag"), BASIS_EXACT);
	finding_cause(f, "Active defragmentation needs the jemalloc that comes with Redis, which "
			 "can tell which objects to move; distributions link their own.");
	finding_action(f, holes > 0 ? holes : FACT_UNKNOWN, "",
		       "A restart or failover removes the holes once; a server built with its "
		       "bundled jemalloc (MALLOC=jemalloc) can defragment while it runs.");
	return true;
}

/* Fragmentation in per cent, as computeDefragCycles() (defrag.c) takes it. */
static double defrag_percent(const struct model *m)
{
	return m->info_end == NULL ? NAN :
				     (info_double(m->info_end, "allocator_frag_ratio") - 1) * 100;
}

bool rule_defrag_idle(const struct model *m, struct finding *f)
{
	int64_t rss = measure_rss(m), used = measure_used(m);
	int64_t bytes = model_info_end(m, "allocator_frag_bytes");
	int64_t ignore = measure_config(m, "active-defrag-ignore-bytes");
	int64_t lower = measure_config(m, "active-defrag-threshold-lower");
	double percent = defrag_percent(m);

	ignore = ignore != FACT_UNKNOWN ? ignore : DEFRAG_IGNORE_BYTES;
	lower = lower != FACT_UNKNOWN ? lower : DEFRAG_THRESHOLD_LOWER;
	if (!measure_config_is(m, "activedefrag", "yes") || bytes == FACT_UNKNOWN ||
	    isnan(percent) || model_info_end(m, "active_defrag_running") > 0)
		return false;
	if (bytes >= ignore && percent >= (double)lower)
		return false;
	/* Somebody must have a reason to wonder. */
	if (!(measure_ratio(rss, used) > LOOKS_FRAGMENTED_RATIO) || rss - used < WASTE_FLOOR_BYTES)
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)bytes;
	finding_title(f,
		      "Active defragmentation is on but idle: it sees %s (%.1f %%) to move, "
		      "not the %s above the data",
		      say_bytes(bytes).s, percent, say_bytes(rss - used).s);
	finding_evidence_bytes(f, "allocator_frag_bytes", bytes, BASIS_EXACT);
	finding_evidence(f, "allocator_frag_percent", percent, "percent", BASIS_EXACT);
	finding_evidence_bytes(f, "active-defrag-ignore-bytes", ignore, BASIS_EXACT);
	finding_evidence(f, "active-defrag-threshold-lower", (double)lower, "percent", BASIS_EXACT);
	finding_evidence(f, "mem_fragmentation_ratio", measure_ratio(rss, used), "ratio",
			 BASIS_DERIVED);
	finding_cause(f, "It starts only when the allocator's fragmentation passes both "
			 "thresholds; the resident memory above used_memory is something else, "
			 "which moving objects does not return.");
	finding_action(f, FACT_UNKNOWN, "",
		       "Read the ledger: dirty pages go by MEMORY PURGE, huge pages by THP "
		       "settings, and neither by defragmentation.");
	return true;
}

bool rule_defrag_futile(const struct model *m, struct finding *f)
{
	int64_t moved = model_info_delta(m, "active_defrag_hits");
	int64_t left = model_info_delta(m, "active_defrag_misses");
	int64_t looked = measure_sum(moved, left);
	int64_t holes = measure_slab_holes(m);

	if (!(model_info_end(m, "active_defrag_running") > 0) || moved == FACT_UNKNOWN ||
	    looked < DEFRAG_LOOKED_MIN || measure_ratio(moved, looked) >= DEFRAG_MOVED_RATIO)
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = holes > 0 ? (double)holes : 0;
	finding_title(f, "Active defragmentation runs, and moved %s of %s allocations",
		      say_count(moved).s, say_count(looked).s);
	finding_evidence_count(f, "active_defrag_hits", moved, "allocations", BASIS_EXACT);
	finding_evidence_count(f, "active_defrag_misses", left, "allocations", BASIS_EXACT);
	finding_evidence_count(f, "active_defrag_running",
			       model_info_end(m, "active_defrag_running"), "percent of a core",
			       BASIS_EXACT);
	finding_evidence_bytes(f, "slab_holes", holes, BASIS_DERIVED);
	finding_evidence_bytes(f, "defrag_gain",
			       m->have_defrag ? m->defrag.gain_bytes : FACT_UNKNOWN, BASIS_DERIVED);
	finding_cause(f, "What it may move lies well already, and what keeps fragmentation above "
			 "its thresholds it cannot move: large allocations, buffers, Lua, modules "
			 "without support for it.");
	finding_action(f, FACT_UNKNOWN, say_cli(m, "CONFIG SET activedefrag no").s,
		       "Spare the CPU; or raise active-defrag-threshold-lower above %.0f %%.",
		       isnan(defrag_percent(m)) ? m->defrag.percent : defrag_percent(m));
	return true;
}
