/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers of the host and a watch of each; see serve_watch.h. */
#include "app/serve_watch.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/redact.h"
#include "app/serve_identity.h"
#include "app/serve_log.h"
#include "app/serve_look.h"
#include "app/serve_pass.h"
#include "app/watch.h"
#include "app/when.h"
#include "base/clock.h"
#include "base/thread.h"
#include "host/elf.h"
#include "host/proc.h"
#include "model/chunk.h"
#include "sensor/engine.h"
#include "target/find.h"

#define CHUNK_SECONDS 10.0
#define DAY_MS	      86400000LL
/* So many watches begin at once: each takes a server some milliseconds, and redmem more. */
#define BEGIN_MAX 6
/* Until what failed is tried again: twice as long each time. */
#define AGAIN_FIRST_NS 1000000000LL
#define AGAIN_LAST_NS  60000000000LL
/* A server that listens nowhere yet is given so long to: its address is what it is named by. */
#define LISTEN_NS 5000000000LL
/* Between two looks whether a server has moved: one takes as long as there are sockets. */
#define OVER_NS 10000000000LL

/* A server that was found. Its thread's while that runs, but for what is said. */
struct served {
	struct served *next;
	struct serve_watch *all;
	uint32_t id;
	struct server_candidate who;
	int64_t found_ns;
	struct serve_identity is;
	char *label; /* NULL = the keeper does not know it */
	const struct serve_config *config; /* the one that @is.section is of */
	bool moved; /* it is another one than @is by now */
	struct options options;
	struct watch_plan plan;
	struct chunker *chunker;
	struct record_sink chunks;
	struct err err; /* why it is not watched */
	pthread_t thread;
	bool running; /* the thread was started and is to be joined */
	int64_t again_ns, pause_ns; /* when it is tried next, and for how long it rests then */
	int64_t pass_ms; /* when its keys are passed over next, by the wall clock; 0 = not known */
	/* atomic */
	bool begun, done, stop;
	struct serve_pass *pass; /* under way, or over and not told; who takes it out frees it */
	/* as the sensors told it last */
	bool attributed, connected;
	char attribution[WIRE_TEXT_MAX / 2], connection[WIRE_TEXT_MAX / 2];
	/* as the keeper was told last */
	bool told;
	enum serve_state state;
	char reason[WIRE_TEXT_MAX / 2];
};

/* A configuration that some watch may still use. */
struct old_config {
	struct old_config *next;
	struct serve_config *config;
};

struct serve_watch {
	const struct options *options;
	struct redact *redact; /* NULL = names are shown */
	struct engine *engine;
	struct serve_pipe *pipe;
	struct serve_config *config;
	struct old_config *old;
	struct served *servers; /* oldest first */
	size_t count, beginning; /* watches that have not begun to see */
	unsigned long begun; /* watches so far */
	struct serve_look *look;
	uint32_t last_id;
	uint32_t over_id; /* the server that was looked over last */
	int64_t over_ns; /* and when */
	int wake_fd;
};

/* --- what the keeper is told ------------------------------------------------------------ */

static void tell(struct served *one, enum serve_state state, const char *reason)
{
	const struct wire_frame frame = { .kind = WIRE_STATE,
					  .id = one->id,
					  .state = { state, reason } };

	if (one->told && one->state == state &&
	    !strncmp(one->reason, reason, sizeof(one->reason) - 1))
		return;
	serve_pipe_put(one->all->pipe, &frame);
	if (state != one->state && state == SERVE_FAILED)
		serve_log("%s is not watched: %s", one->label, reason);
	else if (state != one->state && state == SERVE_HUNG)
		serve_log("%s does not answer", one->label);
	else if (state != one->state && state == SERVE_ATTRIBUTED)
		serve_log("%s is watched and attributed", one->label);
	else if (state != one->state && state == SERVE_NOT_ATTRIBUTED)
		serve_log("%s is watched, not attributed: %s", one->label, reason);
	one->told = true;
	one->state = state;
	snprintf(one->reason, sizeof(one->reason), "%s", reason);
}

static void tell_server(struct served *one)
{
	char *address = redact_text(one->all->redact, one->is.address);
	const struct wire_frame frame = {
		.kind = WIRE_SERVER,
		.id = one->id,
		.server = { one->label, address, one->who.pid },
	};

	serve_pipe_put(one->all->pipe, &frame);
	free(address);
	one->told = false;
	tell(one, SERVE_STARTING, "");
}

