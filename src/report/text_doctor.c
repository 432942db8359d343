/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reports for people; `redmem doctor`: what was watched, the verdict, where the memory
 * is, who did it, what stalled, the findings, and what all this cost. The findings stand
 * near the end because that is where a terminal leaves the reader. Sections that other
 * reports have, too, are in files of their own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "report/columns.h"
#include "report/text.h"

/* --- the timeline ------------------------------------------------------------ */

/*
 * The timeline as sparklines: a screenful shows what moved, -v shows all of them and
 * the table. A tick the server did not answer is a gap, not a zero.
 */

#define TICKS_MIN     3 /* fewer are no line */
#define LABEL_COLUMNS 16
#define ROOM_COLUMNS  36
#define SPARK_MAX     60
#define FLAT_SHARE    0.01 /* bytes that move less are "steady" */
/* The height of a bytes line stands for at least this share of its level, so that
 * noise does not look like a mountain. */
#define HEIGHT_SHARE 0.05

enum series_kind { SERIES_BYTES, SERIES_RATE };

struct series {
	const char *label;
	enum series_kind kind;
	double (*value)(const struct timeline_row *row);
};

static double known(int64_t n)
{
	return n == RECORD_UNKNOWN ? NAN : (double)n;
}

static double row_rss(const struct timeline_row *row)
{
	return known(row->host.rss_bytes);
}

static double row_used(const struct timeline_row *row)
{
	return known(row->used_memory_bytes);
}

static double row_swap(const struct timeline_row *row)
{
	return known(row->host.swap_bytes);
}

static double row_minor(const struct timeline_row *row)
{
	return known(row->host.minor_faults_total);
}

static double row_major(const struct timeline_row *row)
{
	return known(row->host.major_faults_total);
}

static double row_commands(const struct timeline_row *row)
{
	return known(row->commands_total);
}

static const struct series all_series[] = {
	{ "rss", SERIES_BYTES, row_rss },
	{ "used_memory", SERIES_BYTES, row_used },
	{ "swap", SERIES_BYTES, row_swap },
	{ "minor faults/s", SERIES_RATE, row_minor },
	{ "major faults/s", SERIES_RATE, row_major },
	{ "commands/s", SERIES_RATE, row_commands },
};

/* What one line is drawn from. */
struct points {
	double *value; /* NAN = a gap */
	size_t count, gaps;
	double min, max, first, last; /* of the known; NAN when none is */
};

/* The value of tick @i, or its growth a second since the last known tick before it. */
static double point_value(const struct model *m, const struct series *series, size_t i)
{
	double now = series->value(&m->timeline[i]), before = NAN, seconds = NAN;

	if (series->kind == SERIES_BYTES)
		return now;
	for (size_t p = i; p-- > 0 && isnan(before);) {
		before = series->value(&m->timeline[p]);
		seconds = m->timeline[i].host.t_seconds - m->timeline[p].host.t_seconds;
	}
	/* A counter that went back belongs to another server: restarted. */
	return seconds > 0 && now >= before ? (now - before) / seconds : NAN;
}

static struct points points_collect(const struct model *m, const struct series *series)
{
	size_t skip = series->kind == SERIES_RATE;
	struct points p = { .min = NAN, .max = NAN, .first = NAN, .last = NAN };

	p.value = xcalloc(m->timeline_count, sizeof(*p.value));
	for (size_t i = skip; i < m->timeline_count; i++) {
		double v = point_value(m, series, i);

		p.value[p.count++] = v;
		if (!isfinite(v)) {
			p.gaps++;
			continue;
		}
		p.min = fmin(p.min, v); /* fmin() and fmax() ignore the NAN */
		p.max = fmax(p.max, v);
		p.first = isnan(p.first) ? v : p.first;
		p.last = v;
	}
	return p;
}

/* Does the line say something the numbers elsewhere do not? */
static bool points_speak(const struct points *p, const struct series *series)
{
	if (isnan(p->max) || p->max <= 0)
		return false;
	if (series->kind == SERIES_RATE)
		return true;
	return p->gaps || p->max - p->min > FLAT_SHARE * p->max;
}

