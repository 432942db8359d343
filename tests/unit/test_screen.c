/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen of `redmem top` as lines: at any size, in every tab, with any names and with
 * nothing known, each line fits and is harmless; and what sorting, filtering, the row chosen
 * and keys do.
 */
#include "report_model.h"

#include <stdio.h>

#include "app/top_keys.h"
#include "report/screen.h"
#include "report/screen_rows.h"

static const char *const hostile_keys[] = {
	"leaderboard:global",
	"\033[2J\033]0;owned\007",
	"\033]52;c;cm0gLXJmIC8K\007",
	"caf\xc3\xa9:1",
	"\xe2\x80\xae"
	"rtl:1",
	"\xff\xfe\x00x",
	"\xc2\x9b"
	"31m:c1",
	"line\nbreak\r\ttab",
	"\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97:\xf0\x9f\x98\x80",
	"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81:zalgo",
	"\xe2\x80\xa8separator",
	"%s%n%d",
	"",
};

#define KEYS (sizeof(hostile_keys) / sizeof(hostile_keys[0]))

/* A server, and what the screen has of it. */
struct scene {
	struct screen_server server;
	struct screen_stall stall;
	struct screen_view view;
	struct screen screen;
};

static void take_client(struct model *m, const char *name, int64_t bytes)
{
	struct record record;

	record_clear(&record, RECORD_CLIENT);
	record.client.id = bytes;
	record.client.address = key_of("127.0.0.1:50001");
	record.client.name = key_of(name);
	record.client.command = name;
	record.client.user = name;
	record.client.flags = "N";
	record.client.memory_bytes = bytes;
	model_take(m, &record);
}

static struct model *model_of(const char *const *keys, size_t count)
{
	struct model *m = model_new();

	take_session(m);
	take_sensors(m);
	for (int i = 0; i <= 4; i++)
		take_tick(m, i, true);
	for (size_t i = 0; i < count; i++)
		take_profile(m, EVENT_CPU, keys[i], key_of(keys[i]), 0.1 * (double)(i + 1));
	take_stall(m, "del", key_of(keys[0]), false);
	for (size_t i = 0; i < count; i++)
		take_client(m, keys[i], (int64_t)(i + 1) << 20);
	take_details(m, key_of(keys[0]));
	take_self(m);
	model_finish(m);
	return m;
}

static void scene_open(struct scene *s, struct model *m, int rows, int columns)
{
	*s = (struct scene){ .view = { .rows = rows, .columns = columns } };
	s->view.now_ns = 1767225600000000000 + 3000000000;
	s->server.pid = 4242;
	s->server.title = "redis-server 127.0.0.1:6379";
	s->server.state = "";
	if (!m)
		return;
	screen_window_judge(&s->server.second, m);
	s->server.clients = s->server.classes = m;
	if (!m->stalls_count)
		return;
	screen_stall_fill(&s->stall, m, &m->stalls[0].stall);
	s->server.stalls = &s->stall;
	s->server.stalls_count = 1;
}

static void scene_close(struct scene *s)
{
	screen_window_clear(&s->server.second);
	screen_stall_clear(&s->stall);
	screen_free(&s->screen);
	screen_view_clear(&s->view);
}

/* The lines as text, each held against what every line must be. */
static struct buf shown(struct scene *s)
{
	struct buf text = { 0 };

	screen_make(&s->screen, &s->view, &s->server, 1);
	assert_int_equal(s->screen.rows, s->view.rows);
	for (int i = 0; i < s->screen.rows; i++) {
		const struct screen_line *line = &s->screen.line[i];
		size_t at = 0;

		assert_true(utf8_is_plain(buf_str(&line->text), line->text.len));
		assert_true(utf8_columns(buf_str(&line->text)) <= (size_t)s->view.columns);
		for (size_t run = 0; run < line->runs; run++) {
			assert_true(line->run[run].at >= at && line->run[run].at < line->text.len);
			assert_true(line->run[run].column < s->view.columns);
			assert_true(line->run[run].attr < SCREEN_ATTRS);
			/* Whole characters. */
			assert_true((line->text.data[line->run[run].at] & 0xc0) != 0x80);
			at = line->run[run].at;
		}
		buf_puts(&text, buf_str(&line->text));
		buf_putc(&text, '\n');
	}
	return text;
}

/* The number of the first line that has @part, from the line @from on; -1. */
static int line_from(const struct scene *s, int from, const char *part)
{
	for (int i = from; i < s->screen.rows; i++)
		if (strstr(buf_str(&s->screen.line[i].text), part))
			return i;
	return -1;
}

static int line_with(const struct scene *s, const char *part)
{
	return line_from(s, 0, part);
}

