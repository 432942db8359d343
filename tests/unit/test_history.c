/* SPDX-License-Identifier: BSD-2-Clause */
/* The history: what is kept, thinned, bounded, read again, and what happens when the file or the
 * disk is not as it should be. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scene.h"
#include "past_stream.h"
#include "history/internal.h"
#include "report/changes.h"
#include "report/report.h"

/* A Tuesday, on a whole hour. */
#define WALL_MS 1700002800000LL
#define WALL_NS (WALL_MS * 1000000)

/* --- a folder of its own ----------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_history.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct history *open_writer(int64_t size_bytes)
{
	struct history_config config = { .size_bytes = size_bytes };
	struct history *history;
	struct err err = {};

	if (history_open(&history, folder, &config, &err))
		fail_msg("%s", err.text);
	return history;
}

static struct history *open_reader(void)
{
	struct history *history;
	struct err err = {};

	if (history_open_reader(&history, folder, &err))
		fail_msg("%s", err.text);
	return history;
}

/* --- asking the file, as people would ---------------------------------------------- */

static sqlite3 *by_hand(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(in_folder("history.db"), &db), SQLITE_OK);
	return db;
}

/* The first column of the first row; RECORD_UNKNOWN when there is none. */
static int64_t ask(const char *text)
{
	sqlite3 *db = by_hand();
	sqlite3_stmt *stmt;
	int64_t value = RECORD_UNKNOWN;

	if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

static void order(const char *text)
{
	sqlite3 *db = by_hand();
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(db);
}

/* --- windows ----------------------------------------------------------------------- */

/* A window of a scene's model, without a chunk. */
static int append_scene(struct history *history, const char *server, int64_t start_ms,
			struct scene *s, struct err *err)
{
	struct model *m = scene_model(s);
	struct findings *f = diagnose(m);
	int ret = history_append(history,
				 &(struct history_window){ .server = server,
							   .start_ms = start_ms,
							   .end_ms = start_ms + 10000,
							   .m = m,
							   .f = f },
				 err);

	findings_free(f);
	model_free(m);
	return ret;
}

static void append_quiet(struct history *history, int64_t start_ms)
{
	struct scene s;

	scene_init(&s);
	{
		struct err e = {};
		if (append_scene(history, "cache1", start_ms, &s, &e))
			fail_msg("%s", e.text);
	}
}

/* @seconds of a busy server, from then on. */
static void append_busy(struct history *history, const char *server, int64_t start_ns, int seconds)
{
	struct past_stream s;
	struct past_keeper k;

	past_keeper_begin(&k, history, server, &s, start_ns, 7);
	s.rows = 25;
	while (s.t < seconds)
		past_second(&s);
	past_second(&s); /* says that the last one is over */
	chunker_free(k.chunker);
	windows_free(k.windows);
	assert_int_equal(k.errors, 0);
	assert_int_equal(k.appended, seconds / PAST_SECONDS);
}

static void keep_all(struct history *history, int64_t now_ms)
{
	struct err err = {};
	int ret;

	while ((ret = history_keep(history, now_ms, &err)) == 1)
		;
	if (ret)
		fail_msg("%s", err.text);
}

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
	{
		struct err e = {};
		if (append_scene(history, "cache1", WALL_MS, &s, &e))
			fail_msg("%s", e.text);
	}
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
	{
		struct err e = {};
		if (append_scene(history, "cache1", start_ms, &s, &e))
			fail_msg("%s", e.text);
	}
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

static void add_life(struct scene *s, const char *event, const char *detail, double t)
{
	struct record *r = scene_add(s, RECORD_LIFE);

	r->life = (struct record_life){ .t_seconds = t,
					.event = event,
					.detail = detail,
					.seconds = NAN,
					.held_bytes =
						strcmp(event, "oom") ? RECORD_UNKNOWN : 5000000 };
}

static void add_child(struct scene *s, double end, int64_t copied)
{
	struct record *r = scene_add(s, RECORD_CHILD);

	r->child = (struct record_child){ .pid = 99,
					  .t_start_seconds = 2,
					  .t_end_seconds = end,
					  .purpose = "rdb",
					  .rss_bytes = 4000000,
					  .private_bytes = copied,
					  .fork_seconds = 0.001,
					  .exit_code = isnan(end) ? RECORD_UNKNOWN : 0,
					  .exit_signal = isnan(end) ? RECORD_UNKNOWN : 0 };
}

static void forks_and_deaths_are_rows(void **state)
{
	struct history *history = open_writer(0);
	struct scene s;

	(void)state;
	scene_init(&s);
	add_child(&s, NAN, 1000000);
	{
		struct err e = {};
		if (append_scene(history, "cache1", WALL_MS, &s, &e))
			fail_msg("%s", e.text);
	}
	scene_init(&s); /* it began 8 s before this one */
	add_child(&s, 3, 2000000);
	s.extra[0].child.t_start_seconds = -8.0004;
	{
		struct err e = {};
		if (append_scene(history, "cache1", WALL_MS + 10000, &s, &e))
			fail_msg("%s", e.text);
	}
	scene_init(&s);
	add_life(&s, "oom", "", 4);
	add_life(&s, "exit", "killed by signal 9", 4.2);
	{
		struct err e = {};
		if (append_scene(history, "cache1", WALL_MS + 20000, &s, &e))
			fail_msg("%s", e.text);
	}
	scene_init(&s);
	add_life(&s, "exit", "", 3);
	{
		struct err e = {};
		if (append_scene(history, "cache2", WALL_MS + 30000, &s, &e))
			fail_msg("%s", e.text);
	}
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

/* --- reading again ----------------------------------------------------------------- */

static struct model *model_of(struct history *history, int64_t from_ms, int64_t to_ms,
			      struct history_span *span)
{
	struct err err = {};
	struct model *m;

	if (history_model(history, "cache1", from_ms, to_ms, &m, span, &err))
		fail_msg("%s", err.text);
	return m;
}

/* The documents of `redmem doctor` that windows of the stream itself give. */
struct told {
	struct buf documents[16];
	size_t count;
};

static void document(struct buf *out, const struct model *m)
{
	struct findings *f = diagnose(m);

	report_doctor_json(out, m, f);
	findings_free(f);
}

static struct told *told_to;

static void remember(struct past_keeper *k, const struct history_window *window)
{
	(void)k;
	assert_true(told_to->count < 16);
	document(&told_to->documents[told_to->count++], window->m);
}

static void a_report_of_then_is_that_of_then(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct told told = {};
	struct past_stream s;
	struct past_keeper k;

	(void)state;
	told_to = &told;
	past_keeper_begin(&k, history, "cache1", &s, WALL_NS, 3);
	k.look = remember;
	while (s.t < 62)
		past_second(&s);
	chunker_free(k.chunker);
	windows_free(k.windows);
	history_close(history);
	history = open_reader();
	assert_int_equal(told.count, 6);
	for (size_t i = 0; i < told.count; i++) {
		int64_t from = WALL_MS + (int64_t)i * 10000;
		struct model *m = model_of(history, from + 3000, from + 4000, &span);
		struct buf again = {};

		document(&again, m);
		assert_string_equal(buf_str(&again), buf_str(&told.documents[i]));
		assert_int_equal(span.windows, 1);
		assert_int_equal(span.start_ms, from);
		/* What was looked at then, too. */
		assert_int_equal(m->clients_count, i > 0);
		assert_int_equal(m->keys_count, i > 0);
		model_free(m);
		buf_free(&again);
		buf_free(&told.documents[i]);
	}
	history_close(history);
}

static int64_t allocated_by(const struct model *m, const char *command)
{
	for (size_t i = 0; i < m->commands_count; i++)
		if (!strcmp(m->commands[i].command, command))
			return (int64_t)round(m->commands[i].charge.alloc_bytes);
	return -1;
}

static int64_t allocated_by_all(const struct model *m)
{
	double sum = 0;

	for (size_t i = 0; i < m->commands_count; i++)
		if (isfinite(m->commands[i].charge.alloc_bytes))
			sum += m->commands[i].charge.alloc_bytes;
	return (int64_t)round(sum);
}

static void several_windows_are_one_model(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct model *m, *part;
	int64_t sum = 0, get = 0;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 60);
	m = model_of(history, WALL_MS, WALL_MS + 60000, &span);
	assert_int_equal(span.windows, 6);
	assert_float_equal(m->duration_seconds, 60, 0.01);
	for (int i = 0; i < 6; i++) {
		part = model_of(history, WALL_MS + i * 10000 + 1, WALL_MS + i * 10000 + 2, NULL);
		sum += allocated_by_all(part);
		get += allocated_by(part, "get");
		model_free(part);
	}
	assert_true(llabs(allocated_by_all(m) - sum) <= 200);
	assert_true(llabs(allocated_by(m, "get") - get) <= 20);
	assert_true(m->ledger.count > 3);
	model_free(m);
	history_close(history);
}

static void a_time_without_windows_says_so(void **state)
{
	struct history *history = open_writer(0);
	struct model *m;
	struct err err = {};

	(void)state;
	append_busy(history, "cache1", WALL_NS, 20);
	assert_int_equal(
		history_model(history, "cache1", WALL_MS - 90000, WALL_MS - 80000, &m, NULL, &err),
		-ENOENT);
	assert_non_null(strstr(err.text, "nearest begins at "));
	assert_int_equal(
		history_model(history, "cache1", WALL_MS + 90000, WALL_MS + 99000, &m, NULL, &err),
		-ENOENT);
	assert_non_null(strstr(err.text, "nearest ends at "));
	assert_int_equal(history_model(history, "other", WALL_MS, WALL_MS + 1, &m, NULL, &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "'other'"));
	history_close(history);
}

/* A restart begins another session: its numbers begin anew. */
static void a_model_is_of_one_session(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct model *m;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 20);
	append_busy(history, "cache1", WALL_NS + 25 * 1000000000LL, 40);
	m = model_of(history, WALL_MS, WALL_MS + 70000, &span);
	assert_true(span.more_sessions);
	assert_int_equal(span.start_ms, WALL_MS + 25000);
	assert_float_equal(m->duration_seconds, 40, 0.01);
	model_free(m);
	m = model_of(history, WALL_MS, WALL_MS + 20000, &span);
	assert_false(span.more_sessions);
	assert_float_equal(m->duration_seconds, 20, 0.01);
	model_free(m);
	history_close(history);
}

