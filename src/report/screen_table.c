/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of the screen: which columns of report/columns.h each has, its rows sorted and
 * filtered, as many columns as fit; and all that is known of one row. See screen_table.h.
 */
#include "report/screen_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report/all.h"
#include "report/columns.h"
#include "report/text.h"

#define HEADS_MAX  20
#define GAP	   2
#define WORD_LEAST 12 /* columns a name keeps where others want in, too */
#define WORD_MOST  200 /* no terminal is wider; a name may have 64 KiB */

/* --- which columns ------------------------------------------------------------------------ */

/* What a table shows of a row: columns by their heads, of two tables, in order of importance. */
struct view_table {
	const struct columns *from[2];
	const char *heads[HEADS_MAX]; /* to a NULL */
	const char *sort; /* by which it is as long as nobody asked; NULL = as the rows come */
	const char *mark; /* by which a row is known again; NULL = the first */
};

struct finding_row {
	const char *severity, *id, *title;
};

#define AT(row, member) offsetof(struct row, member)

static const struct column stall_columns[] = {
	{ NULL, "at", 1, CELL_WORD, AT(screen_stall, when), NULL, NULL, false },
	{ NULL, "for", 2, CELL_SECONDS, AT(screen_stall, seconds), NULL, NULL, false },
	{ NULL, "what", 3, CELL_WORD, AT(screen_stall, what), NULL, NULL, false },
	{ NULL, "why", 4, CELL_WORD, AT(screen_stall, why), NULL, NULL, false },
};

static const struct column finding_columns[] = {
	{ NULL, "severity", 1, CELL_WORD, AT(finding_row, severity), NULL, NULL, false },
	{ NULL, "id", 2, CELL_WORD, AT(finding_row, id), NULL, NULL, false },
	{ NULL, "what", 3, CELL_WORD, AT(finding_row, title), NULL, NULL, false },
};

#define COLUMNS_OF(table)                                 \
	{                                                 \
		table, sizeof(table) / sizeof((table)[0]) \
	}
static const struct columns stalls = COLUMNS_OF(stall_columns);
static const struct columns findings = COLUMNS_OF(finding_columns);

static const struct view_table tables[SCREEN_TABS] = {
	[SCREEN_PREFIXES] = { { &columns_prefixes, &columns_alloc_prefixes },
			      { "prefix", "cpu", "allocated", "freed", "net", "minor", "major",
				"mostly by", "in faults", "in allocator", "in kernel", "cpu wait",
				"io wait", "cow", "swap-in", "reclaim" },
			      NULL },
	[SCREEN_COMMANDS] = { { &columns_commands, &columns_alloc_commands },
			      { "command", "cpu", "calls/s", "allocated", "freed", "net", "minor",
				"major", "a call", "in faults", "in allocator", "in kernel",
				"cpu wait", "io wait", "cow", "swap-in", "reclaim" },
			      NULL },
	[SCREEN_CLIENTS] = { { &columns_clients, NULL },
			     { "client", "memory", "owed", "query", "command", "idle s", "name",
			       "age s", "flags", "user", "channels", "watched", "queued",
			       "unsent" },
			     "memory" },
	[SCREEN_CLASSES] = { { &columns_classes, NULL },
			     { "size class", "allocated", "holes", "used", "objects", "slabs",
			       "defrag", "mostly moved by" },
			     "holes" },
	[SCREEN_STALLS] = { { &stalls, NULL }, { "at", "for", "what", "why" }, NULL },
	[SCREEN_FINDINGS] = { { &findings, NULL }, { "severity", "id", "what" }, NULL, "id" },
	[SCREEN_SERVERS] = { { &columns_servers, NULL },
			     { "verdict", "server", "pid", "memory", "limit", "worst finding" },
			     NULL,
			     "pid" },
};

static const struct column *find_in(const struct columns *columns, const char *head)
{
	for (size_t i = 0; columns && i < columns->count; i++)
		if (columns->column[i].head && !strcmp(columns->column[i].head, head))
			return &columns->column[i];
	return NULL;
}

