/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the screen of `redmem top` is made of: windows of a stream as they come, the stall under
 * way, and a recording that goes as fast as it is told to, to where it is sent.
 */
#include "report_model.h"

#include <stdio.h>
#include <unistd.h>

#include "app/top_feed.h"
#include "app/top_replay.h"
#include "record/recording.h"

#define SECONDS 40 /* of the recording */

/* What comes in a second, which ends at @t. */
static void emit_second(const struct record_sink *sink, int t)
{
	struct record tick = { .kind = RECORD_TICK,
			       .tick = { .t_seconds = t,
					 .rss_bytes = (100 + t) << 20,
					 .state = 'S',
					 .reply_seconds = NAN } };
	struct record mark = { .kind = RECORD_MARK,
			       .mark = { .t_seconds = t, .drained_seconds = t - 1 } };
	struct record stall, client;

	record_emit(sink, &tick);
	record_clear(&stall, RECORD_STALL);
	stall.stall.t_seconds = t - 0.5;
	stall.stall.duration_seconds = 0.1;
	stall.stall.command = "get";
	stall.stall.key = key_of("k");
	if (t % 10 == 5)
		record_emit(sink, &stall);
	record_clear(&client, RECORD_CLIENT);
	client.client.id = t;
	client.client.address = key_of("127.0.0.1:5");
	client.client.user = client.client.flags = client.client.command = "";
	if (t % 5 == 2)
		record_emit(sink, &client);
	record_emit(sink, &mark);
}

static void emit_start(const struct record_sink *sink)
{
	const struct record session = { .kind = RECORD_SESSION,
					.session = { .wall_start_ns = 1767225600000000000,
						     .redmem_version = "test",
						     .kernel = "6.1.0",
						     .machine = "x86_64" } };
	const struct record loop = { .kind = RECORD_SENSOR, .sensor = { "loop", true, "", "" } };

	record_emit(sink, &session);
	record_emit(sink, &loop);
}

/* --- windows ----------------------------------------------------------------------------- */

static void test_feed(void **state)
{
	struct top_feed *feed = top_feed_new(-1);
	struct record_sink sink = top_feed_sink(feed);
	struct screen_server server = {};
	struct top_shown shown = {};
	double end;

	(void)state;
	emit_start(&sink);
	assert_false(top_feed_adopt(feed, &shown, false));
	for (int t = 1; t <= 14; t++)
		emit_second(&sink, t);
	/* Stopped: only stalls come. */
	assert_true(top_feed_adopt(feed, &shown, true));
	assert_int_equal(shown.stalls_count, 1);
	assert_null(shown.second.m);
	assert_true(top_feed_adopt(feed, &shown, false));
	assert_false(top_feed_adopt(feed, &shown, false));
	top_shown_fill(&shown, &server);
	end = server.second.m->start_seconds + server.second.m->duration_seconds;
	assert_true(end == 13);
	assert_true(server.longer.m->start_seconds == 0 &&
		    server.longer.m->duration_seconds == SCREEN_SECONDS);
	assert_non_null(server.second.f);
	assert_string_equal(server.stalls[0].what, "GET k");
	assert_string_equal(server.stalls[0].when, "00:00:04.500");
	/* Clients were asked for in the window of the 12th second, which is not the newest. */
	assert_null(server.clients);
	top_feed_end(feed);
	top_shown_clear(&shown);
	top_feed_free(feed);
}

/* Who was a client stays known until somebody has asked again. */
static void test_clients_kept(void **state)
{
	struct top_feed *feed = top_feed_new(-1);
	struct record_sink sink = top_feed_sink(feed);
	struct screen_server server = {};
	struct top_shown shown = {};

	(void)state;
	emit_start(&sink);
	for (int t = 1; t <= 12; t++) {
		emit_second(&sink, t);
		top_feed_adopt(feed, &shown, false);
		top_shown_fill(&shown, &server);
		assert_int_equal(server.clients != NULL, t >= 3);
		if (server.clients)
			assert_int_equal(server.clients->clients[0].client.id, t >= 8 ? 7 : 2);
	}
	top_shown_clear(&shown);
	top_feed_free(feed);
}

static void test_stall_now(void **state)
{
	static const struct stall brief = { .duration_seconds = 0.006,
					    .command = "get",
					    .commands_total = RECORD_UNKNOWN };
	const struct stall stall = { .duration_seconds = 1.9,
				     .command = "del",
				     .key = { "big", 3 },
				     .commands_total = RECORD_UNKNOWN };
	struct top_feed *feed = top_feed_new(-1);
	struct screen_server server = {};
	struct top_shown shown = {};

	(void)state;
	top_feed_stall(feed, &stall);
	assert_true(top_feed_adopt(feed, &shown, true));
	top_shown_fill(&shown, &server);
	assert_string_equal(server.stall, "1.9 s so far: DEL big");
	top_feed_stall(feed, &stall);
	assert_false(top_feed_adopt(feed, &shown, true));
	top_feed_stall(feed, NULL);
	assert_true(top_feed_adopt(feed, &shown, true));
	top_shown_fill(&shown, &server);
	assert_null(server.stall);
	/* One that is over before it could be read makes no stir. */
	top_feed_stall(feed, &brief);
	assert_false(top_feed_adopt(feed, &shown, true));
	top_shown_clear(&shown);
	top_feed_free(feed);
}

/* --- a recording --------------------------------------------------------------------------- */

static char path[64];

