/* SPDX-License-Identifier: BSD-2-Clause */
/* From records to what the screen shows; see top_feed.h. */
#include "app/top_feed.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/window.h"
#include "report/report.h"
#include "report/screen.h"

#define STALLS_KEPT 200
#define STALLS_NEW  64 /* that the screen has not taken yet */
#define LIVE_LEAST  0.05 /* seconds: a shorter stall is over before anybody has read of it */

struct top_feed {
	struct windows *windows;
	int wake_fd;
	double skip_until;
	pthread_mutex_t lock; /* of all below */
	struct screen_window second, longer; /* not taken yet */
	struct screen_stall stalls[STALLS_NEW]; /* oldest first */
	size_t stalls_count;
	struct buf stall;
	bool stalling, stall_is_new;
};

static void ring(const struct top_feed *feed)
{
	const uint64_t one = 1;

	if (feed->wake_fd >= 0 && write(feed->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

/* --- in the thread of the records ------------------------------------------------------- */

static void keep_stall(struct top_feed *feed, struct screen_stall *stall)
{
	if (feed->stalls_count == STALLS_NEW) {
		screen_stall_clear(&feed->stalls[0]);
		memmove(feed->stalls, feed->stalls + 1,
			--feed->stalls_count * sizeof(feed->stalls[0]));
	}
	feed->stalls[feed->stalls_count++] = *stall;
}

/* The stalls of a window, longest first in the model. */
static void keep_stalls(struct top_feed *feed, const struct model *m)
{
	for (size_t i = 0; i < m->stalls_count; i++) {
		struct screen_stall stall;

		screen_stall_fill(&stall, m, &m->stalls[i].stall);
		keep_stall(feed, &stall);
	}
}

static void put(struct top_feed *feed, struct screen_window *at, struct model *m)
{
	struct screen_window old, window;

	screen_window_judge(&window, m);
	pthread_mutex_lock(&feed->lock);
	old = *at;
	*at = window;
	if (at == &feed->second)
		keep_stalls(feed, m);
	pthread_mutex_unlock(&feed->lock);
	screen_window_clear(&old);
	ring(feed);
}

static void take_second(void *ctx, struct model *m, double start_seconds)
{
	struct top_feed *feed = ctx;

	if (start_seconds + m->duration_seconds < feed->skip_until) {
		pthread_mutex_lock(&feed->lock);
		keep_stalls(feed, m);
		pthread_mutex_unlock(&feed->lock);
		model_free(m);
	} else {
		put(feed, &feed->second, m);
	}
}

static void take_longer(void *ctx, struct model *m, double start_seconds)
{
	struct top_feed *feed = ctx;

	if (start_seconds + m->duration_seconds < feed->skip_until - SCREEN_SECONDS)
		model_free(m);
	else
		put(feed, &feed->longer, m);
}

struct top_feed *top_feed_new(int wake_fd)
{
	struct top_feed *feed = xcalloc(1, sizeof(*feed));

	feed->wake_fd = wake_fd;
	feed->skip_until = -INFINITY;
	pthread_mutex_init(&feed->lock, NULL);
	feed->windows = windows_new();
	windows_keep_whole(feed->windows); /* clients are asked for now and then */
	windows_open(feed->windows, 1, take_second, feed);
	windows_open(feed->windows, SCREEN_SECONDS, take_longer, feed);
	return feed;
}

void top_feed_free(struct top_feed *feed)
{
	if (!feed)
		return;
	windows_free(feed->windows);
	screen_window_clear(&feed->second);
	screen_window_clear(&feed->longer);
	for (size_t i = 0; i < feed->stalls_count; i++)
		screen_stall_clear(&feed->stalls[i]);
	buf_free(&feed->stall);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

struct record_sink top_feed_sink(struct top_feed *feed)
{
	return windows_sink(feed->windows);
}

const struct windows *top_feed_windows(const struct top_feed *feed)
{
	return feed->windows;
}

void top_feed_stall(struct top_feed *feed, const struct stall *stall)
{
	struct buf text = { 0 };
	bool news;

	if (stall && stall->duration_seconds < LIVE_LEAST)
		stall = NULL;
	if (stall)
		report_stall_live(&text, stall);
	pthread_mutex_lock(&feed->lock);
	news = feed->stalling != (stall != NULL) ||
	       strcmp(buf_str(&feed->stall), buf_str(&text)) != 0;
	buf_free(&feed->stall);
	feed->stall = text;
	feed->stalling = stall != NULL;
	feed->stall_is_new |= news;
	pthread_mutex_unlock(&feed->lock);
	if (news)
		ring(feed);
}

void top_feed_skip(struct top_feed *feed, double until_seconds)
{
	feed->skip_until = until_seconds;
}

void top_feed_end(struct top_feed *feed)
{
	feed->skip_until = -INFINITY;
	windows_end(feed->windows);
}

/* --- in the thread of the screen ---------------------------------------------------------- */

static bool later(const struct screen_stall *a, const struct screen_stall *b)
{
	return a->wall_ns > b->wall_ns;
}

/* Into its place: they come a second late, and the longest of a second first. */
static void add_stall(struct top_shown *shown, const struct screen_stall *stall)
{
	size_t at = 0;

	if (!shown->stalls)
		shown->stalls = xcalloc(STALLS_KEPT, sizeof(*shown->stalls));
	if (shown->stalls_count == STALLS_KEPT)
		screen_stall_clear(&shown->stalls[--shown->stalls_count]);
	while (at < shown->stalls_count && later(&shown->stalls[at], stall))
		at++;
	memmove(shown->stalls + at + 1, shown->stalls + at,
		(shown->stalls_count++ - at) * sizeof(*stall));
	shown->stalls[at] = *stall;
}

/* @fresh takes the place of @now, which is kept at @kept where it alone has what is asked for. */
static void replace(struct screen_window *now, struct screen_window *fresh,
		    struct screen_window *kept, size_t had, size_t has)
{
	if (had && !has) {
		screen_window_clear(kept);
		*kept = *now;
	} else {
		screen_window_clear(now);
	}
	*now = *fresh;
	*fresh = (struct screen_window){ 0 };
}

static bool adopt_windows(struct top_feed *feed, struct top_shown *shown)
{
	struct screen_window *fresh = &feed->second, *now = &shown->second;
	bool news = fresh->m || feed->longer.m;

	if (fresh->m)
		replace(now, fresh, &shown->clients, now->m ? now->m->clients_count : 0,
			fresh->m->clients_count);
	fresh = &feed->longer;
	now = &shown->longer;
	if (fresh->m)
		replace(now, fresh, &shown->classes, now->m ? now->m->classes_count : 0,
			fresh->m->classes_count);
	return news;
}

bool top_feed_adopt(struct top_feed *feed, struct top_shown *shown, bool paused)
{
	bool news;

	pthread_mutex_lock(&feed->lock);
	news = feed->stall_is_new || feed->stalls_count;
	feed->stall_is_new = false;
	for (size_t i = 0; i < feed->stalls_count; i++)
		add_stall(shown, &feed->stalls[i]);
	feed->stalls_count = 0;
	shown->stalling = feed->stalling;
	buf_clear(&shown->stall);
	buf_puts(&shown->stall, buf_str(&feed->stall));
	if (!paused)
		news |= adopt_windows(feed, shown);
	pthread_mutex_unlock(&feed->lock);
	return news;
}

void top_shown_fill(const struct top_shown *shown, struct screen_server *out)
{
	const struct model *second = shown->second.m, *longer = shown->longer.m;

	out->second = shown->second;
	out->longer = shown->longer;
	out->clients = second && second->clients_count ? second : shown->clients.m;
	out->classes = longer && longer->classes_count ? longer : shown->classes.m;
	out->stall = shown->stalling ? buf_str(&shown->stall) : NULL;
	out->stalls = shown->stalls;
	out->stalls_count = shown->stalls_count;
}

void top_shown_clear(struct top_shown *shown)
{
	screen_window_clear(&shown->second);
	screen_window_clear(&shown->longer);
	screen_window_clear(&shown->clients);
	screen_window_clear(&shown->classes);
	for (size_t i = 0; i < shown->stalls_count; i++)
		screen_stall_clear(&shown->stalls[i]);
	free(shown->stalls);
	buf_free(&shown->stall);
	*shown = (struct top_shown){ 0 };
}
