/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem history: what happened to the servers that `redmem serve` watches. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/past.h"
#include "app/print.h"
#include "app/when.h"
#include "base/array.h"
#include "base/clock.h"
#include "history/history.h"
#include "report/events.h"

#define SINCE "-24h"
/* Lines of a report: the newest. */
#define EVENTS_MAX 10000
/* Shorter stalls are not listed, unless all is asked for. */
#define STALL_SECONDS 0.1

struct collected {
	struct redact *redact; /* NULL = names are shown */
	bool notes; /* findings that are none to act on, and short stalls, too */
	struct report_events said;
	size_t next; /* of the ring that said.events is */
};

static void event_free(struct history_event *e)
{
	free((char *)e->server);
	free((char *)e->kind);
	free((char *)e->id);
	free((char *)e->text);
}

static void take_event(void *ctx, const struct history_event *event)
{
	struct collected *c = ctx;
	struct history_event *own, shown = *event;
	struct buf label = { 0 };

	if (!c->notes && (!strcmp(event->severity, severity_name(SEVERITY_INFO)) ||
			  (!strcmp(event->kind, "stall") && event->seconds < STALL_SECONDS)))
		return;
	if (c->said.count == EVENTS_MAX) {
		own = &c->said.events[c->next];
		c->next = (c->next + 1) % EVENTS_MAX;
		c->said.left_out++;
		event_free(own);
	} else {
		c->said.events = array_grow(c->said.events, c->said.count, sizeof(*own));
		own = &c->said.events[c->said.count++];
	}
	past_hide_event(c->redact, &shown, &label);
	*own = shown;
	own->server = xstrdup(shown.server);
	own->kind = xstrdup(shown.kind);
	own->id = xstrdup(shown.id);
	own->text = xstrdup(shown.text);
	buf_free(&label);
}

/* The ring from its oldest on. */
static void straighten(struct collected *c)
{
	struct history_event *rows;

	if (!c->next)
		return;
	rows = xcalloc(c->said.count, sizeof(*rows));
	for (size_t i = 0; i < c->said.count; i++)
		rows[i] = c->said.events[(c->next + i) % c->said.count];
	free(c->said.events);
	c->said.events = rows;
}

static void take_server(void *ctx, const struct history_server *server)
{
	struct collected *c = ctx;
	struct report_events *said = &c->said;

	said->servers = array_grow(said->servers, said->servers_count, sizeof(*server));
	said->servers[said->servers_count] = *server;
	said->servers[said->servers_count++].label = redact_text(c->redact, server->label);
}

static void collected_free(struct collected *c)
{
	for (size_t i = 0; i < c->said.count; i++)
		event_free(&c->said.events[i]);
	for (size_t i = 0; i < c->said.servers_count; i++)
		free((char *)c->said.servers[i].label);
	free(c->said.events);
	free(c->said.servers);
}

static int read_span(const struct options *o, struct report_events *said, struct err *err)
{
	int64_t now_ms = clock_wall_ms();
	int ret = when_parse(&said->from_ms, o->past.since ? o->past.since : SINCE, now_ms, err);

	said->to_ms = now_ms;
	if (!ret && o->past.until)
		ret = when_parse(&said->to_ms, o->past.until, now_ms, err);
	if (!ret && said->from_ms > said->to_ms)
		ret = err_set(err, -EINVAL,
			      "history: it ends (--until) before it begins (--since)");
	return ret;
}

static int collect(const struct options *o, struct collected *c, struct err *err)
{
	struct history *history;
	char *server = NULL;
	int ret = read_span(o, &c->said, err);

	if (ret)
		return ret;
	ret = past_open(&history, o, c->redact, err);
	if (ret)
		return ret;
	ret = history_servers(history, take_server, c, err);
	if (!ret && o->past.server)
		ret = past_server(history, o->past.server, c->redact, &server, err);
	if (!ret)
		ret = history_events(history, server, c->said.from_ms, c->said.to_ms, take_event, c,
				     err);
	history_close(history);
	free(server);
	straighten(c);
	return ret;
}

int cmd_history(const struct options *o)
{
	struct report_style style = print_style(o);
	struct collected c = { .redact = redact_new_of(o), .notes = o->json || o->verbose };
	struct buf out = {};
	struct err err = {};
	int ret;

	if (collect(o, &c, &err)) {
		ret = print_failure(&err);
	} else {
		if (o->json)
			report_events_json(&out, &c.said);
		else
			report_events_text(&out, &c.said, &style);
		ret = print_out(&out);
	}
	buf_free(&out);
	collected_free(&c);
	redact_free(c.redact);
	return ret;
}
