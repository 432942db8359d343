/* SPDX-License-Identifier: BSD-2-Clause */
/* What no finding concludes; see harm_left.h. */
#include "diagnose/harm_left.h"

#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/measure.h"
#include "diagnose/stall_owner.h"
#include "diagnose/waits.h"

struct search {
	const struct model *m;
	const struct findings *f;
	struct harm_left *out;
	size_t count;
};

static bool concluded(const struct search *s, const char *id, enum severity least)
{
	const char *by;

	for (size_t n = 0; (by = finding_said_by(id, n)); n++)
		if (concluded(s, by, least))
			return true;
	for (size_t i = 0; i < s->f->count; i++)
		if (!strcmp(s->f->items[i].id, id) && s->f->items[i].severity >= least)
			return true;
	return false;
}

/* Does any finding tell that clients waited? */
static bool waits_concluded(const struct search *s)
{
	for (size_t i = 0; i < s->f->count; i++)
		if (s->f->items[i].rank == RANK_WAITED && s->f->items[i].severity > SEVERITY_INFO)
			return true;
	return false;
}

static bool waits_left(const struct search *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->out[i].harm == HARM_STALL || s->out[i].harm == HARM_STALLS)
			return true;
	return false;
}

static void leave(struct search *s, enum harm harm, const char *finding, double amount)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->out[i].harm == harm && !strcmp(s->out[i].finding, finding))
			return;
	if (s->count < HARM_LEFT_MAX)
		s->out[s->count++] = (struct harm_left){ harm, finding, amount };
}

/* Stalls come longest first. */
static void search_stalls(struct search *s)
{
	double sum = 0, window = s->m->duration_seconds;
	struct met_findings met = { .count = 0 };

	for (size_t i = 0; i < s->m->stalls_count; i++) {
		const struct stall *stall = &s->m->stalls[i].stall;
		const char *id = stall_finding(s->m, stall);
		struct waits w;

		if (stall_adds_up(s->m, id, stall))
			sum += stall->duration_seconds;
		if (!finding_met_first(&met, id) || concluded(s, id, SEVERITY_WARNING))
			continue;
		w = waits_of(s->m, id);
		if (w.longest_seconds >= harm_table[HARM_STALL].bound)
			leave(s, HARM_STALL, id, w.longest_seconds);
		else if (waits_severity(s->m, &w) > SEVERITY_INFO)
			leave(s, HARM_STALLS, id, w.seconds / window);
	}
	if (window > 0 && sum / window >= harm_table[HARM_STALLS].bound && !waits_concluded(s) &&
	    !waits_left(s))
		leave(s, HARM_STALLS, "stalls.mixed", sum / window);
}

/* Errors that tell a client its write was not taken. */
static const char *const refusals[] = { "OOM", "MISCONF", "NOREPLICAS" };

/* Writes that were refused are told by why they were. */
static bool refusal_concluded(const struct search *s)
{
	return concluded(s, "writes.refused", SEVERITY_WARNING) ||
	       concluded(s, "evict.nothing_to_evict", SEVERITY_WARNING) ||
	       concluded(s, "save.failing", SEVERITY_WARNING) ||
	       concluded(s, "killed.limit", SEVERITY_WARNING);
}

static void search_refusals(struct search *s)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		int64_t count = model_errors(s->m, refusals[i]);

		if (count >= harm_table[HARM_REFUSED].bound && !refusal_concluded(s))
			leave(s, HARM_REFUSED, "writes.refused", (double)count);
	}
}

static void search_cut_off(struct search *s)
{
	int64_t cut = measure_cut_off(s->m);

	if (cut >= harm_table[HARM_CUT_OFF].bound &&
	    !concluded(s, "clients.cut_off", SEVERITY_WARNING))
		leave(s, HARM_CUT_OFF, "clients.cut_off", (double)cut);
}

static void search_saves(struct search *s)
{
	if (measure_saves_fail(s->m) && !concluded(s, "save.failing", SEVERITY_WARNING) &&
	    !concluded(s, "killed.limit", SEVERITY_WARNING))
		leave(s, HARM_UNSAVED, "save.failing", 1);
}

static void search_life(struct search *s)
{
	for (size_t i = 0; i < s->m->life_count; i++) {
		const struct record_life *life = &s->m->life[i].life;

		if (!strcmp(life->event, "hang") &&
		    life->seconds >= harm_table[HARM_SILENCE].bound && !waits_concluded(s))
			leave(s, HARM_SILENCE, "server.not_answering", life->seconds);
		if ((!strcmp(life->event, "oom") || !strcmp(life->event, "exit")) &&
		    !concluded(s, "server.not_answering", SEVERITY_CRITICAL) &&
		    !concluded(s, "killed.limit", SEVERITY_CRITICAL))
			leave(s, HARM_SILENCE, "server.not_answering", NAN);
	}
}

static void search_evictions(struct search *s)
{
	int64_t evicted = model_info_delta(s->m, "evicted_keys");

	if (evicted >= harm_table[HARM_THROWN_OUT].bound &&
	    !concluded(s, "evict.active", SEVERITY_INFO) &&
	    !concluded(s, "evict.blocks", SEVERITY_INFO) &&
	    !concluded(s, "evict.pushed_by", SEVERITY_INFO))
		leave(s, HARM_THROWN_OUT, "evict.active", (double)evicted);
}

/* What is lost to the server until something is done; each line of the ledger says what. */
static void search_memory(struct search *s)
{
	static const struct {
		const char *line, *finding;
	} kept[] = {
		{ "slab_holes", "frag.slab" },
		{ "huge_page_excess", "rss.huge_pages" },
		{ "other_heap", "rss.not_allocator" },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		int64_t bytes = ledger_bytes(&s->m->ledger, kept[i].line);

		if (bytes >= harm_table[HARM_KEPT].bound &&
		    measure_waste_matters(bytes, measure_allocated(s->m)) &&
		    !concluded(s, kept[i].finding, SEVERITY_INFO))
			leave(s, HARM_KEPT, kept[i].finding, (double)bytes);
	}
}

size_t harm_left(const struct model *m, const struct findings *f,
		 struct harm_left out[HARM_LEFT_MAX])
{
	struct search s = { m, f, out, 0 };

	search_refusals(&s);
	search_cut_off(&s);
	search_saves(&s);
	search_evictions(&s);
	search_life(&s);
	search_stalls(&s);
	search_memory(&s);
	return s.count;
}
