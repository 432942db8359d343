/* SPDX-License-Identifier: BSD-2-Clause */
/* The keeper: judges windows and keeps them; see keeper.h. */
#include "app/keeper.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/confine.h"
#include "app/print.h"
#include "app/serve_log.h"
#include "app/serve_wire.h"
#include "app/web.h"
#include "base/clock.h"
#include "diagnose/diagnose.h"
#include "history/history.h"
#include "host/memory_lock.h"
#include "host/proc.h"
#include "model/chunk.h"
#include "model/window.h"
#include "report/metrics.h"
#include "report/report.h"

#define WINDOW_SECONDS 10.0
#define SERVERS_MAX    4096 /* that the watcher may name at once; it watches far fewer */
#define READ_BYTES     (256u << 10)
#define GONE_NS	       300000000000LL /* a server that is gone is told of for so long... */
#define FOUND_NS       60000000000LL /* ...and what was found of it: any scrape has seen it */
#define SECOND_NS      1000000000LL
#define KEPT_BYTES     (8 << 20) /* of freed memory: a window's work takes less */

/* One server, as the watcher names it. */
struct kept {
	struct kept *next;
	uint32_t id; /* 0 = gone */
	char *label, *address;
	enum serve_state state;
	char *reason;
	int64_t gone_ns;
	struct keeper *keeper;
	struct windows *windows; /* NULL = the next chunk begins anew */
	const struct chunk *chunk; /* that is being replayed */
	bool given; /* its window has come */
	struct model *m; /* the newest window's; NULL = none yet */
	struct findings *f;
	int64_t window_end_ms;
};

struct keeper {
	const struct serve_config *config;
	int frames_fd, back_fd;
	struct buf input;
	struct kept *servers; /* oldest first */
	size_t count;
	struct metrics *metrics;
	struct history *history; /* NULL = none is kept */
	struct web *web;
	struct metrics_self self;
	int64_t lost_here; /* chunks that could not be read */
	bool broken; /* what comes is no frame */
};

/* --- a window --------------------------------------------------------------------------- */

static void keep_window(struct kept *one, int64_t start_ms, int64_t end_ms)
{
	const struct history_window window = { one->label, start_ms, end_ms,
					       one->chunk, one->m,   one->f };
	struct err err = {};

	if (one->keeper->history && history_append(one->keeper->history, &window, &err))
		serve_log("history: %s", err.text);
}

/* Judged here, once, for all who ask. */
static void take_window(void *ctx, struct model *m, double start_seconds)
{
	struct kept *one = ctx;
	const struct chunk *chunk = one->chunk;
	int64_t length_ms = (int64_t)((chunk->end_seconds - chunk->start_seconds) * 1e3);
	int64_t start_ms = chunk->wall_start_ns == RECORD_UNKNOWN ? clock_wall_ms() - length_ms :
								    chunk->wall_start_ns / 1000000;

	(void)start_seconds;
	findings_free(one->f);
	model_free(one->m);
	one->m = m;
	one->f = diagnose(m);
	one->window_end_ms = start_ms + length_ms;
	one->given = true;
	metrics_take(one->keeper->metrics, one->label, one->m, one->f);
	keep_window(one, start_ms, one->window_end_ms);
}

static void end_windows(struct kept *one)
{
	windows_free(one->windows);
	one->windows = NULL;
}

/* A chunk is one window: its last mark ends it. That of the end of a session is ended here. */
static int replay(struct kept *one, const struct chunk *chunk, struct err *err)
{
	struct record_sink sink;
	int ret = 0;

	one->chunk = chunk;
	one->given = false;
	if (chunk->first)
		end_windows(one);
	if (!one->windows) {
		one->windows = windows_new();
		windows_keep_whole(one->windows);
		sink = windows_sink(one->windows);
		ret = chunk_replay_state(chunk, &sink, err);
		windows_open(one->windows, WINDOW_SECONDS, take_window, one);
	}
	sink = windows_sink(one->windows);
	if (!ret)
		ret = chunk_replay(chunk, true, &sink, err);
	if (!ret && !one->given) {
		windows_end(one->windows);
		end_windows(one);
	}
	return ret;
}

static void take_chunk(struct kept *one, const struct wire_chunk *wire)
{
	struct chunk chunk;
	struct err err = {};

	if (chunk_open(&chunk, wire->data, wire->len, &err) || replay(one, &chunk, &err)) {
		serve_log("%s: a window is lost: %s", one->label, err.text);
		one->keeper->lost_here++;
		end_windows(one);
	}
	one->chunk = NULL;
}

/* --- servers ---------------------------------------------------------------------------- */

static struct kept *find(const struct keeper *k, uint32_t id)
{
	for (struct kept *one = k->servers; one && id; one = one->next)
		if (one->id == id)
			return one;
	return NULL;
}

