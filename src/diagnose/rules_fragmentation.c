/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory the allocator holds and the program does not use: holes inside slabs and
 * dirty pages, and what active defragmentation can and cannot do about it: it is not in
 * this build, it does not start, or it runs and moves nothing. Covers rules 3 and 4 of
 * MEMORY DOCTOR (high allocator fragmentation, high allocator RSS overhead), with bytes
 * and a floor instead of bare ratios.
 */
#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* A class with less than this part of all holes is not named. */
#define CLASS_SHARE 0.10
#define CLASSES_MAX 3
/* A prefix that holds less of a class than this is no answer to whose it is. */
#define HOLDER_SHARE 0.20
/* Deletes in a watch count from so many CPU samples, or bytes for the class's holes. */
#define DELETE_SAMPLES_MIN 5
#define DELETE_BYTES_SHARE 0.05

/* A note, whose number is a lower bound where only untouched pages tell. */
#define ROUNDING_BYTES (16 * MIB)

/* The size classes with most holes, falling; returns how many. */
static size_t worst_classes(const struct model *m, const struct class_row **worst)
{
	int64_t holes = measure_slab_holes(m);
	size_t count = 0;

	for (size_t i = 0; i < m->classes_count; i++) {
		const struct class_row *row = &m->classes[i];
		size_t at = count;

		if (!(measure_ratio(row->size.holes_bytes, holes) >= CLASS_SHARE))
			continue;
		while (at > 0 && worst[at - 1]->size.holes_bytes < row->size.holes_bytes)
			at--;
		if (at == CLASSES_MAX)
			continue;
		count = count < CLASSES_MAX ? count + 1 : count;
		memmove(&worst[at + 1], &worst[at], (count - at - 1) * sizeof(*worst));
		worst[at] = row;
	}
	return count;
}

static void worst_class_evidence(struct finding *f, const struct class_row **worst, size_t count)
{
	struct buf names = { 0 };
	const struct size_class *c;

	if (count == 0) {
		f->weak = true; /* a total without the classes that make it */
		return;
	}
	c = &worst[0]->size;
	finding_evidence_bytes(f, "worst_size_class_bytes", c->size_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "worst_size_class_holes_bytes", c->holes_bytes, BASIS_EXACT);
	finding_evidence(
		f, "worst_size_class_utilization_ratio",
		measure_ratio(c->allocated_bytes, measure_sum(c->allocated_bytes, c->holes_bytes)),
		"ratio", BASIS_DERIVED);
	for (size_t i = 0; i < count; i++)
		buf_printf(&names, "%s%s (%s)", i > 0 ? ", " : "",
			   say_bytes(worst[i]->size.size_bytes).s,
			   say_bytes(worst[i]->size.holes_bytes).s);
	finding_evidence_text(f, "size_classes", buf_str(&names), BASIS_EXACT);
	buf_free(&names);
}

/* A stray delete says nothing of holes that are older. */
static bool deleted_enough(const struct delete_row *row, const struct size_class *class)
{
	return row->samples >= DELETE_SAMPLES_MIN ||
	       row->free_bytes >= DELETE_BYTES_SHARE * (double)class->holes_bytes;
}

static bool same_prefix(const struct class_user *a, const struct delete_row *b)
{
	return a->prefix_len == b->prefix_len && memcmp(a->prefix, b->prefix, a->prefix_len) == 0;
}

/*
 * Whose objects the holes were. Of the prefixes that live in the class: the one most
 * was deleted of in the watch; else the one with most objects there, since who lives
 * where the holes are most likely lost some. Without any the elements of collections,
 * whose classes cannot be told from outside. NULL when nothing is known.
 */
static const struct class_user *whose_holes(const struct model *m, const struct class_row *row,
					    const struct delete_row **deleted)
{
	*deleted = NULL;
	for (size_t d = 0; d < m->deletes_count; d++)
		for (size_t i = 0; i < row->holders_count; i++)
			if (same_prefix(&row->holders[i], &m->deletes[d]) &&
			    deleted_enough(&m->deletes[d], &row->size)) {
				*deleted = &m->deletes[d];
				return &row->holders[i];
			}
	if (row->holders_count > 0 &&
	    row->holders[0].objects >= HOLDER_SHARE * row->holders_objects)
		return &row->holders[0];
	return m->unplaced_count > 0 ? &m->unplaced[0] : NULL;
}

static void holes_cause(const struct model *m, struct finding *f, const struct class_row *row)
{
	const struct delete_row *deleted = NULL;
	const struct class_user *user = row != NULL ? whose_holes(m, row, &deleted) : NULL;
	struct buf whose = { 0 };

	if (user != NULL) {
		struct phrase prefix = say_key(user->prefix, user->prefix_len);

		finding_evidence_text(f, "prefix", prefix.s, BASIS_SAMPLED);
		if (user->objects > 0 && user != &m->unplaced[0])
			finding_evidence(f, "prefix_share_ratio",
					 user->objects / row->holders_objects, "ratio",
					 BASIS_SAMPLED);
		finding_evidence_count(f, "sampled_keys_total", m->sampled_keys_total, "keys",
				       BASIS_EXACT);
		buf_printf(&whose, " %s like %s lie between them",
			   user == &m->unplaced[0] ? "Most likely elements of keys" : "Keys",
			   prefix.s);
		if (deleted != NULL)
			buf_printf(&whose, ", and %s freed such keys in this watch",
				   say_command(deleted->command).s);
		buf_putc(&whose, '.');
	}
	finding_cause(f,
		      "Objects were freed in another pattern than they were allocated, so "
		      "slabs stay half empty: a page goes back only when its whole slab is "
		      "free; MEMORY PURGE cannot reach it.%s",
		      buf_str(&whose));
	buf_free(&whose);
}

