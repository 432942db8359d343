/* SPDX-License-Identifier: BSD-2-Clause */
/* What a window is in rows: its key figures, ledger, limits, commands, prefixes and clients. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/escape.h"
#include "base/sum.h"
#include "diagnose/measure.h"
#include "history/internal.h"

/* Of a name; what is longer is cut. */
#define NAME_MAX_COLUMNS 200

static int64_t whole(double value)
{
	return isfinite(value) ? sum_whole(round(value)) : RECORD_UNKNOWN;
}

static int64_t micro(double seconds)
{
	return whole(seconds * 1e6);
}

/* --- names ----------------------------------------------------------------------------------- */

/* The id of one (readable text), which is kept when it is new. */
static int name_id(struct history *history, const char *text, int64_t at_ms, int64_t *id)
{
	int64_t day = at_ms / DAY_MS, last = RECORD_UNKNOWN;
	struct buf name = {};
	sqlite3_stmt *stmt;
	int code;

	buf_puts(&name, text);
	utf8_cut(&name, NAME_MAX_COLUMNS);
	code = db_query(history, &stmt, "SELECT id, day FROM name WHERE text = ?", "t",
			buf_str(&name));
	if (code == SQLITE_OK)
		code = db_next(stmt);
	if (code == SQLITE_ROW) {
		*id = db_int(stmt, 0);
		last = db_int(stmt, 1);
		sqlite3_reset(stmt);
		code = last >= day ? SQLITE_OK :
				     db_run(history, "UPDATE name SET day = ? WHERE id = ?", "ii",
					    day, *id);
	} else if (code == SQLITE_DONE) {
		code = db_run(history, "INSERT INTO name (text, day) VALUES (?, ?)", "ti",
			      buf_str(&name), day);
		*id = sqlite3_last_insert_rowid(history->db);
	}
	buf_free(&name);
	return code;
}

/* --- key figures ------------------------------------------------------------------------------ */

/* The last that the server told in the window. */
static int64_t used_memory(const struct model *m)
{
	for (size_t i = m->timeline_count; i-- > 0;)
		if (m->timeline[i].used_memory_bytes != RECORD_UNKNOWN)
			return m->timeline[i].used_memory_bytes;
	return model_info_end(m, "used_memory");
}

/* CPU time of the server, by the rate between its first tick and its last. */
static double cpu_seconds(const struct model *m)
{
	const struct record_tick *first, *last;

	if (m->timeline_count < 2)
		return NAN;
	first = &m->timeline[0].host;
	last = &m->timeline[m->timeline_count - 1].host;
	return (last->cpu_seconds - first->cpu_seconds) / (last->t_seconds - first->t_seconds) *
	       m->duration_seconds;
}

struct stall_figures {
	int64_t count;
	double seconds, longest;
};

static struct stall_figures stall_figures(const struct model *m)
{
	struct stall_figures sum = { .count = (int64_t)(m->stalls_count + m->stalls_left_out) };

	for (size_t i = 0; i < m->stalls_count; i++) {
		sum.seconds += m->stalls[i].stall.duration_seconds;
		sum.longest = fmax(sum.longest, m->stalls[i].stall.duration_seconds);
	}
	return sum;
}

static int64_t worst(const struct findings *f)
{
	int64_t severity = RECORD_UNKNOWN;

	for (size_t i = 0; f && i < f->count; i++)
		if (severity == RECORD_UNKNOWN || (int64_t)f->items[i].severity > severity)
			severity = f->items[i].severity;
	return severity;
}

static int put_figures(struct history *history, int64_t window, const struct history_window *w)
{
	const struct model *m = w->m;
	const struct timeline_row *last = model_last_row(m);
	struct stall_figures stalls = stall_figures(m);

	return db_run(
		history,
		"UPDATE window SET used_memory = ?, rss = ?, swap = ?, maxmemory = ?, clients = ?,"
		" commands = ?, evicted = ?, expired = ?, alloc = ?, free = ?, cpu_us = ?,"
		" minor_faults = ?, major_faults = ?, cow_faults = ?, stalls = ?, stall_us = ?,"
		" longest_us = ?, drops = ?, severity = ? WHERE id = ?",
		"iiiiiiiiiiiiiiiiiiii", used_memory(m),
		last ? last->host.rss_bytes : RECORD_UNKNOWN,
		last ? last->host.swap_bytes : RECORD_UNKNOWN, model_info_end(m, "maxmemory"),
		model_info_end(m, "connected_clients"),
		model_info_delta(m, "total_commands_processed"),
		model_info_delta(m, "evicted_keys"), model_info_delta(m, "expired_keys"),
		whole(m->alloc.alloc_bytes), whole(m->alloc.free_bytes), micro(cpu_seconds(m)),
		m->have_totals ? m->totals.minor_faults : RECORD_UNKNOWN,
		m->have_totals ? m->totals.major_faults : RECORD_UNKNOWN,
		m->have_totals ? m->totals.cow_faults : RECORD_UNKNOWN, stalls.count,
		micro(stalls.seconds), micro(stalls.longest),
		m->have_self ? m->self.drops_total : RECORD_UNKNOWN, worst(w->f), window);
}

