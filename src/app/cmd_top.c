/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem top: one screen of what goes on, each second anew, and at once while a server stalls.
 * The servers are watched in threads of their own (top_watch.h), or a recording is read
 * (top_replay.h); here is the loop that waits for them, for keys and for signals, and draws.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/print.h"
#include "app/top_keys.h"
#include "app/top_replay.h"
#include "app/top_term.h"
#include "app/top_watch.h"
#include "base/clock.h"

/* Between two drawings that nobody waits for: a stall that goes on. */
#define DRAW_NS	     250000000LL
#define IDLE_MS	     1000
#define REPLAY_MS    100
#define SEEK_SECONDS 10.0
#define LONG_SECONDS 60.0

struct top {
	const struct options *options;
	int wake_fd;
	struct top_watch *watch; /* or */
	struct top_replay *replay;
	struct screen_view view;
	struct screen screen;
	struct err err; /* of a recording that ends in the middle */
	bool dirty, urgent; /* there is something to draw; at once */
	bool stalling; /* as it was drawn */
	bool ended;
	int64_t drawn_ns;
};

static const struct screen_server *servers_of(const struct top *top, size_t *count)
{
	*count = 1;
	return top->replay ? top_replay_server(top->replay) : top_watch_servers(top->watch, count);
}

/* --- keys ----------------------------------------------------------------------------------- */

static void act(struct top *top, enum top_act what)
{
	static const double seeks[] = {
		[TOP_ACT_BACK] = -SEEK_SECONDS,
		[TOP_ACT_ON] = SEEK_SECONDS,
		[TOP_ACT_MINUTE_BACK] = -LONG_SECONDS,
		[TOP_ACT_MINUTE_ON] = LONG_SECONDS,
	};

	if (what == TOP_ACT_QUIT)
		top->ended = true;
	else if (what == TOP_ACT_NONE)
		return;
	else if (!top->replay)
		top->view.note = "that is for recordings: redmem top --replay FILE";
	else if (what == TOP_ACT_FASTER || what == TOP_ACT_SLOWER)
		top_replay_speed(top->replay, what == TOP_ACT_FASTER ? 2 : 0.5);
	else
		top_replay_seek(top->replay, seeks[what]);
}

#define CTRL_L 12

static void take_keys(struct top *top)
{
	size_t count;
	uint32_t key;

	while ((key = top_term_key()) != TOP_KEY_NONE) {
		top->dirty = top->urgent = true;
		if (key == CTRL_L)
			top_term_redraw();
		servers_of(top, &count);
		if (key != TOP_KEY_RESIZE)
			act(top, top_press(&top->view, key, count));
	}
}

/* --- what is new ---------------------------------------------------------- */

static bool any_stalls(const struct top *top)
{
	size_t count;
	const struct screen_server *servers = servers_of(top, &count);

	for (size_t i = 0; i < count; i++)
		if (servers[i].stall)
			return true;
	return false;
}

static void turn_replay(struct top *top)
{
	top->dirty |= top_replay_turn(top->replay, &top->view, clock_mono_ns(), &top->err);
	if (top->err.code)
		top->view.note = top->err.text;
}

static void turn_watch(struct top *top)
{
	top->dirty |= top_watch_turn(top->watch, top->view.paused);
	top->view.now_ns = clock_wall_ns();
	top->ended |= top_watch_over(top->watch, &top->err);
	/* The first word of a stall is not kept waiting. */
	if (any_stalls(top) != top->stalling)
		top->dirty = top->urgent = true;
}

static void draw(struct top *top)
{
	size_t count;
	const struct screen_server *servers = servers_of(top, &count);

	top_term_size(&top->view.rows, &top->view.columns);
	screen_make(&top->screen, &top->view, servers, count);
	top_term_draw(&top->screen);
	top->stalling = any_stalls(top);
	top->dirty = top->urgent = false;
	top->drawn_ns = clock_mono_ns();
}

/* How long nothing is to be done, in milliseconds. */
static int wait_ms(const struct top *top)
{
	int64_t left = top->drawn_ns + DRAW_NS - clock_mono_ns();

	if (top->urgent)
		return 0;
	if (top->dirty)
		return left > 0 ? (int)(left / 1000000) + 1 : 0;
	return top->replay && !top->view.paused && !top->view.replay.over ? REPLAY_MS : IDLE_MS;
}

/* False: the terminal is gone. */
static bool wait_for_something(const struct top *top)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
				 { .fd = top->wake_fd, .events = POLLIN } };
	int ms = top->replay && top->view.replay.seeking ? 0 : wait_ms(top);
	uint64_t count;

	if (poll(fds, 2, ms) < 0)
		return errno == EINTR;
	if (fds[1].revents && read(top->wake_fd, &count, sizeof(count)) < 0)
		return true; /* not rung for */
	return !(fds[0].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void loop(struct top *top)
{
	while (!top->ended && !top_term_asked_to_end()) {
		if (top->replay)
			turn_replay(top);
		else
			turn_watch(top);
		if (top->urgent || (top->dirty && clock_mono_ns() - top->drawn_ns >= DRAW_NS))
			draw(top);
		if (top->ended || !wait_for_something(top))
			break;
		take_keys(top);
	}
}

/* --- the command ---------------------------------------------------------- */

static int begin(struct top *top, struct err *err)
{
	const struct options *o = top->options;
	int ret = top_term_check(err);

	if (ret)
		return ret;
	top->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->replay_path)
		return top_replay_open(&top->replay, o, err);
	return top_watch_open(&top->watch, o, top->wake_fd, err);
}

int cmd_top(const struct options *o)
{
	struct top top = { .options = o, .dirty = true, .urgent = true, .view = { .now_ns = -1 } };
	struct err err = {};
	int ret = begin(&top, &err);

	if (o->all)
		top.view.tab = SCREEN_SERVERS;
	if (!ret)
		ret = top_term_open(&err);
	if (!ret)
		loop(&top);
	top_term_close();
	ret = ret ? print_failure(&err) : top.err.code ? print_failure(&top.err) : 0;
	if (top.watch)
		ret |= top_watch_close(top.watch);
	top_replay_close(top.replay);
	screen_free(&top.screen);
	screen_view_clear(&top.view);
	if (top.wake_fd > 0)
		close(top.wake_fd);
	return ret;
}