static void note(struct keeper *k, const char *label, const char *event, const char *detail)
{
	struct err err = {};

	if (k->history && history_note(k->history, label, clock_wall_ms(), event, detail, &err))
		serve_log("history: %s", err.text);
}

static void forget(struct keeper *k, struct kept **at)
{
	struct kept *one = *at;

	*at = one->next;
	k->count--;
	end_windows(one);
	findings_free(one->f);
	model_free(one->m);
	free(one->label);
	free(one->address);
	free(one->reason);
	free(one);
}

/* What was known of it before redmem was started. */
static void recall(struct keeper *k, const char *label)
{
	struct outlook *outlook = metrics_outlook(k->metrics, label);
	struct err err = {};

	if (k->history && outlook_is_empty(outlook) &&
	    history_outlook(k->history, label, clock_wall_ms(), outlook, &err))
		serve_log("history: %s", err.text);
}

/* A server that comes again takes the place of what it was: its counters go on. */
static void take_server(struct keeper *k, uint32_t id, const struct wire_server *server)
{
	struct kept **at = &k->servers, *one;
	bool again = false;

	while ((one = *at) && strcmp(one->label, server->label) != 0)
		at = &one->next;
	if (one) {
		again = true;
		forget(k, at);
	}
	if (k->count == SERVERS_MAX || find(k, id))
		return;
	one = xcalloc(1, sizeof(*one));
	one->id = id;
	one->label = xstrdup(server->label);
	one->address = xstrdup(server->address);
	one->reason = xstrdup("");
	one->keeper = k;
	for (at = &k->servers; *at; at = &(*at)->next)
		;
	*at = one;
	k->count++;
	recall(k, one->label);
	note(k, one->label, again ? "restarted" : "started", one->address);
}

static void take_state(struct kept *one, const struct wire_state *state)
{
	struct keeper *k = one->keeper;
	bool up = state->state != SERVE_GONE && state->state != SERVE_FAILED;
	struct err err = {};

	one->state = state->state;
	free(one->reason);
	one->reason = xstrdup(state->reason);
	metrics_state(k->metrics, one->label, serve_state_name(state->state), up);
	if (state->state != SERVE_GONE)
		return;
	one->id = 0;
	one->gone_ns = clock_mono_ns();
	end_windows(one);
	note(k, one->label, "gone", "");
	if (k->history && history_gone(k->history, one->label, clock_wall_ms(), &err))
		serve_log("history: %s", err.text);
}

/* Alerts have seen them by now. */
static void forget_gone(struct keeper *k)
{
	struct kept **at = &k->servers, *one;

	while ((one = *at)) {
		int64_t gone_ns = one->state == SERVE_GONE ? clock_mono_ns() - one->gone_ns : 0;

		if (gone_ns >= FOUND_NS)
			metrics_end_findings(k->metrics, one->label);
		if (gone_ns < GONE_NS) {
			at = &one->next;
			continue;
		}
		metrics_forget(k->metrics, one->label);
		forget(k, at);
	}
}

/* --- what redmem costs ------------------------------------------------------------------- */

static void take_self(struct keeper *k, const struct wire_self *self)
{
	k->self.watcher = (struct metrics_process){ self->cpu_seconds, self->resident_bytes };
	k->self.bpf_elsewhere_seconds = self->bpf_elsewhere_seconds;
	k->self.lost_windows = self->lost_chunks_total + k->lost_here;
}

static void tell_self(struct keeper *k)
{
	struct proc_status status;
	struct history_stats stats;

	k->self.keeper.cpu_seconds = (double)clock_cpu_ns() / 1e9;
	k->self.keeper.resident_bytes =
		proc_status_read(&status, getpid(), NULL) ? RECORD_UNKNOWN : status.rss_bytes;
	k->self.history = k->history != NULL;
	if (k->history) {
		history_stats(k->history, &stats);
		k->self.history_ok = stats.ok;
		k->self.history_bytes = stats.bytes;
		k->self.history_write_seconds = stats.write_seconds_total;
	}
	metrics_self(k->metrics, &k->self);
}

/* --- frames ------------------------------------------------------------------------------ */

static void say(const struct keeper *k, char what)
{
	/* A watcher that does not read has other troubles. */
	if (write(k->back_fd, &what, 1) < 0)
		return;
}

static void take_settings(struct keeper *k, const struct wire_settings *settings)
{
	struct err err = {};

	if (!settings->ok)
		return;
	metrics_redis(k->metrics, settings->redis_metrics);
	if (k->history)
		history_resize(k->history, settings->history_bytes);
	if (web_reload(k->web, &err))
		serve_log("%s", err.text);
}