/* At most @columns wide: each column shows the largest of the ticks it stands for. */
static void write_spark(struct buf *out, const struct points *p, const struct series *series,
			size_t columns)
{
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	double low = series->kind == SERIES_RATE ? 0 : p->min;
	double height = fmax(p->max - low, HEIGHT_SHARE * p->max);

	columns = p->count < columns ? p->count : columns;
	for (size_t c = 0; c < columns; c++) {
		double top = NAN;
		int level;

		for (size_t i = c * p->count / columns; i < (c + 1) * p->count / columns; i++)
			top = fmax(top, p->value[i]);
		if (!isfinite(top)) {
			buf_putc(out, ' ');
			continue;
		}
		level = height > 0 ? (int)((top - low) / height * 7 + 0.5) : 0;
		buf_puts(out, bars[level < 0 ? 0 : level > 7 ? 7 : level]);
	}
}

static void write_range(struct buf *out, const struct points *p, const struct series *series)
{
	if (series->kind == SERIES_RATE) {
		text_estimate(out, p->min);
		buf_puts(out, " to ");
		text_estimate(out, p->max);
		return;
	}
	fmt_bytes(out, sum_whole(p->first));
	if (p->last != p->first) {
		buf_puts(out, " -> ");
		fmt_bytes(out, sum_whole(p->last));
	}
	if (p->max > p->first && p->max > p->last) {
		buf_puts(out, ", peak ");
		fmt_bytes(out, sum_whole(p->max));
	}
}

static void write_series(struct text *t, const struct points *p, const struct series *series)
{
	int room = t->columns - LABEL_COLUMNS - ROOM_COLUMNS;
	size_t columns = room < 10 ? 10 : room > SPARK_MAX ? SPARK_MAX : (size_t)room;

	buf_puts(t->out, "  ");
	text_pad(t->out, series->label, LABEL_COLUMNS, false);
	if (isnan(p->max)) {
		buf_puts(t->out, "not known\n");
		return;
	}
	write_spark(t->out, p, series, columns);
	buf_puts(t->out, "  ");
	write_range(t->out, p, series);
	if (p->gaps)
		buf_printf(t->out, ", %zu of %zu not known", p->gaps, p->count);
	buf_putc(t->out, '\n');
}

static void write_table(struct text *t)
{
	static const struct table_column columns[] = {
		{ "at", true },	    { "rss", true },   { "used_memory", true }, { "swap", true },
		{ "minor", true },  { "major", true }, { "commands", true },	{ "clients", true },
		{ "state", false }, { "reply", true },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < t->m->timeline_count; i++) {
		const struct timeline_row *row = &t->m->timeline[i];
		char state[] = { row->host.state, '\0' };

		text_moment(table_cell(table), row->host.t_seconds);
		table_bytes(table, row->host.rss_bytes);
		table_bytes(table, row->used_memory_bytes);
		table_bytes(table, row->host.swap_bytes);
		table_count(table, row->host.minor_faults_total);
		table_count(table, row->host.major_faults_total);
		table_count(table, row->commands_total);
		table_count(table, row->connected_clients);
		table_text(table, state);
		table_seconds(table, row->host.reply_seconds);
	}
	table_write(table, t);
}

static void text_timeline(struct text *t)
{
	size_t count = sizeof(all_series) / sizeof(all_series[0]);
	bool head = false;

	if (t->m->timeline_count < TICKS_MIN && !t->style->verbose)
		return;
	for (size_t i = 0; i < count && t->m->timeline_count >= TICKS_MIN; i++) {
		struct points p = points_collect(t->m, &all_series[i]);

		if (points_speak(&p, &all_series[i]) || t->style->verbose) {
			if (!head)
				text_head(t, "TIMELINE", NULL);
			head = true;
			write_series(t, &p, &all_series[i]);
		}
		free(p.value);
	}
	if (t->style->verbose && t->m->timeline_count) {
		if (!head)
			text_head(t, "TIMELINE", NULL);
		write_table(t);
	}
}

/* --- the report -------------------------------------------------------------- */

