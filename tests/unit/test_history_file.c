/* SPDX-License-Identifier: BSD-2-Clause */
/* The history when its file, its disk or its folder is not as it should be. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "history_folder.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