static int make_recording(void **state)
{
	struct recording *recording;
	struct record_sink sink;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/redmem-test-top.%d.rec", getpid());
	if (recording_create(&recording, path, NULL))
		return -1;
	sink = recording_sink(recording);
	emit_start(&sink);
	for (int t = 1; t <= SECONDS; t++)
		emit_second(&sink, t);
	return recording_close(recording, NULL);
}

static int drop_recording(void **state)
{
	(void)state;
	return unlink(path);
}

struct player {
	struct top_replay *replay;
	struct screen_view view;
	int64_t now_ns;
};

/* Let so much time pass, and be where that leads to. */
static void pass(struct player *p, double seconds)
{
	struct err err = {};
	bool on;

	p->now_ns += (int64_t)(seconds * 1e9);
	do /* a turn reads for a slice of time, which may be little on a busy machine */
		on = top_replay_turn(p->replay, &p->view, p->now_ns, &err);
	while (on || p->view.replay.seeking);
	assert_int_equal(err.code, 0);
}

static void player_open(struct player *p)
{
	struct err err = {};

	*p = (struct player){ .now_ns = 1000 };
	assert_int_equal(
		top_replay_open(&p->replay, &(struct options){ .replay_path = path }, &err), 0);
	pass(p, 0);
}

/* The end of the newest window of a second. */
static double shown_until(const struct player *p)
{
	const struct model *m = top_replay_server(p->replay)->second.m;

	return m ? m->start_seconds + m->duration_seconds : NAN;
}

static void test_replay_speed(void **state)
{
	struct player p;

	(void)state;
	player_open(&p);
	pass(&p, 5);
	assert_true(p.view.replay.at_seconds == 5);
	assert_true(shown_until(&p) == 4);
	assert_true(p.view.now_ns == 1767225600000000000 + 5000000000);
	top_replay_speed(p.replay, 2);
	pass(&p, 5);
	assert_true(p.view.replay.at_seconds == 15);
	top_replay_speed(p.replay, 1.0 / 1024);
	assert_true(p.view.replay.speed == 2);
	pass(&p, 8);
	assert_true(p.view.replay.speed == TOP_SPEED_LEAST);
	assert_true(p.view.replay.at_seconds == 16);
	/* Stopped, the clock does not run. */
	p.view.paused = true;
	pass(&p, 100);
	assert_true(p.view.replay.at_seconds == 16);
	top_replay_close(p.replay);
}

static void test_replay_seek(void **state)
{
	struct player p;

	(void)state;
	player_open(&p);
	pass(&p, 3);
	top_replay_seek(p.replay, 20);
	pass(&p, 0);
	assert_true(p.view.replay.at_seconds == 23);
	assert_true(shown_until(&p) == 22);
	/* What was passed over has left its stalls. */
	assert_int_equal(top_replay_server(p.replay)->stalls_count, 2);
	top_replay_seek(p.replay, -10);
	pass(&p, 0);
	assert_true(p.view.replay.at_seconds == 13);
	assert_true(shown_until(&p) == 12);
	assert_int_equal(top_replay_server(p.replay)->stalls_count, 1);
	assert_true(top_replay_server(p.replay)->longer.m->start_seconds == 0);
	top_replay_seek(p.replay, -1000);
	pass(&p, 2);
	assert_true(p.view.replay.at_seconds == 2);
	/* Past its end: all of it was shown, and from there one can go back. */
	top_replay_seek(p.replay, 1000);
	pass(&p, 0);
	assert_true(p.view.replay.over);
	assert_true(p.view.replay.at_seconds == SECONDS);
	assert_true(shown_until(&p) == SECONDS);
	pass(&p, 100);
	assert_false(p.view.replay.seeking);
	assert_true(p.view.replay.at_seconds == SECONDS);
	top_replay_seek(p.replay, -10);
	pass(&p, 0);
	assert_false(p.view.replay.over);
	assert_true(p.view.replay.at_seconds == SECONDS - 10);
	top_replay_close(p.replay);
}

static void test_replay_damaged(void **state)
{
	struct screen_view view = {};
	struct top_replay *replay;
	struct err err = {};
	char cut[80];
	FILE *from, *to;
	int c;

	(void)state;
	snprintf(cut, sizeof(cut), "%s.cut", path);
	from = fopen(path, "r");
	to = fopen(cut, "w");
	assert_non_null(from);
	assert_non_null(to);
	for (int i = 0; i < 400 && (c = getc(from)) != EOF; i++)
		putc(c, to);
	fclose(from);
	fclose(to);
	if (!top_replay_open(&replay, &(struct options){ .replay_path = cut }, &err)) {
		top_replay_turn(replay, &view, 1, &err);
		do /* a turn reads for some time only, and may get no CPU in it */
			top_replay_turn(replay, &view, 100000000000, &err);
		while (view.replay.seeking);
		assert_true(view.replay.over);
		top_replay_close(replay);
	}
	assert_true(err.code < 0);
	assert_non_null(strstr(err.text, "truncated"));
	unlink(cut);
	assert_int_equal(
		top_replay_open(&replay, &(struct options){ .replay_path = "/nonexistent" }, &err),
		-2);
	assert_null(replay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed),	    cmocka_unit_test(test_clients_kept),
		cmocka_unit_test(test_stall_now),   cmocka_unit_test(test_replay_speed),
		cmocka_unit_test(test_replay_seek), cmocka_unit_test(test_replay_damaged),
	};

	return cmocka_run_group_tests_name("top", tests, make_recording, drop_recording);
}