/* --- the ledger ------------------------------------------------------------------------------- */

static int put_line(struct history *history, int64_t window, const struct ledger_line *line,
		    int64_t at_ms)
{
	int64_t id;
	int code = name_id(history, line->id, at_ms, &id);

	if (code == SQLITE_OK)
		code = db_run(history,
			      "INSERT OR IGNORE INTO line (name, parent, title, depth) "
			      "VALUES (?, ?, ?, ?)",
			      "itti", id, line->parent, line->title, (int64_t)line->depth);
	if (code == SQLITE_OK && line->bytes != RECORD_UNKNOWN)
		code = db_run(
			history,
			"INSERT OR REPLACE INTO ledger (window, line, bytes) VALUES (?, ?, ?)",
			"iii", window, id, line->bytes);
	return code;
}

static int put_ledger(struct history *history, int64_t window, const struct history_window *w)
{
	const struct ledger *ledger = &w->m->ledger;
	int code = SQLITE_OK;

	for (size_t i = 0; i < ledger->count && code == SQLITE_OK; i++)
		code = put_line(history, window, &ledger->lines[i], w->start_ms);
	return code;
}

/* --- limits ----------------------------------------------------------------------------------- */

static int put_limits(struct history *history, int64_t window, const struct history_window *w)
{
	int code = SQLITE_OK;

	for (int kind = 0; kind < LIMIT_KINDS && code == SQLITE_OK; kind++) {
		struct limit limit;
		int64_t id;

		if (!measure_limit(w->m, (enum limit_kind)kind, &limit) || limit.bytes <= 0)
			continue;
		code = name_id(history, limit_kind_name((enum limit_kind)kind), w->start_ms, &id);
		if (code == SQLITE_OK)
			code = db_run(history,
				      "INSERT OR REPLACE INTO limits (window, name, bytes, used) "
				      "VALUES (?, ?, ?, ?)",
				      "iiii", window, id, limit.bytes,
				      sum_less(limit.bytes, limit.room));
	}
	return code;
}

/* --- commands and prefixes -------------------------------------------------------------------- */

/* A name and what is charged to it. */
struct charged {
	const char *name;
	size_t len;
	int64_t calls;
	const struct charge *charge;
};

static struct charged charged_command(const struct model *m, size_t i)
{
	const struct command_row *row = &m->commands[i];

	return (struct charged){ row->command, strlen(row->command), row->calls_total,
				 &row->charge };
}

static struct charged charged_prefix(const struct model *m, size_t i)
{
	const struct prefix_row *row = &m->prefixes[i];

	return (struct charged){ row->prefix, row->prefix_len, RECORD_UNKNOWN, &row->charge };
}

static int put_command(struct history *history, int64_t window, int64_t id,
		       const struct charged *row)
{
	return db_run(
		history,
		"INSERT OR REPLACE INTO command (window, name, calls, cpu_us, fault_us, alloc,"
		" free) VALUES (?, ?, ?, ?, ?, ?, ?)",
		"iiiiiii", window, id, row->calls, micro(row->charge->cpu_seconds),
		micro(row->charge->fault_seconds), whole(row->charge->alloc_bytes),
		whole(row->charge->free_bytes));
}

static int put_prefix(struct history *history, int64_t window, int64_t id,
		      const struct charged *row)
{
	return db_run(history,
		      "INSERT OR REPLACE INTO prefix (window, name, cpu_us, fault_us, alloc, free)"
		      " VALUES (?, ?, ?, ?, ?, ?)",
		      "iiiiii", window, id, micro(row->charge->cpu_seconds),
		      micro(row->charge->fault_seconds), whole(row->charge->alloc_bytes),
		      whole(row->charge->free_bytes));
}

/* Rows of one kind, in the two orders that the model has of them. */
struct kind {
	struct charged (*row)(const struct model *m, size_t i);
	int (*put)(struct history *history, int64_t window, int64_t id, const struct charged *row);
	size_t count;
	const size_t *by_bytes;
	size_t by_bytes_count;
};

static bool is_idle(const struct charged *row)
{
	const struct charge *c = row->charge;

	return !(row->calls > 0) && !(c->cpu_seconds > 0) && !(c->fault_seconds > 0) &&
	       !(c->alloc_bytes > 0) && !(c->free_bytes > 0);
}