static void take_frame(struct keeper *k, const struct wire_frame *frame)
{
	struct kept *one = find(k, frame->id);

	switch (frame->kind) {
	case WIRE_SERVER:
		take_server(k, frame->id, &frame->server);
		break;
	case WIRE_CHUNK:
		if (one)
			take_chunk(one, &frame->chunk);
		break;
	case WIRE_LOST:
		if (one)
			end_windows(one);
		break;
	case WIRE_STATE:
		if (one)
			take_state(one, &frame->state);
		break;
	case WIRE_SELF:
		take_self(k, &frame->self);
		say(k, KEEPER_ALIVE);
		break;
	case WIRE_SETTINGS:
		take_settings(k, &frame->settings);
		break;
	case WIRE_KINDS:
		break;
	}
}

/* False when there is nothing more to come. */
static bool read_frames(struct keeper *k)
{
	struct wire_frame frame;
	size_t done = 0;
	char piece[16384];
	ssize_t n = read(k->frames_fd, piece, sizeof(piece));
	long len;

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	buf_add(&k->input, piece, (size_t)n);
	while ((len = wire_get(&frame, k->input.data + done, k->input.len - done)) > 0) {
		take_frame(k, &frame);
		done += (size_t)len;
	}
	if (len < 0) {
		serve_log("the watcher says what is no frame; the keeper ends");
		k->broken = true;
		return false;
	}
	memmove(k->input.data, k->input.data + done, k->input.len - done);
	k->input.len -= done;
	if (!k->input.len && k->input.cap > READ_BYTES)
		buf_free(&k->input);
	return true;
}

/* --- what the web side asks ---------------------------------------------------------------- */

static int ask_metrics(void *ctx, struct buf *out, bool openmetrics, const char *only_server,
		       struct err *err)
{
	struct keeper *k = ctx;

	(void)err;
	tell_self(k);
	metrics_write(k->metrics, out, openmetrics, only_server);
	return 0;
}

static void ask_servers(void *ctx, void (*take)(void *take_ctx, const struct web_server *server),
			void *take_ctx)
{
	const struct keeper *k = ctx;

	for (const struct kept *one = k->servers; one; one = one->next) {
		const struct web_server server = {
			.label = one->label,
			.address = one->address,
			.state = serve_state_name(one->state),
			.reason = *one->reason ? one->reason : NULL,
			.window_end_ms = one->window_end_ms,
			.m = one->m,
			.f = one->f,
		};

		take(take_ctx, &server);
	}
}

/* In a thread of its own, with a reader of its own. */
static int ask_report(void *ctx, const struct web_report *what, struct buf *out, struct err *err)
{
	const struct keeper *k = ctx;
	const char *dir = k->config->state ? k->config->state : HISTORY_DIR;
	struct history *reader;
	struct findings *f;
	struct model *m;
	int ret = history_open_reader(&reader, dir, err);

	if (ret)
		return ret;
	ret = history_model(reader, what->server, what->from_ms, what->to_ms, &m, NULL, err);
	history_close(reader);
	if (ret)
		return ret;
	f = diagnose(m);
	report_doctor_json(out, m, f);
	findings_free(f);
	model_free(m);
	return 0;
}

static int ask_health(void *ctx, struct err *err)
{
	const struct keeper *k = ctx;
	struct history_stats stats;

	if (!k->history)
		return 0;
	history_stats(k->history, &stats);
	return stats.ok ? 0 : err_set(err, -EIO, "the history has stopped: %s", stats.reason);
}

static int ask_reload(void *ctx, struct err *err)
{
	(void)err;
	say(ctx, KEEPER_RELOAD);
	return 0;
}

/* --- its life ------------------------------------------------------------------------------ */

#define LISTEN_MAX 8

static int start_web(struct keeper *k, struct err *err)
{
	const struct web_source source = {
		.ctx = k,
		.metrics = ask_metrics,
		.servers = ask_servers,
		.report = k->config->history ? ask_report : NULL,
		.health = ask_health,
		.reload = ask_reload,
	};
	struct web_config config = { .web_config_path = k->config->web_config };
	char *text = xstrdup(k->config->listen ? k->config->listen : WEB_LISTEN), *rest = NULL;
	const char *listen[LISTEN_MAX];
	int ret;

	for (char *word = strtok_r(text, " \t", &rest); word && config.listen_count < LISTEN_MAX;
	     word = strtok_r(NULL, " \t", &rest))
		listen[config.listen_count++] = word;
	config.listen = listen;
	ret = web_start(&k->web, &config, &source, err);
	free(text);
	return ret;
}

/* The folder is the user's that the keeper becomes. One that is anybody's already (/tmp, another
 * user's) is not given away: history_open() says what is wrong with it. */
