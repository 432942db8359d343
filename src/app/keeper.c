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
#include <unistd.h>

#include "app/confine.h"
#include "app/kept.h"
#include "app/print.h"
#include "app/serve_log.h"
#include "app/serve_wire.h"
#include "app/state_folder.h"
#include "app/web.h"
#include "base/clock.h"
#include "diagnose/diagnose.h"
#include "history/history.h"
#include "host/memory_lock.h"
#include "host/proc.h"
#include "report/metrics.h"
#include "report/report.h"

#define READ_BYTES  (256u << 10)
#define SECOND_NS   1000000000LL
#define SPARE_BYTES (8 << 20) /* of freed memory: a window's work takes less */

struct keeper {
	const struct serve_config *config;
	int frames_fd, back_fd;
	struct buf input;
	struct kept_all kept;
	struct web *web;
	struct metrics_self self;
	bool broken; /* what comes is no frame */
	bool told_end; /* WIRE_END came */
};

/* --- what redmem costs ------------------------------------------------------------------- */

static void take_self(struct keeper *k, const struct wire_self *self)
{
	k->self.watcher = (struct metrics_process){ self->cpu_seconds, self->resident_bytes };
	k->self.bpf_elsewhere_seconds = self->bpf_elsewhere_seconds;
	k->self.lost_windows = self->lost_chunks_total + k->kept.lost;
}

static void tell_self(struct keeper *k)
{
	struct proc_status status;
	struct history_stats stats;

	k->self.keeper.cpu_seconds = (double)clock_cpu_ns() / 1e9;
	k->self.keeper.resident_bytes =
		proc_status_read(&status, getpid(), NULL) ? RECORD_UNKNOWN : status.rss_bytes;
	k->self.history = k->kept.history != NULL;
	if (k->kept.history) {
		history_stats(k->kept.history, &stats);
		k->self.history_ok = stats.ok;
		k->self.history_bytes = stats.bytes;
		k->self.history_write_seconds = stats.write_seconds_total;
	}
	metrics_self(k->kept.metrics, &k->self);
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
	metrics_redis(k->kept.metrics, settings->redis_metrics);
	if (k->kept.history)
		history_resize(k->kept.history, settings->history_bytes);
	if (web_reload(k->web, &err))
		serve_log("%s", err.text);
}

static void take_frame(struct keeper *k, const struct wire_frame *frame)
{
	switch (frame->kind) {
	case WIRE_SERVER:
		kept_server(&k->kept, frame->id, &frame->server);
		break;
	case WIRE_CHUNK:
		kept_chunk(&k->kept, frame->id, &frame->chunk);
		break;
	case WIRE_LOST:
		kept_lost(&k->kept, frame->id);
		break;
	case WIRE_STATE:
		kept_state(&k->kept, frame->id, &frame->state);
		break;
	case WIRE_SELF:
		take_self(k, &frame->self);
		say(k, KEEPER_ALIVE);
		break;
	case WIRE_SETTINGS:
		take_settings(k, &frame->settings);
		break;
	case WIRE_END:
		k->told_end = true;
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

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (!n && !k->told_end)
		serve_log("the watcher was killed or has crashed, so the keeper ends");
	if (!n)
		return false;
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
	metrics_write(k->kept.metrics, out, openmetrics, only_server);
	return 0;
}

static void ask_servers(void *ctx, void (*take)(void *take_ctx, const struct web_server *server),
			void *take_ctx)
{
	const struct keeper *k = ctx;

	kept_each(&k->kept, take, take_ctx);
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

	if (!k->kept.history)
		return 0;
	history_stats(k->kept.history, &stats);
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

static int open_history(struct keeper *k, const char *dir, const struct confine_user *user,
			struct err *err)
{
	const struct history_config config = { .size_bytes = k->config->history_bytes };
	struct err why = {};
	int ret = history_open(&k->kept.history, dir, &config, &why);

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

	k->kept.metrics = metrics_new(&options);
	k->self.watcher.cpu_seconds = k->self.bpf_elsewhere_seconds = NAN;
	k->self.watcher.resident_bytes = RECORD_UNKNOWN;
	if (!ret)
		ret = start_web(k, err);
	if (!ret && k->config->history)
		ret = state_folder_make(dir, &user, err);
	if (!ret && memory_lock(&why))
		serve_log("keeper: %s", why.text);
	if (!ret)
		ret = confine_enter(&user, err);
	if (!ret && k->config->history)
		ret = open_history(k, dir, &user, err);
	if (!ret && k->kept.history)
		say_set_aside(k->kept.history);
	return ret;
}

static void stop(struct keeper *k)
{
	struct err err = {};

	web_stop(k->web);
	kept_free(&k->kept);
	if (k->kept.history)
		history_note(k->kept.history, "", clock_wall_ms(), "serve",
			     k->told_end ? "ended" : "crashed", &err);
	history_close(k->kept.history);
	metrics_free(k->kept.metrics);
	buf_free(&k->input);
}

/* True while there is more to do. */
static bool keep_within_bounds(struct keeper *k)
{
	struct err err = {};
	int ret = k->kept.history ? history_keep(k->kept.history, clock_wall_ms(), &err) : 0;

	if (ret < 0)
		serve_log("history: %s", err.text);
	return ret > 0;
}

/* What gets old goes. When that is to be looked at again: once in a window's time, or a second
 * later while there is more to do. */
static int64_t tick(struct keeper *k)
{
	kept_age(&k->kept);
	return clock_mono_ns() +
	       (keep_within_bounds(k) ? SECOND_NS : KEPT_WINDOW_SECONDS * SECOND_NS);
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
	mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
	mallopt(M_MMAP_THRESHOLD, SPARE_BYTES);
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
		kept_note(&k.kept, "", "serve", "began");
		say(&k, KEEPER_READY);
		loop(&k);
	}
	stop(&k);
	return ret || k.broken;
}