static void defrag_action(const struct model *m, struct finding *f)
{
	int64_t gain = m->have_defrag ? m->defrag.gain_bytes : RECORD_UNKNOWN;
	bool on = measure_config_is(m, "activedefrag", "yes");

	if (m->have_defrag && !m->defrag.starts)
		finding_action(
			f, gain,
			say_cli(m, "CONFIG SET activedefrag yes active-defrag-ignore-bytes %lld",
				(long long)(WASTE_FLOOR_BYTES / 2))
				.s,
			"Active defragmentation does not start below %s and %lld %%; lower its "
			"thresholds for a while.",
			say_bytes(m->defrag.ignore_bytes).s, (long long)m->defrag.lower_percent);
	else if (on)
		finding_action(f, gain, "",
			       "Active defragmentation is on: let it work, or allow it more with "
			       "active-defrag-cycle-max.");
	else
		finding_action(f, gain, say_cli(m, "CONFIG SET activedefrag yes").s,
			       "Turn on active defragmentation; it moves objects together in "
			       "small steps.");
}

bool rule_frag_slab(const struct model *m, struct finding *f)
{
	int64_t holes = measure_slab_holes(m);
	int64_t allocated = measure_allocated(m);
	int64_t by_restart = measure_reclaim(m, "slab_holes", "restart");
	const struct class_row *worst[CLASSES_MAX + 1];
	size_t count;

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
	count = worst_classes(m, worst);
	worst_class_evidence(f, worst, count);
	holes_cause(m, f, count > 0 ? worst[0] : NULL);
	if (m->target.can_defrag)
		defrag_action(m, f);
	finding_action(f, by_restart != RECORD_UNKNOWN ? by_restart : holes, "",
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
	if (s != NULL && s->dirty_decay_ms != RECORD_UNKNOWN) {
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
	finding_action(f, gain != RECORD_UNKNOWN ? gain : dirty, say_cli(m, "MEMORY PURGE").s,
		       "Return them now; the server stands still while the kernel takes them.");
	if (!decays && measure_config_is(m, "jemalloc-bg-thread", "no"))
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET jemalloc-bg-thread yes").s,
			       "Let the allocator's background thread do it from now on.");
	return true;
}

bool rule_frag_rounding(const struct model *m, struct finding *f)
{
	const struct ledger_line *line = ledger_find(&m->ledger, "rounding");
	int64_t rounding = line != NULL ? line->bytes : RECORD_UNKNOWN;
	int64_t allocated = measure_allocated(m);

	if (rounding < ROUNDING_BYTES || !(measure_ratio(rounding, allocated) >= WASTE_FLOOR_RATIO))
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)rounding;
	finding_title(f, "%s%s of what is allocated are requests rounded up (%s)",
		      line->basis == BASIS_DERIVED ? "At least " : "", say_bytes(rounding).s,
		      say_percent(measure_ratio(rounding, allocated)).s);
	finding_evidence_bytes(f, "rounding", rounding, line->basis);
	finding_evidence_bytes(f, "allocated", allocated, BASIS_EXACT);
	finding_evidence(f, "rounding_ratio", measure_ratio(rounding, allocated), "ratio",
			 line->basis);
	finding_cause(f, "The allocator has four size classes to a doubling and serves each "
			 "request from the next one; values just above a class waste up to a "
			 "fifth, and neither PURGE nor defragmentation changes that.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "See with `redmem alloc` which classes the common values take; a few bytes "
		       "less in the name or the value may take the class below.");
	return true;
}

/* --- active defragmentation -------------------------------------------------------------- */

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
	finding_action(f, holes > 0 ? holes : RECORD_UNKNOWN, "",
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

	ignore = ignore != RECORD_UNKNOWN ? ignore : DEFRAG_IGNORE_BYTES;
	lower = lower != RECORD_UNKNOWN ? lower : DEFRAG_THRESHOLD_LOWER;
	if (!measure_config_is(m, "activedefrag", "yes") || bytes == RECORD_UNKNOWN ||
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
	finding_action(f, RECORD_UNKNOWN, "",
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

	if (!(model_info_end(m, "active_defrag_running") > 0) || moved == RECORD_UNKNOWN ||
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
			       m->have_defrag ? m->defrag.gain_bytes : RECORD_UNKNOWN,
			       BASIS_DERIVED);
	finding_cause(f, "What it may move lies well already, and what keeps fragmentation above "
			 "its thresholds it cannot move: large allocations, buffers, Lua, modules "
			 "without support for it.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET activedefrag no").s,
		       "Spare the CPU; or raise active-defrag-threshold-lower above %.0f %%.",
		       isnan(defrag_percent(m)) ? m->defrag.percent : defrag_percent(m));
	return true;
}
