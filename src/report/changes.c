/* SPDX-License-Identifier: BSD-2-Clause */
/* What changed between two times, for people and as JSON (redmem.changes/1); see changes.h. */
#include "report/changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "report/json.h"
#include "report/schema.h"
#include "report/text.h"

#define NAME_COLUMNS  52
#define VALUE_COLUMNS 40

/* --- rows ------------------------------------------------------------------------------------ */

/* A number of something before and after. */
struct moved {
	const char *name; /* borrowed; NULL of a size class, */
	int64_t size; /* which is this one */
	int64_t before, after;
};

struct moves {
	struct moved *rows;
	size_t count;
};

static int64_t change(const struct moved *row)
{
	return sum_less(row->after, row->before);
}

static int by_change(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;
	int64_t of_x = llabs(change(x)), of_y = llabs(change(y));

	if (of_x != of_y)
		return of_x < of_y ? 1 : -1;
	return x->name && y->name ? strcmp(x->name, y->name) : x->size < y->size ? -1 : 1;
}

static void add(struct moves *moves, struct moved row)
{
	if (row.before == RECORD_UNKNOWN || row.after == RECORD_UNKNOWN || row.before == row.after)
		return;
	moves->rows = array_grow(moves->rows, moves->count, sizeof(*moves->rows));
	moves->rows[moves->count++] = row;
}

static struct moves sorted(struct moves moves)
{
	if (moves.count)
		qsort(moves.rows, moves.count, sizeof(*moves.rows), by_change);
	return moves;
}

/* Of a ledger that is there; a line that it does not have is 0. */
static int64_t line_bytes(const struct ledger *ledger, const char *id)
{
	const struct ledger_line *line = ledger_find(ledger, id);

	return line ? line->bytes : ledger->count ? 0 : RECORD_UNKNOWN;
}

static struct moves ledger_moves(const struct report_changes *c)
{
	const struct ledger *before = &c->before->ledger, *after = &c->after->ledger;
	struct moves moves = {};

	for (size_t i = 0; i < after->count; i++)
		add(&moves,
		    (struct moved){ after->lines[i].id, 0, line_bytes(before, after->lines[i].id),
				    after->lines[i].bytes });
	for (size_t i = 0; i < before->count; i++)
		if (!ledger_find(after, before->lines[i].id))
			add(&moves, (struct moved){ before->lines[i].id, 0, before->lines[i].bytes,
						    line_bytes(after, before->lines[i].id) });
	return sorted(moves);
}

static int64_t class_holes(const struct model *m, int64_t size)
{
	for (size_t i = 0; i < m->classes_count; i++)
		if (m->classes[i].size.size_bytes == size)
			return m->classes[i].size.holes_bytes;
	return m->classes_count ? 0 : RECORD_UNKNOWN;
}

static struct moves class_moves(const struct report_changes *c)
{
	struct moves moves = {};

	for (size_t i = 0; i < c->after->classes_count; i++) {
		int64_t size = c->after->classes[i].size.size_bytes;

		add(&moves, (struct moved){ NULL, size, class_holes(c->before, size),
					    c->after->classes[i].size.holes_bytes });
	}
	return sorted(moves);
}

static int64_t keys_of(const struct model *m)
{
	int64_t keys = RECORD_UNKNOWN;

	if (m->info_end)
		info_keyspace(m->info_end, &keys, NULL);
	return keys;
}

static int64_t per_second(const struct model *m)
{
	int64_t commands = model_info_delta(m, "total_commands_processed");

	return commands == RECORD_UNKNOWN || !(m->duration_seconds > 0) ?
		       RECORD_UNKNOWN :
		       sum_whole((double)commands / m->duration_seconds);
}

/* What counts, in its order. */
static struct moves figure_moves(const struct report_changes *c)
{
	const struct model *before = c->before, *after = c->after;
	struct moves moves = {};

	add(&moves, (struct moved){ "used_memory", 0, model_info_end(before, "used_memory"),
				    model_info_end(after, "used_memory") });
	add(&moves, (struct moved){ "keys", 0, keys_of(before), keys_of(after) });
	add(&moves, (struct moved){ "clients", 0, model_info_end(before, "connected_clients"),
				    model_info_end(after, "connected_clients") });
	add(&moves, (struct moved){ "commands/s", 0, per_second(before), per_second(after) });
	return moves;
}

/* --- what two passes over the keys have found ---------------------------------------------- */

/* A prefix, or a key, of both. */
struct passed_move {
	const struct passed_row *row; /* the later one */
	int64_t before, after;
};

