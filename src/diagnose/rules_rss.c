/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resident memory beyond what the allocator calls in use: huge pages, memory
 * that is not the allocator's, what is left of a peak, and allocators other than
 * jemalloc. Covers rules 1, 2 and 5 of MEMORY DOCTOR, which blame Lua and
 * modules for all of it.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* MEMORY DOCTOR rule 1: the peak lies in the past. */
#define PEAK_PAST_RATIO 1.5
/* MEMORY DOCTOR rule 2: RSS / used_memory. */
#define HIGH_RSS_RATIO 1.4
/* A temporary part this large makes the rest of a peak somebody else's trouble. */
#define MOSTLY_RATIO 0.5
/* A part of the rest of a peak is worth an action from one in so many. */
#define PARTS_NAMED 20

static void thp_actions(const struct model *m, struct finding *f, int64_t gain)
{
	const char *variable = m->target.allocator_bundled ? "JE_MALLOC_CONF" : "MALLOC_CONF";

	if (m->have_host && m->host_end.thp_enabled != NULL &&
	    strcmp(m->host_end.thp_enabled, "always") == 0)
		finding_action(f, RECORD_UNKNOWN,
			       "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
			       "Stop the kernel from making more of them (what is there stays "
			       "until a restart).");
	finding_action(f, gain, "",
		       "Restart with disable-thp yes (6.2 and later), or with %s=thp:never in "
		       "its environment; best by failing over to a replica.",
		       variable);
}

bool rule_huge_pages(const struct model *m, struct finding *f)
{
	int64_t excess = ledger_bytes(&m->ledger, "huge_page_excess");
	int64_t rss = measure_rss(m);
	int64_t gain = measure_reclaim(m, "huge_page_excess", "thp");

	if (!measure_waste_matters(excess, rss))
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)excess;
	finding_title(f, "%s are resident only because of huge pages (%s of RSS)",
		      say_bytes(excess).s, say_percent(measure_ratio(excess, rss)).s);
	finding_evidence_bytes(f, "huge_page_excess", excess, BASIS_DERIVED);
	finding_evidence_bytes(f, "rss", rss, BASIS_EXACT);
	if (m->have_host && m->host_end.thp_enabled != NULL && m->host_end.thp_enabled[0] != '\0')
		finding_evidence_text(f, "transparent_hugepage", m->host_end.thp_enabled,
				      BASIS_EXACT);
	if (m->have_totals)
		finding_evidence_count(f, "huge_collapses_total", m->totals.huge_collapses,
				       "collapses", BASIS_EXACT);
	finding_cause(f, "Transparent huge pages fill whole 2 MiB ranges of which the allocator "
			 "uses a part: ranges it has given back become resident again, out of "
			 "reach of MEMORY PURGE and defragmentation.");
	thp_actions(m, f, gain != RECORD_UNKNOWN ? gain : excess);
	return true;
}

/* Lines of RSS that are not the allocator's. */
static const struct {
	const char *line, *phrase;
} other_lines[] = {
	{ "binary_and_libraries", "the program and its libraries" },
	{ "stacks", "thread stacks" },
	{ "lua", "Lua's" },
	{ "other_heap", "anonymous memory outside the allocator (brk, mmap)" },
	{ "shared", "shared and file mappings" },
	{ "unexplained", "memory redmem cannot explain" },
};

/* Such a line, when it is one beside the allocator: Lua's may also be within. */
static const struct ledger_line *other_line(const struct model *m, size_t i)
{
	const struct ledger_line *line = ledger_find(&m->ledger, other_lines[i].line);

	return line != NULL && line->bytes > 0 && strcmp(line->parent, "rss") == 0 ? line : NULL;
}

/* The parts are asked for one after another: what RSS moved by meanwhile is in none of them
 * that it was in before. */
#define GATHERING_SECONDS 3.0

static int64_t moved_while_gathered(const struct model *m)
{
	int64_t least = INT64_MAX, most = 0;

	for (size_t i = m->timeline_count; i > 0; i--) {
		const struct record_tick *tick = &m->timeline[i - 1].host;

		if (tick->t_seconds < m->duration_seconds - GATHERING_SECONDS)
			break;
		if (tick->rss_bytes == RECORD_UNKNOWN)
			continue;
		least = tick->rss_bytes < least ? tick->rss_bytes : least;
		most = tick->rss_bytes > most ? tick->rss_bytes : most;
	}
	return most > least ? sum_less(most, least) : 0;
}

/* Bytes of that line which are surely there. */
static int64_t other_bytes(const struct model *m, const struct ledger_line *line)
{
	int64_t moved;

	if (strcmp(line->id, "unexplained") != 0)
		return line->bytes;
	moved = moved_while_gathered(m);
	return line->bytes > moved ? line->bytes - moved : 0;
}

bool rule_not_allocator(const struct model *m, struct finding *f)
{
	int64_t sum = 0, most = 0, rss = measure_rss(m);
	const char *phrase = "";

	for (size_t i = 0; i < sizeof(other_lines) / sizeof(other_lines[0]); i++) {
		const struct ledger_line *line = other_line(m, i);

		if (line == NULL)
			continue;
		sum += other_bytes(m, line);
		if (other_bytes(m, line) > most) {
			most = other_bytes(m, line);
			phrase = other_lines[i].phrase;
		}
	}
	if (!measure_waste_matters(sum, rss))
		return false;
	f->severity = SEVERITY_WARNING;
	f->cost = (double)sum;
	finding_title(f, "%s of RSS are not the allocator's, most of it %s", say_bytes(sum).s,
		      phrase);
	finding_evidence_bytes(f, "rss", rss, BASIS_EXACT);
	for (size_t i = 0; i < sizeof(other_lines) / sizeof(other_lines[0]); i++) {
		const struct ledger_line *l = other_line(m, i);

		if (l != NULL)
			finding_evidence_bytes(f, l->id, l->bytes, l->basis);
	}
	finding_evidence_bytes(f, "used_memory_vm_total", model_info_end(m, "used_memory_vm_total"),
			       BASIS_EXACT);
	finding_cause(f, "Something maps memory beside the server's allocator: Lua (its own malloc "
			 "before 7.4 in builds with bundled jemalloc), a module, or file and "
			 "shared mappings.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "MODULE LIST").s,
		       "See which modules are loaded, and compare used_memory_vm_total with the "
		       "lines above; neither PURGE nor defragmentation reaches this memory.");
	return true;
}