static const struct column *find_column(const struct view_table *table, const char *head)
{
	const struct column *column = find_in(table->from[0], head);

	return column ? column : find_in(table->from[1], head);
}

size_t screen_sorts(enum screen_tab tab)
{
	size_t count = 0;

	while (count < HEADS_MAX && tables[tab].heads[count])
		count++;
	return count;
}

bool screen_has_rows(enum screen_tab tab)
{
	return screen_sorts(tab) > 0;
}

/* --- its rows ----------------------------------------------------------------------------- */

/* One row, and what it is sorted by. */
struct view_row {
	const void *row;
	size_t was; /* its place before */
	double number;
	char *word; /* NULL = by the number */
};

struct view_rows {
	const struct view_table *table;
	const struct model *m; /* they are of; NULL for those that need none */
	struct view_row *row;
	size_t count;
	void *own; /* rows that were made for this */
	size_t own_count;
};

static void take_rows(struct view_rows *rows, const void *array, size_t bytes, size_t count)
{
	rows->row = xcalloc(count, sizeof(*rows->row));
	for (size_t i = 0; i < count; i++)
		rows->row[i] =
			(struct view_row){ .row = (const char *)array + i * bytes, .was = i };
	rows->count = count;
}

static void take_findings(struct view_rows *rows, const struct screen_window *window)
{
	size_t count = window->f ? window->f->count : 0;
	struct finding_row *own = xcalloc(count, sizeof(*own));

	for (size_t i = 0; i < count; i++) {
		const struct finding *finding = &window->f->items[i];

		own[i] = (struct finding_row){ severity_name(finding->severity), finding->id,
					       finding->title };
	}
	rows->own = own;
	take_rows(rows, own, sizeof(*own), count);
}

static void take_servers(struct view_rows *rows, const struct screen_server *servers, size_t count)
{
	struct server_row *own = xcalloc(count, sizeof(*own));

	for (size_t i = 0; i < count; i++) {
		const struct screen_window *judged = screen_judged(&servers[i]);
		const struct report_server of = { servers[i].pid, servers[i].title, judged->m,
						  servers[i].state, judged->f };

		server_row_fill(&own[i], &of);
		if (servers[i].stall)
			own[i].worst = servers[i].stall;
		else if (*servers[i].state)
			own[i].worst = servers[i].state;
	}
	rows->own = own;
	rows->own_count = count;
	take_rows(rows, own, sizeof(*own), count);
}

#define TAKE(rows, m, array, count) \
	take_rows(rows, (m) ? (m)->array : NULL, sizeof((m)->array[0]), (m) ? (m)->count : 0)

static void gather(struct view_rows *rows, const struct screen_view *view,
		   const struct screen_server *servers, size_t count)
{
	const struct screen_server *server = &servers[view->server];
	const struct model *m = screen_shown(view, server)->m;

	rows->m = m;
	switch (view->tab) {
	case SCREEN_PREFIXES:
		TAKE(rows, m, prefixes, prefixes_count);
		break;
	case SCREEN_COMMANDS:
		TAKE(rows, m, commands, commands_count);
		break;
	case SCREEN_CLIENTS:
		rows->m = server->clients;
		TAKE(rows, rows->m, clients, clients_count);
		break;
	case SCREEN_CLASSES:
		rows->m = server->classes;
		TAKE(rows, rows->m, classes, classes_count);
		break;
	case SCREEN_STALLS:
		take_rows(rows, server->stalls, sizeof(*server->stalls), server->stalls_count);
		break;
	case SCREEN_FINDINGS:
		take_findings(rows, screen_judged(server));
		break;
	case SCREEN_SERVERS:
		take_servers(rows, servers, count);
		break;
	default:
		break;
	}
}

