/* SPDX-License-Identifier: BSD-2-Clause */
/* What the newest scheduled pass over the keys has found, and how that grew since the one before:
 * for people and as JSON. */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "report/json.h"
#include "report/report.h"
#include "report/schema.h"
#include "report/text.h"

#define KEY_COLUMNS 52
#define ROWS_SHOWN  10 /* of each, but for -v */

static bool is(const struct passed_row *row, const char *what)
{
	return !strcmp(row->passed.what, what);
}

static int64_t growth(const struct passed_row *row)
{
	return row->before_bytes == RECORD_UNKNOWN || row->passed.bytes == RECORD_UNKNOWN ?
		       RECORD_UNKNOWN :
		       sum_less(row->passed.bytes, row->before_bytes);
}

/* --- for people ------------------------------------------------------------------------ */

/* "+1.2 MiB" */
static void cell_growth(struct table *table, const struct passed_row *row)
{
	struct buf *cell = table_cell(table);
	int64_t bytes = growth(row);

	if (bytes == RECORD_UNKNOWN)
		return;
	buf_putc(cell, bytes < 0 ? '-' : '+');
	fmt_bytes(cell, bytes < 0 ? sum_less(0, bytes) : bytes);
}

static void write_prefixes(struct text *t)
{
	static const struct table_column columns[] = {
		{ "prefix", false }, { "keys", true },	       { "bytes", true },
		{ "grown", true },   { "never expire", true },
	};
	struct table *table = TABLE(columns);
	size_t rows = 0;

	for (size_t i = 0; i < t->m->passed_count; i++) {
		const struct passed_row *row = &t->m->passed[i];

		if (!is(row, "prefix") || (rows++ >= ROWS_SHOWN && !t->style->verbose))
			continue;
		text_key(table_cell(table), row->passed.key, KEY_COLUMNS);
		table_count(table, row->passed.keys_total);
		table_bytes(table, row->passed.bytes);
		cell_growth(table, row);
		table_count(table, row->passed.no_ttl_total);
	}
	table_write(table, t);
}

static void write_keys(struct text *t)
{
	static const struct table_column columns[] = {
		{ "largest keys", false }, { "type", false }, { "elements", true },
		{ "bytes", true },	   { "grown", true },
	};
	struct table *table = TABLE(columns);
	size_t rows = 0;

	for (size_t i = 0; i < t->m->passed_count; i++) {
		const struct passed_row *row = &t->m->passed[i];

		if (!is(row, "key") || (rows++ >= ROWS_SHOWN && !t->style->verbose))
			continue;
		text_key(table_cell(table), row->passed.key, KEY_COLUMNS);
		text_safe(table_cell(table), row->passed.type);
		table_count(table, row->passed.elements);
		table_bytes(table, row->passed.bytes);
		cell_growth(table, row);
	}
	table_write(table, t);
}

void text_passed(struct text *t)
{
	const struct model *m = t->m;
	struct buf note = {};

	if (!m->passed_count)
		return;
	if (m->passed_wall_ns != RECORD_UNKNOWN) {
		buf_puts(&note, "at ");
		fmt_rfc3339(&note, m->passed_wall_ns);
		buf_puts(&note, ", ");
	}
	buf_printf(&note, "%lld keys, ", (long long)m->passed[0].passed.keys_total);
	fmt_bytes(&note, m->passed[0].passed.bytes);
	if (strcmp(m->passed[0].passed.end, "complete") != 0)
		buf_puts(&note, "; it ended early");
	if (m->passed_before_ns != RECORD_UNKNOWN) {
		buf_puts(&note, "; grown since ");
		fmt_rfc3339(&note, m->passed_before_ns);
	}
	text_head(t, "KEYS BY THE SCHEDULED PASS", buf_str(&note));
	buf_free(&note);
	write_prefixes(t);
	write_keys(t);
}

/* --- JSON ------------------------------------------------------------------------------ */

#define PREFIX(M, MAYBE)                                     \
	M("prefix", name, row->passed.key)                   \
	M("keys_total", integer, row->passed.keys_total)     \
	M("no_ttl_total", integer, row->passed.no_ttl_total) \
	M("bytes", integer, row->passed.bytes)               \
	M("grown_bytes", integer, growth(row))
static SCHEMA(passed_prefix, PREFIX);

static json_t *json_prefix(const struct passed_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(PREFIX);
	return o;
}

#define KEY(M, MAYBE)                                      \
	M("key", name, row->passed.key)                    \
	M("db", integer, row->passed.db)                   \
	M("type", text, row->passed.type)                  \
	M("elements_total", integer, row->passed.elements) \
	M("bytes", integer, row->passed.bytes)             \
	M("grown_bytes", integer, growth(row))
static SCHEMA(passed_key, KEY);

static json_t *json_one_key(const struct passed_row *row)
{
	json_t *o = json_object();

	PUT_MEMBERS(KEY);
	return o;
}

static json_t *json_rows(const struct model *m, const char *what,
			 json_t *(*json_row)(const struct passed_row *row))
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->passed_count; i++)
		if (is(&m->passed[i], what))
			put_last(rows, json_row(&m->passed[i]));
	return rows;
}

/* When is null where it is not known, and before where there is none. */
#define PASSED(M, MAYBE)                                                        \
	M("time", time, m->passed_wall_ns, 0)                                   \
	M("before", time, m->passed_before_ns, 0)                               \
	M("end", text, all->passed.end)                                         \
	M("seconds", real, all->passed.seconds)                                 \
	M("keys_total", integer, all->passed.keys_total)                        \
	M("no_ttl_total", integer, all->passed.no_ttl_total)                    \
	M("bytes", integer, all->passed.bytes)                                  \
	M("grown_bytes", integer, growth(all))                                  \
	M("prefixes", list(passed_prefix), json_rows(m, "prefix", json_prefix)) \
	M("keys", list(passed_key), json_rows(m, "key", json_one_key))
SCHEMA(passed, PASSED);

json_t *json_passed(const struct model *m)
{
	const struct passed_row *all = m->passed;
	json_t *o = json_object();

	PUT_MEMBERS(PASSED);
	return o;
}