static const struct passed_row *same_passed(const struct model *m, const struct passed_row *as)
{
	for (size_t i = 0; i < m->passed_count; i++) {
		const struct record_passed *row = &m->passed[i].passed;

		if (!strcmp(row->what, as->passed.what) && row->db == as->passed.db &&
		    bytes_same(row->key, as->passed.key))
			return &m->passed[i];
	}
	return NULL;
}

static int by_passed_change(const void *a, const void *b)
{
	const struct passed_move *x = a, *y = b;
	int64_t of_x = llabs(sum_less(x->after, x->before));
	int64_t of_y = llabs(sum_less(y->after, y->before));

	return (of_x < of_y) - (of_x > of_y);
}

/* Those that moved; the caller's. None where both times have the same pass, or one has none. */
static struct passed_move *passed_moves(const struct report_changes *c, size_t *count)
{
	const struct model *before = c->before, *after = c->after;
	struct passed_move *rows = xcalloc(after->passed_count + 1, sizeof(*rows));

	*count = 0;
	if (!before->passed_count || before->passed_wall_ns == after->passed_wall_ns)
		return rows;
	for (size_t i = 0; i < after->passed_count; i++) {
		const struct passed_row *row = &after->passed[i], *was = same_passed(before, row);

		if (!row->passed.key.len || !was || was->passed.bytes == row->passed.bytes)
			continue;
		rows[(*count)++] =
			(struct passed_move){ row, was->passed.bytes, row->passed.bytes };
	}
	qsort(rows, *count, sizeof(*rows), by_passed_change);
	return rows;
}

/* --- settings -------------------------------------------------------------------------------- */

struct setting {
	const char *name, *before, *after;
};

static struct setting *setting_moves(const struct report_changes *c, size_t *count)
{
	struct setting *rows = xcalloc(info_count(c->after->config) + 1, sizeof(*rows));

	*count = 0;
	for (size_t i = 0; i < info_count(c->after->config); i++) {
		const char *name = info_name_at(c->after->config, i);
		const char *after = info_value_at(c->after->config, i);
		const char *before = model_config(c->before, name);

		if (before && after && strcmp(before, after) != 0)
			rows[(*count)++] = (struct setting){ name, before, after };
	}
	return rows;
}

/* --- text ------------------------------------------------------------------------------------ */

static size_t shown(const struct text *t, const struct report_changes *c, size_t count)
{
	return t->style->verbose || count < c->top ? count : c->top;
}

/* The head of a list, and how much of it follows. */
static void head(struct text *t, const char *name, size_t rows, size_t count, const char *none)
{
	struct buf note = {};

	if (!count)
		buf_puts(&note, none);
	else if (rows < count)
		buf_printf(&note, "%zu of %zu; -v shows all", rows, count);
	text_head(t, name, note.len ? buf_str(&note) : NULL);
	buf_free(&note);
}

static void write_moves(struct text *t, const struct report_changes *c, const char *name,
			struct moves moves, bool bytes)
{
	static const struct table_column columns[] = {
		{ "", false }, { "change", true }, { "before", true }, { "after", true }
	};
	size_t rows = shown(t, c, moves.count);
	struct table *table;

	head(t, name, rows, moves.count, "nothing has changed");
	if (!moves.count)
		return;
	table = TABLE(columns);
	for (size_t i = 0; i < rows; i++) {
		const struct moved *row = &moves.rows[i];
		bool is_bytes = bytes || !strcmp(row->name, "used_memory");

		if (row->name)
			text_safe(table_cell(table), row->name);
		else
			fmt_bytes(table_cell(table), row->size);
		if (is_bytes) {
			fmt_change(table_cell(table), change(row));
			table_bytes(table, row->before);
			table_bytes(table, row->after);
			continue;
		}
		table_count(table, change(row));
		table_count(table, row->before);
		table_count(table, row->after);
	}
	table_write(table, t);
	free(moves.rows);
}

static void write_growth(struct text *t, const struct report_changes *c, const char *name,
			 const struct report_growth *rows, size_t count)
{
	static const struct table_column columns[] = {
		{ "", false }, { "net", true }, { "allocated", true }, { "freed", true }
	};
	size_t some = shown(t, c, count);
	struct table *table;

	head(t, name, some, count, "not followed in that time");
	if (!count)
		return;
	table = TABLE(columns);
	for (size_t i = 0; i < some; i++) {
		struct bytes text = { rows[i].name, strlen(rows[i].name) };

		if (text.len)
			text_key(table_cell(table), text, NAME_COLUMNS);
		else
			text_command(table_cell(table), "");
		fmt_change(table_cell(table), sum_less(rows[i].alloc_bytes, rows[i].free_bytes));
		table_bytes(table, rows[i].alloc_bytes);
		table_bytes(table, rows[i].free_bytes);
	}
	table_write(table, t);
}