#define HEAD_ROWS 7 /* with all its numbers, and the tabs */

/* Of the table. */
static int row_with(const struct scene *s, const char *part)
{
	return line_from(s, HEAD_ROWS, part);
}

static void press(struct scene *s, const uint32_t *keys)
{
	struct buf text;

	for (; *keys; keys++) {
		assert_int_equal(top_press(&s->view, *keys, 1), TOP_ACT_NONE);
		text = shown(s);
		buf_free(&text);
	}
}

#define PRESS(scene, ...) press(scene, (const uint32_t[]){ __VA_ARGS__, 0 })

/* --- what it says --------------------------------------------------------------------------- */

static void test_head(void **state)
{
	struct scene s;
	struct buf text;

	(void)state;
	scene_open(&s, model_of(hostile_keys, 1), 24, 80);
	text = shown(&s);
	assert_has(&text, "redis 7.0.15 :6379, pid 4242");
	assert_has(&text, "00:00:03Z");
	assert_has(&text, "last stall: ");
	assert_has(&text, "DEL leaderboard:global");
	assert_has(&text, "used 70.0 MiB");
	assert_has(&text, "faults/s ");
	assert_has(&text, "[1prefixes]");
	assert_has(&text, "q quit");
	assert_int_equal(line_with(&s, "q quit"), 23);
	buf_free(&text);
	scene_close(&s);
}

static void test_stall_under_way(void **state)
{
	struct scene s;
	struct buf text;

	(void)state;
	scene_open(&s, model_of(hostile_keys, 1), 24, 80);
	s.server.stall = "1.9 s so far: DEL leaderboard:global, 84 % freeing";
	s.server.state = "the server does not answer";
	s.view.paused = true;
	text = shown(&s);
	assert_has(&text, "STALL 1.9 s so far: DEL leaderboard:global, 84 % freeing");
	assert_has(&text, "PAUSED");
	assert_int_equal(line_with(&s, "STALL"), 2);
	assert_int_equal(s.screen.line[2].run[0].attr, SCREEN_BAD);
	buf_free(&text);
	s.server.stall = NULL;
	text = shown(&s);
	assert_has(&text, "the server does not answer");
	buf_free(&text);
	scene_close(&s);
}

static void test_nothing_known(void **state)
{
	static const int sizes[][2] = { { 24, 80 }, { 1, 1 }, { 2, 3 }, { 5, 20 }, { 60, 200 } };
	struct scene s;
	struct buf text;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int tab = 0; tab < SCREEN_TABS; tab++)
			for (int model = 0; model < 2; model++) {
				scene_open(&s, model ? model_empty() : NULL, sizes[i][0],
					   sizes[i][1]);
				s.server.state = "beginning to watch";
				s.view.tab = tab;
				text = shown(&s);
				buf_free(&text);
				s.view.details = true;
				text = shown(&s);
				buf_free(&text);
				scene_close(&s);
			}
	/* And without any server. */
	scene_open(&s, NULL, 24, 80);
	screen_make(&s.screen, &s.view, NULL, 0);
	assert_true(line_with(&s, "q quit") == 23);
	scene_close(&s);
}

static void test_hostile_names(void **state)
{
	static const int sizes[][2] = { { 24, 80 }, { 60, 200 }, { 10, 40 }, { 15, 61 } };
	struct scene s;
	struct buf text;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int tab = 0; tab < SCREEN_TABS; tab++) {
			scene_open(&s, model_of(hostile_keys, KEYS), sizes[i][0], sizes[i][1]);
			s.server.title = hostile_keys[1];
			s.server.state = tab % 2 ? hostile_keys[1] : "";
			s.server.stall = tab % 3 ? NULL : hostile_keys[2];
			s.view.tab = tab;
			for (int details = 0; details < 2; details++) {
				s.view.details = details;
				for (size_t sort = 0; sort <= screen_sorts(tab); sort++) {
					s.view.place[tab].sort = sort;
					s.view.place[tab].reverse = sort % 2;
					text = shown(&s);
					buf_free(&text);
				}
			}
			scene_close(&s);
		}
}

/* A name as long as a key can be takes one line, and ends in dots. */
static void test_long_name(void **state)
{
	static char name[60000];
	const char *keys[] = { name };
	struct scene s;
	struct buf text;

	(void)state;
	memset(name, 'k', sizeof(name) - 1);
	scene_open(&s, model_of(keys, 1), 24, 80);
	text = shown(&s);
	assert_has(&text, "kkk...");
	buf_free(&text);
	PRESS(&s, TOP_KEY_ENTER, TOP_KEY_END, TOP_KEY_HOME);
	scene_close(&s);
}

