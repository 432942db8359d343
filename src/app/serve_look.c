/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking for servers; see serve_look.h. */
#include "app/serve_look.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/elf.h"
#include "sensor/engine.h"

/* Looks each second for so long after something happened of that kind; else so far apart. */
#define STIR_NS	 30000000000LL
#define APART_NS 5000000000LL

/* Which memory a process has: another after exec(). */
struct process {
	pid_t pid;
	uint64_t memory;
};

struct processes {
	struct process *list; /* by pid */
	size_t count, room;
};

struct serve_look {
	struct engine *engine;
	uint32_t programs; /* engine_servers_begun() */
	int64_t stirred_ns, at_ns; /* when something of that kind happened; the last look */
	struct target_look seen;
	struct processes before, now; /* of the host, at the last look and at this one */
};

struct serve_look *serve_look_new(struct engine *engine)
{
	struct serve_look *look = xcalloc(1, sizeof(*look));

	look->engine = engine;
	return look;
}

void serve_look_free(struct serve_look *look)
{
	if (!look)
		return;
	target_look_free(&look->seen);
	free(look->before.list);
	free(look->now.list);
	free(look);
}

void serve_look_stir(struct serve_look *look)
{
	look->stirred_ns = clock_mono_ns();
}

static int compare_processes(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void take_process(void *ctx, pid_t pid, uint64_t memory)
{
	struct processes *now = &((struct serve_look *)ctx)->now;

	if (now->count == now->room) {
		now->room = now->room ? 2 * now->room : 256;
		now->list = xrealloc(now->list, now->room * sizeof(*now->list));
	}
	now->list[now->count++] = (struct process){ pid, memory };
}

/* A process that was there long ago may become a server: a script that waits, then exec(). */
static void look_at_execs(struct serve_look *look)
{
	struct processes old = look->before;

	look->now.count = 0;
	if (engine_each_process(look->engine, take_process, look) < 0)
		return;
	qsort(look->now.list, look->now.count, sizeof(*look->now.list), compare_processes);
	for (size_t i = 0, j = 0; i < look->now.count; i++) {
		const struct process *now = &look->now.list[i];

		while (j < old.count && old.list[j].pid < now->pid)
			j++;
		if (j < old.count && old.list[j].pid == now->pid &&
		    old.list[j].memory != now->memory)
			target_look_again(&look->seen, now->pid);
	}
	look->before = look->now;
	look->now = old;
}

static bool look_is_due(struct serve_look *look)
{
	int64_t now = clock_mono_ns();
	uint32_t programs;

	if (!engine_servers_begun(look->engine, &programs)) {
		look->stirred_ns = now;
	} else if (programs != look->programs) {
		look->programs = programs;
		look->stirred_ns = now;
	}
	if (now - look->stirred_ns > STIR_NS && now - look->at_ns < APART_NS)
		return false;
	look->at_ns = now;
	return true;
}

void serve_look(struct serve_look *look,
		enum serve_found (*take)(void *ctx, const struct server_candidate *who), void *ctx)
{
	struct server_candidate *list;
	size_t count;

	if (!look_is_due(look))
		return;
	look_at_execs(look);
	if (target_list_new(&look->seen, &list, &count, NULL))
		return;
	for (size_t i = 0; i < count; i++) {
		enum serve_found found = take(ctx, &list[i]);

		if (found == SERVE_FOUND_AGAIN)
			target_look_again(&look->seen, list[i].pid);
		if (found != SERVE_FOUND_NEW)
			target_release(&list[i]);
	}
	free(list);
	elf_thread_end(); /* one for each container that was looked into */
}
