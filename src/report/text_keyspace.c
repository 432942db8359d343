/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pass over all keys has found, for people. */
#include <math.h>
#include <string.h>

#include "diagnose/keys.h"
#include "model/keyspace.h"
#include "report/text.h"

#define KEY_COLUMNS    48
#define PREFIX_COLUMNS 52
#define PREFIX_ROWS    20 /* of a screenful */
#define PREFIX_SHARE   0.005 /* of all bytes: a smaller prefix is left to -v */

static void cell_share(struct table *table, int64_t part, int64_t whole)
{
	text_percent(table_cell(table), whole > 0 ? (double)part / (double)whole : NAN);
}

/* "zset/skiplist" */
static void cell_type(struct table *table, const struct record_key *key)
{
	struct buf *cell = table_cell(table);

	text_safe(cell, key->type);
	if (key->encoding[0]) {
		buf_putc(cell, '/');
		text_safe(cell, key->encoding);
	}
}

static void cell_ttl(struct table *table, double ttl_seconds)
{
	if (ttl_seconds == -1)
		table_text(table, "none");
	else
		table_seconds(table, ttl_seconds);
}

static void write_types(struct text *t)
{
	static const struct table_column columns[] = {
		{ "type", false }, { "keys", true },	{ "bytes", true },
		{ "share", true }, { "average", true }, { "elements", true },
		{ "big", true },   { "largest", true }, { "key", false },
	};
	const struct keyspace *c = t->m->keyspace;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	text_head(t, "TYPES",
		  c->elements_asked ? NULL :
				      "elements were not counted: that would count as use of the "
				      "keys (--elements)");
	for (size_t i = 0; i < c->types_count; i++) {
		const struct keyspace_type *type = &c->types[i];
		const struct keyspace_key *largest = type->by_bytes.keys;
		bool counted = type->elements_known_total == type->keys_total;

		table_text(table, type->type);
		table_count(table, type->keys_total);
		table_bytes(table, type->bytes);
		cell_share(table, type->bytes, c->bytes);
		table_bytes(table, type->bytes / type->keys_total);
		table_count(table, counted ? type->elements_total : RECORD_UNKNOWN);
		table_count(table, type->level_total[KEY_BIG] + type->level_total[KEY_VERY_BIG]);
		table_bytes(table, largest ? largest->key.bytes : RECORD_UNKNOWN);
		text_key(table_cell(table), largest ? largest->key.key : (struct bytes){ 0 },
			 KEY_COLUMNS / 2);
	}
	table_write(table, t);
}

/* "DEL 1.2 s, HGETALL 0.9 s": the two longest. */
static void cell_blocking(struct table *table, const struct text *t, const struct record_key *key)
{
	struct buf *cell = table_cell(table);
	struct key_cost costs[KEY_COSTS_MAX];
	struct key_speed speed = key_speed_of(t->m);
	size_t count = key_costs(&speed, key, costs);

	for (size_t i = 0; i < count && i < 2; i++) {
		buf_printf(cell, "%s%s ", i ? ", " : "", costs[i].command);
		fmt_seconds(cell, costs[i].seconds);
	}
	if (key_in_stalls(t->m, key))
		buf_puts(cell, "; seen in stalls");
	if (key_in_faults(t->m, key))
		buf_puts(cell, "; seen in faults");
}

static void write_top(struct text *t)
{
	static const struct table_column columns[] = {
		{ "bytes", true },
		{ "elements", true },
		{ "type", false },
		{ "ttl", true },
		{ "db", true },
		{ "key", false },
		{ "would hold the server (~)", false },
	};
	const struct keyspace_top *top = &t->m->keyspace->top;
	/* What holds a server is known where its host was looked at. */
	bool held = isfinite(t->m->keyspace->access_seconds);
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns) - !held);

	text_head(t, "BIGGEST KEYS", NULL);
	for (size_t i = 0; i < top->count; i++) {
		const struct record_key *key = &top->keys[i].key;

		table_bytes(table, key->bytes);
		table_count(table, key->elements);
		cell_type(table, key);
		cell_ttl(table, key->ttl_seconds);
		table_count(table, key->db);
		text_key(table_cell(table), key->key, KEY_COLUMNS);
		if (held)
			cell_blocking(table, t, key);
	}
	table_write(table, t);
}

#define USEFUL_NOTE "useful: names and values of strings, against what they take"

static void cell_useful(struct table *table, const struct useful *useful)
{
	text_percent(table_cell(table), useful_ratio(useful));
}