/* --- rows ----------------------------------------------------------------- */

static const char *const plain_keys[] = { "apple:1", "bread:1", "cheese:1", "dill:1" };

static void test_sorted(void **state)
{
	struct scene s;
	struct buf text;

	(void)state;
	scene_open(&s, model_of(plain_keys, 4), 24, 80);
	text = shown(&s);
	/* As the model has them: most time first. */
	assert_true(row_with(&s, "dill:") < row_with(&s, "apple:"));
	buf_free(&text);
	PRESS(&s, 's');
	assert_true(line_with(&s, "<prefix>") > 0);
	assert_true(row_with(&s, "apple:") < row_with(&s, "bread:"));
	PRESS(&s, 'r');
	assert_true(row_with(&s, "apple:") > row_with(&s, "bread:"));
	PRESS(&s, 's');
	assert_true(line_with(&s, "<cpu>") > 0);
	assert_true(row_with(&s, "apple:") > row_with(&s, "bread:"));
	PRESS(&s, 'S', 'S');
	assert_int_equal(s.view.place[SCREEN_PREFIXES].sort, 0);
	/* Backwards from the first is the last, which is shown though it did not fit. */
	PRESS(&s, 'S');
	assert_true(line_with(&s, "<reclaim>") > 0);
	scene_close(&s);
}

static void test_filtered(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, model_of(plain_keys, 4), 24, 80);
	PRESS(&s, '/', 'B', 'r', 'e', 'x', TOP_KEY_BACKSPACE);
	assert_true(line_with(&s, "filter: Bre_") == 23);
	assert_true(row_with(&s, "bread:") > 0);
	assert_int_equal(row_with(&s, "apple:"), -1);
	PRESS(&s, TOP_KEY_ENTER);
	assert_int_equal(row_with(&s, "apple:"), -1);
	assert_int_equal(line_with(&s, "filter: "), -1);
	PRESS(&s, TOP_KEY_ESCAPE);
	assert_true(row_with(&s, "apple:") > 0);
	/* What cannot be shown cannot be typed. */
	PRESS(&s, '/', 1, 0x202e, 0xe9);
	assert_string_equal(buf_str(&s.view.filter), "\xc3\xa9");
	PRESS(&s, TOP_KEY_BACKSPACE, TOP_KEY_BACKSPACE);
	assert_int_equal(s.view.filter.len, 0);
	scene_close(&s);
}

static int chosen_line(const struct scene *s)
{
	for (int i = 0; i < s->screen.rows; i++)
		if (s->screen.line[i].runs && s->screen.line[i].run[0].attr == SCREEN_CHOSEN)
			return i;
	return -1;
}

/* The row chosen stays chosen where it goes. */
static void test_chosen(void **state)
{
	struct scene s;
	struct buf text;
	int before;

	(void)state;
	scene_open(&s, model_of(plain_keys, 4), 40, 80);
	PRESS(&s, TOP_KEY_DOWN);
	before = chosen_line(&s);
	assert_int_equal(before, row_with(&s, "cheese:"));
	PRESS(&s, 's', 'r');
	assert_int_equal(chosen_line(&s), row_with(&s, "cheese:"));
	PRESS(&s, 's', 'S');
	PRESS(&s, TOP_KEY_ENTER);
	text = shown(&s);
	assert_true(row_with(&s, "cheese:1") > 0);
	assert_true(row_with(&s, "mostly by") > 0);
	assert_int_equal(row_with(&s, "bread:"), -1);
	buf_free(&text);
	/* It is not in the next window: nothing else takes its place in the details. */
	screen_window_clear(&s.server.second);
	screen_window_judge(&s.server.second, model_of(plain_keys, 1));
	s.server.clients = s.server.classes = s.server.second.m;
	text = shown(&s);
	assert_has(&text, "not seen in this window");
	buf_free(&text);
	PRESS(&s, TOP_KEY_ESCAPE);
	assert_int_equal(chosen_line(&s), row_with(&s, "apple:"));
	scene_close(&s);
}

static void test_scrolled(void **state)
{
	char names[100][16];
	const char *keys[100];
	struct scene s;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "%c%c:1", 'a' + i / 10, 'a' + i % 10);
		keys[i] = names[i];
	}
	scene_open(&s, model_of(keys, 100), 24, 80);
	PRESS(&s, '2', 's', TOP_KEY_END);
	assert_true(chosen_line(&s) == row_with(&s, "jj:1"));
	assert_int_equal(row_with(&s, "aa:1"), -1);
	PRESS(&s, TOP_KEY_PAGE_UP, TOP_KEY_PAGE_UP, 'k', 'j');
	assert_true(chosen_line(&s) > 0);
	PRESS(&s, TOP_KEY_HOME);
	assert_int_equal(chosen_line(&s), row_with(&s, "aa:1"));
	/* Fewer lines: it is still there. */
	PRESS(&s, TOP_KEY_END);
	s.view.rows = 12;
	PRESS(&s, TOP_KEY_RESIZE);
	assert_true(chosen_line(&s) == row_with(&s, "jj:1"));
	scene_close(&s);
}