struct events {
	char kinds[32][16];
	size_t count;
};

static void take_event(void *ctx, const struct history_event *event)
{
	struct events *events = ctx;

	assert_string_equal(event->server, "cache1");
	assert_true(events->count < 32);
	snprintf(events->kinds[events->count++], 16, "%s", event->kind);
}

static void what_happened_is_told_in_its_order(void **state)
{
	struct history *history = open_writer(0);
	struct events events = {};
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "del", "big", 0.02)->t_seconds = 6;
	add_child(&s, 9, 1000);
	add_life(&s, "exit", "killed by signal 11", 9.5);
	{
		struct err e = {};
		if (append_scene(history, "cache1", WALL_MS, &s, &e))
			fail_msg("%s", e.text);
	}
	history_note(history, "cache1", WALL_MS + 20000, "restarted", "", NULL);
	history_note(history, "cache2", WALL_MS + 1000, "restarted", "", NULL);
	assert_int_equal(history_events(history, "cache1", WALL_MS + 1500, WALL_MS + 30000,
					take_event, &events, NULL),
			 0);
	for (size_t i = 0, n = 0; i < events.count; i++) {
		static const char *const kinds[] = { "fork", "stall", "death", "restarted" };

		if (!strcmp(events.kinds[i], "finding"))
			continue;
		assert_string_equal(events.kinds[i], kinds[n++]);
		assert_true(i + 1 < events.count || n == 4);
	}
	events.count = 0;
	history_events(history, "cache1", WALL_MS + 25000, WALL_MS + 30000, take_event, &events,
		       NULL);
	for (size_t i = 0; i < events.count; i++) /* only what goes on */
		assert_string_equal(events.kinds[i], "finding");
	history_close(history);
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

