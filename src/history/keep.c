/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept of what was: windows become coarser with age, and the oldest go when the files
 * grow past their bound. A call does a little: one merge of each fineness, a few windows that go.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/sum.h"
#include "history/internal.h"

/* Stretches that go in one call, and pages that are given back to the disk. */
#define GO_AT_ONCE    3
#define NAMES_AT_ONCE 500
/* The journal beside the file may have so much, and the bound is for both. */
#define JOURNAL_BYTES (2 << 20)

/* --- merging --------------------------------------------------------------------------------- */

/* Windows of one session of a server that become one: those of @from seconds that begin in this
 * stretch of @to seconds by the wall clock. */
struct merge {
	int from, to; /* seconds */
	int64_t server, session;
	int64_t start_ms, end_ms; /* of the stretch */
	int64_t windows; /* how many */
	int64_t last; /* id of the last, which becomes that of all */
	int64_t first_ms; /* start of the first */
};

/* The windows of the merge are rows of temp.merged. */
static int merge_begin(struct history *history, struct merge *merge)
{
	int code = db_run(history, "DELETE FROM temp.merged", "");

	if (code == SQLITE_OK)
		code = db_run(
			history,
			"INSERT INTO temp.merged SELECT id, start FROM window WHERE server = ?"
			" AND session = ? AND level = ? AND start >= ? AND start < ?",
			"iiiii", merge->server, merge->session, (int64_t)merge->from,
			merge->start_ms, merge->end_ms);
	if (code == SQLITE_OK)
		code = db_number(history, &merge->windows, "SELECT count(*) FROM temp.merged", "");
	if (code == SQLITE_OK)
		code = db_number(history, &merge->first_ms, "SELECT min(start) FROM temp.merged",
				 "");
	if (code == SQLITE_OK)
		code = db_number(history, &merge->last,
				 "SELECT id FROM temp.merged ORDER BY start DESC, id DESC LIMIT 1",
				 "");
	return code;
}

/* What adds up is added up; the state is that of the last. */
static int merge_figures(struct history *history, const struct merge *merge)
{
	return db_run(history,
		      "UPDATE window SET start = s.start, level = ?2, commands = s.commands,"
		      " evicted = s.evicted, expired = s.expired, alloc = s.alloc, free = s.free,"
		      " cpu_us = s.cpu_us, minor_faults = s.minor_faults,"
		      " major_faults = s.major_faults, cow_faults = s.cow_faults,"
		      " stalls = s.stalls, stall_us = s.stall_us, longest_us = s.longest_us,"
		      " drops = s.drops, severity = s.severity FROM"
		      " (SELECT min(start) AS start, sum(commands) AS commands,"
		      " sum(evicted) AS evicted, sum(expired) AS expired, sum(alloc) AS alloc,"
		      " sum(free) AS free, sum(cpu_us) AS cpu_us,"
		      " sum(minor_faults) AS minor_faults, sum(major_faults) AS major_faults,"
		      " sum(cow_faults) AS cow_faults, sum(stalls) AS stalls,"
		      " sum(stall_us) AS stall_us, max(longest_us) AS longest_us,"
		      " sum(drops) AS drops, max(severity) AS severity"
		      " FROM window WHERE id IN (SELECT id FROM temp.merged)) AS s"
		      " WHERE window.id = ?1",
		      "ii", merge->last, (int64_t)merge->to);
}

/* Each table is summed into rows of window -LAST, which then become those of LAST. The first of
 * two orders is by time, the other by bytes, as when the windows were kept. */
#define RANKED(table, columns, sums, by_time, by_bytes)                                     \
	"INSERT INTO " table " (window, name, " columns ") SELECT ?1, name, " columns       \
	" FROM (SELECT name, " sums ", row_number() OVER (ORDER BY " by_time " DESC, name)" \
	" AS a, row_number() OVER (ORDER BY " by_bytes " DESC, name) AS b FROM " table      \
	" WHERE window IN (SELECT id FROM temp.merged) GROUP BY name) WHERE a <= ?2 OR b <= ?2"

#define CHARGED_SUMS \
	"sum(cpu_us) AS cpu_us, sum(fault_us) AS fault_us, sum(alloc) AS alloc, sum(free) AS free"
