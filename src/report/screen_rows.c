/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/screen_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report/all.h"

/* --- which columns ------------------------------------------------------------------------ */

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

const struct column *screen_column_in(const struct columns *columns, const char *head)
{
	for (size_t i = 0; columns && i < columns->count; i++)
		if (columns->column[i].head && !strcmp(columns->column[i].head, head))
			return &columns->column[i];
	return NULL;
}

const struct column *screen_column(const struct view_table *table, const char *head)
{
	const struct column *column = screen_column_in(table->from[0], head);

	return column ? column : screen_column_in(table->from[1], head);
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

void screen_rows_free(struct view_rows *rows)
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
		const struct column *column = screen_column(rows->table, rows->table->heads[i]);

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

const char *screen_sort_head(const struct view_table *table, const struct screen_place *place)
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
	const char *head = screen_sort_head(rows->table, place);
	const struct column *column = head ? screen_column(rows->table, head) : NULL;

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
	column_text(out, screen_column(rows->table, head), rows->m, rows->row[i].row, WORD_MOST);
}

bool screen_find_mark(const struct view_rows *rows, struct screen_place *place)
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

void screen_follow(const struct view_rows *rows, struct screen_place *place, size_t room)
{
	screen_find_mark(rows, place);
	if (rows->count)
		mark_of(&place->mark, rows, place->at);
	if (place->top + room > rows->count)
		place->top = rows->count > room ? rows->count - room : 0;
	if (place->at < place->top)
		place->top = place->at;
	if (room && place->at >= place->top + room)
		place->top = place->at + 1 - room;
}

void screen_rows(struct view_rows *rows, const struct screen_view *view,
		 const struct screen_server *servers, size_t count)
{
	*rows = (struct view_rows){ .table = &tables[view->tab] };
	gather(rows, view, servers, count);
	filter_rows(rows, buf_str(&view->filter));
	sort_rows(rows, &view->place[view->tab]);
}