/* --- deaths ------------------------------------------------------------------------ */

static void append_death(struct history *history, int64_t start_ms, const char *detail)
{
	struct err err = {};
	struct scene s;

	scene_init(&s);
	add_life(&s, "exit", detail, 9);
	if (append_scene(history, "cache1", start_ms, &s, &err))
		fail_msg("%s", err.text);
}

static int64_t kept_windows(void)
{
	return ask("SELECT count(*) FROM window WHERE level = 0");
}

static void the_last_minutes_before_a_death_are_kept(void **state)
{
	struct history *history = open_writer(0);
	int64_t at = WALL_MS;

	(void)state;
	for (int i = 0; i < 90; i++, at += 10000)
		append_quiet(history, at);
	append_death(history, at, "killed by signal 11");
	/* the window it was in, and those that touch the ten minutes before */
	assert_int_equal(kept_windows(), 61);
	append_quiet(history, at + 10000);
	append_death(history, at + 120000, "killed by signal 11"); /* the same again that day */
	assert_int_equal(ask("SELECT count(*) FROM death"), 2);
	assert_int_equal(ask("SELECT count(*) FROM death WHERE kept"), 1);
	append_death(history, at + 240000, "exit code 1");
	assert_int_equal(ask("SELECT count(*) FROM death WHERE kept"), 2);
	keep_all(history, at + 8 * DAY_MS);
	assert_int_equal(kept_windows(), 64); /* as they were, and all else is thinned */
	assert_int_equal(ask("SELECT count(*) FROM window WHERE level = 10"), 0);
	history_close(history);
}

/* The kernel's choice and the end are one; a server that dies after each start dies each time. */
static void each_process_dies_once(void **state)
{
	struct history *history = open_writer(0);
	struct err err = {};

	(void)state;
	append_death(history, WALL_MS, "killed by signal 9");
	append_death(history, WALL_MS + 5000, "killed by signal 9");
	assert_int_equal(ask("SELECT count(*) FROM death"), 1);
	assert_int_equal(history_note(history, "cache1", WALL_MS + 12000, "restarted", "", &err),
			 0);
	append_death(history, WALL_MS + 10000, "killed by signal 9");
	assert_int_equal(ask("SELECT count(*) FROM death"), 2);
	history_close(history);
}

