/* SPDX-License-Identifier: BSD-2-Clause */
/* Two dumps side by side, for people and as JSON (schema redmem.diff/1); see diff.h. */
#include "report/diff.h"

#include <stdlib.h>

#include "base/sum.h"
#include "report/json.h"
#include "report/text.h"

#define PREFIX_ROWS_MAX 1000 /* of a document */
#define PREFIX_COLUMNS	52
#define KEY_COLUMNS	48

static int64_t change(const struct keyspace_prefix *p)
{
	return sum_less(p->bytes, p->older_bytes);
}

/* --- prefixes by what they changed ------------------------------------------------------ */

static int by_change(const void *a, const void *b)
{
	const struct keyspace_prefix *x = *(const struct keyspace_prefix *const *)a;
	const struct keyspace_prefix *y = *(const struct keyspace_prefix *const *)b;
	int64_t of_x = llabs(change(x)), of_y = llabs(change(y));

	if (of_x != of_y)
		return of_x < of_y ? 1 : -1;
	return x < y ? -1 : x > y;
}

/* Those that changed, the most first; to be freed. */
static const struct keyspace_prefix **changed(const struct keyspace *c, size_t *count)
{
	const struct keyspace_prefix **rows = xcalloc(c->prefixes.count + 1, sizeof(*rows));

	*count = 0;
	for (size_t i = 0; i < c->prefixes.count; i++) {
		const struct keyspace_prefix *p = &c->prefixes.rows[i];

		if (change(p) || p->keys_total != p->older_keys_total)
			rows[(*count)++] = p;
	}
	qsort(rows, *count, sizeof(*rows), by_change);
	return rows;
}

/* --- text --------------------------------------------------------------------------------- */

static void fmt_change(struct buf *out, int64_t bytes)
{
	buf_puts(out, bytes < 0 ? "-" : "+");
	fmt_bytes(out, bytes < 0 ? -bytes : bytes);
}

