/* SPDX-License-Identifier: BSD-2-Clause */
/* The history: what is kept, thinned and bounded. */
#include "history_folder.h"

static void windows_become_rows(void **state)
{
	struct history *history = open_writer(0);
	struct history_stats stats;
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_profile(&s, EVENT_ALLOC, "set", "user:1:name", 5000, NAN);
	scene_profile(&s, EVENT_ALLOC, "set", "user:2:name", 7000, NAN);
	scene_stall(&s, "del", "big\x1b[2Jkey", 0.2)->frame_ns[FRAME_FREE] = 190000000;
	keep_scene(history, "cache1", WALL_MS, &s);
	append_quiet(history, WALL_MS + 10000);
	history_stats(history, &stats);
	assert_true(stats.ok);
	assert_int_equal(stats.windows_total, 2);
	assert_true(stats.bytes > 4096);
	history_close(history);

	assert_int_equal(ask("SELECT count(*) FROM window"), 2);
	assert_int_equal(ask("SELECT commands FROM window ORDER BY start"), SCENE_COMMANDS);
	assert_int_equal(ask("SELECT stall_us FROM window ORDER BY start"), 200000);
	/* The ledger adds up there, too. */
	assert_true(ask("SELECT count(*) FROM ledgers WHERE parent = 'rss'") > 2);
	assert_int_equal(ask("SELECT sum(bytes) FROM ledgers WHERE parent = 'rss' AND start = "
			     "(SELECT min(start) FROM window)"),
			 ask("SELECT bytes FROM ledgers WHERE line = 'rss' ORDER BY start"));
	assert_int_equal(ask("SELECT alloc FROM prefixes WHERE prefix = 'user:*:name'"), 12000);
	assert_int_equal(ask("SELECT alloc FROM commands WHERE command = 'set'"), 12000);
	assert_int_equal(ask("SELECT us FROM stall WHERE command = 'del' AND cause = 'allocator'"),
			 200000);
	assert_int_equal(ask("SELECT count(*) FROM stall WHERE key LIKE '%' || char(27) || '%'"),
			 0);
}

/* --- what goes on ------------------------------------------------------------------ */

static void append_with(struct history *history, int64_t start_ms, bool trouble)
{
	struct scene s;

	scene_init(&s);
	if (trouble)
		scene_stall(&s, "keys", "", 0.9)->frame_ns[FRAME_WALK] = 890000000;
	keep_scene(history, "cache1", start_ms, &s);
}

static void a_finding_is_one_row_while_it_goes_on(void **state)
{
	/* it comes, is away for two windows, is there again, and later once more */
	static const char there[] = "..xxx..x.......x..";
	struct history *history = open_writer(0);
	int64_t last = WALL_MS;

	(void)state;
	for (size_t i = 0; i < strlen(there); i++, last += 10000)
		append_with(history, last, there[i] == 'x');
	assert_int_equal(ask("SELECT count(DISTINCT finding) > 0 FROM finding"), 1);
	assert_int_equal(ask("SELECT count(*) FROM finding WHERE finding LIKE '%block%'"), 2);
	assert_int_equal(ask("SELECT begin FROM finding WHERE finding LIKE '%block%'"),
			 WALL_MS + 20000);
	assert_int_equal(ask("SELECT end FROM finding WHERE finding LIKE '%block%'"),
			 WALL_MS + 80000);
	assert_int_equal(ask("SELECT begin FROM finding WHERE finding LIKE '%block%' AND end IS "
			     "NULL"),
			 WALL_MS + 150000);
	history_gone(history, "cache1", last, NULL);
	assert_int_equal(ask("SELECT count(*) FROM finding WHERE end IS NULL"), 0);
	history_close(history);
}

