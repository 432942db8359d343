/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem alloc` for people: who allocates, who frees, what grows, how long a call takes. */
#include <math.h>

#include "base/sum.h"
#include "report/columns.h"
#include "report/text.h"

#define TOP_ROWS       8
#define TOP_OF_DOCTOR  3
#define PREFIX_COLUMNS 36

static size_t shown_of(const struct text *t, size_t count, size_t top)
{
	return t->style->verbose || count < top ? count : top;
}

static void head_top(struct text *t, const char *head, size_t shown, size_t count)
{
	struct buf note = { 0 };

	if (shown < count)
		buf_printf(&note, "top %zu of %zu", shown, count);
	text_head(t, head, note.len ? buf_str(&note) : NULL);
	buf_free(&note);
}

/* What the bytes stand on: "12,345 hits; totals exact, shares from 12 % of the time". */
static void basis_note(struct buf *note, const struct alloc *a)
{
	if (!isfinite(a->alloc_bytes)) {
		buf_puts(note, "not known: the flow sensor is off");
		return;
	}
	fmt_count(note, a->flow_hits);
	buf_puts(note, a->by_caches ? " hits, of threads' caches; " : " hits; ");
	if (!a->partly) {
		buf_puts(note, "every byte in one of them");
		return;
	}
	buf_puts(note, a->by_caches ? "scaled up from " : "totals exact, shares from ");
	text_percent(note, a->flow_duty_ratio);
	buf_puts(note, " of the time");
}

static void write_commands(struct text *t, size_t top)
{
	const struct alloc *a = &t->m->alloc;
	struct rows rows = *ROWS(t->m->commands, shown_of(t, a->commands_count, top));

	rows.order = a->commands;
	if (rows.count)
		columns_text(t, &columns_alloc_commands, &rows);
}

static void write_prefixes(struct text *t, const char *head, const size_t *order, size_t count)
{
	struct rows rows = *ROWS(t->m->prefixes, shown_of(t, count, TOP_ROWS));

	rows.order = order;
	head_top(t, head, rows.count, count);
	if (rows.count)
		columns_text(t, &columns_alloc_prefixes, &rows);
}

static void write_threads(struct text *t)
{
	struct rows rows = *ROWS(t->m->threads, t->m->alloc.threads_count);

	rows.order = t->m->alloc.threads;
	if (!rows.count)
		return;
	text_head(t, "THREADS", NULL);
	columns_text(t, &columns_alloc_threads, &rows);
}

/* "  used_memory 1.2 GiB, 200.1 MiB more than at the start" */
static void write_growth(struct text *t)
{
	int64_t start = model_info_start(t->m, "used_memory");
	int64_t end = model_info_end(t->m, "used_memory");
	struct buf line = { 0 };

	write_prefixes(t, "GROWTH", t->m->alloc.growth, t->m->alloc.growth_count);
	if (start == RECORD_UNKNOWN || end == RECORD_UNKNOWN)
		return;
	buf_puts(&line, "used_memory went from ");
	fmt_bytes(&line, start);
	buf_puts(&line, " to ");
	fmt_bytes(&line, end);
	buf_puts(&line, "; allocated minus freed ");
	fmt_bytes(&line, isfinite(t->m->alloc.alloc_bytes) ?
				 sum_whole(t->m->alloc.alloc_bytes - t->m->alloc.free_bytes) :
				 RECORD_UNKNOWN);
	buf_puts(&line, ". What expiry, eviction and lazy freeing give back has no prefix.");
	if (t->m->alloc.shared_bytes > 0) {
		buf_putc(&line, ' ');
		fmt_bytes(&line, sum_whole(t->m->alloc.shared_bytes));
		buf_puts(&line, " were moved by I/O threads, where nobody knows of a key, and are "
				"shared out by what each allocates.");
	}
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

static void add_tops(struct buf *line, const struct alloc_top *tops, bool command)
{
	for (size_t i = 0; i < ALLOC_TOP && tops[i].name; i++) {
		buf_puts(line, i ? ", " : " ");
		if (command)
			text_command(line, tops[i].name);
		else
			text_key(line, (struct bytes){ tops[i].name, tops[i].name_len },
				 PREFIX_COLUMNS);
		buf_putc(line, ' ');
		fmt_bytes(line, sum_whole(tops[i].alloc_bytes));
	}
}

static void write_peak(struct text *t)
{
	const struct alloc_tick *peak = t->m->alloc.peak;
	struct buf line = { 0 };

	if (!peak)
		return;
	buf_puts(&line, "used_memory was highest at ");
	text_moment(&line, t->m->alloc.peak_seconds);
	buf_puts(&line, " with ");
	fmt_bytes(&line, t->m->alloc.peak_bytes);
	buf_puts(&line, "; allocated up to then, in a second, by");
	add_tops(&line, peak->commands, true);
	if (peak->prefixes[0].name) {
		buf_puts(&line, "; for");
		add_tops(&line, peak->prefixes, false);
	}
	buf_putc(&line, '.');
	text_head(t, "PEAK", NULL);
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

/* Up to a microsecond nanoseconds count. */
static void cell_short(struct table *table, double seconds)
{
	if (seconds >= 0 && seconds < 1e-6)
		buf_printf(table_cell(table), "%.0f ns", seconds * 1e9);
	else
		table_seconds(table, seconds);
}

static void latency_row(struct text *t, struct table *table, const char *name,
			const struct call_latency *l)
{
	double all = l->mean_seconds * (double)l->calls_total;

	(void)t;
	text_safe(table_cell(table), name);
	table_count(table, l->calls_total);
	cell_short(table, l->p50_seconds);
	cell_short(table, l->p99_seconds);
	cell_short(table, l->max_seconds);
	for (int path = 0; path < CALL_PATHS; path++)
		text_percent(table_cell(table), l->path_seconds[path] / all);
}

static void latency_note(struct buf *note, const struct alloc *a)
{
	fmt_count(note, a->bursts_total);
	buf_printf(note, " bursts; without the probes' own, %.1f +- %.1f us at most",
		   a->burst.probe_seconds * 1e6, a->burst.probe_error_seconds * 1e6);
}

static void write_latency(struct text *t)
{
	static const struct table_column columns[] = {
		{ "command", false }, { "calls seen", true },	{ "p50", true },
		{ "p99", true },      { "max", true },		{ "time fast", true },
		{ "slow", true },     { "with a fault", true },
	};
	const struct model *m = t->m;
	struct buf note = { 0 };
	struct table *table;

	if (!m->alloc.latency.calls_total)
		return;
	latency_note(&note, &m->alloc);
	text_head(t, "CALLS OF THE ALLOCATOR", buf_str(&note));
	buf_free(&note);
	table = table_new(columns, 8);
	latency_row(t, table, "(all)", &m->alloc.latency);
	for (size_t i = 0; i < m->alloc.commands_count; i++) {
		const struct command_row *row = &m->commands[m->alloc.commands[i]];

		if (row->latency.calls_total)
			latency_row(t, table, *row->command ? row->command : "(event loop)",
				    &row->latency);
	}
	table_write(table, t);
}

static void write_classes(struct text *t)
{
	const struct alloc *a = &t->m->alloc;

	if (!a->classes_count)
		return;
	text_head(t, "SIZE CLASSES", "asked for and rounding: means of the calls bursts saw");
	columns_text(t, &columns_alloc_classes, ROWS(a->classes, a->classes_count));
}

static void write_totals(struct text *t)
{
	const struct alloc *a = &t->m->alloc;
	struct buf line = { 0 };

	if (!isfinite(a->alloc_bytes))
		return;
	buf_puts(&line, "Allocated ");
	fmt_bytes(&line, sum_whole(a->alloc_bytes));
	buf_puts(&line, ", freed ");
	fmt_bytes(&line, sum_whole(a->free_bytes));
	buf_puts(&line, ".");
	buf_putc(t->out, '\n');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

void report_alloc_text(struct buf *out, const struct model *m, const struct report_style *style)
{
	struct text t = { .out = out, .m = m };
	struct buf note = { 0 };

	text_begin(&t, style);
	text_about(&t);
	text_events(&t);
	write_totals(&t);
	basis_note(&note, &m->alloc);
	text_head(&t, "COMMANDS", buf_str(&note));
	buf_free(&note);
	write_commands(&t, TOP_ROWS);
	write_prefixes(&t, "KEY PREFIXES", m->alloc.prefixes, m->alloc.prefixes_count);
	write_growth(&t);
	write_peak(&t);
	write_threads(&t);
	write_latency(&t);
	write_classes(&t);
	text_sensors(&t);
	text_cost(&t);
	text_own_cost(&t);
}

void text_alloc_top(struct text *t)
{
	struct buf note = { 0 };

	if (!isfinite(t->m->alloc.alloc_bytes) || !t->m->alloc.commands_count)
		return;
	basis_note(&note, &t->m->alloc);
	text_head(t, "ALLOCATED", buf_str(&note));
	buf_free(&note);
	write_commands(t, TOP_OF_DOCTOR);
}
