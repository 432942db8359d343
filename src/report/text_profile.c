/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who did it: commands, key prefixes and threads with what is charged to them. A
 * column whose sensor was off holds "-".
 */
#include <math.h>

#include "report/table.h"
#include "report/text.h"

#define TOP_ROWS       5
#define PREFIX_COLUMNS 36

struct profile {
	struct text *t;
	struct table *table;
	bool cpu, fault, offcpu, reclaim; /* sensors that were on */
};

static struct profile profile_new(struct text *t, const struct table_column *columns, size_t count)
{
	return (struct profile){
		.t = t,
		.table = table_new(columns, count),
		.cpu = model_sensor_on(t->m, "cpu"),
		.fault = model_sensor_on(t->m, "fault"),
		.offcpu = model_sensor_on(t->m, "offcpu"),
		.reclaim = model_sensor_on(t->m, "reclaim"),
	};
}

static void cell_share(struct profile *p, bool on, double part, double whole)
{
	text_percent(table_cell(p->table), on && whole > 0 ? part / whole : NAN);
}

static void cell_estimate(struct profile *p, bool on, double n)
{
	text_estimate(table_cell(p->table), on ? n : NAN);
}

static void cell_count(struct profile *p, bool on, int64_t n)
{
	table_count(p->table, on ? n : FACT_UNKNOWN);
}

static void cell_seconds(struct profile *p, bool on, double seconds)
{
	table_seconds(p->table, on ? seconds : NAN);
}

/* Columns of a screenful, then those of -v; the cells are in cells_charge(). */
#define COLUMNS_CHARGE                                               \
	{ "minor", true }, { "major", true }, { "in faults", true }, \
	{                                                            \
		"in allocator", true                                 \
	}
#define COLUMNS_CHARGE_MORE                                                                \
	{ "in kernel", true }, { "cow", true }, { "swap-in", true }, { "cpu wait", true }, \
		{ "io wait", true },                                                       \
	{                                                                                  \
		"reclaim", true                                                            \
	}

static void cells_charge(struct profile *p, const struct charge *c)
{
	cell_estimate(p, p->fault, c->minor_faults);
	cell_count(p, p->fault, c->major_faults);
	cell_seconds(p, p->fault, c->fault_seconds);
	cell_share(p, p->cpu, c->allocator_seconds, c->cpu_seconds);
	if (!p->t->style->verbose)
		return;
	cell_share(p, p->cpu, c->kernel_seconds, c->cpu_seconds);
	cell_estimate(p, p->fault, c->cow_faults);
	cell_seconds(p, p->fault, c->swap_fault_seconds);
	cell_seconds(p, p->offcpu, c->cpu_wait_seconds);
	cell_seconds(p, p->offcpu, c->io_wait_seconds);
	cell_seconds(p, p->reclaim, c->reclaim_seconds);
}

static size_t rows_shown(const struct text *t, size_t count)
{
	return t->style->verbose || count < TOP_ROWS ? count : TOP_ROWS;
}

/* "top 5 of 23, 9,970 CPU samples" */
static void profile_head(struct text *t, const char *head, size_t count)
{
	struct buf note = { 0 };

	if (!count)
		buf_puts(&note, model_sensor_on(t->m, "cpu") || model_sensor_on(t->m, "fault") ?
					"none seen" :
					"not known: the sensors for it are off");
	else if (rows_shown(t, count) < count)
		buf_printf(&note, "top %zu of %zu", rows_shown(t, count), count);
	if (count && t->m->have_totals && t->m->totals.cpu_samples != FACT_UNKNOWN) {
		buf_puts(&note, note.len ? ", sampled: " : "sampled: ");
		fmt_count(&note, t->m->totals.cpu_samples);
		buf_puts(&note, " CPU samples");
	}
	text_head(t, head, note.len ? buf_str(&note) : NULL);
	buf_free(&note);
}

void text_commands(struct text *t)
{
	static const struct table_column columns[] = {
		{ "command", false }, { "cpu", true },	   { "calls/s", true },
		COLUMNS_CHARGE,	      COLUMNS_CHARGE_MORE,
	};
	size_t count = rows_shown(t, t->m->commands_count);
	double seconds = t->m->duration_seconds;
	struct profile p;

	profile_head(t, "COMMANDS", t->m->commands_count);
	if (!count)
		return;
	p = profile_new(t, columns, t->style->verbose ? 13 : 7);
	for (size_t i = 0; i < count; i++) {
		const struct command_row *row = &t->m->commands[i];
		double calls = row->calls_total == FACT_UNKNOWN ? NAN : (double)row->calls_total;

		text_command(table_cell(p.table), row->command);
		cell_share(&p, p.cpu, row->charge.cpu_seconds, seconds);
		cell_estimate(&p, seconds > 0, calls / seconds);
		cells_charge(&p, &row->charge);
	}
	table_write(p.table, t);
}

void text_prefixes(struct text *t)
{
	static const struct table_column columns[] = {
		{ "prefix", false }, { "cpu", true },	  { "mostly by", false },
		COLUMNS_CHARGE,	     COLUMNS_CHARGE_MORE,
	};
	size_t count = rows_shown(t, t->m->prefixes_count);
	struct profile p;

	profile_head(t, "KEY PREFIXES", t->m->prefixes_count);
	if (!count)
		return;
	p = profile_new(t, columns, t->style->verbose ? 13 : 7);
	for (size_t i = 0; i < count; i++) {
		const struct prefix_row *row = &t->m->prefixes[i];
		struct bytes prefix = { row->prefix, row->prefix_len };

		text_key(table_cell(p.table), prefix, PREFIX_COLUMNS);
		cell_share(&p, p.cpu, row->charge.cpu_seconds, t->m->duration_seconds);
		text_command(table_cell(p.table), row->top_command);
		cells_charge(&p, &row->charge);
	}
	table_write(p.table, t);
}

void text_threads(struct text *t)
{
	static const struct table_column columns[] = {
		{ "thread", false },
		{ "cpu", true },
		COLUMNS_CHARGE,
		COLUMNS_CHARGE_MORE,
	};
	struct profile p;

	profile_head(t, "THREADS", t->m->threads_count);
	if (!t->m->threads_count)
		return;
	p = profile_new(t, columns, t->style->verbose ? 12 : 6);
	for (size_t i = 0; i < t->m->threads_count; i++) {
		table_text(p.table, t->m->threads[i].thread);
		cell_share(&p, p.cpu, t->m->threads[i].charge.cpu_seconds, t->m->duration_seconds);
		cells_charge(&p, &t->m->threads[i].charge);
	}
	table_write(p.table, t);
}
