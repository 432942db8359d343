/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A window in a line, as vmstat has it, and below it what happened: stalls, events of the
 * server's life, and findings that the window before had not. Rates are of the window.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "report/text.h"

#define TOP_STALLS 3
#define TOP_EVENTS 3
#define LEAD	   "          "

static void pad_cell(struct text *t, struct buf *cell, size_t width)
{
	text_pad(t->out, buf_str(cell), width, true);
	buf_clear(cell);
}

/* --- the numbers ------------------------------------------------------------------------ */

/* Without redmem's own where commandstats tell them. */
static double commands(const struct model *m)
{
	int64_t sum = RECORD_UNKNOWN;

	for (size_t i = 0; i < m->commands_count; i++) {
		if (m->commands[i].calls_total < 0)
			continue;
		sum = sum < 0 ? 0 : sum;
		sum_add(&sum, m->commands[i].calls_total);
	}
	if (sum < 0)
		sum = model_info_delta(m, "total_commands_processed");
	return sum < 0 ? NAN : (double)sum;
}

/* Of one core, by the kernel's ticks. */
static double cpu_ratio(const struct model *m)
{
	const struct record_tick *first, *last;

	if (m->timeline_count < 2)
		return NAN;
	first = &m->timeline[0].host;
	last = &m->timeline[m->timeline_count - 1].host;
	return (last->cpu_seconds - first->cpu_seconds) / (last->t_seconds - first->t_seconds);
}

static double count(int64_t n)
{
	return n < 0 ? NAN : (double)n;
}

static double longest_stall(const struct model *m)
{
	double longest = NAN;

	for (size_t i = 0; i < m->stalls_count; i++)
		longest = fmax(longest, m->stalls[i].stall.duration_seconds);
	return longest;
}

/* --- the line ----------------------------------------------------------------------------- */

enum cell_kind { IS_MOMENT, IS_COUNT, IS_RATE, IS_RATIO, IS_BYTES, IS_BYTE_RATE, IS_SECONDS };

struct window_column {
	const char *head;
	size_t width;
	enum cell_kind kind;
	double (*value)(const struct model *m);
};

static double end_of(const struct model *m)
{
	return m->start_seconds + m->duration_seconds;
}

static double rss(const struct model *m)
{
	return model_last_row(m) ? count(model_last_row(m)->host.rss_bytes) : NAN;
}

static double used_memory(const struct model *m)
{
	return model_last_row(m) ? count(model_last_row(m)->used_memory_bytes) : NAN;
}

static double minor_faults(const struct model *m)
{
	return count(m->totals.minor_faults);
}

static double major_faults(const struct model *m)
{
	return count(m->totals.major_faults);
}

static double allocated(const struct model *m)
{
	return m->alloc.alloc_bytes;
}

static double freed(const struct model *m)
{
	return m->alloc.free_bytes;
}

static double stalls(const struct model *m)
{
	return model_sensor_on(m, "loop") ? (double)(m->stalls_count + m->stalls_left_out) : NAN;
}

static const struct window_column columns[] = {
	{ "until", 9, IS_MOMENT, end_of },	     { "commands/s", 11, IS_RATE, commands },
	{ "cpu", 7, IS_RATIO, cpu_ratio },	     { "rss", 11, IS_BYTES, rss },
	{ "used", 11, IS_BYTES, used_memory },	     { "minor/s", 9, IS_RATE, minor_faults },
	{ "major", 7, IS_COUNT, major_faults },	     { "alloc/s", 11, IS_BYTE_RATE, allocated },
	{ "free/s", 11, IS_BYTE_RATE, freed },	     { "stalls", 7, IS_COUNT, stalls },
	{ "longest", 9, IS_SECONDS, longest_stall },
};

static void write_value(struct buf *cell, const struct model *m, enum cell_kind kind, double value)
{
	if (kind == IS_RATE || kind == IS_BYTE_RATE)
		value /= m->duration_seconds;
	switch (kind) {
	case IS_MOMENT:
		text_moment(cell, value);
		break;
	case IS_RATIO:
		text_percent(cell, value);
		break;
	case IS_SECONDS:
		if (isfinite(value))
			fmt_seconds(cell, value);
		else
			buf_putc(cell, '-');
		break;
	case IS_BYTES:
	case IS_BYTE_RATE:
		fmt_bytes(cell, isfinite(value) ? sum_whole(value) : RECORD_UNKNOWN);
		break;
	default:
		text_estimate(cell, value);
		break;
	}
}

static void write_line(struct text *t)
{
	struct buf cell = { 0 };

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		write_value(&cell, t->m, columns[i].kind, columns[i].value(t->m));
		pad_cell(t, &cell, columns[i].width);
	}
	buf_putc(t->out, '\n');
	buf_free(&cell);
}

void text_window_value(struct buf *out, const struct model *m, const char *head)
{
	const struct window_column *column = columns;

	while (strcmp(column->head, head) != 0)
		column++;
	write_value(out, m, column->kind, column->value(m));
}

static void write_head(struct text *t)
{
	struct buf line = { 0 };

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		text_pad(&line, columns[i].head, columns[i].width, true);
	text_paint(t, PAINT_DIM, buf_str(&line));
	buf_putc(t->out, '\n');
	buf_free(&line);
}

/* --- what happened ------------------------------------------------------------------------ */

/* Sorted, longest first. */
static void write_stalls(struct text *t)
{
	struct buf line = { 0 };

	for (size_t i = 0; i < t->m->stalls_count && i < TOP_STALLS; i++) {
		buf_clear(&line);
		buf_puts(&line, "stall of ");
		fmt_seconds(&line, t->m->stalls[i].stall.duration_seconds);
		buf_puts(&line, ": ");
		text_stall(&line, &t->m->stalls[i].stall);
		text_wrap(t, LEAD, buf_str(&line));
	}
	buf_free(&line);
}

static void write_life(struct text *t)
{
	struct buf line = { 0 };

	for (size_t i = 0; i < t->m->life_count && i < TOP_EVENTS; i++) {
		const struct record_life *life = &t->m->life[i].life;

		buf_clear(&line);
		buf_puts(&line, "the server: ");
		text_safe(&line, life->event);
		if (isfinite(life->seconds)) {
			buf_puts(&line, " for ");
			fmt_seconds(&line, life->seconds);
		}
		text_wrap(t, LEAD, buf_str(&line));
	}
	buf_free(&line);
}

static bool has(const struct findings *findings, const struct finding *like)
{
	for (size_t i = 0; findings && i < findings->count; i++)
		if (!strcmp(findings->items[i].id, like->id) &&
		    findings->items[i].severity >= like->severity)
			return true;
	return false;
}

static void write_findings(struct text *t, const struct findings *before)
{
	struct buf line = { 0 };

	for (size_t i = 0; t->f && i < t->f->count; i++) {
		const struct finding *finding = &t->f->items[i];

		if (finding->severity == SEVERITY_INFO || has(before, finding))
			continue;
		buf_clear(&line);
		buf_printf(&line, "%s: ", severity_name(finding->severity));
		text_safe(&line, finding->title);
		text_wrap(t, LEAD, buf_str(&line));
	}
	buf_free(&line);
}

void report_window_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct findings *before, const struct report_style *style, bool head)
{
	struct text t = { .out = out, .m = m, .f = f };

	text_begin(&t, style);
	if (head)
		write_head(&t);
	write_line(&t);
	write_stalls(&t);
	write_life(&t);
	write_findings(&t, before);
}
