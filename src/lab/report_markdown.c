/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lab's verdict for a pull request; see report.h. Tables are GitHub's. Names stand in <code>
 * with nearly every sign of theirs as a number: such a reference is text and never markup
 * (CommonMark 0.31, 2.5), so that no name becomes a heading, a row, a link, a tag or somebody's
 * mention.
 */
#include <ctype.h>
#include <string.h>

#include "lab/report.h"
#include "lab/words.h"
#include "report/text.h"

/* What is no markup, wherever it stands. */
#define HARMLESS " -,;=+%()"

static void put_safe(struct buf *out, const char *text)
{
	struct buf shown = { 0 };

	text_safe(&shown, text);
	for (const char *p = buf_str(&shown); *p; p++)
		if (isalnum((unsigned char)*p) || strchr(HARMLESS, *p) || (*p & 0x80))
			buf_putc(out, *p);
		else
			buf_printf(out, "&#%d;", *p);
	buf_free(&shown);
}

/* @text, which may hold names, as code; nothing of nothing. */
static void put_code(struct buf *out, const char *text)
{
	if (!text || !*text)
		return;
	buf_puts(out, "<code>");
	put_safe(out, text);
	buf_puts(out, "</code>");
}

static void put_side(struct buf *out, const struct lab_result *result, int side)
{
	struct buf about = { 0 };

	buf_printf(out, "- **%c** ", "AB"[side]);
	put_code(out, result->about.side[side].label);
	lab_words_side(&about, &result->about.side[side]);
	if (about.len) {
		buf_putc(out, ' ');
		put_code(out, buf_str(&about));
	}
	buf_putc(out, '\n');
	buf_free(&about);
}

static void put_line(struct buf *out, const char *lead, struct buf *text)
{
	if (text->len) {
		buf_puts(out, lead);
		put_code(out, buf_str(text));
		buf_putc(out, '\n');
	}
	buf_free(text);
}

static void put_about(struct buf *out, const struct lab_report *r)
{
	struct buf host = { 0 }, basis = { 0 };

	for (int side = 0; side < LAB_SIDES; side++)
		put_side(out, r->result, side);
	lab_words_host(&host, &r->result->about.host);
	put_line(out, "- on ", &host);
	lab_words_basis(&basis, r->result, r->verdict);
	put_line(out, "- ", &basis);
	for (size_t i = 0; i < r->result->notes_count; i++) {
		struct buf note = { 0 };

		buf_puts(&note, r->result->notes[i]);
		put_line(out, "- note: ", &note);
	}
}

/* --- rows ----------------------------------------------------------------------------------- */

static void begin_row(struct buf *out, const struct lab_row *row)
{
	buf_printf(out, "| %s | ", lab_metrics[row->id].title);
	for (int side = 0; side < LAB_SIDES; side++) {
		lab_metric_value(out, row->id, row->side[side]);
		buf_puts(out, " | ");
	}
	lab_words_change(out, row->id, row->ratio, row->change);
	buf_puts(out, " | ");
}

static void end_row(struct buf *out, const struct lab_row *row)
{
	if (row->judgement == LAB_NOT_JUDGED)
		lab_words_reason(out, row);
	else if (row->judgement == LAB_NO_DIFFERENCE)
		lab_words_bound(out, row, row->bound);
	else
		lab_words_interval(out, row);
	buf_puts(out, " |\n");
}

static bool is_row(const struct lab_row *row, enum lab_judgement which)
{
	return row->judgement == which && row->reason != LAB_UNKNOWN && !lab_words_none(row);
}

/* Those of one judgement. */
static void put_rows(struct buf *out, const struct lab_report *r, enum lab_judgement which,
		     const char *last)
{
	buf_printf(out, "\n| metric | A | B | B to A | %s |\n|---|--:|--:|--:|---|\n", last);
	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_row *row = &r->verdict->rows[i];

		if (!is_row(row, which))
			continue;
		begin_row(out, row);
		end_row(out, row);
	}
}

