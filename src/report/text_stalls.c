/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls, longest first: when, how long, doing what to which key, and why. */
#include "report/cause.h"
#include "report/text.h"

#define TOP_STALLS     3
#define KEY_COLUMNS    48
#define MOMENT_COLUMNS 10
#define LENGTH_COLUMNS 16

/* "84 % allocator, 12 % own computing" */
static void write_blame(struct buf *out, const struct fact_stall *stall)
{
	struct blame blame[CAUSE_MAX];
	size_t count = cause_split(stall, blame);

	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i ? ", " : "");
		text_percent(out, blame[i].seconds / stall->duration_seconds);
		buf_printf(out, " %s", blame[i].cause->words);
	}
	if (!count)
		buf_puts(out, "cause not known");
}

static void write_stall(struct text *t, const struct fact_stall *stall)
{
	const char *advice = cause_advice(stall);
	struct buf cell = { 0 };
	struct buf lead = { 0 };

	buf_puts(t->out, "  ");
	text_moment(&cell, stall->t_seconds);
	text_pad(t->out, buf_str(&cell), MOMENT_COLUMNS, false);
	buf_clear(&cell);
	fmt_seconds(&cell, stall->duration_seconds);
	buf_puts(&cell, stall->running ? " so far" : "");
	text_pad(t->out, buf_str(&cell), LENGTH_COLUMNS, false);
	text_command(t->out, stall->command);
	if (stall->inner && *stall->inner) {
		buf_puts(t->out, " > ");
		text_command(t->out, stall->inner);
	}
	if (stall->key.len) {
		buf_putc(t->out, ' ');
		text_key(t->out, stall->key, KEY_COLUMNS);
	}
	buf_putc(t->out, '\n');
	buf_fill(&lead, ' ', MOMENT_COLUMNS + 2);
	buf_clear(&cell);
	write_blame(&cell, stall);
	text_wrap(t, buf_str(&lead), buf_str(&cell));
	if (t->style->verbose && advice)
		text_wrap(t, buf_str(&lead), advice);
	buf_free(&cell);
	buf_free(&lead);
}

void text_stalls(struct text *t)
{
	size_t count = t->m->stalls_count;
	size_t shown = t->style->verbose || count < TOP_STALLS ? count : TOP_STALLS;
	struct buf note = { 0 };

	if (!count)
		buf_puts(&note, model_sensor_on(t->m, "loop") ?
					"none seen" :
					"not known: the loop sensor is off");
	else if (shown < count)
		buf_printf(&note, "the longest %zu of %zu", shown, count);
	text_head(t, "STALLS", note.len ? buf_str(&note) : NULL);
	for (size_t i = 0; i < shown; i++)
		write_stall(t, &t->m->stalls[i].stall);
	buf_free(&note);
}
