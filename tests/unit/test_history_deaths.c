/* SPDX-License-Identifier: BSD-2-Clause */
/* The history of servers that died. */
#include <errno.h>

#include "history_folder.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_minutes_before_a_death_are_kept),
		TEST(each_process_dies_once),
		TEST(only_the_newest_deaths_are_kept),
		TEST(the_last_death_is_found),
		TEST(a_death_is_in_its_report),
		TEST(what_grew_in_between_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
