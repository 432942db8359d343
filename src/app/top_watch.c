/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers that `redmem top` watches; see top_watch.h. */
#include "app/top_watch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

#include "app/print.h"
#include "app/redact.h"
#include "app/top_feed.h"
#include "app/watch.h"
#include "app/watch_list.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/window.h"
#include "record/recording.h"
#include "redis/endpoint.h"

#define LOOK_NS	 2000000000LL /* how often new servers are looked for */
#define AGAIN_NS 2000000000LL /* until one that has ended is looked for again */
#define GONE_NS	 60000000000LL /* one that has ended stays on the screen for so long */

struct top_server {
	struct top_server *next; /* in the order in which they came */
	struct top_watch *watch;
	struct watched *watched;
	struct top_feed *feed;
	struct top_shown shown;
	char title[160], state[512];
	int64_t ended_ns; /* 0 = it has not */
	/* atomic */
	bool stop, begun, silent;
	bool answered; /* its thread's */
};

struct top_watch {
	const struct options *options;
	int wake_fd;
	struct watch_list list; /* with --all */
	struct watched one; /* else */
	struct top_server *servers;
	struct screen_server *rows;
	size_t count;
	struct recording *recording; /* NULL */
	struct redact *redact; /* NULL = names are shown */
	bool begun; /* the one has been seen */
	int64_t started_ns, looked_ns;
};

/* --- in a server's thread ------------------------------------------------------------------- */

static bool turn(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct top_server *server = ctx;

	(void)snapshot;
	(void)t_seconds;
	server->answered |= conn != NULL;
	__atomic_store_n(&server->begun, true, __ATOMIC_RELEASE);
	__atomic_store_n(&server->silent, server->answered && !conn, __ATOMIC_RELAXED);
	return __atomic_load_n(&server->stop, __ATOMIC_RELAXED);
}

static void note_stall(void *ctx, const struct stall *stall)
{
	struct top_server *server = ctx;

	top_feed_stall(server->feed, stall);
}

/* Into the windows, and into a recording where one is made. */
static void take(void *ctx, const struct record *record)
{
	const struct top_server *server = ctx;
	struct record_sink feed = top_feed_sink(server->feed), recording;

	record_emit(&feed, record);
	if (!server->watch->recording)
		return;
	recording = recording_sink(server->watch->recording);
	record_emit(&recording, record);
}

/* --- beginning ------------------------------------------------------------ */

static struct top_server *server_new(struct top_watch *watch, struct watched *watched)
{
	struct top_server **at = &watch->servers, *server = xcalloc(1, sizeof(*server));

	server->watch = watch;
	server->watched = watched;
	server->feed = top_feed_new(watch->wake_fd);
	while (*at)
		at = &(*at)->next;
	*at = server;
	watch->count++;
	watched->use = server;
	watched->plan.seconds = isnan(watch->options->duration_seconds) ?
					INFINITY :
					watch->options->duration_seconds;
	watched->plan.looked_at = true;
	watched->plan.windows = top_feed_windows(server->feed);
	watched->plan.turn = turn;
	watched->plan.stall = note_stall;
	watched->plan.ctx = server;
	watched->sink = (struct record_sink){ take, server };
	return server;
}

static void set_title(struct top_server *server, const char *title)
{
	char *shown = redact_text(server->watch->redact, title);

	snprintf(server->title, sizeof(server->title), "%s", shown);
	free(shown);
}

static void name_endpoint(struct top_server *server, const struct options *o)
{
	char name[sizeof(server->title)];

	endpoint_name(name, sizeof(name),
		      &(struct conn_options){ .host = o->host, .port = o->port });
	set_title(server, name);
}

/* What is known of where it is before it has said more. */
static void name_one(struct top_server *server, const struct options *o)
{
	if (o->pid)
		snprintf(server->title, sizeof(server->title), "process %ld", (long)o->pid);
	else if (o->socket_path)
		set_title(server, o->socket_path);
	else if (o->host || o->port)
		name_endpoint(server, o);
	else
		snprintf(server->title, sizeof(server->title), "the server of this host");
}

static bool prepare(void *ctx, struct watched *watched)
{
	struct top_server *server = server_new(ctx, watched);

	set_title(server, watched->who.title);
	return true;
}

static int open_all(struct top_watch *watch, struct err *err)
{
	int ret;

	watch->list =
		(struct watch_list){ .options = watch->options, .prepare = prepare, .ctx = watch };
	ret = watch_list_open(&watch->list, true, err);
	if (!ret)
		watch_list_look(&watch->list);
	return ret;
}

static int open_one(struct top_watch *watch, struct err *err)
{
	struct top_server *server;

	if (watch->options->record_path) {
		int ret = recording_create(&watch->recording, watch->options->record_path, err);

		if (ret)
			return ret;
	}
	watch->one.options = *watch->options;
	server = server_new(watch, &watch->one);
	name_one(server, watch->options);
	if (watched_start(&watch->one))
		return 0;
	*err = watch->one.err;
	return err->code;
}

int top_watch_open(struct top_watch **out, const struct options *o, int wake_fd, struct err *err)
{
	struct top_watch *watch = xcalloc(1, sizeof(*watch));
	int ret;

	watch->options = o;
	watch->redact = redact_new_of(o);
	watch->wake_fd = wake_fd;
	watch->looked_ns = watch->started_ns = clock_mono_ns();
	*out = watch;
	ret = o->all ? open_all(watch, err) : open_one(watch, err);
	if (ret) {
		top_watch_close(watch);
		*out = NULL;
	}
	return ret;
}

/* --- while it goes on ----------------------------------------------------- */

static bool timed(const struct top_watch *watch)
{
	return !isnan(watch->options->duration_seconds);
}