static void only_the_newest_deaths_are_kept(void **state)
{
	struct history *history = open_writer(0);

	(void)state;
	for (int i = 0; i < 52; i++) {
		append_quiet(history, WALL_MS + i * DAY_MS - 10000);
		append_death(history, WALL_MS + i * DAY_MS, "killed by signal 11");
	}
	assert_int_equal(ask("SELECT count(*) FROM death WHERE kept"), 50);
	assert_int_equal(ask("SELECT min(at) FROM death WHERE kept"), WALL_MS + 2 * DAY_MS + 9000);
	assert_int_equal(kept_windows(), 100);
	assert_int_equal(ask("SELECT min(start) FROM window WHERE level = 0"),
			 WALL_MS + 2 * DAY_MS - 10000);
	history_close(history);
}

/* A server that died right after a restart: its last minutes are those of the last session. */
static void take_death(void *ctx, const struct history_death *death)
{
	int64_t *at = ctx;

	assert_string_equal(death->cause, "signal 11");
	*at = death->at_ms;
}

static void the_last_death_is_found(void **state)
{
	struct history *history = open_writer(0);
	struct history_span span;
	struct err err = {};
	struct model *m;
	int64_t at = 0;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 400);
	append_busy(history, "cache1", WALL_NS + 420 * 1000000000LL, 40);
	assert_int_equal(history_last_death(history, NULL, take_death, &at, &err), -ENOENT);
	append_death(history, WALL_MS + 460000, "killed by signal 11");
	assert_int_equal(history_last_death(history, "cache1", take_death, &at, &err), 0);
	assert_int_equal(at, WALL_MS + 469000);
	assert_int_equal(history_last_death(history, "cache2", take_death, &at, &err), -ENOENT);
	assert_int_equal(
		history_model_until(history, "cache1", WALL_MS + 459000, 600000, &m, &span, &err),
		0);
	assert_int_equal(span.start_ms, WALL_MS + 420000);
	assert_int_equal(span.windows, 4);
	model_free(m);
	history_close(history);
}

static void sums_at(struct past_stream *s, double t)
{
	double marked = s->t;

	s->t = t;
	past_sums(s);
	s->t = marked;
}

static struct record_sink count_replays(void *ctx, const struct record_sink *sink)
{
	++*(int *)ctx;
	return *sink;
}

/* It died in the second after the last mark, of which no mark tells any more. */
static void a_death_is_in_its_report(void **state)
{
	struct history *history = open_writer(0);
	int replays = 0;
	struct history_span span;
	struct past_stream s;
	struct past_keeper k;
	struct model *m;
	struct record r;

	(void)state;
	history_filter(history, count_replays, &replays);
	for (int seconds = 34; seconds <= 40; seconds += 6) { /* in a window, and behind one */
		int64_t start_ns = WALL_NS + seconds * 100000000000LL;

		past_keeper_begin(&k, history, "cache1", &s, start_ns, 7);
		while (s.t < seconds)
			past_second(&s);
		record_clear(&r, RECORD_LIFE);
		r.life = (struct record_life){
			.t_seconds = s.t + 0.6, .event = "oom", .detail = "", .held_bytes = 5000000
		};
		past_emit(&s, &r);
		sums_at(&s, s.t + 0.7);
		past_keeper_end(&k);
		assert_int_equal(history_model_until(history, "cache1",
						     start_ns / 1000000 + seconds * 1000 + 600,
						     600000, &m, &span, NULL),
				 0);
		assert_float_equal(m->duration_seconds, seconds + 0.7, 0.01);
		assert_int_equal(m->life_count, 1);
		assert_int_equal(replays, 1);
		replays = 0;
		model_free(m);
	}
	history_close(history);
}

struct grown {
	int prefixes, commands;
	int64_t net, first;
};

static void take_growth(void *ctx, const struct history_growth *growth)
{
	struct grown *grown = ctx;
	int64_t net = growth->alloc_bytes - growth->free_bytes;

	grown->prefixes += growth->prefix;
	grown->commands += !growth->prefix;
	if (growth->prefix && grown->prefixes == 1)
		grown->first = net;
	if (growth->prefix)
		grown->net += net;
	if (growth->prefix)
		assert_true(llabs(net) <= llabs(grown->first));
}

static void what_grew_in_between_is_told(void **state)
{
	struct history *history = open_writer(0);
	struct grown grown = {};

	(void)state;
	append_busy(history, "cache1", WALL_NS, 120);
	assert_int_equal(history_growth(history, "cache1", WALL_MS, WALL_MS + 60000, 1000,
					take_growth, &grown, NULL),
			 0);
	assert_int_equal(grown.net, ask("SELECT sum(alloc - free) FROM prefixes WHERE start < "
					"1700002800000 + 60000"));
	assert_true(grown.prefixes > 10);
	assert_true(grown.commands > 10);
	history_close(history);
}

/* --- scheduled passes ------------------------------------------------------------- */

