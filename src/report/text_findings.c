/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings, ranked as diagnose() ranked them. */
#include <math.h>
#include <string.h>

#include "report/text.h"

#define INDENT	     "     "
#define TOP_FINDINGS 5 /* in full; the others by their title */

static enum paint severity_paint(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return PAINT_RED;
	case SEVERITY_WARNING:
		return PAINT_YELLOW;
	default:
		return PAINT_CYAN;
	}
}

static const char *severity_mark(enum severity severity)
{
	switch (severity) {
	case SEVERITY_CRITICAL:
		return "!!";
	case SEVERITY_WARNING:
		return "! ";
	default:
		return "i ";
	}
}

static void write_number(struct buf *out, const struct evidence *e)
{
	const char *unit = e->unit ? e->unit : "";

	if (e->text) {
		text_safe(out, e->text);
		return;
	}
	if (!isfinite(e->value)) {
		buf_putc(out, '-');
	} else if (!strcmp(unit, "bytes") && fabs(e->value) < 9e18) {
		fmt_bytes(out, (int64_t)e->value);
	} else if (!strcmp(unit, "seconds")) {
		fmt_seconds(out, e->value);
	} else if (!strcmp(unit, "ratio")) {
		buf_printf(out, "%.2f", e->value);
	} else {
		if (e->value == trunc(e->value))
			text_estimate(out, e->value);
		else
			buf_printf(out, "%.3g", e->value);
		if (*unit)
			buf_printf(out, " %s", unit);
	}
}

/* "swap_bytes 1.2 GiB, major_faults_total 18,231 faults (sampled)" */
static void write_evidence(struct text *t, const struct finding *finding)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < finding->evidence_count; i++) {
		const struct evidence *e = &finding->evidence[i];

		buf_puts(&text, i ? ", " : "");
		text_safe(&text, e->name);
		buf_putc(&text, ' ');
		write_number(&text, e);
		if (e->basis != BASIS_EXACT)
			buf_printf(&text, " (%s)", basis_name(e->basis));
	}
	if (finding->weak)
		buf_puts(&text, text.len ? "; thin evidence" : "thin evidence");
	if (text.len)
		text_wrap(t, INDENT "seen   ", buf_str(&text));
	buf_free(&text);
}

/* The command stands on a line of its own, whole, to be copied. */
static void write_action(struct text *t, const struct action *action)
{
	struct buf text = { 0 };

	text_safe(&text, action->text);
	if (action->expected_gain_bytes != RECORD_UNKNOWN) {
		buf_puts(&text, " Expected gain: ");
		fmt_bytes(&text, action->expected_gain_bytes);
		buf_putc(&text, '.');
	}
	text_wrap(t, INDENT "do     ", buf_str(&text));
	if (action->command && *action->command) {
		buf_puts(t->out, INDENT "       $ ");
		buf_clear(&text);
		text_safe(&text, action->command);
		text_paint(t, PAINT_GREEN, buf_str(&text));
		buf_putc(t->out, '\n');
	}
	buf_free(&text);
}

/* The title, wrapped behind its mark, and the id where there is room for it. */
static void write_title(struct text *t, const struct finding *finding)
{
	struct buf title = { 0 };
	struct text inner = *t;
	const char *last;

	inner.out = &title;
	text_wrap(&inner, INDENT, finding->title);
	title.data[--title.len] = '\0'; /* the id may stand on the same line */
	last = strrchr(buf_str(&title), '\n');
	last = last ? last + 1 : buf_str(&title);
	buf_puts(t->out, "  ");
	text_paint(t, severity_paint(finding->severity), severity_mark(finding->severity));
	buf_putc(t->out, ' ');
	text_paint(t, PAINT_BOLD, buf_str(&title) + strlen(INDENT));
	if (utf8_columns(last) + 2 + strlen(finding->id) > (size_t)t->columns)
		buf_puts(t->out, "\n" INDENT);
	else
		buf_puts(t->out, "  ");
	text_paint(t, PAINT_DIM, finding->id);
	buf_putc(t->out, '\n');
	buf_free(&title);
}

/* A screenful leaves the reasons of what is only worth knowing to -v. */
static void write_finding(struct text *t, const struct finding *finding)
{
	bool reasons = t->style->verbose || finding->severity != SEVERITY_INFO;

	write_title(t, finding);
	if (reasons) {
		write_evidence(t, finding);
		if (finding->cause && *finding->cause)
			text_wrap(t, INDENT "cause  ", finding->cause);
	}
	for (size_t i = 0; i < finding->actions_count; i++)
		write_action(t, &finding->actions[i]);
}

void text_findings(struct text *t)
{
	size_t full = t->style->verbose ? t->f->count : TOP_FINDINGS;

	text_head(t, "FINDINGS", t->f->count ? NULL : "none");
	for (size_t i = 0; i < t->f->count; i++) {
		if (i < full)
			write_finding(t, &t->f->items[i]);
		else
			write_title(t, &t->f->items[i]);
	}
}
