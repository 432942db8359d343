/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem doctor --all`: a line for each server, the worst first; then its report. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/measure.h"
#include "report/all.h"
#include "report/json.h"
#include "report/report.h"
#include "report/schema.h"
#include "report/text.h"

#define PLACE_COLUMNS 40

#define AT(member) offsetof(struct server_row, member)

static const struct column server_columns[] = {
	{ NULL, "verdict", 1, CELL_WORD, AT(verdict), NULL, NULL, false },
	{ NULL, "server", 2, CELL_WORD, AT(server), NULL, NULL, false },
	{ NULL, "pid", 3, CELL_WORD, AT(pid_text), NULL, NULL, false },
	{ NULL, "memory", 4, CELL_BYTES, AT(memory), NULL, NULL, false },
	{ NULL, "limit", 5, CELL_BYTES, AT(limit), NULL, NULL, false },
	{ NULL, "worst finding", 6, CELL_WORD, AT(worst), NULL, NULL, false },
};

const struct columns columns_servers = { server_columns,
					 sizeof(server_columns) / sizeof(server_columns[0]) };

static const struct finding *worst_of(const struct report_server *server)
{
	return server->f && server->f->count ? &server->f->items[0] : NULL;
}

/* Of two servers the one whose worst finding is worse; one that was not watched is last. */
int report_server_compare(const void *a, const void *b)
{
	const struct report_server *x = a, *y = b;
	const struct finding *of_x = worst_of(x), *of_y = worst_of(y);
	int severity_x = x->m ? of_x ? (int)of_x->severity : -1 : -2;
	int severity_y = y->m ? of_y ? (int)of_y->severity : -1 : -2;
	double cost_x = of_x ? of_x->cost : 0, cost_y = of_y ? of_y->cost : 0;

	if (severity_x != severity_y)
		return severity_y - severity_x;
	if (cost_x != cost_y)
		return cost_y > cost_x ? 1 : -1;
	return x->pid - y->pid;
}

static const char *verdict_of(const struct report_server *server)
{
	const struct finding *worst = worst_of(server);

	if (!server->m)
		return "not watched";
	if (worst && worst->severity > SEVERITY_INFO)
		return severity_name(worst->severity);
	if (diagnose_unknown(server->m))
		return "unknown";
	return diagnose_healthy(server->m, server->f) ? "healthy" : "unclear";
}

/* "redis 7.0.15 :6379", or the socket when it has no port; what ps shows when nothing more
 * is known. Not escaped. */
static void place_of(struct buf *out, const struct report_server *server)
{
	const struct record_target *target = server->m ? &server->m->target : NULL;

	if (!target || !target->server || !*target->server) {
		buf_puts(out, server->title);
		return;
	}
	buf_printf(out, "%s %s", target->server, target->version);
	if (target->port > 0)
		buf_printf(out, " :%lld", (long long)target->port);
	else if (target->socket && *target->socket)
		buf_printf(out, " %.*s", PLACE_COLUMNS, target->socket);
}

/* The first of its limits it meets: its own, or its room in the machine. */
static int64_t limit_of(const struct model *m)
{
	const char *what;
	int64_t room = measure_room(m, &what), own = model_info_end(m, "maxmemory");

	return own > 0 && (room == RECORD_UNKNOWN || own < room) ? own : room;
}

void server_row_fill(struct server_row *row, const struct report_server *server)
{
	const struct finding *worst = worst_of(server);

	row->verdict = verdict_of(server);
	place_of(&row->place, server);
	row->server = buf_str(&row->place);
	snprintf(row->pid, sizeof(row->pid), "%d", server->pid);
	row->pid_text = row->pid;
	row->memory = server->m ? measure_rss(server->m) : RECORD_UNKNOWN;
	row->limit = server->m ? limit_of(server->m) : RECORD_UNKNOWN;
	row->worst = server->m ? worst ? worst->title : "-" : server->reason;
}

void report_all_text(struct buf *out, const struct report_server *servers, size_t count,
		     const struct report_style *style)
{
	struct server_row *rows = xcalloc(count, sizeof(*rows));
	struct text t = { .out = out };

	text_begin(&t, style);
	for (size_t i = 0; i < count; i++)
		server_row_fill(&rows[i], &servers[i]);
	text_head(&t, "SERVERS", "the worst first");
	columns_text(&t, &columns_servers, ROWS(rows, count));
	for (size_t i = 0; i < count; i++)
		buf_free(&rows[i].place);
	free(rows);
	if (!count || !servers[0].m)
		return;
	text_head(&t, "THE WORST", NULL);
	report_doctor_text(out, servers[0].m, servers[0].f, style);
}

#define NOT_WATCHED(M, MAYBE)              \
	M("pid", integer, servers[i].pid)  \
	M("title", text, servers[i].title) \
	M("reason", text, servers[i].reason)
static SCHEMA(not_watched, NOT_WATCHED);

#define DOCTOR_ALL(M, MAYBE)                \
	M("servers", list(doctor), watched) \
	M("not_watched", list(not_watched), others)
DOCUMENT(doctor_all, DOCTOR_ALL);

static json_t *json_not_watched(const struct report_server *servers, size_t i)
{
	json_t *o = json_object();

	PUT_MEMBERS(NOT_WATCHED);
	return o;
}

void report_all_json(struct buf *out, const struct report_server *servers, size_t count)
{
	json_t *o = json_document(&schema_doctor_all);
	json_t *watched = json_array(), *others = json_array();

	for (size_t i = 0; i < count; i++) {
		if (servers[i].m)
			put_last(watched, json_doctor(servers[i].m, servers[i].f));
		else
			put_last(others, json_not_watched(servers, i));
	}
	PUT_MEMBERS(DOCTOR_ALL);
	json_write(out, o);
}
