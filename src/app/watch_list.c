/* SPDX-License-Identifier: BSD-2-Clause */
/* Every server of the host in a thread of its own; see watch_list.h. */
#include "app/watch_list.h"

#include <errno.h>
#include <stdlib.h>

#include "app/confine.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"
#include "host/elf.h"
#include "host/proc.h"
#include "sensor/engine.h"

#define ROOM_FOR_MORE 16 /* servers that may start while others are watched */

static void *watch_one(void *ctx)
{
	struct watched *one = ctx;

	if (!watch_plan_run(&one->options, &one->plan, &one->sink, &one->err))
		one->err.code = 0;
	elf_thread_end();
	__atomic_store_n(&one->done, true, __ATOMIC_RELEASE);
	return NULL;
}

bool watched_start(struct watched *one)
{
	one->done = false;
	one->running = !thread_start(&one->thread, watch_one, one);
	if (!one->running)
		err_set(&one->err, -EAGAIN, "no thread can be started to watch it");
	return one->running;
}

bool watched_done(const struct watched *one)
{
	return !one->running || __atomic_load_n(&one->done, __ATOMIC_ACQUIRE);
}

/* Takes @who. */
static void add(struct watch_list *list, const struct server_candidate *who)
{
	struct watched *one = xcalloc(1, sizeof(*one));

	one->who = *who;
	one->options = *list->options;
	one->options.pid = who->pid;
	one->plan.engine = list->engine;
	if (!list->prepare(list->ctx, one)) {
		target_release(&one->who);
		free(one);
		return;
	}
	one->next = list->servers;
	list->servers = one;
	list->count++;
	/* Whoever can start a process of that name would be told the password. */
	if (!target_trusted(who->pid, &one->err))
		watched_start(one);
}

static bool is_watched(const struct watch_list *list, pid_t pid)
{
	for (const struct watched *one = list->servers; one; one = one->next)
		if (one->who.pid == pid && !proc_held_ended(one->who.pidfd))
			return true;
	return false;
}

void watch_list_look(struct watch_list *list)
{
	struct server_candidate *found;
	size_t count;

	if (target_list_new(&list->look, &found, &count, NULL))
		return;
	for (size_t i = 0; i < count; i++) {
		if (is_watched(list, found[i].pid))
			target_release(&found[i]);
		else
			add(list, &found[i]);
	}
	list->looked_ns = clock_mono_ns();
	free(found);
}

bool watch_list_done(const struct watch_list *list)
{
	for (const struct watched *one = list->servers; one; one = one->next)
		if (!watched_done(one))
			return false;
	return true;
}

void watch_list_join(struct watch_list *list)
{
	for (struct watched *one = list->servers; one; one = one->next) {
		if (one->running)
			pthread_join(one->thread, NULL);
		one->running = false;
	}
}

/* How many servers are there now, and room for as many as may come. */
static size_t room_wanted(void)
{
	struct server_candidate *list;
	size_t count = 0;

	if (!target_list(&list, &count, NULL)) {
		for (size_t i = 0; i < count; i++)
			target_release(&list[i]);
		free(list);
	}
	count += ROOM_FOR_MORE;
	return count < ENGINE_SERVERS_MAX ? count : ENGINE_SERVERS_MAX;
}

int watch_list_open(struct watch_list *list, bool frugal, struct err *err)
{
	const struct engine_config machine = {
		.servers = room_wanted(),
		.wanted = list->options->sensors,
		.disabled = list->options->no_bpf,
		.stacks = list->options->stacks,
		.frugal = frugal,
		.thread_begins = confine_thread,
	};

	return engine_open(&list->engine, &machine, err);
}

void watch_list_close(struct watch_list *list)
{
	while (list->servers) {
		struct watched *one = list->servers;

		list->servers = one->next;
		target_release(&one->who);
		free(one);
	}
	engine_close(list->engine);
	target_look_free(&list->look);
}
