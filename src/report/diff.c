/* SPDX-License-Identifier: BSD-2-Clause */
/* Two dumps side by side, for people and as JSON (schema redmem.diff/1); see diff.h. */
#include "report/diff.h"

#include <stdlib.h>

#include "base/sum.h"
#include "report/json.h"
#include "report/schema.h"
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

#define DIFF_PREFIX(M, MAYBE)                                                     \
	M("prefix", name, (struct bytes){ rows[i]->prefix, rows[i]->prefix_len }) \
	M("change_bytes", integer, change(rows[i]))                               \
	M("before_bytes", integer, rows[i]->older_bytes)                          \
	M("after_bytes", integer, rows[i]->bytes)                                 \
	M("before_keys_total", integer, rows[i]->older_keys_total)                \
	M("after_keys_total", integer, rows[i]->keys_total)
static SCHEMA(diff_prefix, DIFF_PREFIX);

static json_t *json_prefixes(const struct keyspace *c, size_t *found)
{
	const struct keyspace_prefix **rows = changed(c, found);
	json_t *list = json_array();

	for (size_t i = 0; i < *found && i < PREFIX_ROWS_MAX; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(DIFF_PREFIX);
		put_last(list, o);
	}
	free(rows);
	return list;
}

#define DIFF_KEY(M, MAYBE)                                  \
	M("db", integer, rows[i]->db)                       \
	M("key", name, rows[i]->key)                        \
	M("type", text, rows[i]->type)                      \
	M("change_bytes", integer, keydiff_change(rows[i])) \
	M("before_bytes", integer, rows[i]->before)         \
	M("after_bytes", integer, rows[i]->after)
static SCHEMA(diff_key, DIFF_KEY);

static json_t *json_rows(const struct report_diff *d, const struct keydiff_row *const *rows,
			 size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && i < d->top && is_listed(d, rows[i]); i++) {
		json_t *o = json_object();

		PUT_MEMBERS(DIFF_KEY);
		put_last(list, o);
	}
	return list;
}

#define DIFF_LOADED(M, MAYBE)                                         \
	M("server", text, d->server)                                  \
	M("allocator", text, d->allocator)                            \
	M("before_used_memory_bytes", integer, d->older_loaded_bytes) \
	M("after_used_memory_bytes", integer, d->newer_loaded_bytes)  \
	M("basis", word, "derived")
static SCHEMA(diff_loaded, DIFF_LOADED);

static json_t *json_loaded(const struct report_diff *d)
{
	json_t *o = json_object();

	PUT_MEMBERS(DIFF_LOADED);
	return o;
}

#define DIFF(M, MAYBE)                                                             \
	M("before", object(dump), json_of_dump(d->older))                          \
	M("after", object(dump), json_of_dump(d->newer))                           \
	M("loaded", object(diff_loaded), json_loaded(d))                           \
	M("before_keys_total", integer, m->keyspace->older_keys_total)             \
	M("after_keys_total", integer, m->keyspace->keys_total)                    \
	M("before_bytes", integer, m->keyspace->older_bytes)                       \
	M("after_bytes", integer, m->keyspace->bytes)                              \
	M("prefixes_changed_total", integer, (int64_t)prefixes_count)              \
	M("prefixes", list(diff_prefix), prefixes)                                 \
	M("grown_exact_from_bytes", integer, keydiff_grown_exact_bytes(d->keys))   \
	M("grown", list(diff_key), json_rows(d, grown, grown_count))               \
	M("shrunk_exact_from_bytes", integer, keydiff_shrunk_exact_bytes(d->keys)) \
	M("shrunk", list(diff_key), json_rows(d, shrunk, shrunk_count))
DOCUMENT(diff, DIFF);

void report_diff_json(struct buf *out, const struct model *m, const struct report_diff *d)
{
	json_t *o = json_document(&schema_diff), *prefixes;
	const struct keydiff_row *const *grown, *const *shrunk;
	size_t prefixes_count, grown_count, shrunk_count;

	prefixes = json_prefixes(m->keyspace, &prefixes_count);
	grown = keydiff_grown(d->keys, &grown_count);
	shrunk = keydiff_shrunk(d->keys, &shrunk_count);
	PUT_MEMBERS(DIFF);
	json_write(out, o);
}
