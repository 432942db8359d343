/* SPDX-License-Identifier: BSD-2-Clause */
/* The history, as tools of `redmem mcp`; see mcp_past.h. */
#include "app/mcp_past.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/past.h"
#include "app/redact.h"
#include "app/when.h"
#include "base/clock.h"
#include "history/history.h"
#include "report/changes.h"
#include "report/events.h"
#include "report/json.h"

#define LENGTH	       "10m"
#define SINCE	       "-24h"
#define EVENTS_DEFAULT 100
#define CHANGES_ROWS   15

/* The label that is meant, or NULL where none is named. */
static const char *label(const struct mcp_call *call)
{
	const char *server = mcp_text(call, "server");

	return server ? server : call->options->past.server;
}

static const char *text_or(const struct mcp_call *call, const char *name, const char *otherwise)
{
	const char *text = mcp_text(call, name);

	return text ? text : otherwise;
}

/* --- a time as a model --------------------------------------------------------------------- */

int mcp_past_model(const struct mcp_call *call, struct model **out, struct err *err)
{
	const char *length = mcp_text(call, "for");
	int64_t from_ms = 0, to_ms = 0;
	struct history *history;
	char *server = NULL;
	int ret = when_stretch(&from_ms, &to_ms, mcp_text(call, "at"), length ? length : LENGTH,
			       clock_wall_ms(), err);

	*out = NULL;
	if (!ret)
		ret = past_open(&history, call->options, call->redact, err);
	if (ret)
		return ret;
	ret = past_server(history, label(call), call->redact, &server, err);
	if (!ret)
		ret = history_model(history, server, from_ms, to_ms, out, NULL, err);
	history_close(history);
	free(server);
	return ret;
}

/* --- servers ------------------------------------------------------------------------------- */

struct servers {
	json_t *rows;
	struct redact *redact;
};

static void take_server(void *ctx, const struct history_server *server)
{
	const struct servers *servers = ctx;
	struct history_server shown = *server;
	char *label = redact_text(servers->redact, server->label);

	shown.label = label;
	put_last(servers->rows, json_history_server(&shown));
	free(label);
}

json_t *mcp_past_servers(const struct mcp_call *call)
{
	struct servers servers = { json_array(), call->redact };
	struct history *history;
	struct err err = {};
	int ret = past_open(&history, call->options, call->redact, &err);

	if (!ret) {
		ret = history_servers(history, take_server, &servers, &err);
		history_close(history);
	}
	if (!ret)
		return servers.rows;
	json_decref(servers.rows);
	return value_text(err.text);
}

/* --- what happened -------------------------------------------------------------------------- */

struct collected {
	json_t *rows;
	size_t most;
	int64_t left_out; /* older ones */
	struct redact *redact;
};

static void take_event(void *ctx, const struct history_event *event)
{
	struct collected *c = ctx;
	struct history_event shown = *event;
	struct buf label = { 0 };

	past_hide_event(c->redact, &shown, &label);
	put_last(c->rows, json_history_event(&shown));
	buf_free(&label);
	if (json_array_size(c->rows) <= c->most)
		return;
	json_array_remove(c->rows, 0);
	c->left_out++;
}

static int read_span(const struct mcp_call *call, int64_t *from_ms, int64_t *to_ms, struct err *err)
{
	int64_t now_ms = clock_wall_ms();
	int ret = when_parse(from_ms, text_or(call, "from", SINCE), now_ms, err);

	if (!ret)
		ret = when_parse(to_ms, text_or(call, "to", "now"), now_ms, err);
	if (!ret && *from_ms > *to_ms)
		ret = err_set(err, -EINVAL, "history: it ends (to) before it begins (from)");
	return ret;
}

json_t *mcp_past_events(const struct mcp_call *call, struct err *err)
{
	struct collected c = { .rows = json_array(), .redact = call->redact };
	int64_t from_ms = 0, to_ms = 0;
	struct history *history;
	char *server = NULL;
	json_t *o;
	int ret = read_span(call, &from_ms, &to_ms, err);

	c.most = (size_t)mcp_number(call, "limit", EVENTS_DEFAULT);
	if (!ret)
		ret = past_open(&history, call->options, call->redact, err);
	if (!ret) {
		if (label(call))
			ret = past_server(history, label(call), call->redact, &server, err);
		if (!ret)
			ret = history_events(history, server, from_ms, to_ms, take_event, &c, err);
		history_close(history);
	}
	free(server);
	if (ret) {
		json_decref(c.rows);
		return NULL;
	}
	o = json_object();
	put(o, "events", c.rows);
	put(o, "left_out_total", value_int(c.left_out));
	return o;
}

/* --- what changed --------------------------------------------------------------------------- */

static json_t *changes_of(const struct mcp_call *call, struct history *history, int64_t from_ms,
			  int64_t to_ms, struct err *err)
{
	struct past_changes changes = {};
	char *server = NULL;
	json_t *o = NULL;
	int ret = past_server(history, label(call), call->redact, &server, err);

	if (!ret)
		ret = past_changes_read(&changes, history, call->redact, server, from_ms, to_ms,
					PAST_EACH_MS, CHANGES_ROWS, err);
	if (!ret)
		o = json_changes(&changes.said);
	past_changes_free(&changes);
	free(server);
	return o;
}

json_t *mcp_past_diff(const struct mcp_call *call, struct err *err)
{
	int64_t from_ms = 0, to_ms = 0;
	struct history *history;
	json_t *o = NULL;
	int ret = past_two_times(&from_ms, &to_ms, text_or(call, "before", SINCE),
				 text_or(call, "after", "now"), err);

	if (!ret)
		ret = past_open(&history, call->options, call->redact, err);
	if (ret)
		return NULL;
	o = changes_of(call, history, from_ms, to_ms, err);
	history_close(history);
	return o;
}
