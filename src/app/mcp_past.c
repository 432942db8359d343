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

static struct record_sink hide_names(void *ctx, const struct record_sink *next)
{
	return redact_sink(ctx, next);
}

static int past_open(const struct mcp_call *call, struct history **history, struct err *err)
{
	int ret = history_open_reader(history, call->options->past.state, err);

	if (!ret && call->redact)
		history_filter(*history, hide_names, call->redact);
	return ret;
}

/* The label that is meant, or NULL where none is named. */
static const char *label(const struct mcp_call *call)
{
	const char *server = mcp_text(call, "server");

	return server ? server : call->options->past.server;
}

static int read_time(const struct mcp_call *call, const char *name, const char *otherwise,
		     int64_t *ms, struct err *err)
{
	const char *text = mcp_text(call, name);

	return when_parse(ms, text ? text : otherwise, clock_wall_ms(), err);
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
		ret = past_open(call, &history, err);
	if (ret)
		return ret;
	ret = past_server(history, label(call), &server, err);
	if (!ret)
		ret = history_model(history, server, from_ms, to_ms, out, NULL, err);
	history_close(history);
	free(server);
	return ret;
}

/* --- servers ------------------------------------------------------------------------------- */

static void take_server(void *ctx, const struct history_server *server)
{
	put_last(ctx, json_history_server(server));
}

json_t *mcp_past_servers(const struct mcp_call *call)
{
	json_t *rows = json_array();
	struct history *history;
	struct err err = {};
	int ret = past_open(call, &history, &err);

	if (!ret) {
		ret = history_servers(history, take_server, rows, &err);
		history_close(history);
	}
	if (!ret)
		return rows;
	json_decref(rows);
	return value_text(err.text);
}

/* --- what happened -------------------------------------------------------------------------- */

struct collected {
	json_t *rows;
	size_t most;
	int64_t left_out; /* older ones */
	bool redact;
};

static void take_event(void *ctx, const struct history_event *event)
{
	struct collected *c = ctx;
	json_t *row = json_history_event(event);

	if (c->redact) /* it may name keys */
		put(row, "text", json_null());
	put_last(c->rows, row);
	if (json_array_size(c->rows) <= c->most)
		return;
	json_array_remove(c->rows, 0);
	c->left_out++;
}

json_t *mcp_past_events(const struct mcp_call *call, struct err *err)
{
	struct collected c = { .rows = json_array(), .redact = call->redact };
	int64_t from_ms = 0, to_ms = 0;
	struct history *history;
	json_t *o;
	int ret = read_time(call, "from", SINCE, &from_ms, err);

	c.most = (size_t)mcp_number(call, "limit", EVENTS_DEFAULT);
	if (!ret)
		ret = read_time(call, "to", "now", &to_ms, err);
	if (!ret)
		ret = past_open(call, &history, err);
	if (!ret) {
		ret = history_events(history, label(call), from_ms, to_ms, take_event, &c, err);
		history_close(history);
	}
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

static void hide_prefixes(const struct redact *redact, struct report_changes *said)
{
	for (size_t i = 0; i < said->prefixes_count; i++) {
		struct buf name = {};

		redact_name(redact, &name, said->prefixes[i].name, strlen(said->prefixes[i].name));
		free(said->prefixes[i].name);
		said->prefixes[i].name = xstrdup(buf_str(&name));
		buf_free(&name);
	}
}

static json_t *changes_of(const struct mcp_call *call, struct history *history, int64_t from_ms,
			  int64_t to_ms, struct err *err)
{
	struct past_changes changes = {};
	char *server = NULL;
	json_t *o = NULL;
	int ret = past_server(history, label(call), &server, err);

	if (!ret)
		ret = past_changes_read(&changes, history, server, from_ms, to_ms, PAST_EACH_MS,
					CHANGES_ROWS, err);
	if (!ret && call->redact)
		hide_prefixes(call->redact, &changes.said);
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
	int ret = read_time(call, "before", SINCE, &from_ms, err);

	if (!ret)
		ret = read_time(call, "after", "now", &to_ms, err);
	if (!ret)
		ret = past_open(call, &history, err);
	if (ret)
		return NULL;
	o = changes_of(call, history, from_ms, to_ms, err);
	history_close(history);
	return o;
}