static void past_passed(struct past_stream *s, const char *what, struct bytes name, int64_t bytes)
{
	struct record r;

	record_clear(&r, RECORD_PASSED);
	r.passed.t_seconds = s->t;
	r.passed.what = what;
	r.passed.key = name;
	r.passed.type = strcmp(what, "key") ? "" : "zset";
	r.passed.db = strcmp(what, "key") ? RECORD_UNKNOWN : 0;
	r.passed.keys_total = 7;
	r.passed.bytes = bytes;
	r.passed.end = "complete";
	r.passed.seconds = 2;
	past_emit(s, &r);
}

#define NAME(text) ((struct bytes){ text, sizeof(text) - 1 })

static void past_pass(struct past_stream *s, int64_t bytes)
{
	past_passed(s, "all", NAME(""), 2 * bytes);
	past_passed(s, "prefix", NAME("user:*"), bytes);
	past_passed(s, "prefix", NAME("a\0\"b:*"), 77);
	past_passed(s, "key", NAME("board\n"), bytes / 2);
}

/* A report has what the newest pass before its end has found, and how that grew. */
static void passes_are_in_later_reports(void **state)
{
	struct history *history = open_writer(0);
	struct buf out = {};
	struct past_stream s;
	struct past_keeper k;
	struct report_changes changes;
	struct model *m, *older;

	(void)state;
	past_keeper_begin(&k, history, "cache1", &s, WALL_NS, 5);
	s.rows = 25;
	while (s.t < 62) {
		past_second(&s);
		if (s.t == 15)
			past_pass(&s, 1000000);
		if (s.t == 35)
			past_pass(&s, 1500000);
	}
	chunker_free(k.chunker);
	windows_free(k.windows);
	assert_int_equal(k.errors, 0);
	assert_int_equal(ask("SELECT count(*) FROM pass"), 2);
	assert_int_equal(ask("SELECT count(*) FROM passed"), 8);
	m = model_of(history, WALL_MS + 1000, WALL_MS + 9000, NULL);
	assert_int_equal(m->passed_count, 0);
	model_free(m);
	m = model_of(history, WALL_MS + 21000, WALL_MS + 29000, NULL);
	assert_int_equal(m->passed_count, 4);
	assert_int_equal(m->passed[0].before_bytes, RECORD_UNKNOWN);
	model_free(m);
	m = model_of(history, WALL_MS + 51000, WALL_MS + 59000, NULL);
	assert_int_equal(m->passed_count, 4);
	assert_int_equal(m->passed_wall_ns, WALL_NS + 35000000000);
	assert_int_equal(m->passed_before_ns, WALL_NS + 15000000000);
	assert_int_equal(m->passed[0].before_bytes, 2000000);
	assert_string_equal(m->passed[1].passed.what, "prefix");
	assert_int_equal(m->passed[1].before_bytes, 1000000);
	assert_int_equal(m->passed[2].before_bytes, 77);
	assert_int_equal(m->passed[2].passed.key.len, 6);
	assert_memory_equal(m->passed[2].passed.key.data, "a\0\"b:*", 6);
	older = model_of(history, WALL_MS + 21000, WALL_MS + 29000, NULL);
	changes = (struct report_changes){ .server = "cache1", .before = older, .after = m };
	report_changes_json(&out, &changes);
	assert_non_null(strstr(buf_str(&out), "\"what\":\"prefix\",\"name\":\"user:*\","
					      "\"change\":500000,\"before\":1000000"));
	model_free(older);
	buf_clear(&out);
	document(&out, m);
	assert_non_null(strstr(buf_str(&out), "\"prefix\":\"user:*\""));
	assert_non_null(strstr(buf_str(&out), "\"grown_bytes\":500000"));
	buf_free(&out);
	model_free(m);
	history_close(history);
}

/* --- a restart ------------------------------------------------------------------- */

static struct outlook *watching, *also; /* also: begun again, NULL while it is not */

static void heed(struct past_keeper *k, const struct history_window *w)
{
	(void)k;
	outlook_take(watching, w->m, (double)w->end_ms / 1e3);
	if (also)
		outlook_take(also, w->m, (double)w->end_ms / 1e3);
}

static void past_save(struct past_stream *s)
{
	struct record r;

	record_clear(&r, RECORD_CHILD);
	r.child.pid = 900;
	r.child.purpose = "rdb";
	r.child.t_start_seconds = s->t - 3;
	r.child.t_end_seconds = s->t - 1;
	r.child.fork_seconds = 0.004;
	r.child.private_bytes = 5000000;
	r.child.exit_code = 0;
	past_emit(s, &r);
}