static void write_sum(struct text *t, const struct report_diff *d)
{
	const struct keyspace *c = t->m->keyspace;
	struct buf line = { 0 };

	buf_puts(&line, "Loaded into ");
	text_safe(&line, d->server);
	buf_puts(&line, ", ");
	fmt_bytes(&line, d->older_loaded_bytes);
	buf_puts(&line, " of used_memory became ");
	fmt_bytes(&line, d->newer_loaded_bytes);
	buf_puts(&line, " (");
	fmt_change(&line, d->newer_loaded_bytes - d->older_loaded_bytes);
	buf_puts(&line, "), ");
	fmt_count(&line, c->older_keys_total);
	buf_puts(&line, " keys ");
	fmt_count(&line, c->keys_total);
	buf_puts(&line, ". Bytes below are what MEMORY USAGE SAMPLES 0 would say there.");
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

static void write_prefixes(struct text *t, const struct report_diff *d)
{
	static const struct table_column columns[] = {
		{ "prefix", false }, { "change", true }, { "before", true },
		{ "after", true },   { "keys", true },	 { "keys before", true },
	};
	struct table *table;
	struct buf note = { 0 };
	size_t count;
	const struct keyspace_prefix **rows = changed(t->m->keyspace, &count);
	size_t shown = t->style->verbose || count < d->top ? count : d->top;

	if (shown < count)
		buf_printf(&note, "%zu of %zu; -v shows all", shown, count);
	text_head(t, "PREFIXES", count ? note.len ? buf_str(&note) : NULL : "none has changed");
	table = TABLE(columns);
	for (size_t i = 0; i < shown; i++) {
		text_key(table_cell(table), (struct bytes){ rows[i]->prefix, rows[i]->prefix_len },
			 PREFIX_COLUMNS);
		fmt_change(table_cell(table), change(rows[i]));
		table_bytes(table, rows[i]->older_bytes);
		table_bytes(table, rows[i]->bytes);
		table_count(table, rows[i]->keys_total);
		table_count(table, rows[i]->older_keys_total);
	}
	table_write(table, t);
	buf_free(&note);
	free(rows);
}

static bool is_listed(const struct report_diff *d, const struct keydiff_row *row)
{
	return llabs(keydiff_change(row)) >= d->min_bytes;
}

static void write_keys(struct text *t, const struct report_diff *d, const char *head,
		       const struct keydiff_row *const *rows, size_t count, int64_t exact)
{
	static const struct table_column columns[] = {
		{ "change", true }, { "before", true }, { "after", true },
		{ "type", false },  { "db", true },	{ "key", false },
	};
	struct table *table = TABLE(columns);
	struct buf note = { 0 };

	if (exact) {
		buf_puts(&note, "all by at least ");
		fmt_bytes(&note, exact);
		buf_puts(&note, "; of smaller changes some may be missing");
	}
	text_head(t, head, note.len ? buf_str(&note) : NULL);
	for (size_t i = 0; i < count && i < d->top && is_listed(d, rows[i]); i++) {
		fmt_change(table_cell(table), keydiff_change(rows[i]));
		table_bytes(table, rows[i]->before);
		table_bytes(table, rows[i]->after);
		table_text(table, rows[i]->type);
		table_count(table, rows[i]->db);
		text_key(table_cell(table), rows[i]->key, KEY_COLUMNS);
	}
	table_write(table, t);
	buf_free(&note);
}

void report_diff_text(struct buf *out, const struct model *m, const struct report_diff *d,
		      const struct report_style *style)
{
	struct text t = { .out = out, .m = m };
	const struct keydiff_row *const *rows;
	size_t count;

	text_begin(&t, style);
	text_dump_file(&t, d->older);
	text_dump_file(&t, d->newer);
	write_sum(&t, d);
	write_prefixes(&t, d);
	rows = keydiff_grown(d->keys, &count);
	write_keys(&t, d, "KEYS THAT GREW", rows, count, keydiff_grown_exact_bytes(d->keys));
	rows = keydiff_shrunk(d->keys, &count);
	write_keys(&t, d, "KEYS THAT SHRANK", rows, count, keydiff_shrunk_exact_bytes(d->keys));
}

/* --- JSON --------------------------------------------------------------------------------- */

static void put_name(json_t *o, const char *name, struct bytes bytes)
{
	if (bytes.len)
		put_bytes(o, name, bytes);
	else
		put(o, name, json_string(""));
}

static json_t *json_prefixes(const struct keyspace *c, size_t *found)
{
	const struct keyspace_prefix **rows = changed(c, found);
	json_t *list = json_array();

	for (size_t i = 0; i < *found && i < PREFIX_ROWS_MAX; i++) {
		json_t *o = json_object();

		put_name(o, "prefix", (struct bytes){ rows[i]->prefix, rows[i]->prefix_len });
		put(o, "change_bytes", value_int(change(rows[i])));
		put(o, "before_bytes", value_int(rows[i]->older_bytes));
		put(o, "after_bytes", value_int(rows[i]->bytes));
		put(o, "before_keys_total", value_int(rows[i]->older_keys_total));
		put(o, "after_keys_total", value_int(rows[i]->keys_total));
		put_last(list, o);
	}
	free(rows);
	return list;
}

static json_t *json_rows(const struct report_diff *d, const struct keydiff_row *const *rows,
			 size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && i < d->top && is_listed(d, rows[i]); i++) {
		json_t *o = json_object();

		put(o, "db", value_int(rows[i]->db));
		put_name(o, "key", rows[i]->key);
		put(o, "type", value_text(rows[i]->type));
		put(o, "change_bytes", value_int(keydiff_change(rows[i])));
		put(o, "before_bytes", value_int(rows[i]->before));
		put(o, "after_bytes", value_int(rows[i]->after));
		put_last(list, o);
	}
	return list;
}

static json_t *json_loaded(const struct report_diff *d)
{
	json_t *o = json_object();

	put(o, "server", value_text(d->server));
	put(o, "allocator", value_text(d->allocator));
	put(o, "before_used_memory_bytes", value_int(d->older_loaded_bytes));
	put(o, "after_used_memory_bytes", value_int(d->newer_loaded_bytes));
	put(o, "basis", json_string("derived"));
	return o;
}

void report_diff_json(struct buf *out, const struct model *m, const struct report_diff *d)
{
	json_t *document = json_object(), *prefixes;
	const struct keydiff_row *const *rows;
	size_t count;

	put(document, "schema", json_string("redmem.diff/1"));
	put(document, "before", json_of_dump(d->older));
	put(document, "after", json_of_dump(d->newer));
	put(document, "loaded", json_loaded(d));
	put(document, "before_keys_total", value_int(m->keyspace->older_keys_total));
	put(document, "after_keys_total", value_int(m->keyspace->keys_total));
	put(document, "before_bytes", value_int(m->keyspace->older_bytes));
	put(document, "after_bytes", value_int(m->keyspace->bytes));
	prefixes = json_prefixes(m->keyspace, &count);
	put(document, "prefixes_changed_total", value_int((int64_t)count));
	put(document, "prefixes", prefixes);
	rows = keydiff_grown(d->keys, &count);
	put(document, "grown_exact_from_bytes", value_int(keydiff_grown_exact_bytes(d->keys)));
	put(document, "grown", json_rows(d, rows, count));
	rows = keydiff_shrunk(d->keys, &count);
	put(document, "shrunk_exact_from_bytes", value_int(keydiff_shrunk_exact_bytes(d->keys)));
	put(document, "shrunk", json_rows(d, rows, count));
	json_write(out, document);
}
