/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem serve: the watcher. It has the privileges, the engine and a thread a server, judges
 * nothing and listens nowhere. What it sees goes over a pipe to the keeper (keeper.h), which is
 * another process without privileges, begun before there is any. If one of the two ends, so does
 * the other.
 */
#define _GNU_SOURCE 1 /* pipe2() */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/keeper.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/redact.h"
#include "app/serve_config.h"
#include "app/serve_log.h"
#include "app/serve_pipe.h"
#include "app/serve_watch.h"
#include "app/web.h"
#include "base/clock.h"
#include "host/memory_lock.h"
#include "host/proc.h"
#include "sensor/engine.h"

#define SECOND_NS    1000000000LL
#define READY_MS     30000 /* the keeper may take so long to begin (an old history) */
#define LAST_SECONDS 5.0 /* for the keeper to take what is left */
#define TRIM_SECONDS 60
#define TELL_SECONDS 5 /* what it costs is told so often; the keeper answers, and so is alive */
#define KEEPER_STUCK 30 /* seconds without a sign of it: the watchdog may bite */

struct serve {
	const struct options *options;
	struct serve_config *first; /* what the keeper began with; without servers */
	pid_t keeper;
	int back_fd; /* from the keeper */
	struct serve_pipe *pipe; /* to it */
	struct engine *engine;
	struct serve_watch *watch;
	int64_t kernel_bytes; /* of the engine */
	int64_t alive_ns; /* when the keeper was heard last */
	unsigned long seconds; /* of the loop */
	unsigned long trimmed; /* watches that had begun when memory was given back last */
	bool ended; /* it has ended */
	bool asked; /* to read the configuration again */
};

static volatile sig_atomic_t hung_up;

static void on_hangup(int sig)
{
	(void)sig;
	hung_up = 1;
}

/* --- the keeper ---------------------------------------------------------------------------- */

/* In the child: whoever takes the web side over shall find no password. */
static void forget_secrets(const struct options *o, struct serve_config *config)
{
	serve_config_forget_servers(config);
	/* Names that are hidden stay so. */
	print_hide_names(NULL);
	redact_key_free(o->redact);
	if (o->password)
		explicit_bzero(o->password, strlen(o->password));
}

static int start_keeper(struct serve *s, struct serve_config *config, struct err *err)
{
	int frames[2], back[2], ret;

	if (pipe2(frames, O_CLOEXEC))
		return err_set(err, -errno, "serve: no pipe: %s", strerror(errno));
	if (pipe2(back, O_CLOEXEC | O_NONBLOCK)) {
		close(frames[0]);
		close(frames[1]);
		return err_set(err, -errno, "serve: no pipe: %s", strerror(errno));
	}
	fflush(NULL);
	s->keeper = fork();
	if (!s->keeper) {
		close(frames[1]);
		close(back[0]);
		forget_secrets(s->options, config);
		ret = keeper_run(frames[0], back[1], config);
		serve_config_free(config);
		exit(ret);
	}
	ret = s->keeper < 0 ? -errno : 0;
	close(frames[0]);
	close(back[1]);
	s->back_fd = back[0];
	if (ret) {
		close(frames[1]);
		return err_set(err, ret, "serve: fork: %s", strerror(-ret));
	}
	s->pipe = serve_pipe_new(frames[1]);
	return s->pipe ? 0 : err_set(err, -EAGAIN, "serve: no thread can be started");
}

/* What the keeper has said; false when it has ended. */
static bool hear_keeper(struct serve *s, bool *ready)
{
	char said[64];
	ssize_t n = read(s->back_fd, said, sizeof(said));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < n; i++) {
		*ready |= said[i] == KEEPER_READY;
		s->asked |= said[i] == KEEPER_RELOAD;
	}
	s->alive_ns = clock_mono_ns();
	return n > 0;
}

/* False when it has ended, which it has given the reason of, or takes too long. */
static bool keeper_is_ready(struct serve *s)
{
	int64_t end = clock_mono_ns() + READY_MS * 1000000LL;
	bool ready = false;

	while (!ready && !interrupted() && clock_mono_ns() < end) {
		struct pollfd fd = { .fd = s->back_fd, .events = POLLIN };

		if (poll(&fd, 1, 1000) > 0 && !hear_keeper(s, &ready)) {
			s->ended = true;
			return false;
		}
	}
	if (!ready && !interrupted())
		fprintf(stderr, "redmem: serve: the keeper did not begin within %d s\n",
			READY_MS / 1000);
	return ready;
}

static void end_pipe(struct serve *s, double seconds)
{
	serve_pipe_put(s->pipe, &(struct wire_frame){ .kind = WIRE_END });
	serve_pipe_end(s->pipe, seconds);
}