static void assert_same_outlook(struct outlook *a, struct outlook *b)
{
	struct trend x = outlook_trend(a, LIMIT_MAXMEMORY), y = outlook_trend(b, LIMIT_MAXMEMORY);
	struct next_save save = outlook_save(a), again = outlook_save(b);
	struct bytes prefix, same;
	double rate, rate_again;

	assert_true(x.bytes_per_second > 0 && x.seconds > 0);
	assert_true(x.seconds == y.seconds && x.confidence == y.confidence &&
		    x.bytes_per_second == y.bytes_per_second);
	x = outlook_trend(a, LIMIT_HOST);
	y = outlook_trend(b, LIMIT_HOST);
	assert_true(x.seconds == y.seconds && !isnan(y.bytes_per_second));
	assert_true(outlook_behind(a, &prefix, &rate) && outlook_behind(b, &same, &rate_again));
	assert_true(bytes_same(prefix, same));
	assert_true(fabs(rate_again / rate - 1) < 1e-6);
	assert_true(isfinite(save.seconds) && isfinite(save.copied_bytes));
	assert_true(again.seconds == save.seconds);
	assert_true(fabs(again.copied_bytes / save.copied_bytes - 1) < 0.02);
	assert_true(again.fork_seconds == save.fork_seconds);
}

static void an_outlook_goes_on_after_a_restart(void **state)
{
	struct history *history = open_writer(0);
	struct past_keeper k;
	struct past_stream s;
	struct outlook *refilled = outlook_new();
	struct err err = {};

	(void)state;
	watching = outlook_new();
	also = NULL;
	past_keeper_begin(&k, history, "cache1", &s, WALL_NS, 11);
	s.rows = 25;
	k.look = heed;
	while (s.t < 302) {
		past_second(&s);
		s.used += 2000000;
		if (s.t == 295)
			past_save(&s);
	}
	assert_true(outlook_is_empty(refilled));
	assert_int_equal(history_outlook(history, "cache1", WALL_MS + 302000, refilled, &err), 0);
	assert_false(outlook_is_empty(refilled));
	history_close(history);
	k.history = NULL;
	assert_int_equal(k.errors, 0);
	assert_int_equal(k.appended, 30);
	also = refilled;
	while (s.t < 312)
		past_second(&s);
	chunker_free(k.chunker);
	windows_free(k.windows);
	assert_int_equal(k.appended, 31);
	assert_same_outlook(watching, refilled);
	outlook_free(watching);
	outlook_free(refilled);
}

/* A time of which nothing is kept is no error, and neither is a server. */
static void an_outlook_of_nothing_is_empty(void **state)
{
	struct history *history = open_writer(0);
	struct outlook *o = outlook_new();

	(void)state;
	append_busy(history, "cache1", WALL_NS, 20);
	assert_int_equal(history_outlook(history, "other", WALL_MS + 20000, o, NULL), 0);
	assert_int_equal(history_outlook(history, "cache1", WALL_MS - 1000, o, NULL), 0);
	assert_int_equal(history_outlook(history, "cache1", WALL_MS + 4 * DAY_MS, o, NULL), 0);
	assert_true(outlook_is_empty(o));
	outlook_free(o);
	history_close(history);
}

/* --- a file that is not as it should be -------------------------------------------- */

/* A file as the first version wrote it, with a window in it. */
static void an_older_file_is_brought_up_to_date(void **state)
{
	struct history *history, old = { .writer = true };
	char path[128];
	struct err err = {};

	(void)state;
	snprintf(path, sizeof(path), "%s", in_folder("history.db"));
	old.path = path;
	assert_int_equal(sqlite3_open(path, &old.db), SQLITE_OK);
	assert_int_equal(schema_migrate(&old, 1, &err), 0);
	db_close(&old);
	order("INSERT INTO server VALUES (1, 'cache1');"
	      "INSERT INTO window (server, start, end, level, session, commands) "
	      "VALUES (1, 1000, 11000, 10, 0, 42);"
	      "INSERT INTO death (server, at, cause, detail) VALUES (1, 9000, 'oom', '')");
	assert_int_equal(ask("PRAGMA user_version"), 1);
	assert_int_equal(history_open_reader(&history, folder, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "older redmem"));
	history = open_writer(0);
	append_quiet(history, WALL_MS);
	history_close(history);
	history = open_reader();
	history_close(history);
	assert_true(ask("PRAGMA user_version") > 1);
	assert_int_equal(ask("SELECT commands FROM window WHERE start = 1000"), 42);
	assert_int_equal(ask("SELECT kept FROM death"), 0);
}

static void a_newer_file_is_refused(void **state)
{
	struct history *history = open_writer(0);
	struct err err = {};

	(void)state;
	append_quiet(history, WALL_MS);
	history_close(history);
	order("PRAGMA user_version = 99");
	assert_int_equal(history_open(&history, folder, NULL, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "newer redmem"));
	assert_int_equal(history_open_reader(&history, folder, &err), -ENOTSUP);
	assert_int_equal(ask("SELECT count(*) FROM window"), 1); /* and left as it is */
}

