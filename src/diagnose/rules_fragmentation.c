/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory the allocator holds and the program does not use: holes inside slabs,
 * dirty pages, and what active defragmentation can and cannot do about it.
 * Covers rules 3 and 4 of MEMORY DOCTOR (high allocator fragmentation, high
 * allocator RSS overhead), with bytes and a floor instead of bare ratios.
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

/* The size class that wastes most; NULL when the allocator did not say. */
static const struct size_class *worst_class(const struct model *m)
{
	const struct size_class *worst = NULL;

	for (size_t i = 0; m->malloc_stats != NULL && i < m->malloc_stats->classes_count; i++) {
		const struct size_class *c = &m->malloc_stats->classes[i];

		if (c->holes_bytes > 0 && (worst == NULL || c->holes_bytes > worst->holes_bytes))
			worst = c;
	}
	return worst;
}

static void worst_class_evidence(struct finding *f, const struct size_class *c)
{
	if (c == NULL) {
		f->weak = true; /* a total without the classes that make it */
		return;
	}
	finding_evidence_bytes(f, "worst_size_class_bytes", c->size_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "worst_size_class_holes_bytes", c->holes_bytes, BASIS_EXACT);
	finding_evidence(
		f, "worst_size_class_utilization_ratio",
		measure_ratio(c->allocated_bytes, measure_sum(c->allocated_bytes, c->holes_bytes)),
		"ratio", BASIS_DERIVED);
}

bool rule_frag_slab(const struct model *m, struct finding *f)
{
	int64_t holes = measure_slab_holes(m);
	int64_t allocated = measure_allocated(m);
	int64_t by_defrag = measure_reclaim(m, "slab_holes", "defrag");
	int64_t by_restart = measure_reclaim(m, "slab_holes", "restart");

	if (!measure_waste_matters(holes, allocated))
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)holes;
	finding_title(f, "%s lie in holes between live objects (%s of what is allocated)",
		      say_bytes(holes).s, say_percent(measure_ratio(holes, allocated)).s);
	finding_evidence_bytes(f, "slab_holes", holes, BASIS_DERIVED);
	finding_evidence_bytes(f, "allocated", allocated, BASIS_EXACT);
	finding_evidence(f, "slab_holes_ratio", measure_ratio(holes, allocated), "ratio",
			 BASIS_DERIVED);
	worst_class_evidence(f, worst_class(m));
	finding_cause(f, "Objects were freed in another pattern than they were allocated, so "
			 "slabs stay half empty: a page goes back only when its whole slab is "
			 "free; MEMORY PURGE cannot reach it.");
	if (m->target.can_defrag && measure_config_is(m, "activedefrag", "yes"))
		finding_action(f, by_defrag, "",
			       "Active defragmentation is on: let it work, or allow it more with "
			       "active-defrag-cycle-max.");
	else if (m->target.can_defrag)
		finding_action(f, by_defrag, say_cli(m, "CONFIG SET activedefrag yes").s,
			       "Turn on active defragmentation; it moves objects together in "
			       "small steps.");
	finding_action(f, by_restart != FACT_UNKNOWN ? by_restart : holes, "",
		       "A restart (best by failing over to a replica) loads the data without "
		       "holes.");
	return true;
}

bool rule_frag_dirty(const struct model *m, struct finding *f)
{
	int64_t dirty = measure_dirty(m);
	int64_t allocated = measure_allocated(m);
	const struct malloc_stats *s = m->malloc_stats;
	bool decays = measure_decay_works(m);
	int64_t gain = measure_sum(measure_reclaim(m, "dirty", "purge"),
				   measure_reclaim(m, "muzzy", "purge"));

	if (!measure_waste_matters(dirty, allocated))
		return false;
	/* Whether it goes by itself is not known without MALLOC-STATS. */
	f->severity = decays || s == NULL ? SEVERITY_INFO : SEVERITY_WARNING;
	f->cost = (double)dirty;
	f->weak = s == NULL;
	finding_title(f, "%s are free pages the allocator has not given back yet",
		      say_bytes(dirty).s);
	finding_evidence_bytes(f, "dirty", ledger_bytes(&m->ledger, "dirty"), BASIS_EXACT);
	finding_evidence_bytes(f, "dirty_or_metadata",
			       ledger_bytes(&m->ledger, "dirty_or_metadata"), BASIS_DERIVED);
	finding_evidence_bytes(f, "muzzy", ledger_bytes(&m->ledger, "muzzy"), BASIS_EXACT);
	finding_evidence_bytes(f, "allocated", allocated, BASIS_EXACT);
	if (s != NULL && s->dirty_decay_ms != FACT_UNKNOWN) {
		finding_evidence(f, "dirty_decay_ms", (double)s->dirty_decay_ms, "milliseconds",
				 BASIS_EXACT);
		finding_evidence_text(f, "background_thread", s->background_thread ? "on" : "off",
				      BASIS_EXACT);
	}
	finding_cause(f, "%s",
		      decays	? "Memory was freed a moment ago; the allocator returns such pages "
				  "over its decay time." :
		      s == NULL ? "Memory was freed and kept for reuse; how soon the allocator "
				  "returns it was not to be seen." :
				  "Memory was freed, and nothing drives the allocator's decay: no "
				  "background thread, and hardly any allocation or decay turned "
				  "off.");
	finding_action(f, gain != FACT_UNKNOWN ? gain : dirty, say_cli(m, "MEMORY PURGE").s,
		       "Return them now; the server stands still while the kernel takes them.");
	if (!decays && measure_config_is(m, "jemalloc-bg-thread", "no"))
		finding_action(f, FACT_UNKNOWN, say_cli(m, "CONFIG SET jemalloc-bg-thread yes").s,
			       "Let the allocator's background thread do it from now on.");
	return true;
}

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