static int make_state_dir(const char *dir, const struct confine_user *user, struct err *err)
{
	struct stat st;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "state: cannot make %s for user %s: %s", dir,
			       user->name, strerror(errno));
	if (geteuid() || stat(dir, &st) || st.st_uid || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	if (chown(dir, user->uid, user->gid))
		return err_set(err, -errno, "state: cannot give %s to user %s: %s", dir, user->name,
			       strerror(errno));
	return 0;
}

static int open_history(struct keeper *k, const char *dir, const struct confine_user *user,
			struct err *err)
{
	const struct history_config config = { .size_bytes = k->config->history_bytes };
	struct err why = {};
	int ret = history_open(&k->history, dir, &config, &why);

	if (ret == -EACCES || ret == -EPERM)
		return err_set(err, ret,
			       "%s (as user %s, which the keeper becomes: the folder and all above "
			       "it must let that user in)",
			       why.text, user->name);
	return ret ? err_set(err, ret, "%s", why.text) : 0;
}

static void say_set_aside(const struct history *history)
{
	struct history_stats stats;

	history_stats(history, &stats);
	if (*stats.set_aside)
		serve_log("history: the file was damaged and is now %s; a new one is begun",
			  stats.set_aside);
}

static int start(struct keeper *k, struct err *err)
{
	const struct metrics_options options = { .prefixes = (int)k->config->prefixes,
						 .redis = k->config->redis_metrics };
	const char *dir = k->config->state ? k->config->state : HISTORY_DIR;
	struct confine_user user;
	struct err why = {};
	int ret = confine_find(&user, k->config->run_as, dir, err);

	k->metrics = metrics_new(&options);
	k->self.watcher.cpu_seconds = k->self.bpf_elsewhere_seconds = NAN;
	k->self.watcher.resident_bytes = RECORD_UNKNOWN;
	if (!ret)
		ret = start_web(k, err);
	if (!ret && k->config->history)
		ret = make_state_dir(dir, &user, err);
	if (!ret && memory_lock(&why))
		serve_log("keeper: %s", why.text);
	if (!ret)
		ret = confine_enter(&user, err);
	if (!ret && k->config->history)
		ret = open_history(k, dir, &user, err);
	if (!ret && k->history)
		say_set_aside(k->history);
	return ret;
}

static void stop(struct keeper *k)
{
	struct err err = {};

	web_stop(k->web);
	while (k->servers)
		forget(k, &k->servers);
	if (k->history)
		history_note(k->history, "", clock_wall_ms(), "serve", "ended", &err);
	history_close(k->history);
	metrics_free(k->metrics);
	buf_free(&k->input);
}

/* True while there is more to do. */
static bool keep_within_bounds(struct keeper *k)
{
	struct err err = {};
	int ret = k->history ? history_keep(k->history, clock_wall_ms(), &err) : 0;

	if (ret < 0)
		serve_log("history: %s", err.text);
	return ret > 0;
}

/* What gets old goes. When that is to be looked at again: once in a window's time, or a second
 * later while there is more to do. */
static int64_t tick(struct keeper *k)
{
	forget_gone(k);
	return clock_mono_ns() +
	       (keep_within_bounds(k) ? SECOND_NS : (int64_t)WINDOW_SECONDS * SECOND_NS);
}

static void loop(struct keeper *k)
{
	struct pollfd fds[2] = { { .fd = k->frames_fd, .events = POLLIN },
				 { .fd = web_fd(k->web), .events = POLLIN } };
	int64_t next_ns = clock_mono_ns() + SECOND_NS;

	while (true) {
		int64_t left_ms = (next_ns - clock_mono_ns()) / 1000000 + 1;
		int web_ms = web_wait_ms(k->web);

		if (left_ms < 0)
			left_ms = 0;
		poll(fds, 2, web_ms >= 0 && web_ms < left_ms ? web_ms : (int)left_ms);
		if (fds[0].revents && !read_frames(k))
			return;
		web_run(k->web);
		if (clock_mono_ns() >= next_ns)
			next_ns = tick(k);
	}
}

int keeper_run(int frames_fd, int back_fd, const struct serve_config *config)
{
	struct keeper k = { .config = config, .frames_fd = frames_fd, .back_fd = back_fd };
	struct err err = {};
	int ret;

	prctl(PR_SET_NAME, "redmem-keeper");
	/* What one window took is there for the next. */
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	/* It ends when the watcher does, and has taken what that still says. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	ret = start(&k, &err);
	if (ret) {
		print_failure(&err);
	} else {
		if (web_port(k.web))
			serve_log("listening on port %d", web_port(k.web));
		note(&k, "", "serve", "began");
		say(&k, KEEPER_READY);
		loop(&k);
	}
	stop(&k);
	return ret || k.broken;
}
