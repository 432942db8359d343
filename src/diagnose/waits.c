/* SPDX-License-Identifier: BSD-2-Clause */
/* How long clients waited; see waits.h. */
#include "diagnose/waits.h"

#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/harm.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/stall_owner.h"
#include "diagnose/stall_work.h"

bool finding_met_first(struct met_findings *met, const char *id)
{
	for (size_t i = 0; i < met->count; i++)
		if (!strcmp(met->ids[i], id))
			return false;
	if (met->count < sizeof(met->ids) / sizeof(met->ids[0]))
		met->ids[met->count++] = id;
	return true;
}

bool stall_adds_up(const struct model *m, const char *id, const struct stall *stall)
{
	if (!strcmp(id, "server.loading") && link_fills(m))
		return false;
	return strcmp(id, "clients.pipelines") != 0 ||
	       stall->duration_seconds >= harm_table[HARM_STALL].bound;
}

static void waits_add(struct waits *w, const struct stall *stall, double seconds)
{
	w->stalls_total++;
	w->seconds += seconds;
	if (!w->longest || seconds > w->longest_seconds) {
		w->longest = stall;
		w->longest_seconds = seconds;
	}
}

double stall_waited_apart(const struct stall *stall)
{
	double waited = stall->seconds[CAUSE_CPU_WAIT];

	return waited >= harm_table[HARM_STALL].bound && waited >= stall->duration_seconds / 2 ?
		       waited :
		       0;
}

struct waits waits_of(const struct model *m, const char *id)
{
	bool of_cpu = !strncmp(id, "cpu.", 4);
	struct waits w = { 0 };

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		double apart = of_cpu ? 0 : stall_waited_apart(stall);

		if (strcmp(stall_finding(m, stall), id) != 0 || !stall_adds_up(m, id, stall))
			continue;
		waits_add(&w, stall, stall->duration_seconds - apart);
	}
	return w;
}

struct waits waits_of_work(const struct model *m, const char *id, enum redmem_cause cause)
{
	struct waits w = waits_of(m, id);

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		double seconds = stall->seconds[cause];

		if (seconds < STALL_SECONDS || !strcmp(stall_finding(m, stall), id))
			continue;
		waits_add(&w, stall, seconds);
	}
	return w;
}

struct waits waits_with_own_work(const struct model *m, const char *id)
{
	struct waits w = waits_of(m, id);

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		double seconds = stall_own_seconds(stall);

		if (!strcmp(stall_finding(m, stall), id) || !stall_works_for(m, stall, id))
			continue;
		waits_add(&w, stall, seconds);
	}
	return w;
}

void waits_include(struct waits *w, double seconds)
{
	if (seconds > w->seconds)
		w->seconds = seconds;
}

/* @w->seconds of the window; NAN. */
static double waits_ratio(const struct model *m, const struct waits *w)
{
	return m->duration_seconds > 0 ? w->seconds / m->duration_seconds : NAN;
}

static bool has_aof(const struct model *m)
{
	return measure_config_is(m, "appendonly", "yes") || model_info_end(m, "aof_enabled") == 1;
}

/* Waits of the main thread that were too short to be a stall are the AOF's where there is
 * one: nothing else on a disk is waited for at each turn of the loop. */
static double waited_for_aof(const struct model *m)
{
	const struct charge *main_thread = measure_main_thread(m);

	if (!has_aof(m) || !main_thread || isnan(main_thread->io_wait_seconds))
		return 0;
	return main_thread->io_wait_seconds - waits_of(m, "io.blocks").seconds;
}

struct waits waits_for_aof(const struct model *m)
{
	struct waits w = waits_of(m, "aof.disk");

	waits_include(&w, waited_for_aof(m));
	return w;
}

enum severity waits_severity(const struct model *m, const struct waits *w)
{
	double ratio = waits_ratio(m, w);

	if (w->longest_seconds >= STALL_CRITICAL_SECONDS || ratio >= STALLS_CRITICAL_RATIO)
		return SEVERITY_CRITICAL;
	if (w->longest_seconds >= harm_table[HARM_STALL].bound ||
	    ratio >= harm_table[HARM_STALLS].bound)
		return SEVERITY_WARNING;
	return SEVERITY_INFO;
}

void waits_tell(const struct model *m, struct finding *f, const struct waits *w)
{
	f->severity = waits_severity(m, w);
	f->cost = w->seconds * COST_PER_SECOND;
	finding_evidence(f, "waited_seconds", w->seconds, "seconds", BASIS_EXACT);
	finding_evidence(f, "window_ratio", waits_ratio(m, w), "ratio", BASIS_DERIVED);
	finding_evidence_count(f, "stalls_total", w->stalls_total, "stalls", BASIS_EXACT);
	finding_evidence(f, "longest_seconds", w->longest ? w->longest_seconds : NAN, "seconds",
			 BASIS_EXACT);
}

/* --- what the server counted meanwhile ------------------------------------------------ */

static int64_t difference(int64_t before, int64_t after)
{
	return before == RECORD_UNKNOWN || after == RECORD_UNKNOWN ? RECORD_UNKNOWN :
								     sum_less(after, before);
}

struct around stall_around(const struct model *m, const struct stall *stall)
{
	double end = stall->t_seconds + stall->duration_seconds;
	const struct timeline_row *before = NULL, *after = NULL;

	for (size_t i = 0; i < m->timeline_count; i++) {
		const struct timeline_row *row = &m->timeline[i];

		if (row->used_memory_bytes == RECORD_UNKNOWN)
			continue;
		if (row->host.t_seconds <= stall->t_seconds)
			before = row;
		else if (row->host.t_seconds >= end && !after)
			after = row;
	}
	if (!before || !after)
		return (struct around){ RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN,
					RECORD_UNKNOWN };
	return (struct around){
		.expired_keys = difference(before->expired_keys_total, after->expired_keys_total),
		.expired_fields =
			difference(before->expired_fields_total, after->expired_fields_total),
		.evicted_keys = difference(before->evicted_keys_total, after->evicted_keys_total),
		.freed_bytes = difference(after->used_memory_bytes, before->used_memory_bytes),
	};
}