static void rows_free(struct view_rows *rows)
{
	struct server_row *servers = rows->own;

	for (size_t i = 0; i < rows->own_count; i++)
		buf_free(&servers[i].place);
	for (size_t i = 0; i < rows->count; i++)
		free(rows->row[i].word);
	free(rows->own);
	free(rows->row);
}

/* --- filtered and sorted -------------------------------------------------- */

static bool contains(const char *text, const char *part)
{
	size_t len = strlen(part);

	for (; *text; text++)
		if (!strncasecmp(text, part, len))
			return true;
	return !len;
}

static bool fits(const struct view_rows *rows, const void *row, const char *filter)
{
	struct buf text = { 0 };
	bool found = false;

	for (size_t i = 0; i < HEADS_MAX && rows->table->heads[i] && !found; i++) {
		const struct column *column = find_column(rows->table, rows->table->heads[i]);

		if (!column_is_word(column))
			continue;
		buf_clear(&text);
		column_text(&text, column, rows->m, row, 0);
		found = contains(buf_str(&text), filter);
	}
	buf_free(&text);
	return found;
}

static void filter_rows(struct view_rows *rows, const char *filter)
{
	size_t count = 0;

	for (size_t i = 0; i < rows->count && *filter; i++)
		if (fits(rows, rows->row[i].row, filter))
			rows->row[count++] = rows->row[i];
	if (*filter)
		rows->count = count;
}

/* Words rise, numbers fall; what is not known comes last. */
static int compare_rows(const void *a, const void *b)
{
	const struct view_row *x = a, *y = b;
	int order;

	if (x->word)
		order = strcmp(x->word, y->word);
	else if (isnan(x->number) || isnan(y->number))
		order = isnan(x->number) - isnan(y->number);
	else
		order = (x->number < y->number) - (x->number > y->number);
	return order ? order : x->was < y->was ? -1 : 1;
}

/* Which column of the table it is sorted by; NULL = none. */
static const char *sort_head(const struct view_table *table, const struct screen_place *place)
{
	return place->sort ? table->heads[place->sort - 1] : table->sort;
}

static void turn_round(struct view_rows *rows)
{
	for (size_t i = 0; i < rows->count / 2; i++) {
		struct view_row swap = rows->row[i];

		rows->row[i] = rows->row[rows->count - 1 - i];
		rows->row[rows->count - 1 - i] = swap;
	}
}

static void sort_rows(struct view_rows *rows, const struct screen_place *place)
{
	const char *head = sort_head(rows->table, place);
	const struct column *column = head ? find_column(rows->table, head) : NULL;

	for (size_t i = 0; i < rows->count && column; i++) {
		struct view_row *row = &rows->row[i];
		struct buf word = { 0 };

		if (!column_is_word(column)) {
			row->number = column_number(column, rows->m, row->row);
			continue;
		}
		column_text(&word, column, rows->m, row->row, WORD_MOST);
		row->word = xstrdup(buf_str(&word));
		buf_free(&word);
	}
	if (column && rows->count)
		qsort(rows->row, rows->count, sizeof(*rows->row), compare_rows);
	if (place->reverse)
		turn_round(rows);
}

/* --- the row chosen ------------------------------------------------------- */

/* How it begins, which is what it is known by when it moves. */
static void mark_of(struct buf *out, const struct view_rows *rows, size_t i)
{
	const char *head = rows->table->mark ? rows->table->mark : rows->table->heads[0];

	buf_clear(out);
	column_text(out, find_column(rows->table, head), rows->m, rows->row[i].row, WORD_MOST);
}

/* Look for the row chosen, where it has gone. False when it is no more, or there is none. The mark
 * is "" when the viewer has moved to where place->at is. */