static void tell_end(int status)
{
	if (WIFSIGNALED(status))
		serve_log("the keeper was ended by signal %d (%s), so redmem serve ends",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		serve_log("the keeper ended with status %d, so redmem serve ends",
			  WEXITSTATUS(status));
}

#define STUCK (1 << 8) /* as a status of 1 */

/* It ends when the pipe does; one that does not in time is ended. Its status. */
static int await_keeper(const struct serve *s)
{
	int64_t end = clock_mono_ns() + (int64_t)(LAST_SECONDS * 1e9);
	int status = 0;

	while (waitpid(s->keeper, &status, WNOHANG) == 0) {
		if (clock_mono_ns() >= end) {
			/* It is another user's, and the unit gives no CAP_KILL: systemd ends it. */
			if (kill(s->keeper, SIGKILL)) {
				serve_log("the keeper does not end, and may not be ended: %s",
					  strerror(errno));
				return STUCK;
			}
			waitpid(s->keeper, &status, 0);
			break;
		}
		poll(NULL, 0, 20);
	}
	return status;
}

/* --- the configuration ---------------------------------------------------------------------- */

static void replace(char **text, const char *by)
{
	if (!by)
		return;
	free(*text);
	*text = xstrdup(by);
}

/* The command line says more than the file. */
static int read_config(const struct options *o, struct serve_config **out, struct err *err)
{
	int ret = serve_config_read(out, o->serve.config, err);

	if (ret)
		return ret;
	replace(&(*out)->listen, o->serve.listen);
	replace(&(*out)->state, o->serve.state);
	if (o->serve.history_bytes)
		(*out)->history_bytes = o->serve.history_bytes;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Names what @b says otherwise than @a, with which the keeper began and which it cannot change:
 * it has no rights left to. */
static void name_fixed(struct buf *out, const struct serve_config *a, const struct serve_config *b)
{
	const struct {
		const char *name;
		bool same;
	} keys[] = {
		{ "listen", same_text(a->listen, b->listen) },
		{ "state", same_text(a->state, b->state) },
		{ "web_config", same_text(a->web_config, b->web_config) },
		{ "run_as", same_text(a->run_as, b->run_as) },
		{ "history", a->history == b->history },
		{ "prefixes", a->prefixes == b->prefixes },
		{ "redact", a->redact == b->redact },
		{ "redact_key", same_text(a->redact_key, b->redact_key) },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!keys[i].same)
			buf_printf(out, "%s%s", out->len ? ", " : "", keys[i].name);
}

static void say_read_again(const struct serve *s, const struct serve_config *config)
{
	struct buf fixed = { 0 };

	name_fixed(&fixed, s->first, config);
	if (fixed.len)
		serve_log("the configuration was read again; what it says now of %s takes a "
			  "restart",
			  buf_str(&fixed));
	else
		serve_log("the configuration was read again");
	buf_free(&fixed);
}

static void reload(struct serve *s)
{
	struct wire_frame frame = { .kind = WIRE_SETTINGS };
	struct serve_config *config;
	struct err err = {};
	char state[80];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)clock_mono_ns() / 1000);
	serve_notify(state);
	frame.settings.ok = read_config(s->options, &config, &err) == 0;
	if (!frame.settings.ok) {
		serve_log("%s; all stays as it was", err.text);
	} else {
		say_read_again(s, config);
		frame.settings.redis_metrics = config->redis_metrics;
		frame.settings.history_bytes = config->history_bytes;
		serve_watch_configure(s->watch, config);
	}
	serve_pipe_put(s->pipe, &frame);
	serve_notify("READY=1");
}

/* That of the command line is open already. */
static int open_redact_key(struct redact_key **out, const struct options *o,
			   const struct serve_config *config, struct err *err)
{
	*out = NULL;
	return config->redact && !o->redact ? redact_key_open(out, config->redact_key, err) : 0;
}

static int check_config(const struct options *o)
{
	struct serve_config *config;
	struct redact_key *key;
	struct err err = {};

	if (read_config(o, &config, &err))
		return print_failure(&err);
	if (!open_redact_key(&key, o, config, &err))
		redact_key_free(key);
	if (err.code || web_check(config->web_config, &err)) {
		serve_config_free(config);
		return print_failure(&err);
	}
	if (config->path)
		printf("%s: right, with %zu section%s of servers\n", config->path,
		       config->servers_count, config->servers_count == 1 ? "" : "s");
	else
		printf("no %s: the defaults\n", SERVE_CONFIG_PATH);
	serve_config_free(config);
	return 0;
}

/* --- the loop -------------------------------------------------------------------------------- */

static void tell_self(const struct serve *s)
{
	struct wire_frame frame = { .kind = WIRE_SELF };
	struct proc_status status;

	frame.self.cpu_seconds = (double)clock_cpu_ns() / 1e9;
	frame.self.resident_bytes = proc_status_read(&status, getpid(), NULL) ?
					    RECORD_UNKNOWN :
					    status.rss_bytes + s->kernel_bytes;
	frame.self.bpf_elsewhere_seconds = engine_others_seconds(s->engine);
	frame.self.lost_chunks_total = serve_pipe_lost(s->pipe);
	serve_pipe_put(s->pipe, &frame);
}

