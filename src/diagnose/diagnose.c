/* SPDX-License-Identifier: BSD-2-Clause */
/* The rule table (rules.h), the run over it, and the verdict. */
#include <stdlib.h>
#include <string.h>

#include "diagnose/diagnose.h"
#include "diagnose/finding.h"
#include "diagnose/harm.h"
#include "diagnose/harm_left.h"
#include "diagnose/rules.h"
#include "diagnose/stall_work.h"

#define RULE_ENTRY(id, name, rank) { id, RANK_##rank, rule_##name },
const struct rule rules[] = { RULES(RULE_ENTRY) };
#undef RULE_ENTRY
const size_t rules_count = sizeof(rules) / sizeof(rules[0]);

/* Critical first, then by rank and cost; the id makes equal costs come in one order. */
static int finding_compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->cost != y->cost)
		return x->cost > y->cost ? -1 : 1;
	return strcmp(x->id, y->id);
}

static const struct finding *finding_of(const struct findings *all, const char *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].id && !strcmp(all->items[i].id, id))
			return &all->items[i];
	return NULL;
}

static const char *text_of(const struct finding *f, const char *name)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (f->evidence[i].text && !strcmp(f->evidence[i].name, name))
			return f->evidence[i].text;
	return "";
}

/* What taking, greeting and closing connections is seen at, too: above all that of TLS. */
static bool is_of_connections(const char *activity)
{
	static const enum redmem_frame frames[] = { FRAME_NONE,	     FRAME_ALLOCATE, FRAME_FREE,
						    FRAME_ALLOCATOR, FRAME_CLOSE,    FRAME_SEND };

	return activity_is_of(activity, frames, sizeof(frames) / sizeof(frames[0]));
}

/* One key takes the CPU by one command, and another command blocks; or the loop was seen at work
 * beside the connections: these are two troubles. */
static bool are_two(const struct finding *f, const struct finding *by)
{
	if (!strcmp(by->id, "command.blocks"))
		return strcmp(text_of(f, "command"), text_of(by, "command")) != 0;
	return !strcmp(by->id, "clients.churn") && !is_of_connections(text_of(f, "activity"));
}

/* What says the same and knows more is there, and as bad. */
static bool is_said(const struct findings *all, const struct finding *f)
{
	const char *id;

	for (size_t n = 0; (id = finding_said_by(f->id, n)); n++) {
		const struct finding *by = finding_of(all, id);

		if (by && by->severity >= f->severity && !are_two(f, by))
			return true;
	}
	return false;
}

static void drop_said(struct findings *all)
{
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++) {
		if (is_said(all, &all->items[i]))
			finding_clear(&all->items[i]);
		else
			all->items[kept++] = all->items[i];
	}
	all->count = kept;
}

struct findings *diagnose(const struct model *m)
{
	return diagnose_some(m, "");
}

struct findings *diagnose_some(const struct model *m, const char *ids)
{
	struct findings *all = xcalloc(1, sizeof(*all));

	all->items = xcalloc(rules_count, sizeof(*all->items));
	for (size_t i = 0; i < rules_count; i++) {
		struct finding *f = &all->items[all->count];

		if (strncmp(rules[i].id, ids, strlen(ids)) != 0)
			continue;
		f->id = rules[i].id;
		f->rank = rules[i].rank;
		if (rules[i].evaluate(m, f))
			all->count++;
		else
			finding_clear(f);
	}
	drop_said(all);
	qsort(all->items, all->count, sizeof(*all->items), finding_compare);
	return all;
}

void findings_free(struct findings *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->count; i++)
		finding_clear(&f->items[i]);
	free(f->items);
	free(f);
}

/* --- the verdict ------------------------------------------------------------------------- */

#define NAMED_SUBJECTS 3 /* of what is not known; the others are counted */

/* What is not known without a sensor. */
static const struct {
	const char *id, *subject;
} subjects[] = {
	{ "connection", "what the server itself counts" },
	{ "attribution", "which command and key it was" },
	{ "fault", "page faults and swap-ins" },
	{ "loop", "stalls" },
	{ "cpu", "CPU time by command" },
	{ "offcpu", "waiting for a CPU or a disk" },
	{ "reclaim", "stalls by memory reclaim" },
	{ "life", "forks and exits" },
	{ "rss", "moves of resident memory" },
	{ "vm", "growth of the address space" },
};

static const struct record_sensor *sensor_off(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->sensors_count; i++) {
		const struct record_sensor *s = &m->sensors[i].sensor;

		if (strcmp(s->id, id) == 0)
			return s->on ? NULL : s;
	}
	return NULL;
}