/* --- in its thread --------------------------------------------------------------------- */

static void ring(const struct serve_watch *all)
{
	const uint64_t one = 1;

	if (write(all->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

static void take_chunk(void *ctx, const struct chunk *chunk)
{
	struct served *one = ctx;
	const struct wire_frame frame = { .kind = WIRE_CHUNK,
					  .id = one->id,
					  .chunk = { chunk->data, chunk->len } };

	if (one->begun)
		serve_pipe_put(one->all->pipe, &frame);
}

static void take_sensor(struct served *one, const struct record_sensor *sensor)
{
	if (!strcmp(sensor->id, "attribution")) {
		one->attributed = sensor->on;
		snprintf(one->attribution, sizeof(one->attribution), "%s", sensor->reason);
	} else if (!strcmp(sensor->id, "connection")) {
		one->connected = sensor->on;
		snprintf(one->connection, sizeof(one->connection), "%s", sensor->reason);
	}
}

static void take_record(void *ctx, const struct record *record)
{
	struct served *one = ctx;

	if (record->kind == RECORD_SENSOR)
		take_sensor(one, &record->sensor);
	/* Another program, perhaps: what was found out of this one does not hold. */
	if (record->kind == RECORD_LIFE && !strcmp(record->life.event, "exec"))
		__atomic_store_n(&one->stop, true, __ATOMIC_RELAXED);
	record_emit(&one->chunks, record);
}

/* What a pass has found comes into the stream here, in the thread that makes it. */
static void take_pass(struct served *one, double t_seconds)
{
	struct serve_pass *pass = __atomic_load_n(&one->pass, __ATOMIC_ACQUIRE);

	if (!pass || !serve_pass_done(pass))
		return;
	serve_pass_emit(pass, t_seconds, &one->chunks);
	__atomic_store_n(&one->pass, NULL, __ATOMIC_RELEASE);
	serve_pass_free(pass);
}

static bool turn(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct served *one = ctx;

	(void)snapshot;
	take_pass(one, t_seconds);
	if (!one->begun) {
		__atomic_store_n(&one->begun, true, __ATOMIC_RELEASE);
		ring(one->all);
	}
	if (!conn && one->connected)
		tell(one, SERVE_HUNG, "it does not answer");
	else if (one->attributed)
		tell(one, SERVE_ATTRIBUTED, one->connected ? "" : one->connection);
	else
		tell(one, SERVE_NOT_ATTRIBUTED, one->attribution);
	return __atomic_load_n(&one->stop, __ATOMIC_RELAXED);
}

static void *watch_one(void *ctx)
{
	struct served *one = ctx;
	const struct record_sink sink = { take_record, one };

	if (!watch_plan_run(&one->options, &one->plan, &sink, &one->err))
		one->err.code = 0;
	chunker_end(one->chunker);
	chunker_free(one->chunker);
	elf_thread_end();
	__atomic_store_n(&one->done, true, __ATOMIC_RELEASE);
	ring(one->all);
	return NULL;
}

/* --- who it is -------------------------------------------------------------------------- */

static bool ended(const struct served *one)
{
	return proc_held_ended(one->who.pidfd);
}

static bool label_taken(const struct serve_watch *all, const struct served *by, const char *label)
{
	for (const struct served *one = all->servers; one; one = one->next)
		if (one != by && one->label && !strcmp(one->label, label))
			return true;
	return false;
}

/* A name that has none of the others': those that are there keep theirs. */
static char *free_label(const struct served *one)
{
	struct buf text = { 0 };
	size_t len;

	serve_identity_label(&text, &one->is, one->all->redact);
	len = text.len;
	for (int n = 2; label_taken(one->all, one, buf_str(&text)); n++) {
		text.len = len;
		buf_printf(&text, "#%d", n);
	}
	return text.data;
}

/* Does the user want just another one? */
static bool is_wanted(const struct options *o, const struct server_candidate *who)
{
	if (o->pid)
		return who->pid == o->pid;
	if (o->socket_path)
		return !strcmp(o->socket_path, who->socket);
	return !o->port || o->port == who->port;
}

/* May redmem take to it? Whoever can start a process of that name would be told the password. */
static int check_owner(const struct served *one, struct err *err)
{
	struct proc_status status;
	int64_t uid = one->is.section ? one->is.section->uid : -1;
	int ret;

	if (one->all->options->pid)
		return 0; /* the user has said so */
	if (uid < 0) {
		ret = target_trusted(one->who.pid, err);
		return ret == -EPERM ? err_set(err, ret,
					       "its process belongs to a user who may be anybody; "
					       "give it a section with uid = USER in redmem.conf") :
				       ret;
	}
	ret = proc_status_read(&status, one->who.pid, err);
	if (ret || status.uid == uid)
		return ret;
	return err_set(err, -EPERM,
		       "its process belongs to uid %lld, and server %s in %s has uid "
		       "%lld",
		       (long long)status.uid, one->is.section->name, one->config->path,
		       (long long)uid);
}

/* --- beginning and ending ---------------------------------------------------------------- */

static void set_options(struct served *one)
{
	const struct serve_server *section = one->is.section;
	const struct serve_config *config = one->config;
	struct options *o = &one->options;

	*o = *one->all->options;
	o->pid = one->who.pid;
	o->host = o->socket_path = NULL; /* found, and connected to as what is found */
	o->port = 0;
	if (isnan(o->threshold_ms))
		o->threshold_ms = config->threshold_ms;
	if (isnan(o->budget_percent))
		o->budget_percent = section && !isnan(section->budget_percent) ?
					    section->budget_percent :
					    config->budget_percent;
	if (!section)
		return;
	o->no_connect |= !section->connect;
	if (section->password) {
		o->user = section->user;
		o->password = section->password;
	}
	if (!section->tls)
		return;
	o->tls = true;
	o->tls_ca_cert = section->tls_ca_cert;
	o->tls_cert = section->tls_cert;
	o->tls_key = section->tls_key;
	o->tls_server_name = section->tls_server_name;
	o->tls_insecure = section->tls_insecure;
}

static void rest(struct served *one)
{
	char *why;

	one->pause_ns = one->pause_ns ? one->pause_ns * 2 : AGAIN_FIRST_NS;
	if (one->pause_ns > AGAIN_LAST_NS)
		one->pause_ns = AGAIN_LAST_NS;
	one->again_ns = clock_mono_ns() + one->pause_ns;
	why = redact_reason(one->all->redact, one->err.text);
	tell(one, SERVE_FAILED, why);
	free(why);
}

static void begin(struct served *one)
{
	one->err = (struct err){ 0 };
	one->begun = one->done = one->stop = false;
	one->attributed = one->connected = false;
	set_options(one);
	if (check_owner(one, &one->err)) {
		rest(one);
		return;
	}
	tell(one, SERVE_STARTING, "");
	one->chunker = chunker_new(CHUNK_SECONDS, take_chunk, one);
	one->chunks = chunker_sink(one->chunker);
	one->plan = (struct watch_plan){ .seconds = INFINITY,
					 .chunks = one->chunker,
					 .turn = turn,
					 .ctx = one,
					 .engine = one->all->engine };
	if (!thread_start_small(&one->thread, watch_one, one)) {
		one->running = true;
		one->all->begun++;
		return;
	}
	chunker_free(one->chunker);
	err_set(&one->err, -EAGAIN, "no thread can be started to watch it");
	rest(one);
}

static bool is_left_alone(const struct served *one)
{
	return (one->is.section && !one->is.section->watch) ||
	       !is_wanted(one->all->options, &one->who);
}

/* Under that name it is no more. */
static void unname(struct served *one)
{
	if (!one->label)
		return;
	tell(one, SERVE_GONE, "");
	serve_log("%s is gone", one->label);
	free(one->label);
	one->label = NULL;
	one->id = ++one->all->last_id;
}

/* Who it is, by the newest configuration. False when it is not to be watched now: it has no
 * address yet, or is left alone. */
static bool make_known(struct served *one)
{
	char *label;

	if (one->label && !one->moved && one->config == one->all->config)
		return true;
	if (!one->who.listeners_count || one->moved)
		target_listeners(&one->who);
	if (!one->who.listeners_count && clock_mono_ns() - one->found_ns < LISTEN_NS)
		return false;
	one->moved = false;
	one->config = one->all->config;
	serve_identify(&one->is, &one->who, one->config);
	if (is_left_alone(one)) {
		unname(one);
		one->again_ns = INT64_MAX; /* until the configuration is another one */
		return false;
	}
	label = free_label(one);
	if (one->label && !strcmp(one->label, label)) {
		free(label);
		return true;
	}
	unname(one);
	one->label = label;
	tell_server(one);
	return true;
}

static void forget(struct served *one)
{
	unname(one);
	target_release(&one->who);
	free(one);
}

/* Configurations that no watch uses any more hold passwords. */
static void free_old_configs(struct serve_watch *all)
{
	struct old_config **at = &all->old, *old;

	while ((old = *at)) {
		bool used = false;

		for (const struct served *one = all->servers; one; one = one->next)
			used |= one->config == old->config;
		if (used) {
			at = &old->next;
			continue;
		}
		*at = old->next;
		serve_config_free(old->config);
		free(old);
	}
}

/* Its watch is over. */
static void settle(struct served *one)
{
	bool failed = one->err.code;

	pthread_join(one->thread, NULL);
	one->running = false;
	serve_pass_free(one->pass);
	one->pass = NULL;
	if (ended(one))
		return;
	if (failed) {
		rest(one);
	} else {
		one->pause_ns = 0;
		one->again_ns = clock_mono_ns();
	}
}

/* One that is there and not watched: begin, if it is due and there is room. */
static void begin_if_due(struct served *one)
{
	if (clock_mono_ns() < one->again_ns || one->all->beginning >= BEGIN_MAX || !make_known(one))
		return;
	begin(one);
	one->all->beginning += one->running;
}

/* One has left: who found no room is tried again at once. */
static void room_again(struct serve_watch *all)
{
	for (struct served *one = all->servers; one; one = one->next)
		if (!one->running && one->err.code == -ENOSPC)
			one->again_ns = one->pause_ns = 0;
}

/* --- passes over the keys ----------------------------------------------------------------- */

static bool is_passing(const struct serve_watch *all)
{
	for (const struct served *one = all->servers; one; one = one->next)
		if (__atomic_load_n(&one->pass, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

static bool may_pass(const struct served *one)
{
	return one->running && __atomic_load_n(&one->begun, __ATOMIC_ACQUIRE) &&
	       !one->options.no_connect && (!one->is.section || one->is.section->keys);
}

/* One server after the other: begin that which is due for longest. */
static void pass_if_due(struct serve_watch *all)
{
	const struct serve_config *config = all->config;
	int64_t now_ms = clock_wall_ms();
	struct served *due = NULL;

	if (!config->keys_at)
		return;
	for (struct served *one = all->servers; one; one = one->next) {
		if (!one->pass_ms || one->pass_ms - now_ms > 2 * DAY_MS) /* or a clock went back */
			one->pass_ms = when_next(config->keys_at, now_ms);
		if (one->pass_ms <= now_ms && may_pass(one) &&
		    (!due || one->pass_ms < due->pass_ms))
			due = one;
	}
	if (!due || is_passing(all))
		return;
	due->pass_ms = when_next(config->keys_at, now_ms);
	__atomic_store_n(&due->pass, serve_pass_start(&due->options, config, due->label),
			 __ATOMIC_RELEASE);
}

void serve_watch_turn(struct serve_watch *all)
{
	struct served **at = &all->servers, *one;
	uint64_t count;

	if (read(all->wake_fd, &count, sizeof(count)) < 0)
		count = 0; /* not rung for */
	all->beginning = 0;
	for (one = all->servers; one; one = one->next)
		all->beginning += one->running && !__atomic_load_n(&one->begun, __ATOMIC_ACQUIRE) &&
				  !__atomic_load_n(&one->done, __ATOMIC_ACQUIRE);
	while ((one = *at)) {
		if (one->running && __atomic_load_n(&one->done, __ATOMIC_ACQUIRE))
			settle(one);
		if (!one->running && ended(one)) {
			*at = one->next;
			all->count--;
			all->over_id = 0;
			forget(one);
			room_again(all);
			serve_look_stir(all->look);
			continue;
		}
		if (!one->running)
			begin_if_due(one);
		at = &one->next;
	}
	pass_if_due(all);
	free_old_configs(all);
}

/* --- looking ---------------------------------------------------------------------------- */

static bool is_known(const struct serve_watch *all, pid_t pid)
{
	for (const struct served *one = all->servers; one; one = one->next)
		if (one->who.pid == pid && !ended(one))
			return true;
	return false;
}

/* A child of fork() that saves: for a moment it still has its parent's sockets. */
static bool is_child(const struct serve_watch *all, pid_t pid)
{
	struct proc_stat stat;

	return !proc_stat_read(&stat, pid, NULL) && is_known(all, stat.ppid);
}

/* Takes @who. */
static void add(struct serve_watch *all, const struct server_candidate *who)
{
	struct served **at = &all->servers, *one = xcalloc(1, sizeof(*one));

	one->all = all;
	one->id = ++all->last_id;
	one->who = *who;
	one->found_ns = clock_mono_ns();
	while (*at)
		at = &(*at)->next;
	*at = one;
	all->count++;
}

/* Has it another unit, container or address than when its watch began? Then it has another
 * name, too. */
static void look_over(struct served *one)
{
	struct server_candidate now = one->who;
	struct serve_identity is;

	if (!one->running || ended(one))
		return;
	target_listeners(&now);
	if (!now.listeners_count)
		return;
	serve_identify(&is, &now, one->config);
	if (serve_identity_same(&is, &one->is))
		return;
	one->moved = true;
	__atomic_store_n(&one->stop, true, __ATOMIC_RELAXED);
}

/* Of those that are watched the one behind that of @id; NULL behind the last. */
static struct served *watched_behind(const struct serve_watch *all, uint32_t id)
{
	struct served *next = NULL;

	for (struct served *one = all->servers; one; one = one->next)
		if (one->running && one->id > id && (!next || one->id < next->id))
			next = one;
	return next;
}

/* One after the other, so that it takes the same time however many there are. */
static void look_over_next(struct serve_watch *all)
{
	struct served *next;
	int64_t now = clock_mono_ns();

	if (now - all->over_ns < OVER_NS)
		return;
	all->over_ns = now;
	next = watched_behind(all, all->over_id);
	if (!next)
		next = watched_behind(all, 0);
	all->over_id = next ? next->id : 0;
	if (next)
		look_over(next);
}

static enum serve_found take_found(void *ctx, const struct server_candidate *who)
{
	struct serve_watch *all = ctx;

	if (is_child(all, who->pid)) /* or what stays of a server that goes into the background */
		return SERVE_FOUND_AGAIN;
	if (is_known(all, who->pid))
		return SERVE_FOUND_KNOWN;
	add(all, who);
	return SERVE_FOUND_NEW;
}

void serve_watch_look(struct serve_watch *all)
{
	look_over_next(all);
	serve_look(all->look, take_found, all);
}

/* --- all of it -------------------------------------------------------------------------- */

struct serve_watch *serve_watch_new(const struct options *o, struct serve_config *config,
				    struct engine *engine, struct serve_pipe *pipe)
{
	struct serve_watch *all = xcalloc(1, sizeof(*all));

	all->options = o;
	all->redact = redact_new_of(o);
	all->config = config;
	all->engine = engine;
	all->look = serve_look_new(engine);
	all->pipe = pipe;
	all->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return all;
}

int serve_watch_fd(const struct serve_watch *all)
{
	return all->wake_fd;
}

size_t serve_watch_count(const struct serve_watch *all)
{
	return all->count;
}

unsigned long serve_watch_begun(const struct serve_watch *all)
{
	return all->begun;
}

static bool same_number(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

void serve_watch_configure(struct serve_watch *all, struct serve_config *config)
{
	struct old_config *old = xcalloc(1, sizeof(*old));
	bool same = same_number(config->budget_percent, all->config->budget_percent) &&
		    same_number(config->threshold_ms, all->config->threshold_ms);

	*old = (struct old_config){ all->old, all->config };
	all->old = old;
	all->config = config;
	for (struct served *one = all->servers; one; one = one->next) {
		struct serve_identity is;

		one->pass_ms = 0;
		if (!one->running) {
			one->again_ns = one->pause_ns = 0;
			continue;
		}
		serve_identify(&is, &one->who, config);
		if (!same || !serve_identity_same(&is, &one->is))
			__atomic_store_n(&one->stop, true, __ATOMIC_RELAXED);
	}
	free_old_configs(all);
}

void serve_watch_free(struct serve_watch *all)
{
	struct served *one;

	for (one = all->servers; one; one = one->next)
		__atomic_store_n(&one->stop, true, __ATOMIC_RELAXED);
	while ((one = all->servers)) {
		if (one->running)
			pthread_join(one->thread, NULL);
		serve_pass_free(one->pass);
		all->servers = one->next;
		target_release(&one->who);
		free(one->label);
		free(one);
	}
	free_old_configs(all);
	serve_config_free(all->config);
	redact_free(all->redact);
	serve_look_free(all->look);
	close(all->wake_fd);
	free(all);
}
