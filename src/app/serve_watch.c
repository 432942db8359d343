/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers of the host and a watch of each; see serve_watch.h. */
#include "app/serve_watch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/redact.h"
#include "app/serve_log.h"
#include "app/serve_look.h"
#include "app/serve_pass.h"
#include "app/served.h"
#include "app/when.h"
#include "base/clock.h"
#include "host/proc.h"

#define DAY_MS 86400000LL
/* So many watches begin at once: each takes a server some milliseconds, and redmem more. */
#define BEGIN_MAX 6
/* A server that listens nowhere yet is given so long to: its address is what it is named by. */
#define LISTEN_NS 5000000000LL
/* Between two looks at all that one of the servers listens on, however quiet it is: one takes as
 * long as there are sockets. */
#define OVER_NS 10000000000LL

/* A configuration that some watch may still use. */
struct old_config {
	struct old_config *next;
	struct serve_config *config;
};

struct serve_watch {
	struct serve_common common; /* its redact and wake_fd are ours */
	struct serve_config *config;
	struct old_config *old;
	struct served *servers; /* oldest first */
	size_t beginning; /* watches that have not begun to see */
	unsigned long begun; /* watches so far */
	struct serve_look *look;
	uint32_t last_id;
	uint32_t over_id; /* the server that was looked over last */
	int64_t over_ns; /* and when */
};

/* --- who it is -------------------------------------------------------------------------- */

/* Who has that name beside @by; NULL = nobody. */
static const struct served *named(const struct serve_watch *all, const struct served *by,
				  const char *label)
{
	for (const struct served *one = all->servers; one; one = one->next)
		if (one != by && one->label && !strcmp(one->label, label))
			return one;
	return NULL;
}

/* A name that none of the others has: those that are there keep theirs. NULL while one that has
 * ended has it still: a server that comes again is to have the name it had. */