#define BY_TIME	 "sum(ifnull(cpu_us, 0) + ifnull(fault_us, 0))"
#define BY_BYTES "sum(ifnull(alloc, 0) + ifnull(free, 0))"
#define REST(table)                                                           \
	"DELETE FROM " table " WHERE window IN (SELECT id FROM temp.merged)", \
		"UPDATE " table " SET window = -window WHERE window = ?1"

static const struct {
	const char *sum, *forget, *become;
} merged_tables[] = {
	{ RANKED("command", "calls, cpu_us, fault_us, alloc, free",
		 "sum(calls) AS calls, " CHARGED_SUMS, BY_TIME, BY_BYTES),
	  REST("command") },
	{ RANKED("prefix", "cpu_us, fault_us, alloc, free", CHARGED_SUMS, BY_TIME, BY_BYTES),
	  REST("prefix") },
	{ RANKED("client", "connections, memory, output",
		 "max(connections) AS connections, max(memory) AS memory, max(output) AS output",
		 "max(memory)", "max(output)"),
	  REST("client") },
	{ RANKED("limits", "bytes, used", "max(bytes) AS bytes, max(used) AS used", "max(used)",
		 "max(bytes)"),
	  REST("limits") },
};

static int merge_rows(struct history *history, const struct merge *merge)
{
	int code = db_run(history,
			  "DELETE FROM ledger WHERE window IN (SELECT id FROM temp.merged) "
			  "AND window != ?",
			  "i", merge->last);

	for (size_t i = 0; i < sizeof(merged_tables) / sizeof(merged_tables[0]); i++) {
		if (code == SQLITE_OK)
			code = db_run(history, merged_tables[i].sum, "ii", -merge->last,
				      (int64_t)TOP_ROWS);
		if (code == SQLITE_OK)
			code = db_run(history, merged_tables[i].forget, "");
		if (code == SQLITE_OK)
			code = db_run(history, merged_tables[i].become, "i", -merge->last);
	}
	if (code == SQLITE_OK) /* of the stalls the longest stay */
		code = db_run(history,
			      "DELETE FROM stall WHERE server = ?1 AND at >= ?2 AND at < ?3 AND id "
			      "NOT IN (SELECT id FROM stall WHERE server = ?1 AND at >= ?2 AND "
			      "at < ?3 ORDER BY us DESC LIMIT ?4)",
			      "iiii", merge->server, merge->start_ms, merge->end_ms,
			      (int64_t)TOP_ROWS);
	return code;
}

/* --- chunks of a merge ----------------------------------------------------------------------- */

/* The ids of the merge, oldest first. */
static int merged_ids(struct history *history, int64_t **ids, size_t *count)
{
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt, "SELECT id FROM temp.merged ORDER BY start, id", "");

	*ids = NULL;
	*count = 0;
	if (code != SQLITE_OK)
		return code;
	while ((code = db_next(stmt)) == SQLITE_ROW) {
		*ids = array_grow(*ids, *count, sizeof(**ids));
		(*ids)[(*count)++] = db_int(stmt, 0);
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int merge_chunks(struct history *history, const struct merge *merge)
{
	struct buf joined = {};
	struct chunk chunk;
	int64_t *ids;
	size_t count;
	int code = merged_ids(history, &ids, &count);

	if (code == SQLITE_OK)
		code = join_chunks(history, ids, count, &joined);
	for (size_t i = 0; i < count && code == SQLITE_OK; i++)
		code = pack_drop(history, ids[i]);
	if (code == SQLITE_OK && joined.len && !chunk_open(&chunk, joined.data, joined.len, NULL))
		code = pack_put(history, merge->server, merge->last, merge->first_ms, merge->to,
				&chunk);
	buf_free(&joined);
	free(ids);
	return code;
}

static int merge(struct history *history, struct merge *merge)
{
	int code = merge_begin(history, merge);

	if (code != SQLITE_OK || merge->windows < 2)
		return code != SQLITE_OK ?
			       code :
			       db_run(history, "UPDATE window SET level = ? WHERE id = ?", "ii",
				      (int64_t)merge->to, merge->last);
	code = merge_chunks(history, merge);
	if (code == SQLITE_OK)
		code = merge_rows(history, merge);
	if (code == SQLITE_OK)
		code = merge_figures(history, merge);
	if (code == SQLITE_OK)
		code = db_run(history,
			      "DELETE FROM window WHERE id IN (SELECT id FROM temp.merged) "
			      "AND id != ?",
			      "i", merge->last);
	return code;
}

/* --- thinning -------------------------------------------------------------------------------- */

/* Merge the oldest that is of before @before_ms; @more when there was one. */
static int thin(struct history *history, int from, int to, int64_t before_ms, bool *more)
{
	struct merge what = { .from = from, .to = to };
	int64_t stretch = (int64_t)to * 1000, start;
	sqlite3_stmt *stmt;
	int code;

	before_ms -= before_ms % stretch; /* only whole ones */
	code = db_query(history, &stmt,
			"SELECT server, session, start FROM window WHERE level = ? AND start < ? "
			"ORDER BY start LIMIT 1",
			"ii", (int64_t)from, before_ms);
	if (code != SQLITE_OK)
		return code;
	code = db_next(stmt);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? SQLITE_OK : code;
	what.server = db_int(stmt, 0);
	what.session = db_int(stmt, 1);
	start = db_int(stmt, 2);
	sqlite3_reset(stmt);
	what.start_ms = start - start % stretch;
	what.end_ms = what.start_ms + stretch;
	*more = true;
	return merge(history, &what);
}

/* --- bounding -------------------------------------------------------------------------------- */

static int forget_window(struct history *history, int64_t window)
{
	static const char *const statements[] = {
		"DELETE FROM ledger WHERE window = ?", "DELETE FROM command WHERE window = ?",
		"DELETE FROM prefix WHERE window = ?", "DELETE FROM client WHERE window = ?",
		"DELETE FROM limits WHERE window = ?", "DELETE FROM window WHERE id = ?",
	};
	int code = pack_drop(history, window);

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && code == SQLITE_OK; i++)
		code = db_run(history, statements[i], "i", window);
	return code;
}