static void forks_and_deaths_are_rows(void **state)
{
	struct history *history = open_writer(0);
	struct scene s;

	(void)state;
	scene_init(&s);
	add_child(&s, NAN, 1000000);
	keep_scene(history, "cache1", WALL_MS, &s);
	scene_init(&s); /* it began 8 s before this one */
	add_child(&s, 3, 2000000);
	s.extra[0].child.t_start_seconds = -8.0004;
	keep_scene(history, "cache1", WALL_MS + 10000, &s);
	scene_init(&s);
	add_life(&s, "oom", "", 4);
	add_life(&s, "exit", "killed by signal 9", 4.2);
	keep_scene(history, "cache1", WALL_MS + 20000, &s);
	scene_init(&s);
	add_life(&s, "exit", "", 3);
	keep_scene(history, "cache2", WALL_MS + 30000, &s);
	assert_int_equal(history_note(history, "cache2", WALL_MS + 40000, "restarted", "", NULL),
			 0);
	history_close(history);

	assert_int_equal(ask("SELECT count(*) FROM fork"), 1);
	assert_int_equal(ask("SELECT copied FROM fork"), 2000000);
	assert_int_equal(ask("SELECT begin FROM fork"), WALL_MS + 2000);
	assert_int_equal(ask("SELECT end FROM fork"), WALL_MS + 13000);
	assert_int_equal(ask("SELECT count(*) FROM death"), 1); /* that cache2 ended was its wish */
	assert_int_equal(ask("SELECT held FROM death WHERE cause = 'oom'"), 5000000);
	assert_int_equal(ask("SELECT count(*) FROM event WHERE event IN ('ended', 'restarted')"),
			 2);
}

/* --- thinning and bounding --------------------------------------------------------- */

static void old_windows_become_longer(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	int64_t commands, alloc, stalls, get, cow;
	struct model *m, *after;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 1200);
	commands = ask("SELECT sum(commands) FROM window");
	alloc = ask("SELECT sum(alloc) FROM commands");
	get = ask("SELECT sum(alloc) FROM commands WHERE command = 'get'");
	stalls = ask("SELECT sum(stall_us) FROM window");
	cow = ask("SELECT sum(minor_faults) FROM window");
	m = model_of(history, WALL_MS + 60000, WALL_MS + 120000, &span);
	keep_all(history,
		 WALL_MS + 1200000 + DAY_MS - 61000); /* the last minute is not a day old */
	assert_int_equal(ask("SELECT count(*) FROM window WHERE level = 60"), 19 - 1);
	assert_int_equal(ask("SELECT count(*) FROM window WHERE level = 10"), 12);
	keep_all(history, WALL_MS + 1200000 + DAY_MS);
	assert_int_equal(ask("SELECT count(*) FROM window"), 20);
	assert_int_equal(ask("SELECT count(*) FROM window WHERE end - start = 60000"), 20);
	assert_int_equal(ask("SELECT sum(commands) FROM window"), commands);
	assert_int_equal(ask("SELECT sum(alloc) FROM commands"), alloc);
	assert_int_equal(ask("SELECT sum(alloc) FROM commands WHERE command = 'get'"), get);
	assert_int_equal(ask("SELECT sum(stall_us) FROM window"), stalls);
	assert_int_equal(ask("SELECT sum(minor_faults) FROM window"), cow);
	assert_int_equal(ask("SELECT count(*) FROM (SELECT window FROM prefix GROUP BY window "
			     "HAVING count(*) > 40)"),
			 0);
	after = model_of(history, WALL_MS + 60000, WALL_MS + 120000, &span);
	assert_int_equal(span.windows, 1);
	assert_int_equal(span.seconds_longest, 60);
	/* sums of 17 bits, twice */
	assert_true(llabs(allocated_by_all(after) - allocated_by_all(m)) <=
		    allocated_by_all(m) / 100000);
	assert_int_equal(after->stalls_count, m->stalls_count);
	assert_int_equal(ledger_bytes(&after->ledger, "rss"), ledger_bytes(&m->ledger, "rss"));
	assert_int_equal(ledger_bytes(&after->ledger, "dataset"),
			 ledger_bytes(&m->ledger, "dataset"));
	model_free(after);
	model_free(m);
	keep_all(history, WALL_MS + 1200000 + WEEK_MS);
	assert_int_equal(ask("SELECT count(*) FROM window"), 2);
	assert_int_equal(ask("SELECT count(*) FROM chunk"), 2);
	assert_int_equal(ask("SELECT count(*) FROM keychunk WHERE level != 600"), 0);
	assert_int_equal(ask("SELECT sum(commands) FROM window"), commands);
	m = model_of(history, WALL_MS, WALL_MS + 1200000, &span);
	assert_float_equal(m->duration_seconds, 1200, 0.01);
	model_free(m);
	history_close(history);
}

