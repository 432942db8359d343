/* SPDX-License-Identifier: BSD-2-Clause */
/* The verdict: what a person should know if they read one sentence only. */
#include <string.h>

#include "diagnose/finding.h"

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

static const struct fact_sensor *sensor_off(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->sensors_count; i++) {
		const struct fact_sensor *s = &m->sensors[i].sensor;

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
		const struct fact_sensor *s = sensor_off(m, subjects[i].id);

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

void diagnose_verdict(struct buf *out, const struct model *m, const struct findings *f)
{
	size_t critical = count_of(f, SEVERITY_CRITICAL), warnings = count_of(f, SEVERITY_WARNING);
	size_t notes = count_of(f, SEVERITY_INFO);
	bool first = true;

	if (m->timeline_count == 0 && m->info_end == NULL) {
		buf_puts(out, "unknown: neither the kernel nor the server told anything");
	} else if (critical + warnings == 0) {
		buf_printf(out, "healthy: nothing wrong found in %s",
			   say_seconds(m->duration_seconds).s);
		if (notes > 0)
			buf_printf(out, ", %zu note%s", notes, notes == 1 ? "" : "s");
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
	verdict_unknown(out, m);
	if (m->have_self && m->self.drops_total > 0)
		buf_printf(out, "; %s events were lost", say_count(m->self.drops_total).s);
	buf_putc(out, '.');
}
