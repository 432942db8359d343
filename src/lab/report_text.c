/* SPDX-License-Identifier: BSD-2-Clause */
/* A lab's verdict on a terminal: what differs first, then what does not, then what is not known;
 * see report.h. */
#include <math.h>

#include "lab/report.h"
#include "lab/words.h"
#include "report/text.h"

/* --- what was compared ---------------------------------------------------------------------- */

/* A label and two blanks of "A  " before what it is. */
static void write_side(struct text *t, const struct lab_result *result, int side)
{
	struct buf name = { 0 }, safe = { 0 }, about = { 0 };

	lab_words_name(&name, result, side);
	text_safe(&safe, buf_str(&name));
	text_paint(t, PAINT_BOLD, buf_str(&safe));
	buf_putc(t->out, '\n');
	lab_words_side(&about, &result->about.side[side]);
	if (about.len)
		text_wrap(t, "   ", buf_str(&about));
	buf_free(&name);
	buf_free(&safe);
	buf_free(&about);
}

static void write_line(struct text *t, const char *lead, void (*words)(struct buf *, const void *),
		       const void *of)
{
	struct buf line = { 0 };

	words(&line, of);
	if (line.len)
		text_wrap(t, lead, buf_str(&line));
	buf_free(&line);
}

static void scenario_words(struct buf *out, const void *of)
{
	const struct lab_about *about = of;

	if (about->scenario)
		buf_printf(out, "scenario %s", about->scenario);
	if (about->scenario_title && *about->scenario_title)
		buf_printf(out, "%s%s", out->len ? ": " : "", about->scenario_title);
	if (about->load && *about->load)
		buf_printf(out, "%sload: %s", out->len ? "; " : "", about->load);
}

static void host_words(struct buf *out, const void *of)
{
	lab_words_host(out, of);
}

static void result_words(struct buf *out, const void *of)
{
	lab_words_result(out, of);
}

static void basis_words(struct buf *out, const void *of)
{
	const struct lab_report *r = of;

	lab_words_basis(out, r->result, r->verdict);
}

static void write_about(struct text *t, const struct lab_report *r)
{
	for (int side = 0; side < LAB_SIDES; side++)
		write_side(t, r->result, side);
	write_line(t, "   ", scenario_words, &r->result->about);
	write_line(t, "   ", host_words, &r->result->about.host);
	write_line(t, "   ", basis_words, r);
}

/* --- rows ----------------------------------------------------------------------------------- */

static void put_values(struct table *table, const struct lab_row *row)
{
	table_text(table, lab_metrics[row->id].title);
	for (int side = 0; side < LAB_SIDES; side++)
		lab_metric_value(table_cell(table), row->id, row->side[side]);
}

static void write_differing(struct text *t, const struct lab_report *r, enum lab_judgement which,
			    const char *head, enum paint paint)
{
	static const struct table_column columns[] = {
		{ "metric", false }, { "A", true },	    { "B", true },
		{ "B to A", true },  { "interval", false }, { "A to itself", true },
	};
	struct table *table = TABLE(columns);

	if (!r->verdict->counts[which])
		return;
	buf_putc(t->out, '\n');
	text_paint(t, paint, head);
	buf_putc(t->out, '\n');
	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_row *row = &r->verdict->rows[i];

		if (row->judgement != which)
			continue;
		put_values(table, row);
		lab_words_change(table_cell(table), row->id, row->ratio, row->change);
		lab_words_interval(table_cell(table), row);
		lab_words_bound(table_cell(table), row, row->aa_half);
	}
	table_write(table, t);
}

static void write_alike(struct text *t, const struct lab_report *r)
{
	static const struct table_column columns[] = {
		{ "metric", false },	   { "A", true }, { "B", true }, { "B to A", true },
		{ "not more than", true }, { "", false },
	};
	struct table *table = TABLE(columns);

	if (!r->verdict->counts[LAB_NO_DIFFERENCE])
		return;
	text_head(t, "NO DIFFERENCE", "larger than this, either way");
	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_row *row = &r->verdict->rows[i];

		if (row->judgement != LAB_NO_DIFFERENCE || lab_words_none(row))
			continue;
		put_values(table, row);
		lab_words_change(table_cell(table), row->id, row->ratio, row->change);
		lab_words_bound(table_cell(table), row, row->bound);
		table_text(table, row->same ? "the same each time" : "");
	}
	table_write(table, t);
}

static void write_not_judged(struct text *t, const struct lab_report *r)
{
	static const struct table_column columns[] = {
		{ "metric", false }, { "A", true },	    { "B", true },
		{ "B to A", true },  { "interval", false }, { "why not", false },
	};
	struct table *table;

	if (r->verdict->counts[LAB_NOT_JUDGED] == r->verdict->unknown)
		return;
	text_head(t, "NOT JUDGED",
		  "not known as well as --precision wants: more time or less precision may do");
	table = TABLE(columns);
	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_row *row = &r->verdict->rows[i];

		if (row->judgement != LAB_NOT_JUDGED || row->reason == LAB_UNKNOWN ||
		    lab_words_none(row))
			continue;
		put_values(table, row);
		lab_words_change(table_cell(table), row->id, row->ratio, row->change);
		lab_words_interval(table_cell(table), row);
		lab_words_reason(table_cell(table), row);
	}
	table_write(table, t);
}