/* What returns the rest of a peak of @excess bytes, part by part. */
static void after_peak_actions(const struct model *m, struct finding *f, int64_t excess)
{
	int64_t least = excess / PARTS_NAMED;
	int64_t dirty = measure_dirty(m);
	int64_t holes = measure_slab_holes(m);
	int64_t huge = ledger_bytes(&m->ledger, "huge_page_excess");

	if (dirty > least)
		finding_action(f, dirty, say_cli(m, "MEMORY PURGE").s,
			       "Dirty pages: returned by the allocator with time, or at once by "
			       "MEMORY PURGE.");
	if (holes > least && m->target.can_defrag)
		finding_action(f, m->have_defrag ? m->defrag.gain_bytes : holes,
			       say_cli(m, "CONFIG SET activedefrag yes").s,
			       "Holes between live objects: active defragmentation.");
	else if (holes > least)
		finding_action(f, holes, "", "Holes between live objects: a restart or failover.");
	if (huge > least)
		finding_action(f, huge, "",
			       "Huge pages over memory already given back: THP off and a restart.");
	if (f->actions_count == 0)
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "MEMORY PURGE").s,
			       "Try MEMORY PURGE; without the allocator's statistics it is not "
			       "known what would return how much.");
}

/* What of the excess has a name. */
static int64_t after_peak_parts(const struct model *m)
{
	int64_t parts = measure_sum(measure_slab_holes(m), measure_dirty(m));

	parts = measure_sum(parts, ledger_bytes(&m->ledger, "huge_page_excess"));
	return parts > 0 ? parts : 0;
}

bool rule_after_peak(const struct model *m, struct finding *f)
{
	int64_t peak = model_info_end(m, "used_memory_peak");
	int64_t used = measure_used(m), rss = measure_rss(m), dirty = measure_dirty(m);
	int64_t excess = rss == RECORD_UNKNOWN || used == RECORD_UNKNOWN ? RECORD_UNKNOWN :
									   sum_less(rss, used);

	if (!(measure_ratio(peak, used) > PEAK_PAST_RATIO) ||
	    !(measure_ratio(rss, used) > HIGH_RSS_RATIO) || !measure_waste_matters(excess, used) ||
	    excess > peak) /* no peak leaves more than it was */
		return false;
	f->severity = measure_decay_works(m) && measure_ratio(dirty, excess) > MOSTLY_RATIO ?
			      SEVERITY_INFO :
			      SEVERITY_WARNING;
	/* The parts rank by their own findings. */
	f->cost = fmax((double)(excess - after_peak_parts(m)), 0);
	f->weak = ledger_find(&m->ledger, "slab_holes") == NULL;
	finding_title(f, "RSS is still %s above the data, left from a peak of %s",
		      say_bytes(excess).s, say_bytes(peak).s);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory_peak", peak, BASIS_EXACT);
	finding_evidence_bytes(f, "rss", rss, BASIS_EXACT);
	finding_evidence_bytes(f, "slab_holes", measure_slab_holes(m), BASIS_DERIVED);
	finding_evidence_bytes(f, "dirty_and_muzzy", dirty, BASIS_EXACT);
	finding_evidence_bytes(f, "huge_page_excess", ledger_bytes(&m->ledger, "huge_page_excess"),
			       BASIS_DERIVED);
	finding_cause(f, "The data was larger once; what it left behind is free inside the "
			 "allocator but still resident. A high mem_fragmentation_ratio after a "
			 "peak says no more than that.");
	after_peak_actions(m, f, excess);
	return true;
}

bool rule_not_jemalloc(const struct model *m, struct finding *f)
{
	const char *allocator = m->target.allocator;
	int64_t idle = ledger_bytes(&m->ledger, "libc_free_and_overhead");
	int64_t rss = measure_rss(m);
	bool wastes = measure_waste_matters(idle, rss);

	if (allocator == NULL || allocator[0] == '\0' || strncmp(allocator, "jemalloc", 8) == 0)
		return false;
	f->severity = wastes ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = wastes ? (double)idle : 0;
	if (wastes)
		finding_title(f, "%s of RSS are overhead and free memory of the %s allocator",
			      say_bytes(idle).s, allocator);
	else
		finding_title(f, "The server runs on the %s allocator, not on jemalloc", allocator);
	finding_evidence_text(f, "allocator", allocator, BASIS_EXACT);
	finding_evidence_bytes(f, "libc_free_and_overhead", idle, BASIS_DERIVED);
	finding_evidence_bytes(f, "rss", rss, BASIS_EXACT);
	finding_cause(f, "Redis is tuned for jemalloc; other allocators fragment more under its "
			 "load, and MEMORY PURGE, MALLOC-STATS and defragmentation do nothing "
			 "with them.");
	finding_action(f, wastes ? idle : RECORD_UNKNOWN, "",
		       "Build or install a server with jemalloc; a restart returns what is free "
		       "now.");
	return true;
}