static void put_differing(struct buf *out, const struct lab_report *r, enum lab_judgement which,
			  const char *head)
{
	if (!r->verdict->counts[which])
		return;
	buf_printf(out, "\n#### %s\n", head);
	put_rows(out, r, which, "interval");
}

static void put_folded(struct buf *out, const struct lab_report *r, enum lab_judgement which,
		       const char *head, const char *last)
{
	size_t count = 0;

	for (int i = 0; i < LAB_METRICS; i++)
		count += is_row(&r->verdict->rows[i], which);
	if (!count)
		return;
	buf_printf(out, "\n<details><summary>%s (%zu)</summary>\n", head, count);
	put_rows(out, r, which, last);
	buf_puts(out, "\n</details>\n");
}

static void put_title(struct buf *out, const struct lab_about *about)
{
	buf_puts(out, "### redmem lab");
	if (about->scenario) {
		buf_puts(out, ": ");
		put_code(out, about->scenario);
	}
	buf_puts(out, "\n\n");
}

void lab_report_markdown(struct buf *out, const struct lab_report *r)
{
	struct buf said = { 0 };

	put_title(out, &r->result->about);
	lab_words_verdict(&said, r->verdict);
	buf_printf(out, "**%s**\n\n", buf_str(&said));
	put_about(out, r);
	buf_printf(out, "\n%s %s\n", lab_words_legend, lab_words_sides);
	put_differing(out, r, LAB_WORSE, "B is worse");
	put_differing(out, r, LAB_BETTER, "B is better");
	put_folded(out, r, LAB_NO_DIFFERENCE, "No difference", "not more than");
	put_folded(out, r, LAB_NOT_JUDGED, "Not judged", "why not");
	buf_free(&said);
}

/* --- two results ---------------------------------------------------------------------------- */

static void put_moved(struct buf *out, const struct lab_report_diff *d)
{
	size_t count;
	struct lab_moved *rows = lab_moved(&d->before->about, &d->after->about, &count);

	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "- %s: ", rows[i].what);
		put_code(out, rows[i].before ? rows[i].before : "-");
		buf_puts(out, " became ");
		put_code(out, rows[i].after ? rows[i].after : "-");
		buf_putc(out, '\n');
	}
	lab_moved_free(rows, count);
}

static void put_compared(struct buf *out, const struct lab_compare *c, enum lab_judgement which,
			 const char *head)
{
	if (!c->counts[which])
		return;
	buf_printf(out,
		   "\n#### %s\n\n| metric | B to A before | after | change | interval |\n"
		   "|---|--:|--:|--:|---|\n",
		   head);
	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_compare_row *row = &c->rows[i];
		struct lab_row shown = {
			.id = row->id, .ratio = row->ratio, .low = row->low, .high = row->high
		};

		if (row->judgement != which)
			continue;
		buf_printf(out, "| %s | ", lab_metrics[i].title);
		lab_words_change(out, row->id, row->ratio, row->before->change);
		buf_puts(out, " | ");
		lab_words_change(out, row->id, row->ratio, row->after->change);
		buf_puts(out, " | ");
		lab_words_change(out, row->id, row->ratio, row->change);
		buf_puts(out, " | ");
		lab_words_interval(out, &shown);
		buf_puts(out, " |\n");
	}
}

void lab_diff_markdown(struct buf *out, const struct lab_report_diff *d)
{
	struct buf said = { 0 }, before = { 0 }, after = { 0 };

	put_title(out, &d->after->about);
	lab_words_compare(&said, d->compare);
	buf_printf(out, "**%s**\n\n", buf_str(&said));
	lab_words_result(&before, &d->before->about);
	put_line(out, "- before: ", &before);
	lab_words_result(&after, &d->after->about);
	put_line(out, "- after: ", &after);
	put_moved(out, d);
	buf_printf(out, "\n%s\n", lab_words_legend);
	put_compared(out, d->compare, LAB_WORSE, "Became worse");
	put_compared(out, d->compare, LAB_BETTER, "Became better");
	put_compared(out, d->compare, LAB_NO_DIFFERENCE, "Not changed");
	buf_free(&said);
}
