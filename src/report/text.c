/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reports for people; `redmem doctor`: what was watched, the verdict, where the memory
 * is, who did it, what stalled, the findings, and what all this cost. The findings stand
 * near the end because that is where a terminal leaves the reader. Larger sections have
 * files of their own.
 */
#include <math.h>
#include <string.h>

#include "report/columns.h"
#include "report/text.h"

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
	text_keyspace(&t);
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