static void prefix_row(struct table *table, const struct keyspace_prefix *p, int64_t all)
{
	struct buf *cell = table_cell(table);

	buf_fill(cell, ' ', (size_t)p->depth * 2);
	text_key(cell, (struct bytes){ p->prefix, p->prefix_len }, PREFIX_COLUMNS);
	table_count(table, p->keys_total);
	table_bytes(table, p->bytes);
	cell_share(table, p->bytes, all);
	table_bytes(table, p->keys_total ? p->bytes / p->keys_total : RECORD_UNKNOWN);
	table_bytes(table, p->bytes_max);
	table_count(table, p->no_ttl_total);
	cell_useful(table, &p->useful);
}

static void write_prefixes(struct text *t)
{
	static const struct table_column columns[] = {
		{ "prefix", false }, { "keys", true },	  { "bytes", true },  { "share", true },
		{ "average", true }, { "largest", true }, { "no ttl", true }, { "useful", true },
	};
	const struct keyspace *c = t->m->keyspace;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	size_t shown = 0;
	struct buf note = { 0 };

	for (size_t i = 0; i < c->branches.count; i++) {
		const struct keyspace_prefix *p = &c->branches.rows[i];

		if (!t->style->verbose &&
		    (shown == PREFIX_ROWS || (double)p->bytes < PREFIX_SHARE * (double)c->bytes))
			continue;
		prefix_row(table, p, c->bytes);
		shown++;
	}
	if (shown < c->branches.count)
		buf_printf(&note, "%zu of %zu; -v shows all; ", shown, c->branches.count);
	buf_puts(&note, USEFUL_NOTE);
	text_head(t, "PREFIXES", buf_str(&note));
	table_write(table, t);
	buf_free(&note);
}

static void write_ttl(struct text *t)
{
	static const struct table_column columns[] = {
		{ "expiry", false }, { "keys", true }, { "share", true }, { "bytes", true }
	};
	const struct keyspace *c = t->m->keyspace;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	text_head(t, "TTL", NULL);
	for (size_t i = 0; i < KEYSPACE_TTL_BUCKETS; i++) {
		if (!c->ttl[i].keys_total)
			continue;
		table_text(table, c->ttl[i].title);
		table_count(table, c->ttl[i].keys_total);
		cell_share(table, c->ttl[i].keys_total, c->keys_total);
		table_bytes(table, c->ttl[i].bytes);
	}
	table_write(table, t);
}

static void write_encodings(struct text *t)
{
	static const struct table_column columns[] = {
		{ "type", false }, { "encoding", false }, { "keys", true },
		{ "bytes", true }, { "average", true },	  { "useful", true },
	};
	const struct keyspace *c = t->m->keyspace;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	text_head(t, "ENCODINGS", USEFUL_NOTE);
	for (size_t i = 0; i < c->encodings_count; i++) {
		const struct keyspace_encoding *e = &c->encodings[i];

		table_text(table, e->type);
		table_text(table, e->encoding);
		table_count(table, e->keys_total);
		table_bytes(table, e->bytes);
		table_bytes(table, e->bytes / e->keys_total);
		cell_useful(table, &e->useful);
	}
	table_write(table, t);
}

static void write_parts(struct text *t)
{
	static const struct table_column columns[] = { { "node", false },
						       { "role", false },
						       { "db", true },
						       { "keys", true },
						       { "bytes", true } };
	const struct keyspace *c = t->m->keyspace;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	text_head(t, c->parts[0].node[0] ? "NODES" : "DATABASES", NULL);
	for (size_t i = 0; i < c->parts_count; i++) {
		table_text(table, c->parts[i].address[0] ? c->parts[i].address : "-");
		table_text(table, c->parts[i].role[0] ? c->parts[i].role : "-");
		table_count(table, c->parts[i].db);
		table_count(table, c->parts[i].keys_total);
		table_bytes(table, c->parts[i].bytes);
	}
	table_write(table, t);
}