/* It has ended, and may be there again. What was seen of it stays until there is something new. */
static void begin_again(struct top_server *server)
{
	struct watched *watched = server->watched;

	if (watched->running)
		pthread_join(watched->thread, NULL);
	watched->running = false;
	top_feed_free(server->feed);
	server->feed = top_feed_new(server->watch->wake_fd);
	watched->plan.windows = top_feed_windows(server->feed);
	server->answered = false;
	__atomic_store_n(&server->silent, false, __ATOMIC_RELAXED);
	__atomic_store_n(&server->begun, false, __ATOMIC_RELEASE);
	watched_start(watched);
}

/* Could another watch find it? Not a process that is no more, nor into a recording of the first. */
static bool may_come_back(const struct top_watch *watch)
{
	return watch->begun && !watch->options->all && !watch->options->pid && !watch->recording &&
	       !timed(watch);
}

static void set_state(struct top_server *server)
{
	const struct watched *watched = server->watched;
	bool begun = __atomic_load_n(&server->begun, __ATOMIC_ACQUIRE);
	char *why;

	server->state[0] = '\0';
	server->watch->begun |= begun;
	if (!watched_done(watched)) {
		server->ended_ns = 0;
		if (!begun)
			snprintf(server->state, sizeof(server->state), "beginning to watch");
		else if (__atomic_load_n(&server->silent, __ATOMIC_RELAXED))
			snprintf(server->state, sizeof(server->state),
				 "the server does not answer");
		return;
	}
	server->ended_ns = server->ended_ns ? server->ended_ns : clock_mono_ns();
	why = redact_reason(server->watch->redact, watched->err.text);
	snprintf(server->state, sizeof(server->state), "%s",
		 watched->err.code ? why :
		 begun		   ? "the server has ended" :
				     "not watched");
	free(why);
}

static bool turn_server(struct top_server *server, bool paused)
{
	char before[sizeof(server->state)];
	bool news;

	memcpy(before, server->state, sizeof(before));
	set_state(server);
	news = top_feed_adopt(server->feed, &server->shown, paused);
	if (server->ended_ns && may_come_back(server->watch) &&
	    clock_mono_ns() - server->ended_ns >= AGAIN_NS) {
		server->ended_ns = 0;
		begin_again(server);
	}
	return news || strcmp(before, server->state) != 0;
}

static bool is_gone(const struct top_server *server)
{
	return server->watch->options->all && server->ended_ns &&
	       clock_mono_ns() - server->ended_ns >= GONE_NS;
}

static void server_free(struct top_server *server)
{
	top_feed_free(server->feed);
	top_shown_clear(&server->shown);
	free(server);
}

/* Its thread has ended; the list keeps what little is its own. */
static bool drop_gone(struct top_watch *watch)
{
	struct top_server **at = &watch->servers, *server;
	bool dropped = false;

	while ((server = *at)) {
		if (!is_gone(server)) {
			at = &server->next;
			continue;
		}
		*at = server->next;
		watch->count--;
		dropped = true;
		server_free(server);
	}
	return dropped;
}

static void fill_rows(struct top_watch *watch)
{
	struct screen_server *row;

	watch->rows = xrealloc(watch->rows, (watch->count + 1) * sizeof(*watch->rows));
	row = watch->rows;
	for (struct top_server *server = watch->servers; server; server = server->next, row++) {
		*row = (struct screen_server){ .title = server->title, .state = server->state };
		top_shown_fill(&server->shown, row);
		row->pid = server->watched->who.pid;
		if (!row->pid && row->second.m && row->second.m->target.pid > 0)
			row->pid = (pid_t)row->second.m->target.pid;
	}
}

bool top_watch_turn(struct top_watch *watch, bool paused)
{
	int64_t now = clock_mono_ns();
	size_t before = watch->count;
	bool news;

	if (watch->options->all && !timed(watch) && now - watch->looked_ns >= LOOK_NS) {
		watch->looked_ns = now;
		watch_list_look(&watch->list);
	}
	news = watch->count != before;
	for (struct top_server *server = watch->servers; server; server = server->next)
		news |= turn_server(server, paused);
	news |= drop_gone(watch);
	fill_rows(watch);
	return news;
}

bool top_watch_over(const struct top_watch *watch, struct err *err)
{
	const struct watched *one = &watch->one;
	bool done = watch->options->all ? watch_list_done(&watch->list) : watched_done(one);

	if (!done)
		return false;
	if (watch->options->all)
		return timed(watch);
	if (!one->err.code || watch->begun)
		return timed(watch);
	*err = one->err;
	return true;
}

const struct screen_server *top_watch_servers(const struct top_watch *watch, size_t *count)
{
	*count = watch->count;
	return watch->rows;
}

/* A recording of a watch that never began holds nothing. */
static int close_recording(struct top_watch *watch)
{
	struct err err = {};

	if (!watch->recording)
		return 0;
	if (!watch->begun) {
		recording_abandon(watch->recording);
		return 0;
	}
	if (!recording_close(watch->recording, &err))
		return 0;
	return print_failure(&err);
}

int top_watch_close(struct top_watch *watch)
{
	struct top_server *server;
	int ret;

	for (server = watch->servers; server; server = server->next)
		__atomic_store_n(&server->stop, true, __ATOMIC_RELAXED);
	if (watch->one.running)
		pthread_join(watch->one.thread, NULL);
	watch_list_join(&watch->list);
	while ((server = watch->servers)) {
		watch->servers = server->next;
		server_free(server);
	}
	watch_list_close(&watch->list);
	ret = close_recording(watch);
	redact_free(watch->redact);
	free(watch->rows);
	free(watch);
	return ret;
}
