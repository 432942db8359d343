/* SPDX-License-Identifier: BSD-2-Clause */
/* What only dumps tell of their keys, for people and as JSON: last use, slots, compression. */
#include <math.h>
#include <stdlib.h>

#include "model/keyspace.h"
#include "redis/slot.h"
#include "report/dump.h"
#include "report/json.h"
#include "report/schema.h"
#include "report/text.h"

#define SAVED_ROWS     10
#define SLOT_ROWS      10
#define PREFIX_COLUMNS 52

/* --- text --------------------------------------------------------------------------- */

static void write_rows(struct text *t, const char *head, const char *what,
		       const struct dumped_row *rows, size_t count, int64_t keys_total)
{
	const struct table_column columns[] = {
		{ what, false }, { "keys", true }, { "share", true }, { "bytes", true }
	};
	struct table *table;

	if (!keys_total)
		return;
	table = TABLE(columns);
	text_head(t, head, NULL);
	for (size_t i = 0; i < count; i++) {
		if (!rows[i].keys_total)
			continue;
		table_text(table, rows[i].title);
		table_count(table, rows[i].keys_total);
		text_percent(table_cell(table), (double)rows[i].keys_total / (double)keys_total);
		table_bytes(table, rows[i].bytes);
	}
	table_write(table, t);
}

static int by_saved(const void *a, const void *b)
{
	const struct keyspace_prefix *x = *(const struct keyspace_prefix *const *)a;
	const struct keyspace_prefix *y = *(const struct keyspace_prefix *const *)b;

	if (x->saved_bytes != y->saved_bytes)
		return x->saved_bytes < y->saved_bytes ? 1 : -1;
	return x < y ? -1 : 1;
}

static void write_saved(struct text *t)
{
	static const struct table_column columns[] = {
		{ "prefix", false }, { "in the dump", true }, { "saved", true }, { "of it", true }
	};
	const struct keyspace *c = t->m->keyspace;
	const struct keyspace_prefix **order;
	struct table *table;
	size_t shown = c->prefixes.count;

	if (c->dumped.saved_bytes <= 0)
		return;
	order = xcalloc(c->prefixes.count + 1, sizeof(*order));
	for (size_t i = 0; i < c->prefixes.count; i++)
		order[i] = &c->prefixes.rows[i];
	qsort(order, c->prefixes.count, sizeof(*order), by_saved);
	if (shown > SAVED_ROWS && !t->style->verbose)
		shown = SAVED_ROWS;
	text_head(t, "COMPRESSION",
		  "what LZF saved in the dump; clients that compress would save it in memory");
	table = TABLE(columns);
	for (size_t i = 0; i < shown && order[i]->saved_bytes > 0; i++) {
		const struct keyspace_prefix *p = order[i];

		text_key(table_cell(table), (struct bytes){ p->prefix, p->prefix_len },
			 PREFIX_COLUMNS);
		table_bytes(table, p->dump_bytes);
		table_bytes(table, p->saved_bytes);
		text_percent(table_cell(table), (double)p->saved_bytes / ((double)p->dump_bytes +
									  (double)p->saved_bytes));
	}
	table_write(table, t);
	free(order);
}

static void write_slots(struct text *t)
{
	static const struct table_column columns[] = { { "slot", true },
						       { "keys", true },
						       { "bytes", true } };
	const struct dumped_slot *slots = t->m->keyspace->dumped.slots;
	bool *written;
	struct table *table;

	if (!slots)
		return;
	written = xcalloc(SLOTS, sizeof(*written));
	table = TABLE(columns);
	text_head(t, "SLOTS", "the fullest; --json has all");
	for (int row = 0; row < SLOT_ROWS; row++) {
		int best = -1;

		for (int i = 0; i < SLOTS; i++)
			if (!written[i] && slots[i].keys_total &&
			    (best < 0 || slots[i].bytes > slots[best].bytes))
				best = i;
		if (best < 0)
			break;
		written[best] = true;
		buf_printf(table_cell(table), "%d", best);
		table_count(table, slots[best].keys_total);
		table_bytes(table, slots[best].bytes);
	}
	table_write(table, t);
	free(written);
}

void text_dumped(struct text *t)
{
	const struct keyspace *c = t->m->keyspace;

	if (!c || !c->dumped.keys_total)
		return;
	write_rows(t, "LAST USE", "not used for", c->dumped.idle, DUMPED_IDLE,
		   c->dumped.idle_total);
	write_rows(t, "FREQUENCY", "LFU counter", c->dumped.frequency, DUMPED_FREQUENCY,
		   c->dumped.frequency_total);
	write_saved(t);
	write_slots(t);
}

/* --- JSON --------------------------------------------------------------------------- */

static int64_t below(const struct dumped_row *row)
{
	return row->below == INT64_MAX ? RECORD_UNKNOWN : row->below;
}

/* Rows of the one say seconds, of the other what the counter is. */
#define DUMPED_ROW(M, MAYBE, BELOW)               \
	M("id", word, row->id)                    \
	M("title", word, row->title)              \
	M(BELOW, integer, below(row))             \
	M("keys_total", integer, row->keys_total) \
	M("bytes", integer, row->bytes)
#define IDLE(M, MAYBE)	       DUMPED_ROW(M, MAYBE, "below_seconds")
#define DUMPED_OFTEN(M, MAYBE) DUMPED_ROW(M, MAYBE, "below")
static SCHEMA(dumped_idle, IDLE);
static SCHEMA(dumped_frequency, DUMPED_OFTEN);

static json_t *json_idle(const struct dumped_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(IDLE);
	return o;
}

static json_t *json_frequency(const struct dumped_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(DUMPED_OFTEN);
	return o;
}

/* Null where no key @told of it. */
static json_t *json_rows(const struct dumped_row *rows, size_t count, int64_t told,
			 json_t *(*json_row)(const struct dumped_row *row))
{
	json_t *list;

	if (!told)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < count; i++)
		put_last(list, json_row(&rows[i]));
	return list;
}

#define SLOT(M, MAYBE)                                \
	M("slot", integer, i)                         \
	M("keys_total", integer, slots[i].keys_total) \
	M("bytes", integer, slots[i].bytes)
static SCHEMA(dumped_slot, SLOT);

static json_t *json_slots(const struct dumped_slot *slots)
{
	json_t *list;

	if (!slots)
		return json_null();
	list = json_array();
	for (int i = 0; i < SLOTS; i++) {
		json_t *o;

		if (!slots[i].keys_total)
			continue;
		o = json_object();
		PUT_MEMBERS(SLOT);
		put_last(list, o);
	}
	return list;
}

#define DUMPED(M, MAYBE)                                                                 \
	M("idle", list_or_null(dumped_idle),                                             \
	  json_rows(d->idle, DUMPED_IDLE, d->idle_total, json_idle))                     \
	M("frequency", list_or_null(dumped_frequency),                                   \
	  json_rows(d->frequency, DUMPED_FREQUENCY, d->frequency_total, json_frequency)) \
	M("slots", list_or_null(dumped_slot), json_slots(d->slots))                      \
	M("dump_bytes", integer, m->keyspace ? d->dump_bytes : RECORD_UNKNOWN)           \
	M("saved_bytes", integer, m->keyspace ? d->saved_bytes : RECORD_UNKNOWN)
SCHEMA(dumped, DUMPED);

void json_dumped(json_t *o, const struct model *m)
{
	static const struct dumped nothing;
	const struct dumped *d = m->keyspace ? &m->keyspace->dumped : &nothing;

	PUT_MEMBERS(DUMPED);
}
