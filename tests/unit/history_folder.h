/* SPDX-License-Identifier: BSD-2-Clause */
/* A history in a folder of its own: written by the code, and asked by hand. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "scene.h"
#include "past_stream.h"
#include "history/internal.h"

/* A Tuesday, on a whole hour. */
#define WALL_MS 1700002800000LL
#define WALL_NS (WALL_MS * 1000000)

/* --- a folder of its own ----------------------------------------------------------- */

static char folder[64];

static inline int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_history.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static inline char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static inline struct history *open_writer(int64_t size_bytes)
{
	struct history_config config = { .size_bytes = size_bytes };
	struct history *history;
	struct err err = {};

	if (history_open(&history, folder, &config, &err))
		fail_msg("%s", err.text);
	return history;
}

static inline struct history *open_reader(void)
{
	struct history *history;
	struct err err = {};

	if (history_open_reader(&history, folder, &err))
		fail_msg("%s", err.text);
	return history;
}

/* --- asking the file, as people would ---------------------------------------------- */

static inline sqlite3 *by_hand(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(in_folder("history.db"), &db), SQLITE_OK);
	return db;
}

/* The first column of the first row; RECORD_UNKNOWN when there is none. */
static inline int64_t ask(const char *text)
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

static inline void order(const char *text)
{
	sqlite3 *db = by_hand();
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(db);
}

/* --- windows ----------------------------------------------------------------------- */

/* A window of a scene's model, without a chunk. */
static inline int append_scene(struct history *history, const char *server, int64_t start_ms,
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

static inline void keep_scene(struct history *history, const char *server, int64_t start_ms,
			      struct scene *s)
{
	struct err err = {};

	if (append_scene(history, server, start_ms, s, &err))
		fail_msg("%s", err.text);
}

static inline void append_quiet(struct history *history, int64_t start_ms)
{
	struct scene s;

	scene_init(&s);
	keep_scene(history, "cache1", start_ms, &s);
}

/* @seconds of a busy server, from then on. */
static inline void append_busy(struct history *history, const char *server, int64_t start_ns,
			       int seconds)
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

static inline void keep_all(struct history *history, int64_t now_ms)
{
	struct err err = {};
	int ret;

	while ((ret = history_keep(history, now_ms, &err)) == 1)
		;
	if (ret)
		fail_msg("%s", err.text);
}

/* --- what happens to a server ------------------------------------------------------ */

static inline void add_life(struct scene *s, const char *event, const char *detail, double t)
{
	struct record *r = scene_add(s, RECORD_LIFE);

	r->life = (struct record_life){ .t_seconds = t,
					.event = event,
					.detail = detail,
					.seconds = NAN,
					.held_bytes =
						strcmp(event, "oom") ? RECORD_UNKNOWN : 5000000 };
}

static inline void add_child(struct scene *s, double end, int64_t copied)
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

/* --- reading again ----------------------------------------------------------------- */

static inline struct model *model_of(struct history *history, int64_t from_ms, int64_t to_ms,
				     struct history_span *span)
{
	struct err err = {};
	struct model *m;

	if (history_model(history, "cache1", from_ms, to_ms, &m, span, &err))
		fail_msg("%s", err.text);
	return m;
}

static inline int64_t allocated_by(const struct model *m, const char *command)
{
	for (size_t i = 0; i < m->commands_count; i++)
		if (!strcmp(m->commands[i].command, command))
			return (int64_t)round(m->commands[i].charge.alloc_bytes);
	return -1;
}

static inline int64_t allocated_by_all(const struct model *m)
{
	double sum = 0;

	for (size_t i = 0; i < m->commands_count; i++)
		if (isfinite(m->commands[i].charge.alloc_bytes))
			sum += m->commands[i].charge.alloc_bytes;
	return (int64_t)round(sum);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