static void write_settings(struct text *t, const struct report_changes *c)
{
	static const struct table_column columns[] = { { "", false },
						       { "before", false },
						       { "after", false } };
	size_t count;
	struct setting *rows = setting_moves(c, &count);
	struct table *table;

	head(t, "SETTINGS", count, count, "none has changed");
	if (!count) {
		free(rows);
		return;
	}
	table = TABLE(columns);
	for (size_t i = 0; i < count; i++) {
		table_text(table, rows[i].name);
		escape_terminal(table_cell(table), rows[i].before, strlen(rows[i].before),
				VALUE_COLUMNS);
		escape_terminal(table_cell(table), rows[i].after, strlen(rows[i].after),
				VALUE_COLUMNS);
	}
	table_write(table, t);
	free(rows);
}

static void write_passed(struct text *t, const struct report_changes *c)
{
	static const struct table_column columns[] = { { "", false },
						       { "", false },
						       { "change", true },
						       { "before", true },
						       { "after", true } };
	size_t count, some;
	struct passed_move *rows = passed_moves(c, &count);
	struct table *table;

	some = shown(t, c, count);
	if (count) {
		head(t, "KEYS BY THE SCHEDULED PASSES", some, count, "");
		table = TABLE(columns);
		for (size_t i = 0; i < some; i++) {
			table_text(table, rows[i].row->passed.what);
			text_key(table_cell(table), rows[i].row->passed.key, NAME_COLUMNS);
			fmt_change(table_cell(table), sum_less(rows[i].after, rows[i].before));
			table_bytes(table, rows[i].before);
			table_bytes(table, rows[i].after);
		}
		table_write(table, t);
	}
	free(rows);
}

static void write_when(struct buf *out, const struct model *m, bool end)
{
	int64_t wall = m->session.wall_start_ns;

	if (wall == RECORD_UNKNOWN || wall <= 0)
		buf_puts(out, "-");
	else
		fmt_rfc3339(out, sum_of(wall, end ? sum_whole(m->duration_seconds * 1e9) : 0));
}

static void write_lists(struct text *t, const struct report_changes *c)
{
	write_moves(t, c, "FIGURES", figure_moves(c), false);
	write_moves(t, c, "LEDGER", ledger_moves(c), true);
	write_growth(t, c, "PREFIXES", c->prefixes, c->prefixes_count);
	write_growth(t, c, "COMMANDS", c->commands, c->commands_count);
	write_passed(t, c);
	write_moves(t, c, "HOLES BY SIZE CLASS", class_moves(c), true);
	write_settings(t, c);
}

void report_changes_text(struct buf *out, const struct report_changes *c,
			 const struct report_style *style)
{
	struct text t = { .out = out, .m = c->after };
	struct buf line = {};

	text_begin(&t, style);
	text_safe(&line, c->server);
	buf_puts(&line, ": ");
	write_when(&line, c->before, true);
	buf_puts(&line, " against ");
	write_when(&line, c->after, true);
	buf_puts(&line, ". What prefixes and commands allocated and freed is of all the time in "
			"between, of those that were among the busiest.");
	text_wrap(&t, "", buf_str(&line));
	write_lists(&t, c);
	buf_free(&line);
}

/* --- JSON ------------------------------------------------------------------------------------ */

#define MOVE(M, MAYBE)                                      \
	MAYBE(row->name, "name", text, row->name)           \
	MAYBE(!row->name, "size_bytes", integer, row->size) \
	M("change", integer, change(row))                   \
	M("before", integer, row->before)                   \
	M("after", integer, row->after)
static SCHEMA(change, MOVE);

static json_t *json_moves(struct moves moves)
{
	json_t *list = json_array();

	for (size_t i = 0; i < moves.count; i++) {
		const struct moved *row = &moves.rows[i];
		json_t *o = json_object();

		PUT_MEMBERS(MOVE);
		put_last(list, o);
	}
	free(moves.rows);
	return list;
}

#define GROWTH(M, MAYBE)                                                           \
	M("name", text, rows[i].name)                                              \
	M("net_bytes", integer, sum_less(rows[i].alloc_bytes, rows[i].free_bytes)) \
	M("allocated_bytes", integer, rows[i].alloc_bytes)                         \
	M("freed_bytes", integer, rows[i].free_bytes)
