/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes room, and until when; see shortage.h. */
#include "diagnose/shortage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"

/* Less is not worth a step while memory runs out. */
#define ROOM_FLOOR (1 * MIB)

static const struct {
	const char *name, *words;
} risks[RISKS] = {
	[RISK_PAUSE] = { "pause", "nothing is lost; the server may stand still for some "
				  "milliseconds" },
	[RISK_CPU] = { "cpu", "nothing is lost; it takes CPU from the clients while it works" },
	[RISK_ROOM] = { "room", "takes memory that others on the machine may want" },
	[RISK_CLIENTS] = { "clients", "clients or replicas are cut off, or have to ask again" },
	[RISK_DATA] = { "data", "what is deleted is gone" },
	[RISK_DOWN] = { "down", "the server starts again, and does not answer meanwhile" },
};

const char *risk_name(enum risk risk)
{
	return risks[risk].name;
}

const char *risk_words(enum risk risk)
{
	return risks[risk].words;
}

static void add(struct shortage *s, const struct step *step, const char *command)
{
	if (step->room_bytes == RECORD_UNKNOWN || step->room_bytes < ROOM_FLOOR)
		return;
	s->steps = xrealloc(s->steps, (s->steps_count + 1) * sizeof(*s->steps));
	s->steps[s->steps_count] = *step;
	s->steps[s->steps_count++].command = xstrdup(command);
}

/* --- of the ledger: what is no data ------------------------------------------------------- */

static const struct {
	const char *action; /* as in struct reclaim */
	enum risk risk;
	const char *text, *command;
} ways[] = {
	{ "purge", RISK_PAUSE, "Let the allocator give back the free pages it keeps.",
	  "MEMORY PURGE" },
	{ "defrag", RISK_CPU, "Let active defragmentation close the holes between objects.",
	  "CONFIG SET activedefrag yes" },
	{ "thp", RISK_DOWN,
	  "Switch huge pages off for the server (disable-thp yes in its configuration), which "
	  "counts from its next start.",
	  "" },
	{ "restart", RISK_DOWN,
	  "Start it again, best by failing over to a replica: the data is loaded without holes.",
	  "" },
};

static int64_t by_action(const struct ledger *ledger, const char *action)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < ledger->count; i++)
		for (size_t n = 0; n < ledger->lines[i].reclaim_count; n++)
			if (!strcmp(ledger->lines[i].reclaim[n].action, action))
				sum_add(&bytes, ledger->lines[i].reclaim[n].bytes);
	return bytes;
}

static void add_ways(struct shortage *s, const struct model *m)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct step step = { .risk = ways[i].risk,
				     .text = ways[i].text,
				     .room_bytes = by_action(&m->ledger, ways[i].action) };

		add(s, &step, *ways[i].command ? say_cli(m, "%s", ways[i].command).s : "");
	}
}

/* --- of the findings: what somebody has to give up ---------------------------------------- */

/* By what the id begins with; what is in no row deletes data. */
static const struct {
	const char *id;
	bool of_ledger; /* its bytes are in the ways above */
	enum risk risk;
} kinds[] = {
	{ "frag.", true, RISK_CPU },	    { "defrag.", true, RISK_CPU },
	{ "rss.", true, RISK_DOWN },	    { "alloc.", true, RISK_DOWN },
	{ "lazyfree.", false, RISK_PAUSE }, { "memory.slowlog", false, RISK_PAUSE },
	{ "expired.", false, RISK_CPU },    { "client", false, RISK_CLIENTS },
	{ "repl.", false, RISK_CLIENTS },   { "scripts.", false, RISK_CLIENTS },
	{ "memory.", false, RISK_CLIENTS }, { "evict.pushed_by", false, RISK_CLIENTS },
};

static bool of_ledger(const char *id, enum risk *risk)
{
	*risk = RISK_DATA;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strncmp(id, kinds[i].id, strlen(kinds[i].id))) {
			*risk = kinds[i].risk;
			return kinds[i].of_ledger;
		}
	return false;
}

static void add_findings(struct shortage *s, const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *finding = &f->items[i];
		enum risk risk;

		if (of_ledger(finding->id, &risk))
			continue;
		for (size_t n = 0; n < finding->actions_count; n++) {
			const struct action *action = &finding->actions[n];
			struct step step = { .risk = risk,
					     .text = action->text,
					     .room_bytes = action->expected_gain_bytes,
					     .finding = finding->id };

			add(s, &step, action->command);
		}
	}
}

/* --- room that is there and not allowed --------------------------------------------------- */

static void add_maxmemory(struct shortage *s, const struct model *m)
{
	const char *what;
	int64_t max = measure_max_memory(m), room = measure_room(m, &what), fits;
	struct step step = {
		.risk = RISK_ROOM,
		.text = "Raise maxmemory to 80 % of the memory there is for the server; "
			"RSS and a fork's copies need the rest."
	};

	if (max <= 0 || room == RECORD_UNKNOWN)
		return;
	fits = sum_whole((double)room * NEAR_WARNING_RATIO);
	step.room_bytes = sum_less(fits, max);
	add(s, &step, say_cli(m, "CONFIG SET maxmemory %lld", (long long)fits).s);
}

/* --- the whole ---------------------------------------------------------------------------- */

static int step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->risk != y->risk)
		return x->risk < y->risk ? -1 : 1;
	if (x->room_bytes != y->room_bytes)
		return x->room_bytes > y->room_bytes ? -1 : 1;
	return strcmp(x->text, y->text);
}

struct shortage *shortage_new(const struct model *m, const struct findings *f)
{
	struct shortage *s = xcalloc(1, sizeof(*s));

	s->limits_count = measure_limits(m, s->limits);
	s->bytes_per_second = measure_growth(m, &s->steady);
	for (size_t i = 0; i < s->limits_count; i++)
		s->seconds[i] = s->limits[i].room <= 0 ?
					0 :
					(double)s->limits[i].room / s->bytes_per_second;
	s->saves = measure_persists(m);
	s->save_bytes = measure_anonymous(m);
	add_ways(s, m);
	add_findings(s, f);
	add_maxmemory(s, m);
	if (s->steps_count)
		qsort(s->steps, s->steps_count, sizeof(*s->steps), step_compare);
	return s;
}

void shortage_free(struct shortage *shortage)
{
	if (!shortage)
		return;
	for (size_t i = 0; i < shortage->steps_count; i++)
		free(shortage->steps[i].command);
	free(shortage->steps);
	free(shortage);
}

void shortage_verdict(struct buf *out, const struct shortage *s)
{
	const struct limit *l = s->limits;

	if (!s->limits_count) {
		buf_puts(out, "no limit of this server's memory is known");
	} else if (l->room <= 0) {
		buf_printf(out, "%s (%s) is met%s", l->what, say_bytes(l->bytes).s,
			   l->evicts ? "; keys are evicted for what is written" : "");
	} else {
		buf_printf(out, "%s are left below %s (%s)", say_bytes(l->room).s, l->what,
			   say_bytes(l->bytes).s);
		if (isfinite(s->seconds[0]))
			buf_printf(out, ", met in %s at this window's growth%s",
				   say_seconds(s->seconds[0]).s,
				   s->steady ? "" : ", which is not steady");
	}
	if (s->steps_count)
		buf_printf(out, "; first: %s", s->steps[0].text);
	else
		buf_puts(out, "; nothing was found that makes room.");
}