static bool find_mark(const struct view_rows *rows, struct screen_place *place)
{
	struct buf mark = { 0 };
	bool found = false;

	if (place->at >= rows->count)
		place->at = rows->count ? rows->count - 1 : 0;
	if (!rows->count || !place->mark.len)
		return rows->count > 0;
	/* Mostly it is where it was. */
	for (size_t n = 0; n <= rows->count && !found; n++) {
		size_t i = n ? n - 1 : place->at;

		mark_of(&mark, rows, i);
		found = !strcmp(buf_str(&mark), place->mark.data);
		place->at = found ? i : place->at;
	}
	buf_free(&mark);
	return found;
}

/* The row chosen, or what has come into its place, and @room rows about it. */
static void follow(const struct view_rows *rows, struct screen_place *place, size_t room)
{
	find_mark(rows, place);
	if (rows->count)
		mark_of(&place->mark, rows, place->at);
	if (place->top + room > rows->count)
		place->top = rows->count > room ? rows->count - room : 0;
	if (place->at < place->top)
		place->top = place->at;
	if (room && place->at >= place->top + room)
		place->top = place->at + 1 - room;
}

/* --- as many columns as fit ----------------------------------------------- */

struct view_field {
	const struct column *column;
	bool word, sorted;
	size_t natural, width;
};

static size_t least(const struct view_field *field)
{
	return field->word && field->natural > WORD_LEAST ? WORD_LEAST : field->natural;
}

/* The head: of the column it is sorted by in brackets. */
static void head_text(struct buf *out, const struct view_field *field)
{
	buf_printf(out, field->sorted ? "<%s>" : "%s", field->column->head);
}

static void measure(struct view_field *field, const struct view_rows *rows, size_t from, size_t to)
{
	struct buf cell = { 0 };

	head_text(&cell, field);
	field->natural = utf8_columns(buf_str(&cell));
	for (size_t i = from; i < to; i++) {
		size_t columns;

		buf_clear(&cell);
		column_text(&cell, field->column, rows->m, rows->row[i].row, WORD_MOST);
		columns = utf8_columns(buf_str(&cell));
		field->natural = columns > field->natural ? columns : field->natural;
	}
	buf_free(&cell);
}

/* The first that fit, and the one it is sorted by; returns how many. */
static size_t choose_fields(struct view_field *field, size_t count, size_t columns)
{
	size_t kept = 0, used = 0;

	for (size_t i = 0; i < count; i++)
		if (field[i].sorted)
			used = least(&field[i]) + GAP;
	for (size_t i = 0; i < count; i++) {
		size_t wants = field[i].sorted ? 0 : least(&field[i]) + GAP;

		if (kept && used + wants > columns + GAP)
			continue;
		used += wants;
		field[kept++] = field[i];
	}
	for (size_t i = 0; i < kept; i++)
		field[i].width = least(&field[i]);
	/* What is left is for names, the first first. */
	columns += GAP;
	for (size_t i = 0; i < kept && used < columns; i++) {
		size_t more = field[i].natural - field[i].width;

		more = more > columns - used ? columns - used : more;
		field[i].width += more;
		used += more;
	}
	return kept;
}

static size_t make_fields(struct view_field *field, const struct view_rows *rows,
			  const struct screen_place *place, size_t room, size_t columns)
{
	const char *sorted = sort_head(rows->table, place);
	size_t end = place->top + room < rows->count ? place->top + room : rows->count;
	size_t count = 0;

	for (; count < HEADS_MAX && rows->table->heads[count]; count++) {
		const char *head = rows->table->heads[count];

		field[count] = (struct view_field){ .column = find_column(rows->table, head) };
		field[count].word = column_is_word(field[count].column);
		field[count].sorted = sorted && !strcmp(sorted, head);
		measure(&field[count], rows, place->top, end);
	}
	return choose_fields(field, count, columns);
}

/* --- the table ------------------------------------------------------------ */

static void write_heads(struct screen_pen *pen, const struct view_field *field, size_t count)
{
	struct screen_line *line = screen_next(pen);
	struct buf head = { 0 };

	if (!line)
		return;
	for (size_t i = 0; i < count; i++) {
		buf_clear(&head);
		head_text(&head, &field[i]);
		screen_put(line, SCREEN_HEAD, i ? "  " : "");
		screen_field(line, SCREEN_HEAD, buf_str(&head), field[i].width, !field[i].word);
	}
	screen_fill(line, SCREEN_HEAD, pen->columns);
	screen_end(line, pen->columns);
	buf_free(&head);
}

