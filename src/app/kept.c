/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers that the keeper knows, and their windows; see kept.h. */
#include "app/kept.h"

#include <stdlib.h>
#include <string.h>

#include "app/serve_log.h"
#include "base/clock.h"
#include "diagnose/diagnose.h"
#include "model/chunk.h"
#include "model/window.h"

#define SERVERS_MAX 4096 /* that the watcher may name at once; it watches far fewer */
#define GONE_NS	    300000000000LL /* a server that is gone is told of for so long... */
#define FOUND_NS    60000000000LL /* ...and what was found of it: any scrape has seen it */

/* One server, as the watcher names it. */
struct kept {
	struct kept *next;
	uint32_t id; /* 0 = gone */
	char *label, *address;
	enum serve_state state;
	char *reason;
	int64_t gone_ns;
	struct kept_all *all;
	struct windows *windows; /* NULL = the next chunk begins anew */
	const struct chunk *chunk; /* that is being replayed */
	bool given; /* its window has come */
	struct model *m; /* the newest window's; NULL = none yet */
	struct findings *f;
	int64_t window_end_ms;
};

static struct kept *find(const struct kept_all *all, uint32_t id)
{
	for (struct kept *one = all->first; one && id; one = one->next)
		if (one->id == id)
			return one;
	return NULL;
}

/* --- a window --------------------------------------------------------------------------- */

static void keep_window(struct kept *one, int64_t start_ms, int64_t end_ms)
{
	const struct history_window window = { one->label, start_ms, end_ms,
					       one->chunk, one->m,   one->f };
	struct err err = {};

	if (one->all->history && history_append(one->all->history, &window, &err))
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
	metrics_take(one->all->metrics, one->label, one->m, one->f);
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
		windows_open(one->windows, KEPT_WINDOW_SECONDS, take_window, one);
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

void kept_chunk(struct kept_all *all, uint32_t id, const struct wire_chunk *wire)
{
	struct kept *one = find(all, id);
	struct chunk chunk;
	struct err err = {};

	if (!one)
		return;
	if (chunk_open(&chunk, wire->data, wire->len, &err) || replay(one, &chunk, &err)) {
		serve_log("%s: a window is lost: %s", one->label, err.text);
		all->lost++;
		end_windows(one);
	}
	one->chunk = NULL;
}

/* --- servers ---------------------------------------------------------------------------- */

void kept_note(struct kept_all *all, const char *label, const char *event, const char *detail)
{
	struct err err = {};

	if (all->history && history_note(all->history, label, clock_wall_ms(), event, detail, &err))
		serve_log("history: %s", err.text);
}

static void forget(struct kept_all *all, struct kept **at)
{
	struct kept *one = *at;

	*at = one->next;
	all->count--;
	end_windows(one);
	findings_free(one->f);
	model_free(one->m);
	free(one->label);
	free(one->address);
	free(one->reason);
	free(one);
}

/* What was known of it before redmem was started. */
static void recall(struct kept_all *all, const char *label)
{
	struct outlook *outlook = metrics_outlook(all->metrics, label);
	struct err err = {};

	if (all->history && outlook_is_empty(outlook) &&
	    history_outlook(all->history, label, clock_wall_ms(), outlook, &err))
		serve_log("history: %s", err.text);
}

void kept_server(struct kept_all *all, uint32_t id, const struct wire_server *server)
{
	struct kept **at = &all->first, *one;
	bool again = false;

	while ((one = *at) && strcmp(one->label, server->label) != 0)
		at = &one->next;
	if (one) {
		again = true;
		forget(all, at);
	}
	if (all->count == SERVERS_MAX || find(all, id))
		return;
	one = xcalloc(1, sizeof(*one));
	one->id = id;
	one->label = xstrdup(server->label);
	one->address = xstrdup(server->address);
	one->reason = xstrdup("");
	one->all = all;
	for (at = &all->first; *at; at = &(*at)->next)
		;
	*at = one;
	all->count++;
	recall(all, one->label);
	if (again)
		metrics_restarted(all->metrics, one->label);
	kept_note(all, one->label, again ? "restarted" : "started", one->address);
}

void kept_state(struct kept_all *all, uint32_t id, const struct wire_state *state)
{
	bool up = state->state != SERVE_GONE && state->state != SERVE_FAILED;
	struct kept *one = find(all, id);
	struct err err = {};

	if (!one)
		return;
	one->state = state->state;
	free(one->reason);
	one->reason = xstrdup(state->reason);
	metrics_state(all->metrics, one->label, serve_state_name(state->state), up);
	if (state->state != SERVE_GONE)
		return;
	one->id = 0;
	one->gone_ns = clock_mono_ns();
	end_windows(one);
	kept_note(all, one->label, "gone", "");
	if (all->history && history_gone(all->history, one->label, clock_wall_ms(), &err))
		serve_log("history: %s", err.text);
}

void kept_age(struct kept_all *all)
{
	struct kept **at = &all->first, *one;

	while ((one = *at)) {
		int64_t gone_ns = one->state == SERVE_GONE ? clock_mono_ns() - one->gone_ns : 0;

		if (gone_ns >= FOUND_NS) /* alerts have seen them by now */
			metrics_end_findings(all->metrics, one->label);
		if (gone_ns < GONE_NS) {
			at = &one->next;
			continue;
		}
		metrics_forget(all->metrics, one->label);
		forget(all, at);
	}
}

void kept_lost(struct kept_all *all, uint32_t id)
{
	struct kept *one = find(all, id);

	if (one)
		end_windows(one);
}

void kept_each(const struct kept_all *all,
	       void (*take)(void *take_ctx, const struct web_server *server), void *take_ctx)
{
	for (const struct kept *one = all->first; one; one = one->next) {
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

void kept_free(struct kept_all *all)
{
	while (all->first)
		forget(all, &all->first);
}