/* What happened before the server's oldest window; all of it, and the server, without one. */
static int forget_happened(struct history *history, int64_t server)
{
	static const char *const statements[] = {
		"DELETE FROM stall WHERE server = ? AND at < ?",
		"DELETE FROM finding WHERE server = ? AND begin < ? AND end IS NOT NULL",
		"DELETE FROM fork WHERE server = ? AND begin < ?",
		"DELETE FROM death WHERE server = ? AND at < ? AND NOT kept",
		"DELETE FROM event WHERE server = ? AND at < ?",
		"DELETE FROM passed WHERE pass IN (SELECT id FROM pass WHERE server = ? AND at < "
		"?)",
		"DELETE FROM pass WHERE server = ? AND at < ?",
	};
	int64_t oldest;
	bool none;
	int code = db_number(history, &oldest,
			     "SELECT start FROM window WHERE server = ? AND level != 0 "
			     "ORDER BY start LIMIT 1",
			     "i", server);

	if (code == SQLITE_OK && oldest == RECORD_UNKNOWN) /* of a death, perhaps */
		code = db_number(history, &oldest,
				 "SELECT start FROM window WHERE server = ? ORDER BY start LIMIT 1",
				 "i", server);
	none = oldest == RECORD_UNKNOWN;
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && code == SQLITE_OK; i++)
		code = db_run(history, statements[i], "ii", server, none ? INT64_MAX : oldest);
	if (code == SQLITE_OK && none)
		code = db_run(history, "DELETE FROM finding WHERE server = ?", "i", server);
	if (code == SQLITE_OK && none)
		code = db_run(history, "DELETE FROM server WHERE id = ?", "i", server);
	return code;
}

/* A window with those of its stretch, which may be packed against it. */
static int forget_stretch(struct history *history, int64_t window, int64_t *server)
{
	int64_t session, level, start, stretch, next = window;
	sqlite3_stmt *stmt;
	int code = db_query(history, &stmt,
			    "SELECT server, session, level, start FROM window WHERE id = ?", "i",
			    window);

	if (code != SQLITE_OK || (code = db_next(stmt)) != SQLITE_ROW)
		return code;
	*server = db_int(stmt, 0);
	session = db_int(stmt, 1);
	level = db_int(stmt, 2);
	start = db_int(stmt, 3);
	sqlite3_reset(stmt);
	stretch = pack_stretch_ms((int)level);
	do {
		code = forget_window(history, next);
		if (code != SQLITE_OK || !stretch)
			return code;
		code = db_number(history, &next,
				 "SELECT id FROM window WHERE server = ? AND session = ? AND "
				 "level = ? AND start >= ? AND start < ? LIMIT 1",
				 "iiiii", *server, session, level, start - start % stretch,
				 start - start % stretch + stretch);
	} while (code == SQLITE_OK && next != RECORD_UNKNOWN);
	return code;
}