/* Names with wide characters: the next column begins where it does in the other rows. */
static void test_aligned(void **state)
{
	static const char *const keys[] = { "apple:1", "\xe6\xbc\xa2\xe5\xad\x97:1" };
	struct scene s;
	struct buf text;
	int wide, narrow;

	(void)state;
	scene_open(&s, model_of(keys, 2), 24, 80);
	text = shown(&s);
	wide = line_with(&s, "\xe6\xbc\xa2");
	narrow = row_with(&s, "apple:");
	assert_true(wide > 0 && narrow > 0);
	for (size_t run = 0; run < s.screen.line[narrow].runs; run++)
		assert_int_equal(s.screen.line[narrow].run[run].column,
				 s.screen.line[wide].run[run].column);
	buf_free(&text);
	scene_close(&s);
}

/* --- several servers, and keys -------------------------------------------- */

static void test_servers(void **state)
{
	struct screen_server servers[3] = {};
	struct scene s;

	(void)state;
	scene_open(&s, model_of(plain_keys, 4), 24, 80);
	servers[0] = s.server;
	servers[1] =
		(struct screen_server){ .pid = 7, .title = "redis-server *:7000", .state = "" };
	servers[2] = (struct screen_server){ .pid = 8,
					     .title = "redis-server *:7001",
					     .state = "no access",
					     .stall = "2.0 s so far: GET x" };
	s.view.tab = SCREEN_SERVERS;
	screen_make(&s.screen, &s.view, servers, 3);
	assert_true(line_with(&s, "redis-server *:7000") > 0);
	assert_true(line_with(&s, "2.0 s so far: GET x") > 0);
	assert_true(line_with(&s, "1/3") == 0);
	top_press(&s.view, TOP_KEY_DOWN, 3);
	screen_make(&s.screen, &s.view, servers, 3);
	top_press(&s.view, TOP_KEY_ENTER, 3);
	assert_int_equal(s.view.server, 1);
	assert_int_equal(s.view.tab, SCREEN_PREFIXES);
	screen_make(&s.screen, &s.view, servers, 3);
	assert_true(line_with(&s, "redis-server *:7000, pid 7") == 0);
	assert_true(line_with(&s, "2/3") == 0);
	top_press(&s.view, 'n', 3);
	top_press(&s.view, 'n', 3);
	assert_int_equal(s.view.server, 0);
	top_press(&s.view, 'N', 3);
	assert_int_equal(s.view.server, 2);
	/* It goes away. */
	screen_make(&s.screen, &s.view, servers, 1);
	assert_int_equal(s.view.server, 0);
	scene_close(&s);
}

static void test_keys(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, model_of(plain_keys, 4), 24, 80);
	assert_int_equal(top_press(&s.view, 'q', 1), TOP_ACT_QUIT);
	assert_int_equal(top_press(&s.view, '+', 1), TOP_ACT_FASTER);
	assert_int_equal(top_press(&s.view, TOP_KEY_LEFT, 1), TOP_ACT_BACK);
	assert_int_equal(top_press(&s.view, ']', 1), TOP_ACT_MINUTE_ON);
	PRESS(&s, '?');
	assert_true(line_with(&s, "what the table shows") > 0);
	PRESS(&s, TOP_KEY_ESCAPE, '\t', TOP_KEY_BACK_TAB, TOP_KEY_BACK_TAB);
	assert_int_equal(s.view.tab, SCREEN_SERVERS);
	PRESS(&s, 'p');
	assert_true(s.view.paused);
	PRESS(&s, ' ', 'w');
	assert_false(s.view.paused);
	assert_true(s.view.longer);
	/* Of what is typed q is a letter. */
	PRESS(&s, '/', 'q');
	assert_string_equal(buf_str(&s.view.filter), "q");
	/* Any other key, anywhere: nothing breaks. */
	for (uint32_t key = 1; key < 0x300; key++) {
		struct buf text;

		top_press(&s.view, key, 1);
		text = shown(&s);
		buf_free(&text);
	}
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),	      cmocka_unit_test(test_stall_under_way),
		cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_long_name),     cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_filtered),      cmocka_unit_test(test_chosen),
		cmocka_unit_test(test_scrolled),      cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_servers),	      cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