/* "1,000,000 keys, 92.3 MiB, in 2.1 s" and what is to be known of the pass. */
static void write_account(struct text *t)
{
	const struct keyspace *c = t->m->keyspace;
	struct buf line = { 0 };

	fmt_count(&line, c->keys_total);
	buf_puts(&line, c->complete ? " keys" : " keys so far");
	buf_puts(&line, ", ");
	fmt_bytes(&line, c->bytes);
	buf_puts(&line, " (MEMORY USAGE: exact for strings, sampled for collections), in ");
	fmt_seconds(&line, c->seconds);
	if (c->cursor) {
		buf_puts(&line, "; not complete, go on with --cursor ");
		text_safe(&line, c->cursor);
	}
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

/* A look that made the server delete keys says so, and one that was not shown all of them. */
static void write_expired(struct text *t)
{
	const struct keyspace *c = t->m->keyspace;
	struct buf line = { 0 };

	if (c->expired_total > 0) {
		fmt_count(&line, c->expired_total);
		buf_puts(&line, " keys past their time were deleted by the server meanwhile, as it "
				"does when SCAN meets them: DBSIZE said ");
		fmt_count(&line, c->before_total);
		buf_puts(&line, " before and ");
		fmt_count(&line, c->after_total);
		buf_puts(&line, " after. ");
	}
	if (c->hidden_total > 0) {
		fmt_count(&line, c->hidden_total);
		buf_puts(&line, " keys more are held than SCAN gives: on a replica it hides those "
				"past their time until the primary deletes them.");
	}
	if (line.len)
		text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

static void write_cost(struct text *t)
{
	const struct keyspace *c = t->m->keyspace;
	struct buf line = { 0 };

	buf_puts(&line, "The pass sent ");
	fmt_count(&line, c->commands_total);
	buf_puts(&line, " commands, waited for a reply ");
	fmt_seconds(&line, (double)hist_quantile(&c->latency, 0.99) / 1e9);
	buf_puts(&line, " at most in 99 of 100 cases, and rested ");
	fmt_seconds(&line, c->rested_seconds);
	buf_puts(&line, "; it moved keyspace_hits by ");
	fmt_count(&line, c->hits_total);
	buf_puts(&line, ", keyspace_misses by ");
	fmt_count(&line, c->misses_total);
	buf_puts(&line, c->elements_asked && !c->no_touch ?
				", and counted as use of the keys whose elements it asked for." :
				", and no LRU clock or LFU counter.");
	if (c->repeats_total || c->gone_total || c->refused_total) {
		buf_puts(&line, " SCAN repeats dropped ");
		fmt_count(&line, c->repeats_total);
		buf_puts(&line, ", keys gone meanwhile ");
		fmt_count(&line, c->gone_total);
		buf_puts(&line, ", answers refused ");
		fmt_count(&line, c->refused_total);
		if (c->refused && c->refused[0]) {
			buf_puts(&line, " (");
			text_safe(&line, c->refused);
			buf_putc(&line, ')');
		}
		buf_putc(&line, '.');
	}
	if (c->inferred_total > 0) {
		buf_puts(&line, " Type and encoding of ");
		fmt_count(&line, c->inferred_total);
		buf_puts(&line, " small keys were inferred from others whose names differ in "
				"numbers only (--exact asks all).");
	}
	buf_puts(&line, " redmem itself used ");
	fmt_seconds(&line, c->own_cpu_seconds);
	buf_puts(&line, " of CPU and ");
	fmt_bytes(&line, c->own_rss_bytes);
	buf_putc(&line, '.');
	buf_putc(t->out, '\n');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

void text_concentration(struct text *t)
{
	struct concentration c;
	struct buf line = { 0 };

	if (!concentration_of(t->m, &c))
		return;
	buf_puts(&line, "The largest 1 % of keys hold ");
	text_percent(&line, c.top_1_percent);
	buf_puts(&line, " of all bytes of keys, the largest 20 % ");
	text_percent(&line, c.top_20_percent);
	if (c.basis == BASIS_SAMPLED) {
		buf_puts(&line, " (of ");
		fmt_count(&line, c.keys_total);
		buf_puts(&line, " drawn at random)");
	}
	buf_putc(&line, '.');
	text_wrap(t, "  ", buf_str(&line));
	buf_free(&line);
}

void text_keyspace(struct text *t)
{
	const struct keyspace *c = t->m->keyspace;

	if (!c)
		return;
	write_expired(t);
	if (!c->keys_total)
		return;
	write_types(t);
	text_concentration(t);
	write_top(t);
	write_prefixes(t);
	write_ttl(t);
	if (t->style->verbose)
		write_encodings(t);
	if (c->parts_count > 1)
		write_parts(t);
}

void report_keys_text(struct buf *out, const struct model *m, const struct findings *f,
		      const struct report_style *style)
{
	struct text t = { .out = out, .m = m, .f = f };

	text_begin(&t, style);
	text_head_server(&t);
	write_account(&t);
	text_keyspace(&t);
	text_findings(&t);
	write_cost(&t);
}