static void a_stranger_s_file_is_set_aside(void **state)
{
	struct history *history;
	struct err err = {};

	(void)state;
	order("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
	assert_int_equal(history_open_reader(&history, folder, &err), -EBADMSG);
	history = open_writer(0);
	append_quiet(history, WALL_MS);
	history_close(history);
	assert_int_equal(ask("SELECT count(*) FROM window"), 1);
}

static void spoil(const char *path, off_t at, size_t len)
{
	char junk[4096];
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	memset(junk, 0xa5, sizeof(junk));
	for (size_t i = 0; i < len; i += sizeof(junk))
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at + (off_t)i), sizeof(junk));
	close(fd);
}

static void a_damaged_file_is_set_aside(void **state)
{
	struct history *history = open_writer(0);
	struct history_stats stats;
	struct stat before, after;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 300);
	history_close(history);
	stat(in_folder("history.db"), &before);
	spoil(in_folder("history.db"), 8192, 65536);
	history = open_writer(0);
	history_stats(history, &stats);
	assert_true(stats.ok);
	assert_int_equal(strncmp(stats.set_aside, folder, strlen(folder)), 0);
	assert_int_equal(stat(stats.set_aside, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	append_quiet(history, WALL_MS + DAY_MS);
	history_close(history);
	assert_int_equal(ask("SELECT count(*) FROM window"), 1);
}

/* It is met while writing, told once, and the next window goes into a new file. */
static void damage_while_writing_is_told_once(void **state)
{
	struct history *history = open_writer(0);
	struct history_stats stats;
	struct err err = {};
	int told = 0;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 300);
	history_close(history); /* all of it is in the file, none in its cache */
	history = open_writer(0);
	spoil(in_folder("history.db"), 4096, 131072);
	sqlite3_db_release_memory(history->db); /* of what was read at opening nothing is left */
	for (int i = 0; i < 5; i++) {
		struct scene s;

		scene_init(&s);
		err.code = 0;
		if (append_scene(history, "cache1", WALL_MS + DAY_MS + i * 10000, &s, &err)) {
			told++;
			assert_int_equal(err.code, -EBADMSG);
			assert_non_null(strstr(err.text, "a new one is begun"));
		}
	}
	assert_int_equal(told, 1);
	history_stats(history, &stats);
	assert_true(stats.ok);
	assert_int_equal(stats.lost_total, 1);
	history_close(history);
	assert_int_equal(ask("SELECT count(*) FROM window"), 4);
}

static void damage_after_damage_stops_it(void **state)
{
	struct history *history = NULL;
	struct err err = {};
	int ret = 0;

	(void)state;
	for (int i = 0; i < 5 && !ret; i++) {
		int fd = open(in_folder("history.db"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

		assert_int_equal(write(fd, "no database, certainly not", 26), 26);
		close(fd);
		ret = history_open(&history, folder, NULL, &err);
		if (!ret)
			history_close(history);
		else
			assert_int_equal(i, 3);
	}
	assert_int_equal(ret, -EEXIST);
	assert_non_null(strstr(err.text, "set aside already"));
}

/* Zeros instead of a chunk, or of what it is packed against: reports of its minute fail, and say
 * so, those of others do not. */
static void a_damaged_chunk_fails_alone(void **state)
{
	struct history *history = open_writer(0);
	struct err err = {};
	struct model *m;

	(void)state;
	append_busy(history, "cache1", WALL_NS, 120);
	order("UPDATE chunk SET data = zeroblob(200) WHERE window = 1");
	for (int at = 2000; at < 60000; at += 30000)
		assert_int_equal(history_model(history, "cache1", WALL_MS + at, WALL_MS + at + 1000,
					       &m, NULL, &err),
				 -EBADMSG);
	m = model_of(history, WALL_MS + 72000, WALL_MS + 73000, NULL);
	model_free(m);
	order("UPDATE keychunk SET data = zeroblob(200)");
	assert_int_equal(
		history_model(history, "cache1", WALL_MS + 72000, WALL_MS + 73000, &m, NULL, &err),
		-EBADMSG);
	keep_all(history, WALL_MS + DAY_MS + 200000); /* the rows are thinned all the same */
	assert_int_equal(ask("SELECT count(*) FROM window"), 2);
	append_busy(history, "cache1", WALL_NS + 120000000000, 20); /* and it goes on */
	m = model_of(history, WALL_MS + 122000, WALL_MS + 133000, NULL);
	model_free(m);
	history_close(history);
}

/* --- a full disk ------------------------------------------------------------------- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_stops_it_and_is_told_once(void **state)
{
	struct history *history = open_writer(0);
	struct history_stats stats;
	struct err err = {};
	int told = 0;
	int64_t before;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	append_busy(history, "cache1", WALL_NS, 60);
	before = ask("SELECT count(*) FROM window");
	limit_files(65536);
	for (int i = 0; i < 50; i++) {
		struct scene s;

		scene_init(&s);
		told += append_scene(history, "cache1", WALL_MS + DAY_MS + i * 10000, &s, &err) !=
			0;
	}
	limit_files(RLIM_INFINITY);
	assert_int_equal(told, 1);
	assert_non_null(strstr(err.text, "watching goes on"));
	history_stats(history, &stats);
	assert_false(stats.ok);
	assert_true(strlen(stats.reason) > 0);
	assert_true(stats.lost_total > 0);
	assert_int_equal(ask("SELECT count(*) FROM window"), before + 50 - stats.lost_total);
	history->retry_ns = 0; /* a minute later there is room again */
	append_quiet(history, WALL_MS + 2 * DAY_MS);
	history_stats(history, &stats);
	assert_true(stats.ok);
	assert_int_equal(db_check(history, 3600, NULL), 0);
	history_close(history);
}

/* --- who may ----------------------------------------------------------------------- */

static void a_second_writer_is_told_who_has_it(void **state)
{
	struct history *first = open_writer(0), *second;
	struct err err = {};
	char pid[32];

	(void)state;
	assert_int_equal(history_open(&second, folder, NULL, &err), -EBUSY);
	snprintf(pid, sizeof(pid), "process %ld has", (long)getpid());
	assert_non_null(strstr(err.text, pid));
	append_quiet(first, WALL_MS);
	second = open_reader(); /* reading is another matter */
	history_close(second);
	history_close(first);
	first = open_writer(0);
	history_close(first);
}

static void others_may_not_write_there(void **state)
{
	struct history *history;
	struct err err = {};
	struct stat st;

	(void)state;
	history = open_writer(0);
	history_close(history);
	stat(in_folder("history.db"), &st);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(folder, 0770), 0);
	assert_int_equal(history_open(&history, folder, NULL, &err), -EPERM);
	assert_int_equal(history_open_reader(&history, folder, &err), -EPERM);
	assert_int_equal(chmod(folder, 0700), 0);
	/* nor lead it elsewhere */
	assert_int_equal(rename(in_folder("history.db"), "/tmp/test_history.elsewhere"), 0);
	assert_int_equal(symlink("/tmp/test_history.elsewhere", in_folder("history.db")), 0);
	assert_true(history_open_reader(&history, folder, &err) < 0);
	assert_true(history_open(&history, folder, NULL, &err) < 0);
	unlink("/tmp/test_history.elsewhere");
}

