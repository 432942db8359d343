/* SPDX-License-Identifier: BSD-2-Clause */
/* What only -v shows: children, keys looked at, slow commands, mappings, RSS moves. */
#include <math.h>
#include <string.h>

#include "report/table.h"
#include "report/text.h"

#define KEY_COLUMNS 40

#define TABLE(columns) table_new(columns, sizeof(columns) / sizeof((columns)[0]))

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
		const struct fact_key *key = &t->m->keys[i].key;

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
		const struct fact_slowlog *entry = &t->m->slowlog[i].entry;

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
		const struct fact_latency *event = &t->m->latency[i].event;

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
		const struct fact_mapping *mapping = &t->m->mappings[i].mapping;

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
		const struct fact_rss_move *move = &t->m->rss_moves[i].move;

		text_moment(table_cell(table), move->t_seconds);
		table_text(table, move->member);
		table_bytes(table, move->from_bytes);
		table_bytes(table, move->to_bytes);
		text_command(table_cell(table), move->command);
		text_key(table_cell(table), move->key, KEY_COLUMNS);
	}
	table_write(table, t);
}

void text_details(struct text *t)
{
	text_children(t);
	keys(t);
	slowlog(t);
	latency(t);
	mappings(t);
	rss_moves(t);
}