/* "; nothing is known about A, B and 2 more because REASON" */
static void verdict_unknown(struct buf *out, const struct model *m)
{
	const char *named[NAMED_SUBJECTS], *reason = "";
	size_t count = 0;

	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		const struct record_sensor *s = sensor_off(m, subjects[i].id);

		if (s == NULL)
			continue;
		if (count < NAMED_SUBJECTS)
			named[count] = subjects[i].subject;
		if (reason[0] == '\0' && s->reason != NULL)
			reason = s->reason;
		count++;
	}
	if (count == 0)
		return;
	buf_puts(out, "; but nothing is known about ");
	for (size_t i = 0; i < count && i < NAMED_SUBJECTS; i++)
		buf_printf(out, "%s%s", i == 0 ? "" : i + 1 == count ? " and " : ", ", named[i]);
	if (count > NAMED_SUBJECTS)
		buf_printf(out, " and %zu more", count - NAMED_SUBJECTS);
	if (reason[0] != '\0')
		buf_printf(out, " because %s", reason);
}

static size_t count_of(const struct findings *f, enum severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += f->items[i].severity == severity;
	return n;
}

static void verdict_others(struct buf *out, size_t n, const char *one, const char *many,
			   bool *first)
{
	if (n == 0)
		return;
	buf_printf(out, "%s%zu %s", *first ? " (also " : ", ", n, n == 1 ? one : many);
	*first = false;
}

/* "the event loop stood still (400 ms), ..." */
static void say_left(struct buf *out, const struct harm_left left[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct harm_row *row = &harm_table[left[i].harm];
		struct phrase amount = { "" };

		if (!strcmp(row->unit, "seconds"))
			amount = say_seconds(left[i].amount);
		else if (!strcmp(row->unit, "of the window"))
			amount = say_percent(left[i].amount);
		else if (!strcmp(row->unit, "bytes"))
			amount = say_bytes((int64_t)left[i].amount);
		else
			amount = say_count((int64_t)left[i].amount);
		buf_printf(out, "%s%s (%s)", i ? ", " : "", row->words, amount.s);
	}
}

bool diagnose_unknown(const struct model *m)
{
	return m->timeline_count == 0 && m->info_end == NULL;
}

bool diagnose_reaches(const struct model *m, const struct findings *f, enum severity severity)
{
	struct harm_left left[HARM_LEFT_MAX];

	if (f->count > 0 && f->items[0].severity >= severity)
		return true; /* the worst comes first */
	return severity <= SEVERITY_WARNING && harm_left(m, f, left) > 0;
}

bool diagnose_healthy(const struct model *m, const struct findings *f)
{
	return !diagnose_reaches(m, f, SEVERITY_WARNING);
}

void diagnose_verdict(struct buf *out, const struct model *m, const struct findings *f)
{
	size_t critical = count_of(f, SEVERITY_CRITICAL), warnings = count_of(f, SEVERITY_WARNING);
	size_t notes = count_of(f, SEVERITY_INFO);
	struct harm_left left[HARM_LEFT_MAX];
	size_t left_count = harm_left(m, f, left);
	bool first = true;

	if (diagnose_unknown(m)) {
		buf_puts(out, "unknown: neither the kernel nor the server told anything");
	} else if (critical + warnings + left_count == 0) {
		buf_printf(out, "healthy: nothing wrong found in %s",
			   say_seconds(m->duration_seconds).s);
		if (notes > 0)
			buf_printf(out, ", %zu note%s", notes, notes == 1 ? "" : "s");
	} else if (critical + warnings == 0) {
		buf_puts(out, "not healthy, and redmem does not know why: ");
		say_left(out, left, left_count);
		left_count = 0;
	} else {
		/* Critical ones come first, so the first item is the worst. */
		buf_printf(out, "%s: %s", severity_name(f->items[0].severity), f->items[0].title);
		verdict_others(out, critical > 0 ? critical - 1 : 0, "critical finding",
			       "critical findings", &first);
		verdict_others(out, critical > 0 ? warnings : warnings - 1, "warning", "warnings",
			       &first);
		if (!first)
			buf_putc(out, ')');
	}
	if (left_count > 0) {
		buf_puts(out, "; and for what no cause is known: ");
		say_left(out, left, left_count);
	}
	verdict_unknown(out, m);
	if (m->have_self && m->self.drops_total > 0)
		buf_printf(out, "; %s events were lost", say_count(m->self.drops_total).s);
	buf_putc(out, '.');
}