static SCHEMA(change_growth, GROWTH);

static json_t *json_growth(const struct report_growth *rows, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(GROWTH);
		put_last(list, o);
	}
	return list;
}

#define PASSED(M, MAYBE)                                              \
	M("what", word, rows[i].row->passed.what)                     \
	M("name", name, rows[i].row->passed.key)                      \
	M("change", integer, sum_less(rows[i].after, rows[i].before)) \
	M("before", integer, rows[i].before)                          \
	M("after", integer, rows[i].after)
static SCHEMA(change_passed, PASSED);

static json_t *json_passed_moves(const struct report_changes *c)
{
	size_t count;
	struct passed_move *rows = passed_moves(c, &count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(PASSED);
		put_last(list, o);
	}
	free(rows);
	return list;
}

#define SETTING(M, MAYBE)                 \
	M("name", text, rows[i].name)     \
	M("before", text, rows[i].before) \
	M("after", text, rows[i].after)
static SCHEMA(change_setting, SETTING);

static json_t *json_settings(const struct report_changes *c)
{
	size_t count;
	struct setting *rows = setting_moves(c, &count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(SETTING);
		put_last(list, o);
	}
	free(rows);
	return list;
}

#define CHANGES(M, MAYBE)                                                               \
	M("server", text, c->server)                                                    \
	M("before", object(window), json_window(c->before))                             \
	M("after", object(window), json_window(c->after))                               \
	M("figures", list(change), json_moves(figure_moves(c)))                         \
	M("ledger", list(change), json_moves(ledger_moves(c)))                          \
	M("prefixes", list(change_growth), json_growth(c->prefixes, c->prefixes_count)) \
	M("commands", list(change_growth), json_growth(c->commands, c->commands_count)) \
	M("pass", list(change_passed), json_passed_moves(c))                            \
	M("size_class_holes", list(change), json_moves(class_moves(c)))                 \
	M("settings", list(change_setting), json_settings(c))
static SCHEMA(changes_of, CHANGES);
DOCUMENT(changes, CHANGES);

static json_t *json_changes_of(const struct report_changes *c)
{
	json_t *o = json_object();

	PUT_MEMBERS(CHANGES);
	return o;
}

json_t *json_changes(const struct report_changes *c)
{
	json_t *o = json_document(&schema_changes);

	PUT_MEMBERS(CHANGES);
	return o;
}

void report_changes_json(struct buf *out, const struct report_changes *c)
{
	json_write(out, json_changes(c));
}

/* --- a death --------------------------------------------------------------------------------- */

static void write_death(struct text *t, const struct report_death *d)
{
	struct buf line = {};

	text_safe(&line, d->death->server);
	buf_puts(&line, " died at ");
	fmt_rfc3339(&line, d->death->at_ms * 1000000);
	buf_puts(&line, ": ");
	if (!strcmp(d->death->cause, "oom"))
		buf_puts(&line, "the kernel killed it for lack of memory");
	else
		text_safe(&line, *d->death->detail ? d->death->detail : d->death->cause);
	if (d->death->held_bytes != RECORD_UNKNOWN) {
		buf_puts(&line, "; it held ");
		fmt_bytes(&line, d->death->held_bytes);
	}
	buf_puts(&line, ". These are its last ");
	fmt_seconds(&line, d->m->duration_seconds);
	buf_putc(&line, '.');
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
}

void report_death_text(struct buf *out, const struct report_death *d,
		       const struct report_style *style)
{
	struct text t = { .out = out, .m = d->m, .f = d->f };

	text_begin(&t, style);
	write_death(&t, d);
	text_head(&t, "WHO GREW", "from the first of these minutes to the last");
	write_lists(&t, d->changes);
	text_head(&t, "WHAT IT HELD, AND WHAT WAS UNDER WAY", NULL);
	report_doctor_text(out, d->m, d->f, style);
}

#define DEATH(M, MAYBE)                                               \
	M("server", text, d->death->server)                           \
	M("time", time, d->death->at_ms * 1000000, 0)                 \
	M("cause", text, d->death->cause)                             \
	M("detail", text, d->death->detail)                           \
	M("held_bytes", integer, d->death->held_bytes)                \
	M("changes", object(changes_of), json_changes_of(d->changes)) \
	M("report", object(doctor), json_doctor(d->m, d->f))
DOCUMENT(death, DEATH);

void report_death_json(struct buf *out, const struct report_death *d)
{
	json_t *o = json_document(&schema_death);

	PUT_MEMBERS(DEATH);
	json_write(out, o);
}