static int put_row(struct history *history, int64_t window, const struct history_window *w,
		   const struct kind *kind, size_t i)
{
	struct charged row = kind->row(w->m, i);
	struct buf name = {};
	int64_t id;
	int code;

	if (is_idle(&row))
		return SQLITE_OK;
	escape_redis(&name, row.name, row.len); /* it may hold any byte */
	code = name_id(history, buf_str(&name), w->start_ms, &id);
	buf_free(&name);
	return code == SQLITE_OK ? kind->put(history, window, id, &row) : code;
}

static int put_kind(struct history *history, int64_t window, const struct history_window *w,
		    const struct kind *kind)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < kind->count && i < TOP_ROWS && code == SQLITE_OK; i++)
		code = put_row(history, window, w, kind, i);
	for (size_t i = 0; i < kind->by_bytes_count && i < TOP_ROWS && code == SQLITE_OK; i++)
		if (kind->by_bytes[i] >= TOP_ROWS)
			code = put_row(history, window, w, kind, kind->by_bytes[i]);
	return code;
}

/* --- clients ------------------------------------------------------------------------------- */

/* Connections of one name from one host: their ports come and go. */
struct client_sum {
	char *name;
	int64_t connections, memory, output;
};

static void client_name(struct buf *out, const struct record_client *client)
{
	const char *address = client->address.data;
	size_t len = client->address.len;

	if (len && address[0] != '/')
		while (len && address[len - 1] != ':')
			len--;
	if (len && address[len - 1] == ':')
		len--;
	escape_redis(out, address, len ? len : client->address.len);
	if (client->name.len) {
		buf_putc(out, ' ');
		escape_redis(out, client->name.data, client->name.len);
	}
}

static void add_known(int64_t *sum, int64_t value)
{
	if (value == RECORD_UNKNOWN)
		return;
	if (*sum == RECORD_UNKNOWN)
		*sum = 0;
	sum_add(sum, value);
}

static void add_client(struct client_sum **sums, size_t *count, const struct record_client *client)
{
	struct buf name = {};
	size_t i = 0;

	client_name(&name, client);
	while (i < *count && strcmp((*sums)[i].name, buf_str(&name)) != 0)
		i++;
	if (i == *count) {
		*sums = array_grow(*sums, *count, sizeof(**sums));
		(*sums)[(*count)++] = (struct client_sum){ .name = xstrdup(buf_str(&name)),
							   .memory = RECORD_UNKNOWN,
							   .output = RECORD_UNKNOWN };
	}
	(*sums)[i].connections++;
	add_known(&(*sums)[i].memory, client->memory_bytes);
	add_known(&(*sums)[i].output, client->output_bytes);
	buf_free(&name);
}

static int by_memory(const void *a, const void *b)
{
	const struct client_sum *x = a, *y = b;

	if (x->memory != y->memory)
		return x->memory < y->memory ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int put_client(struct history *history, int64_t window, const struct client_sum *sum,
		      int64_t at_ms)
{
	int64_t id;
	int code = name_id(history, sum->name, at_ms, &id);

	if (code == SQLITE_OK)
		code = db_run(history,
			      "INSERT OR REPLACE INTO client (window, name, connections, memory,"
			      " output) VALUES (?, ?, ?, ?, ?)",
			      "iiiii", window, id, sum->connections, sum->memory, sum->output);
	return code;
}

static int put_clients(struct history *history, int64_t window, const struct history_window *w)
{
	struct client_sum *sums = NULL;
	size_t count = 0;
	int code = SQLITE_OK;

	for (size_t i = 0; i < w->m->clients_count; i++)
		add_client(&sums, &count, &w->m->clients[i].client);
	if (count)
		qsort(sums, count, sizeof(*sums), by_memory);
	for (size_t i = 0; i < count && i < TOP_ROWS && code == SQLITE_OK; i++)
		code = put_client(history, window, &sums[i], w->start_ms);
	for (size_t i = 0; i < count; i++)
		free(sums[i].name);
	free(sums);
	return code;
}

int rows_put(struct history *history, int64_t window, const struct history_window *w)
{
	const struct kind kinds[] = {
		{ charged_command, put_command, w->m->commands_count, w->m->alloc.commands,
		  w->m->alloc.commands_count },
		{ charged_prefix, put_prefix, w->m->prefixes_count, w->m->alloc.prefixes,
		  w->m->alloc.prefixes_count },
	};
	int code = put_figures(history, window, w);

	if (code == SQLITE_OK)
		code = put_ledger(history, window, w);
	if (code == SQLITE_OK)
		code = put_limits(history, window, w);
	for (size_t i = 0; i < 2 && code == SQLITE_OK; i++)
		code = put_kind(history, window, w, &kinds[i]);
	return code == SQLITE_OK ? put_clients(history, window, w) : code;
}