static char *free_label(const struct serve_watch *all, const struct served *one)
{
	const struct served *owner;
	struct buf text = { 0 };
	size_t len;

	serve_identity_label(&text, &one->is, all->common.redact);
	len = text.len;
	for (int n = 2; (owner = named(all, one, buf_str(&text))); n++) {
		if (served_ended(owner)) {
			buf_free(&text);
			return NULL;
		}
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

static bool is_left_alone(const struct served *one)
{
	return (one->is.section && !one->is.section->watch) ||
	       !is_wanted(one->common->options, &one->who);
}

/* Under that name it is no more. */
static void unname(struct serve_watch *all, struct served *one)
{
	if (!one->label)
		return;
	served_tell(one, SERVE_GONE, "");
	serve_log("%s is gone", one->label);
	free(one->label);
	one->label = NULL;
	one->id = ++all->last_id;
}

/* Who it is, by the newest configuration. False when it is not to be watched now: it has no
 * address yet, its name is not free yet, or it is left alone. */
static bool make_known(struct serve_watch *all, struct served *one)
{
	char *label;

	if (!one->moved && target_moved(&one->who)) {
		one->moved = true; /* another program, perhaps, that begins */
		one->found_ns = clock_mono_ns();
	}
	if (one->label && !one->moved && one->config == all->config)
		return true;
	if (!one->who.listeners_count || one->moved)
		target_listeners(&one->who);
	if (!one->who.listeners_count && clock_mono_ns() - one->found_ns < LISTEN_NS)
		return false;
	one->moved = false;
	one->config = all->config;
	serve_identify(&one->is, &one->who, one->config);
	if (is_left_alone(one)) {
		unname(all, one);
		one->again_ns = INT64_MAX; /* until the configuration is another one */
		return false;
	}
	label = free_label(all, one);
	if (!label)
		return false;
	if (one->label && !strcmp(one->label, label)) {
		free(label);
		return true;
	}
	unname(all, one);
	one->label = label;
	served_introduce(one);
	return true;
}

static void forget(struct serve_watch *all, struct served *one)
{
	unname(all, one);
	served_free(one);
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

/* One that is there and not watched: begin, if it is due and there is room. */
static void begin_if_due(struct serve_watch *all, struct served *one)
{
	if (clock_mono_ns() < one->again_ns || all->beginning >= BEGIN_MAX || !make_known(all, one))
		return;
	served_begin(one);
	all->beginning += one->running;
	all->begun += one->running;
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

	if (read(all->common.wake_fd, &count, sizeof(count)) < 0)
		count = 0; /* not rung for */
	all->beginning = 0;
	for (one = all->servers; one; one = one->next)
		all->beginning += one->running && !__atomic_load_n(&one->begun, __ATOMIC_ACQUIRE) &&
				  !__atomic_load_n(&one->done, __ATOMIC_ACQUIRE);
	while ((one = *at)) {
		if (one->running && __atomic_load_n(&one->done, __ATOMIC_ACQUIRE))
			served_settle(one);
		if (!one->running && served_ended(one)) {
			*at = one->next;
			all->over_id = 0;
			forget(all, one);
			room_again(all);
			serve_look_stir(all->look);
			continue;
		}
		if (!one->running)
			begin_if_due(all, one);
		at = &one->next;
	}
	pass_if_due(all);
	free_old_configs(all);
}

/* --- looking ---------------------------------------------------------------------------- */

static bool is_known(const struct serve_watch *all, pid_t pid)
{
	for (const struct served *one = all->servers; one; one = one->next)
		if (one->who.pid == pid && !served_ended(one))
			return true;
	return false;
}

/* It may have become a server only now, by exec(). */
static void try_again(struct serve_watch *all, pid_t pid)
{
	for (struct served *one = all->servers; one; one = one->next)
		if (one->who.pid == pid && !one->running && one->err.code)
			one->again_ns = one->pause_ns = 0;
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

	one->common = &all->common;
	one->id = ++all->last_id;
	one->who = *who;
	one->found_ns = clock_mono_ns();
	while (*at)
		at = &(*at)->next;
	*at = one;
}

/* Has it another unit, container or address than when its watch began? Then it has another
 * name, too. */
static void look_over(struct served *one)
{
	struct server_candidate now = one->who;
	struct serve_identity is;

	if (!one->running || served_ended(one))
		return;
	target_listeners(&now);
	if (!now.listeners_count)
		return;
	serve_identify(&is, &now, one->config);
	if (serve_identity_same(&is, &one->is)) {
		one->who = now;
		return;
	}
	one->moved = true;
	served_stop(one);
}

/* One that has closed what it listened on is looked at again at once. */
static void follow_move(struct served *one)
{
	if (!target_moved(&one->who))
		return;
	if (one->running)
		look_over(one);
	else
		one->again_ns = 0;
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
	if (is_known(all, who->pid)) {
		try_again(all, who->pid);
		return SERVE_FOUND_KNOWN;
	}
	add(all, who);
	return SERVE_FOUND_NEW;
}

void serve_watch_look(struct serve_watch *all)
{
	for (struct served *one = all->servers; one; one = one->next)
		follow_move(one);
	look_over_next(all);
	serve_look(all->look, take_found, all);
}

/* --- all of it -------------------------------------------------------------------------- */

struct serve_watch *serve_watch_new(const struct options *o, struct serve_config *config,
				    struct engine *engine, struct serve_pipe *pipe)
{
	struct serve_watch *all = xcalloc(1, sizeof(*all));

	all->common = (struct serve_common){ o, redact_new_of(o), engine, pipe,
					     eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	all->config = config;
	all->look = serve_look_new(engine);
	return all;
}

int serve_watch_fd(const struct serve_watch *all)
{
	return all->common.wake_fd;
}

size_t serve_watch_count(const struct serve_watch *all)
{
	size_t count = 0;

	for (const struct served *one = all->servers; one; one = one->next) {
		struct served seen = { .common = one->common, .who = one->who };

		serve_identify(&seen.is, &seen.who, all->config);
		count += !is_left_alone(&seen);
	}
	return count;
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
			served_stop(one);
	}
	free_old_configs(all);
}

void serve_watch_free(struct serve_watch *all)
{
	struct served *one;

	for (one = all->servers; one; one = one->next)
		served_stop(one);
	while ((one = all->servers)) {
		all->servers = one->next;
		served_free(one);
	}
	free_old_configs(all);
	serve_config_free(all->config);
	redact_free(all->common.redact);
	serve_look_free(all->look);
	close(all->common.wake_fd);
	free(all);
}