static bool is_unknown(const struct lab_row *row)
{
	return row->reason == LAB_UNKNOWN;
}

/* The names of those that are @so, in a line; nothing of none. */
static void write_names(struct text *t, const struct lab_report *r, const char *lead,
			bool (*so)(const struct lab_row *))
{
	struct buf line = { 0 };

	for (int i = 0; i < LAB_METRICS; i++)
		if (so(&r->verdict->rows[i]))
			buf_printf(&line, "%s%s", line.len ? "; " : "", lab_metrics[i].title);
	if (line.len) {
		buf_putc(t->out, '\n');
		text_wrap(t, lead, buf_str(&line));
	}
	buf_free(&line);
}

void lab_report_text(struct buf *out, const struct lab_report *r, const struct report_style *style)
{
	struct text t = { .out = out };
	struct buf verdict = { 0 };

	text_begin(&t, style);
	write_about(&t, r);
	buf_putc(out, '\n');
	lab_words_verdict(&verdict, r->verdict);
	text_paint(&t, PAINT_BOLD, buf_str(&verdict));
	buf_putc(out, '\n');
	text_wrap(&t, "", lab_words_legend);
	text_wrap(&t, "", lab_words_sides);
	write_differing(&t, r, LAB_WORSE, "B IS WORSE", PAINT_RED);
	write_differing(&t, r, LAB_BETTER, "B IS BETTER", PAINT_GREEN);
	write_alike(&t, r);
	write_not_judged(&t, r);
	write_names(&t, r, "None on either side: ", lab_words_none);
	write_names(&t, r, "Not measured: ", is_unknown);
	if (r->result->notes_count)
		buf_putc(out, '\n');
	for (size_t i = 0; i < r->result->notes_count; i++)
		text_wrap(&t, "Note: ", r->result->notes[i]);
	buf_free(&verdict);
}

/* --- two results ---------------------------------------------------------------------------- */

static void write_moved(struct text *t, const struct lab_report_diff *d)
{
	size_t count;
	struct lab_moved *rows = lab_moved(&d->before->about, &d->after->about, &count);

	text_head(t, "WHAT IS NOT THE SAME", count ? NULL : "nothing that is known");
	for (size_t i = 0; i < count; i++) {
		struct buf lead = { 0 }, line = { 0 };

		buf_puts(&lead, "  ");
		text_pad(&lead, rows[i].what, 16, false);
		buf_printf(&line, "%s -> %s", rows[i].before ? rows[i].before : "-",
			   rows[i].after ? rows[i].after : "-");
		text_wrap(t, buf_str(&lead), buf_str(&line));
		buf_free(&lead);
		buf_free(&line);
	}
	lab_moved_free(rows, count);
}

static void write_compared(struct text *t, const struct lab_compare *c, enum lab_judgement which,
			   const char *head, const char *note)
{
	static const struct table_column columns[] = {
		{ "metric", false }, { "B to A before", true }, { "after", true },
		{ "change", true },  { "interval", false },
	};
	struct table *table;

	if (!c->counts[which])
		return;
	text_head(t, head, note);
	table = TABLE(columns);
	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_compare_row *row = &c->rows[i];
		struct lab_row shown = {
			.id = row->id, .ratio = row->ratio, .low = row->low, .high = row->high
		};

		if (row->judgement != which)
			continue;
		table_text(table, lab_metrics[i].title);
		lab_words_change(table_cell(table), i, row->before->ratio, row->before->change);
		lab_words_change(table_cell(table), i, row->after->ratio, row->after->change);
		lab_words_change(table_cell(table), i, row->ratio, row->change);
		lab_words_interval(table_cell(table), &shown);
	}
	table_write(table, t);
}

static void write_not_compared(struct text *t, const struct lab_compare *c)
{
	struct buf line = { 0 };

	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_compare_row *row = &c->rows[i];

		if (row->judgement != LAB_NOT_JUDGED ||
		    (row->before->reason == LAB_UNKNOWN && row->after->reason == LAB_UNKNOWN))
			continue;
		buf_printf(&line, "%s%s", line.len ? "; " : "", lab_metrics[i].title);
	}
	if (line.len) {
		buf_putc(t->out, '\n');
		text_wrap(t, "Not judged in both: ", buf_str(&line));
	}
	buf_free(&line);
}

void lab_diff_text(struct buf *out, const struct lab_report_diff *d,
		   const struct report_style *style)
{
	struct text t = { .out = out };
	struct buf verdict = { 0 };

	text_begin(&t, style);
	lab_words_compare(&verdict, d->compare);
	text_paint(&t, PAINT_BOLD, buf_str(&verdict));
	buf_putc(out, '\n');
	text_wrap(&t, "", lab_words_legend);
	buf_putc(out, '\n');
	write_line(&t, "before: ", result_words, &d->before->about);
	write_line(&t, "after:  ", result_words, &d->after->about);
	write_moved(&t, d);
	write_compared(&t, d->compare, LAB_WORSE, "BECAME WORSE", NULL);
	write_compared(&t, d->compare, LAB_BETTER, "BECAME BETTER", NULL);
	write_compared(&t, d->compare, LAB_NO_DIFFERENCE, "NOT CHANGED",
		       "by more than the interval holds");
	write_not_compared(&t, d->compare);
	buf_free(&verdict);
}