static void verdict(struct text *t)
{
	struct buf line = { 0 }, wrapped = { 0 };
	struct text inner = *t;
	enum paint paint = PAINT_GREEN;

	if (t->f->count && t->f->items[0].severity == SEVERITY_CRITICAL)
		paint = PAINT_RED;
	else if (t->f->count && t->f->items[0].severity == SEVERITY_WARNING)
		paint = PAINT_YELLOW;
	diagnose_verdict(&line, t->m, t->f);
	inner.out = &wrapped;
	text_wrap(&inner, "", buf_str(&line));
	buf_putc(t->out, '\n');
	text_paint(t, paint, buf_str(&wrapped));
	buf_free(&wrapped);
	buf_free(&line);
}

/* --- who did it: commands, key prefixes and threads with what is charged to them -------- */

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
	if (count && t->m->have_totals && t->m->totals.cpu_samples != RECORD_UNKNOWN) {
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

static void write_commands(struct text *t)
{
	write_profile(t, "COMMANDS", &columns_commands, *ROWS(t->m->commands, t->m->commands_count),
		      false);
}

static void write_prefixes(struct text *t)
{
	write_profile(t, "KEY PREFIXES", &columns_prefixes,
		      *ROWS(t->m->prefixes, t->m->prefixes_count), false);
}

static void write_threads(struct text *t)
{
	write_profile(t, "THREADS", &columns_threads, *ROWS(t->m->threads, t->m->threads_count),
		      true);
}

/* --- what the server complains of, and its replicas ------------------------------------- */

/* Errors by kind, then by the commands that met them. The server does not join the two. */
static void write_errors(struct text *t)
{
	const struct model *m = t->m;

	if (m->errors_count) {
		text_head(t, "ERRORS", "replies of this watch, without redmem's own");
		columns_text(t, &columns_errors,
			     &(struct rows){ m->errors, sizeof(*m->errors), NULL,
					     rows_shown(t, m->errors_count, false) });
	}
	if (m->refusals_count && (m->errors_count || t->style->verbose)) {
		if (!m->errors_count)
			text_head(t, "ERRORS", "by command");
		columns_text(t, &columns_refusals,
			     &(struct rows){ m->refusals, sizeof(*m->refusals), NULL,
					     rows_shown(t, m->refusals_count, false) });
	}
}

static void write_replicas(struct text *t)
{
	const struct replication *r = &t->m->replication;
	struct buf note = { 0 };

	if (!t->m->replicas_count)
		return;
	if (r->backlog_bytes != RECORD_UNKNOWN) {
		buf_puts(&note, "the backlog of ");
		fmt_bytes(&note, r->backlog_bytes);
		buf_puts(&note, isfinite(r->backlog_seconds) ? " holds " : "");
		if (isfinite(r->backlog_seconds))
			fmt_seconds(&note, r->backlog_seconds);
		buf_puts(&note, isfinite(r->backlog_seconds) ? " of writes" : "");
	}
	text_head(t, "REPLICAS", note.len ? buf_str(&note) : NULL);
	columns_text(t, &columns_replicas,
		     &(struct rows){ t->m->replicas, sizeof(*t->m->replicas), NULL,
				     rows_shown(t, t->m->replicas_count, false) });
	buf_free(&note);
}

/* --- what only -v shows: keys looked at, slow commands, mappings, RSS moves -------------- */

#define KEY_COLUMNS 40

static void keys(struct text *t)
{
	static const struct table_column columns[] = {
		{ "db", true },	      { "type", false }, { "encoding", false }, { "bytes", true },
		{ "elements", true }, { "ttl", true },	 { "key", false },
	};
	struct table *table;

	if (!t->m->keys_count)
		return;
	text_head(t, "KEYS", "those that showed up in this watch, looked at without touching");
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->keys_count; i++) {
		const struct record_key *key = &t->m->keys[i].key;

		table_count(table, key->db);
		table_text(table, key->type);
		table_text(table, key->encoding);
		table_bytes(table, key->bytes);
		table_count(table, key->elements);
		if (key->ttl_seconds == -1)
			table_text(table, "none");
		else
			table_seconds(table, key->ttl_seconds);
		text_key(table_cell(table), key->key, KEY_COLUMNS);
	}
	table_write(table, t);
}