/* Those of the last minutes before a death come last. */
static int forget_oldest(struct history *history)
{
	int64_t window, server = RECORD_UNKNOWN;
	bool more;
	int code = db_number(history, &window,
			     "SELECT id FROM window WHERE level != 0 ORDER BY id LIMIT 1", "");

	if (code != SQLITE_OK)
		return code;
	if (window == RECORD_UNKNOWN)
		return deaths_release_oldest(history, &more);
	code = forget_stretch(history, window, &server);
	return code == SQLITE_OK ? forget_happened(history, server) : code;
}

/* Bytes of the pages in use, and of all. */
static int pages(struct history *history, int64_t *used, int64_t *all)
{
	int64_t unused = 0, size = 0;
	int code = db_number(history, all, "PRAGMA page_count", "");

	if (code == SQLITE_OK)
		code = db_number(history, &unused, "PRAGMA freelist_count", "");
	if (code == SQLITE_OK)
		code = db_number(history, &size, "PRAGMA page_size", "");
	*used = (*all - unused) * size;
	*all *= size;
	return code;
}

static int64_t most_bytes(const struct history *history)
{
	int64_t journal = folder_wal_bytes(history);

	return history->size_bytes - (journal > JOURNAL_BYTES ? journal : JOURNAL_BYTES);
}

static int bound(struct history *history, bool *more)
{
	int64_t most = most_bytes(history), used, all;
	int code = pages(history, &used, &all);

	if (code != SQLITE_OK || used <= most)
		return code;
	for (int i = 0; i < GO_AT_ONCE && code == SQLITE_OK; i++)
		code = forget_oldest(history);
	*more = true;
	return code;
}

/* Pages that are not used any more go back to the disk, where the file is larger than it may be.
 * Below that new windows take them. */
static int shrink(struct history *history, bool *more)
{
	int64_t used, all;
	int code = pages(history, &used, &all);

	if (code != SQLITE_OK || all <= most_bytes(history) || used == all)
		return code;
	*more = true;
	return db_run(history, "PRAGMA incremental_vacuum(256)", "");
}

/* Names of before the oldest window, once a day. */
static int forget_names(struct history *history, int64_t now_ms, bool *more)
{
	int64_t day = now_ms / DAY_MS, oldest;
	int code;

	if (history->cleaned_day >= day)
		return SQLITE_OK;
	code = db_number(history, &oldest, "SELECT min(start) FROM window WHERE level != 0", "");
	if (code == SQLITE_OK && oldest != RECORD_UNKNOWN)
		code = db_run(history,
			      "DELETE FROM name WHERE id IN (SELECT id FROM name WHERE day < ? AND "
			      "id NOT IN (SELECT name FROM line) LIMIT ?)",
			      "ii", oldest / DAY_MS, (int64_t)NAMES_AT_ONCE);
	if (code == SQLITE_OK && sqlite3_changes(history->db) == NAMES_AT_ONCE)
		*more = true;
	else
		history->cleaned_day = day;
	return code;
}

/* Findings of servers that are not told of any more have ended. */
static int end_stale(struct history *history, int64_t now_ms)
{
	return db_run(history, "UPDATE finding SET end = seen WHERE end IS NULL AND seen < ?", "i",
		      now_ms - 600000);
}

int history_keep(struct history *history, int64_t now_ms, struct err *err)
{
	int64_t start = clock_mono_ns();
	bool more = false;
	int code, ret;

	if (!writing_begin(history))
		return 0;
	code = bound(history, &more);
	if (code == SQLITE_OK)
		code = shrink(history, &more);
	if (code == SQLITE_OK)
		code = thin(history, LEVEL_FINE, LEVEL_MINUTE, now_ms - DAY_MS, &more);
	if (code == SQLITE_OK)
		code = thin(history, LEVEL_MINUTE, LEVEL_COARSE, now_ms - WEEK_MS, &more);
	if (code == SQLITE_OK)
		code = forget_names(history, now_ms, &more);
	if (code == SQLITE_OK)
		code = end_stale(history, now_ms);
	ret = writing_end(history, code, "thinning", err);
	history->stats.write_seconds_total += (double)(clock_mono_ns() - start) / 1e9;
	return ret ? ret : more;
}