static void each_second(struct serve *s)
{
	serve_watch_look(s->watch);
	/* What beginning a watch took. What windows take is kept: the one in which a server dies
	 * shall take nothing from the kernel. */
	if (!(s->seconds % TRIM_SECONDS) && s->trimmed != serve_watch_begun(s->watch)) {
		s->trimmed = serve_watch_begun(s->watch);
		memory_trim();
	}
	if (!(s->seconds++ % TELL_SECONDS))
		tell_self(s);
	if (serve_watchdog_ns() && clock_mono_ns() - s->alive_ns < KEEPER_STUCK * SECOND_NS)
		serve_notify("WATCHDOG=1");
}

static void loop(struct serve *s)
{
	struct pollfd fds[2] = { { .fd = s->back_fd, .events = POLLIN },
				 { .fd = serve_watch_fd(s->watch), .events = POLLIN } };
	int64_t next_ns = clock_mono_ns();
	bool ready;

	while (!interrupted() && !s->ended) {
		int64_t now = clock_mono_ns();

		if (now >= next_ns) {
			each_second(s);
			next_ns = now + SECOND_NS;
		}
		serve_watch_turn(s->watch);
		if (hung_up || s->asked) {
			hung_up = s->asked = false;
			reload(s);
		}
		now = clock_mono_ns();
		poll(fds, 2, now < next_ns ? (int)((next_ns - now) / 1000000) + 1 : 0);
		if (fds[0].revents && !hear_keeper(s, &ready))
			s->ended = true;
	}
}

/* Everything but the keeper. Takes @config. */
static int watch(struct serve *s, struct serve_config *config, struct err *err)
{
	const struct engine_config machine = { .servers = ENGINE_SERVERS_MAX,
					       .wanted = s->options->sensors,
					       .frugal = true,
					       .at_ticks = true };
	struct err why = {};
	size_t count;
	int ret = engine_open(&s->engine, &machine, err);

	if (ret) {
		serve_config_free(config);
		return ret;
	}
	s->kernel_bytes = engine_memory_bytes(s->engine);
	memory_trim(); /* what loading took */
	if (memory_lock(&why))
		serve_log("%s", why.text);
	s->watch = serve_watch_new(s->options, config, s->engine, s->pipe);
	serve_watch_look(s->watch);
	count = serve_watch_count(s->watch);
	serve_log("watching: %zu server%s so far", count, count == 1 ? "" : "s");
	serve_notify("READY=1");
	loop(s);
	serve_notify("STOPPING=1");
	serve_watch_free(s->watch);
	engine_close(s->engine);
	return 0;
}

static int run(struct serve *s, struct serve_config *config)
{
	bool interrupted_early;
	struct err err = {};
	int ret = start_keeper(s, config, &err), status;

	if (ret) {
		serve_config_free(config);
		return print_failure(&err);
	}
	if (!keeper_is_ready(s)) {
		interrupted_early = interrupted();
		serve_config_free(config);
		end_pipe(s, 0);
		await_keeper(s);
		return !interrupted_early;
	}
	ret = watch(s, config, &err);
	if (ret)
		print_failure(&err);
	end_pipe(s, LAST_SECONDS);
	status = await_keeper(s);
	close(s->back_fd);
	if (s->ended)
		tell_end(status);
	return ret || s->ended || status;
}

int cmd_serve(const struct options *o)
{
	struct sigaction hangup = { .sa_handler = on_hangup };
	struct options own = *o;
	struct serve s = { .options = &own };
	struct serve_config *config;
	struct redact_key *key;
	struct err err = {};
	int ret;

	if (o->host)
		err_set(&err, -EINVAL,
			"serve: it watches servers of its own host: name one with -p, -s or --pid");
	if (err.code)
		return print_failure(&err);
	if (o->serve.check_config)
		return check_config(o);
	if (read_config(o, &config, &err))
		return print_failure(&err);
	if (read_config(o, &s.first, &err)) {
		serve_config_free(config);
		return print_failure(&err);
	}
	serve_config_forget_servers(s.first);
	if (open_redact_key(&key, o, config, &err)) {
		serve_config_free(s.first);
		serve_config_free(config);
		return print_failure(&err);
	}
	own.redact = key ? key : o->redact;
	/* Hundreds of threads that allocate little. */
	mallopt(M_ARENA_MAX, 2);
	interrupt_catch();
	sigaction(SIGHUP, &hangup, NULL);
	s.alive_ns = clock_mono_ns();
	ret = run(&s, config);
	serve_config_free(s.first);
	redact_key_free(key);
	return ret;
}
