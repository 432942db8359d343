/* SPDX-License-Identifier: BSD-2-Clause */
/* The rest of `redmem memory`: the allocator's state, what saving children took and who
 * made it so, what a purge did. */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "report/table.h"
#include "report/text.h"

#define TABLE(columns) table_new(columns, sizeof(columns) / sizeof((columns)[0]))
#define PREFIX_COLUMNS 40

/* ", name 1.2 MiB" */
static void part(struct buf *line, const char *name, int64_t bytes)
{
	buf_printf(line, "%s%s ", line->len ? ", " : "", name);
	fmt_bytes(line, bytes);
}

/* "after 10 s", "never" */
static void decay(struct buf *line, const char *name, int64_t ms)
{
	buf_printf(line, "%s ", name);
	if (ms < 0) {
		buf_puts(line, ms == FACT_UNKNOWN ? "-" : "never");
		return;
	}
	buf_puts(line, "after ");
	fmt_seconds(line, (double)ms / 1e3);
}

static void large_extents(struct buf *line, const struct malloc_stats *s)
{
	int64_t count = 0, bytes = 0;

	for (size_t i = 0; i < s->classes_count; i++)
		if (!s->classes[i].small) {
			sum_add(&count, s->classes[i].slabs);
			sum_add(&bytes, s->classes[i].allocated_bytes);
		}
	fmt_count(line, count);
	buf_puts(line, " large extents of ");
	fmt_bytes(line, bytes);
	buf_puts(line, " in all");
}

void text_allocator(struct text *t)
{
	const struct malloc_stats *s = t->m->malloc_stats;
	struct buf line = { 0 };

	if (!s)
		return;
	text_head(t, "ALLOCATOR", NULL);
	part(&line, "allocated", s->allocated_bytes);
	part(&line, "active", s->active_bytes);
	part(&line, "dirty", s->dirty_bytes);
	part(&line, "muzzy", s->muzzy_bytes);
	part(&line, "metadata", s->metadata_bytes);
	part(&line, "retained", s->retained_bytes);
	buf_puts(&line, " (addresses only)");
	text_wrap(t, "  ", buf_str(&line));
	buf_clear(&line);
	large_extents(&line, s);
	decay(&line, "; dirty pages go", s->dirty_decay_ms);
	decay(&line, ", muzzy ones", s->muzzy_decay_ms);
	buf_printf(&line, "; background thread %s", s->background_thread ? "on" : "off");
	text_wrap(t, "  ", buf_str(&line));
	buf_clear(&line);
	buf_puts(&line, "read in ");
	fmt_seconds(&line, t->m->malloc_stats_seconds);
	buf_puts(&line, " (MALLOC-STATS, there and back) and ");
	fmt_seconds(&line, t->m->have_self ? t->m->self.smaps_seconds : NAN);
	buf_puts(&line, " (smaps, beside it)");
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

/* "SET 12,000, HSET 300": faults. */
static void copied_by(struct text *t, const struct cow_rows *cow)
{
	struct buf line = { 0 };

	for (size_t i = 0; i < cow->prefixes_count; i++) {
		const struct prefix_row *row = cow->prefixes[i];

		buf_puts(&line, i ? ", " : "");
		text_key(&line, (struct bytes){ row->prefix, row->prefix_len }, PREFIX_COLUMNS);
		buf_putc(&line, ' ');
		text_estimate(&line, row->charge.cow_faults);
	}
	if (cow->prefixes_count)
		text_wrap(t, "  copied for keys: ", buf_str(&line));
	buf_clear(&line);
	for (size_t i = 0; i < cow->commands_count; i++) {
		buf_puts(&line, i ? ", " : "");
		text_command(&line, cow->commands[i]->command);
		buf_putc(&line, ' ');
		text_estimate(&line, cow->commands[i]->charge.cow_faults);
	}
	if (cow->commands_count)
		text_wrap(t, "  copied by: ", buf_str(&line));
	buf_free(&line);
}

void text_children(struct text *t)
{
	static const struct table_column columns[] = {
		{ "pid", true },	{ "purpose", false },	{ "start", true },
		{ "end", true },	{ "fork", true },	{ "rss", true },
		{ "private", true },	{ "cow faults", true }, { "done", true },
		{ "at the end", true },
	};
	struct cow_rows cow;
	struct table *table;

	if (!t->m->children_count)
		return;
	text_head(t, "CHILDREN", "private: pages no longer shared with the server");
	table = TABLE(columns);
	for (size_t i = 0; i < t->m->children_count; i++) {
		const struct child_row *row = &t->m->children[i];
		const struct fact_child *child = &row->child;

		buf_printf(table_cell(table), "%lld", (long long)child->pid);
		table_text(table, child->purpose);
		text_moment(table_cell(table), child->t_start_seconds);
		text_moment(table_cell(table), child->t_end_seconds);
		table_seconds(table, child->fork_seconds);
		table_bytes(table, child->rss_bytes);
		table_bytes(table, child->private_bytes);
		table_count(table, child->cow_faults);
		text_percent(table_cell(table), row->done_ratio);
		table_bytes(table, row->projected_bytes);
	}
	table_write(table, t);
	model_cow(t->m, &cow);
	copied_by(t, &cow);
}

void text_purge(struct text *t)
{
	const struct fact_purge *purge = &t->m->purge;
	struct buf line = { 0 };

	if (!t->m->have_purge)
		return;
	text_head(t, "PURGE", "asked for with --try purge");
	if (*purge->error) {
		buf_puts(&line, "the server did not do it: ");
		text_safe(&line, purge->error);
	} else {
		part(&line, "expected", model_purgeable(t->m));
		buf_puts(&line, "; rss fell by ");
		fmt_bytes(&line, model_purged(t->m));
		buf_puts(&line, ", from ");
		fmt_bytes(&line, purge->rss_before_bytes);
		buf_puts(&line, " to ");
		fmt_bytes(&line, purge->rss_after_bytes);
		buf_puts(&line, ", in ");
		fmt_seconds(&line, purge->reply_seconds);
	}
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}