static enum screen_attr row_attr(const struct screen_view *view, const void *row)
{
	const struct finding_row *finding = row;

	if (view->tab != SCREEN_FINDINGS)
		return SCREEN_PLAIN;
	if (!strcmp(finding->severity, severity_name(SEVERITY_CRITICAL)))
		return SCREEN_BAD;
	return strcmp(finding->severity, severity_name(SEVERITY_WARNING)) ? SCREEN_PLAIN :
									    SCREEN_WARNING;
}

static void write_row(struct screen_pen *pen, const struct view_rows *rows, size_t i,
		      const struct view_field *field, size_t count)
{
	bool chosen = pen->view->place[pen->view->tab].at == i;
	enum screen_attr attr = chosen ? SCREEN_CHOSEN : row_attr(pen->view, rows->row[i].row);
	struct screen_line *line = screen_next(pen);
	struct buf cell = { 0 };

	if (!line)
		return;
	for (size_t f = 0; f < count; f++) {
		buf_clear(&cell);
		column_text(&cell, field[f].column, rows->m, rows->row[i].row,
			    field[f].word ? field[f].width : 0);
		screen_put(line, attr, f ? "  " : "");
		screen_field(line, attr, buf_str(&cell), field[f].width, !field[f].word);
	}
	if (chosen)
		screen_fill(line, attr, pen->columns);
	screen_end(line, pen->columns);
	buf_free(&cell);
}

/* Why there is no row. */
static const char *nothing(const struct screen_view *view, const struct view_rows *rows)
{
	if (view->filter.len)
		return "no row has that in a name: / changes it";
	switch (view->tab) {
	case SCREEN_CLIENTS:
		return rows->m ? "no client but redmem" :
				 "not known yet: the server is asked every few seconds";
	case SCREEN_CLASSES:
		return "not known yet: asked each ten seconds, and only jemalloc tells";
	case SCREEN_STALLS:
		return "no stall seen yet";
	case SCREEN_FINDINGS:
		return "nothing found";
	default:
		return rows->m ? "nothing seen" : "not known yet";
	}
}

static void write_nothing(struct screen_pen *pen, const char *why)
{
	struct screen_line *line = screen_next(pen);

	if (!line)
		return;
	screen_put(line, SCREEN_DIM, why);
	screen_end(line, pen->columns);
}

static void write_table(struct screen_pen *pen, struct view_rows *rows)
{
	struct screen_place *place = &pen->view->place[pen->view->tab];
	size_t room = pen->last > pen->row ? (size_t)(pen->last - pen->row) : 0;
	struct view_field field[HEADS_MAX];
	size_t count;

	follow(rows, place, room);
	if (pen->view->tab == SCREEN_SERVERS && rows->count)
		pen->view->server_chosen = rows->row[place->at].was;
	count = make_fields(field, rows, place, room, (size_t)pen->columns);
	write_heads(pen, field, count);
	if (!rows->count)
		write_nothing(pen, nothing(pen->view, rows));
	for (size_t i = place->top; i < rows->count && i < place->top + room; i++)
		write_row(pen, rows, i, field, count);
}

/* --- all that is known of a row ------------------------------------------- */

/* "in_allocator" as people write it. */
static void put_name(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_putc(out, *name == '_' ? ' ' : *name);
}

#define NAME_COLUMNS 24

/* Does one of @columns say it, too? */
static bool said_in(const struct columns *columns, const struct column *column)
{
	if (column->head)
		return find_in(columns, column->head);
	for (size_t i = 0; columns && i < columns->count; i++) {
		const struct column *other = &columns->column[i];

		if (other->at == column->at && !other->of && !column->of)
			return true;
	}
	return false;
}

