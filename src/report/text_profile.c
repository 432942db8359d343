/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who did it: commands, key prefixes and threads with what is charged to them. A
 * column whose sensor was off holds "-".
 */
#include "report/columns.h"

#define TOP_ROWS 5

static size_t rows_shown(const struct text *t, size_t count, bool all)
{
	return all || t->style->verbose || count < TOP_ROWS ? count : TOP_ROWS;
}

/* "top 5 of 23, 9,970 CPU samples" */
static void profile_head(struct text *t, const char *head, size_t count, bool all)
{
	size_t shown = rows_shown(t, count, all);
	struct buf note = { 0 };

	if (!count)
		buf_puts(&note, model_sensor_on(t->m, "cpu") || model_sensor_on(t->m, "fault") ?
					"none seen" :
					"not known: the sensors for it are off");
	else if (shown < count)
		buf_printf(&note, "top %zu of %zu", shown, count);
	if (count && t->m->have_totals && t->m->totals.cpu_samples != FACT_UNKNOWN) {
		buf_puts(&note, note.len ? ", sampled: " : "sampled: ");
		fmt_count(&note, t->m->totals.cpu_samples);
		buf_puts(&note, " CPU samples");
	}
	text_head(t, head, note.len ? buf_str(&note) : NULL);
	buf_free(&note);
}

static void write_profile(struct text *t, const char *head, const struct columns *columns,
			  struct rows rows, bool all)
{
	profile_head(t, head, rows.count, all);
	rows.count = rows_shown(t, rows.count, all);
	if (rows.count)
		columns_text(t, columns, &rows);
}

void text_commands(struct text *t)
{
	write_profile(t, "COMMANDS", &columns_commands, *ROWS(t->m->commands, t->m->commands_count),
		      false);
}

void text_prefixes(struct text *t)
{
	write_profile(t, "KEY PREFIXES", &columns_prefixes,
		      *ROWS(t->m->prefixes, t->m->prefixes_count), false);
}

void text_threads(struct text *t)
{
	write_profile(t, "THREADS", &columns_threads, *ROWS(t->m->threads, t->m->threads_count),
		      true);
}