static void slowlog(struct text *t)
{
	static const struct table_column columns[] = {
		{ "id", true },
		{ "took", true },
		{ "command", false },
		{ "key", false },
	};
	struct table *table;

	if (!t->m->slowlog_count)
		return;
	text_head(t, "SLOWLOG", "entries of this watch");
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->slowlog_count; i++) {
		const struct record_slowlog *entry = &t->m->slowlog[i].entry;

		table_count(table, entry->id);
		table_seconds(table, entry->seconds);
		text_command(table_cell(table), entry->command);
		text_key(table_cell(table), entry->key, KEY_COLUMNS);
	}
	table_write(table, t);
}

static void latency(struct text *t)
{
	static const struct table_column columns[] = {
		{ "event", false },
		{ "latest", true },
		{ "worst", true },
	};
	struct table *table;

	if (!t->m->latency_count)
		return;
	text_head(t, "LATENCY LATEST", "the server's own monitor");
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->latency_count; i++) {
		const struct record_latency *event = &t->m->latency[i].event;

		table_text(table, event->event);
		table_seconds(table, event->latest_seconds);
		table_seconds(table, event->max_seconds);
	}
	table_write(table, t);
}

static void mappings(struct text *t)
{
	static const struct table_column columns[] = {
		{ "phase", false }, { "pid", true },	    { "class", false },
		{ "maps", true },   { "size", true },	    { "rss", true },
		{ "swap", true },   { "huge pages", true }, { "lazy free", true },
	};
	struct table *table;

	if (!t->m->mappings_count)
		return;
	text_head(t, "MAPPINGS", "from smaps");
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->mappings_count; i++) {
		const struct record_mapping *mapping = &t->m->mappings[i].mapping;

		table_text(table, mapping->phase);
		buf_printf(table_cell(table), "%lld", (long long)mapping->pid);
		table_text(table, mapping->class_name);
		table_count(table, mapping->mappings_total);
		table_bytes(table, mapping->size_bytes);
		table_bytes(table, mapping->rss_bytes);
		table_bytes(table, mapping->swap_bytes);
		table_bytes(table, mapping->anon_huge_bytes);
		table_bytes(table, mapping->lazy_free_bytes);
	}
	table_write(table, t);
}

static void rss_moves(struct text *t)
{
	static const struct table_column columns[] = {
		{ "at", true }, { "member", false },  { "from", true },
		{ "to", true }, { "command", false }, { "key", false },
	};
	struct table *table;

	if (!t->m->rss_moves_count)
		return;
	text_head(t, "MOVES OF RSS AND SWAP", NULL);
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->rss_moves_count; i++) {
		const struct record_rss_move *move = &t->m->rss_moves[i].move;

		text_moment(table_cell(table), move->t_seconds);
		table_text(table, move->member);
		table_bytes(table, move->from_bytes);
		table_bytes(table, move->to_bytes);
		text_command(table_cell(table), move->command);
		text_key(table_cell(table), move->key, KEY_COLUMNS);
	}
	table_write(table, t);
}

static void write_details(struct text *t)
{
	text_children(t);
	keys(t);
	if (!t->m->keyspace)
		text_concentration(t);
	slowlog(t);
	latency(t);
	mappings(t);
	rss_moves(t);
}

/* --- the documents ---------------------------------------------------------------------- */

void report_doctor_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };

	text_begin(&t, style);
	text_about(&t);
	verdict(&t);
	text_events(&t);
	text_ledger(&t);
	text_timeline(&t);
	write_commands(&t);
	write_prefixes(&t);
	text_alloc_top(&t);
	if (style->verbose)
		write_threads(&t);
	text_stalls(&t);
	write_errors(&t);
	write_replicas(&t);
	text_keyspace(&t);
	text_passed(&t);
	if (style->verbose)
		write_details(&t);
	text_findings(&t);
	text_sensors(&t);
	text_cost(&t);
	text_own_cost(&t);
}

void report_memory_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };

	text_begin(&t, style);
	text_about(&t);
	verdict(&t);
	text_events(&t);
	text_ledger(&t);
	text_classes(&t);
	text_allocator(&t);
	text_children(&t);
	text_purge(&t);
	text_findings(&t);
	text_sensors(&t);
	text_own_cost(&t);
}