/* @beside: what is said anyway. */
static void describe_columns(struct text *t, const struct columns *columns,
			     const struct columns *beside, const void *row)
{
	struct buf lead = { 0 }, name = { 0 }, value = { 0 };

	for (size_t i = 0; columns && i < columns->count; i++) {
		const struct column *column = &columns->column[i];

		if (said_in(beside, column))
			continue;
		buf_clear(&lead);
		buf_clear(&name);
		buf_clear(&value);
		put_name(&name, column->head ? column->head : column->name);
		text_pad(&lead, buf_str(&name), NAME_COLUMNS, false);
		column_text(&value, column, t->m, row, 0);
		text_wrap(t, buf_str(&lead), value.len ? buf_str(&value) : "-");
	}
	buf_free(&lead);
	buf_free(&name);
	buf_free(&value);
}

static void describe(struct text *t, const struct screen_view *view,
		     const struct screen_server *server, const struct view_rows *rows, size_t i)
{
	const struct findings *f = screen_judged(server)->f;
	const struct finding_row *finding = rows->row[i].row;
	const struct screen_stall *stall = rows->row[i].row;

	if (view->tab == SCREEN_STALLS) {
		buf_puts(t->out, stall->whole);
		return;
	}
	for (size_t n = 0; view->tab == SCREEN_FINDINGS && f && n < f->count; n++)
		if (!strcmp(f->items[n].id, finding->id) &&
		    !strcmp(f->items[n].title, finding->title))
			text_finding(t, &f->items[n]);
	if (view->tab == SCREEN_FINDINGS)
		return;
	/* What both have is said once. */
	describe_columns(t, rows->table->from[0], NULL, rows->row[i].row);
	describe_columns(t, rows->table->from[1], rows->table->from[0], rows->row[i].row);
}

static void write_details(struct screen_pen *pen, const struct screen_server *server,
			  struct view_rows *rows)
{
	const struct report_style style = { .columns = pen->columns, .verbose = true };
	struct screen_place *place = &pen->view->place[pen->view->tab];
	struct buf out = { 0 };
	struct text t = { .out = &out, .m = rows->m, .f = screen_judged(server)->f };

	text_begin(&t, &style);
	if (find_mark(rows, place))
		describe(&t, pen->view, server, rows, place->at);
	else
		buf_puts(&out, "not seen in this window\n");
	screen_text(pen, buf_str(&out));
	buf_free(&out);
}

/* Where the memory is: the ledger of the newest window that has one, and what is not seen. */
static void write_memory(struct screen_pen *pen, const struct screen_server *server)
{
	const struct report_style style = { .columns = pen->columns };
	const struct model *m = server->longer.m;
	struct buf out = { 0 };
	struct text t = { .out = &out, .f = screen_judged(server)->f };

	if (server->classes && server->classes->ledger.count)
		m = server->classes;
	else if (!m)
		m = server->second.m;
	if (!m) {
		write_nothing(pen, "not known yet");
		return;
	}
	t.m = m;
	text_begin(&t, &style);
	text_ledger(&t);
	text_allocator(&t);
	text_sensors(&t);
	text_own_cost(&t);
	screen_text(pen, buf_str(&out) + strspn(buf_str(&out), "\n"));
	buf_free(&out);
}

void screen_table(struct screen_pen *pen, const struct screen_server *servers, size_t count)
{
	struct screen_view *view = pen->view;
	struct view_rows rows = { .table = &tables[view->tab] };

	if (!screen_has_rows(view->tab)) {
		write_memory(pen, &servers[view->server]);
		return;
	}
	gather(&rows, view, servers, count);
	filter_rows(&rows, buf_str(&view->filter));
	sort_rows(&rows, &view->place[view->tab]);
	if (view->details)
		write_details(pen, &servers[view->server], &rows);
	else
		write_table(pen, &rows);
	rows_free(&rows);
}