static void the_oldest_go_when_it_is_full(void **state)
{
	const int64_t bound = 5 << 19; /* of which the journal may have 2 MiB */
	struct history *history = open_writer(bound);
	struct history_stats stats;
	int64_t oldest, newest = WALL_MS, most = 0;

	(void)state;
	for (int i = 0; i < 14; i++, newest += 100000) {
		append_busy(history, i % 2 ? "cache1" : "cache2", newest * 1000000, 100);
		keep_all(history, newest);
		history_stats(history, &stats);
		if (stats.bytes > most)
			most = stats.bytes;
	}
	assert_true(stats.ok);
	if (most > bound)
		fail_msg("%lld bytes, and %lld are allowed", (long long)most, (long long)bound);
	assert_true(stats.bytes > bound / 2); /* but no more than needed went */
	oldest = ask("SELECT min(start) FROM window");
	assert_true(oldest > WALL_MS);
	assert_int_equal(ask("SELECT max(end) FROM window"), newest);
	assert_int_equal(ask("SELECT count(*) FROM chunk WHERE window NOT IN (SELECT id FROM "
			     "window)"),
			 0);
	assert_int_equal(ask("SELECT count(*) FROM ledger WHERE window NOT IN (SELECT id FROM "
			     "window)"),
			 0);
	assert_int_equal(ask("SELECT count(*) FROM keychunk WHERE id NOT IN (SELECT keychunk FROM "
			     "chunk)"),
			 0);
	assert_int_equal(db_check(history, 3600, NULL), 0);
	history_close(history);
}

/* --- the manual -------------------------------------------------------------------- */

static char *read_manual(void)
{
	FILE *file = fopen("tools/redmem-history.5", "r");
	static char text[65536];

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* Each table, view and column is described, and each example is a query that runs. */
static void the_manual_knows_the_tables(void **state)
{
	struct history *history = open_writer(0);
	char *manual = read_manual(), *at;
	sqlite3_stmt *stmt;
	sqlite3 *db;
	int examples = 0;

	(void)state;
	append_quiet(history, WALL_MS);
	db = by_hand();
	assert_int_equal(
		sqlite3_prepare_v2(
			db,
			"SELECT t.name, c.name, t.type FROM pragma_table_list t JOIN "
			"pragma_table_info(t.name) c WHERE t.schema = 'main' AND t.name NOT "
			"LIKE 'sqlite_%'",
			-1, &stmt, NULL),
		SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *table = (const char *)sqlite3_column_text(stmt, 0);
		const char *column = (const char *)sqlite3_column_text(stmt, 1);

		if (!strstr(manual, table))
			fail_msg("redmem-history.5 does not know table %s", table);
		if (strcmp((const char *)sqlite3_column_text(stmt, 2), "view") != 0 &&
		    !strstr(manual, column))
			fail_msg("redmem-history.5 does not know %s.%s", table, column);
	}
	sqlite3_finalize(stmt);
	for (at = manual; (at = strstr(at, ".EX\nSELECT")); examples++) {
		char *end = strstr(at, "\n.EE");

		*end = '\0';
		if (sqlite3_exec(db, at + 4, NULL, NULL, NULL) != SQLITE_OK)
			fail_msg("%s: %s", at + 4, sqlite3_errmsg(db));
		at = end + 1;
	}
	assert_true(examples >= 5);
	sqlite3_close(db);
	history_close(history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(windows_become_rows),	     TEST(a_finding_is_one_row_while_it_goes_on),
		TEST(forks_and_deaths_are_rows),     TEST(old_windows_become_longer),
		TEST(the_oldest_go_when_it_is_full), TEST(the_manual_knows_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