/* What a file says it has is not run, whoever wrote it. */
static void a_hostile_schema_is_harmless(void **state)
{
	struct history *history = open_writer(0);

	(void)state;
	append_quiet(history, WALL_MS);
	history_close(history);
	order("CREATE TABLE taken (a);"
	      "CREATE TRIGGER take AFTER INSERT ON window BEGIN INSERT INTO taken VALUES (1); END");
	history = open_writer(0);
	append_quiet(history, WALL_MS + 10000);
	history_close(history);
	assert_int_equal(ask("SELECT count(*) FROM taken"), 0);
	assert_int_equal(ask("SELECT count(*) FROM window"), 2);
}

static void nothing_kept_is_said(void **state)
{
	struct history *history;
	struct err err = {};

	(void)state;
	assert_int_equal(history_open_reader(&history, folder, &err), -ENOENT);
	assert_non_null(strstr(err.text, "--state"));
	assert_int_equal(history_open_reader(&history, in_folder("none"), &err), -ENOENT);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(windows_become_rows),
		TEST(a_finding_is_one_row_while_it_goes_on),
		TEST(forks_and_deaths_are_rows),
		TEST(a_report_of_then_is_that_of_then),
		TEST(several_windows_are_one_model),
		TEST(a_time_without_windows_says_so),
		TEST(a_model_is_of_one_session),
		TEST(what_happened_is_told_in_its_order),
		TEST(old_windows_become_longer),
		TEST(the_oldest_go_when_it_is_full),
		TEST(the_last_minutes_before_a_death_are_kept),
		TEST(each_process_dies_once),
		TEST(only_the_newest_deaths_are_kept),
		TEST(the_last_death_is_found),
		TEST(a_death_is_in_its_report),
		TEST(what_grew_in_between_is_told),
		TEST(passes_are_in_later_reports),
		TEST(an_outlook_goes_on_after_a_restart),
		TEST(an_outlook_of_nothing_is_empty),
		TEST(an_older_file_is_brought_up_to_date),
		TEST(a_newer_file_is_refused),
		TEST(a_stranger_s_file_is_set_aside),
		TEST(a_damaged_file_is_set_aside),
		TEST(damage_while_writing_is_told_once),
		TEST(damage_after_damage_stops_it),
		TEST(a_damaged_chunk_fails_alone),
		TEST(a_full_disk_stops_it_and_is_told_once),
		TEST(a_second_writer_is_told_who_has_it),
		TEST(others_may_not_write_there),
		TEST(a_hostile_schema_is_harmless),
		TEST(nothing_kept_is_said),
		TEST(the_manual_knows_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
