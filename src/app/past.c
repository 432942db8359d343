/* SPDX-License-Identifier: BSD-2-Clause */
/* Two times of the history, and which server they are of; see past.h. */
#include "app/past.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/print.h"
#include "app/redact_words.h"
#include "app/when.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/escape.h"
#include "diagnose/explain.h"

#define GROWTHS	  1000
#define DIFF_ROWS 15

static struct record_sink hide_names(void *ctx, const struct record_sink *next)
{
	return redact_sink(ctx, next);
}

int past_open(struct history **history, const struct options *o, struct redact *redact,
	      struct err *err)
{
	int ret = history_open_reader(history, o->past.state, err);

	if (!ret && redact)
		history_filter(*history, hide_names, redact);
	return ret;
}

void past_hide_event(struct redact *redact, struct history_event *event, struct buf *label)
{
	const char *meaning = strcmp(event->kind, "finding") ? NULL : explain(event->id);
	char *shown;

	if (!redact)
		return;
	shown = redact_text(redact, event->server);
	buf_clear(label);
	buf_puts(label, shown);
	free(shown);
	event->server = buf_str(label);
	event->text = meaning ? meaning : "";
}

/* --- which server ------------------------------------------------------------------------- */

struct labels {
	struct redact *redact;
	const char *given; /* NULL = none */
	struct buf list; /* "cache1, cache2" */
	char *first, *meant;
	size_t count, left_out; /* of the list */
};

static void take_label(void *ctx, const struct history_server *server)
{
	struct labels *labels = ctx;
	char *shown = redact_text(labels->redact, server->label);

	if (!labels->count++)
		labels->first = xstrdup(server->label);
	if (labels->given && !labels->meant &&
	    (!strcmp(labels->given, shown) || !strcmp(labels->given, server->label)))
		labels->meant = xstrdup(server->label);
	if (labels->list.len <= 200) {
		buf_puts(&labels->list, labels->count > 1 ? ", " : "");
		escape_terminal(&labels->list, shown, strlen(shown), 60);
	} else {
		labels->left_out++;
	}
	free(shown);
}

int past_server(struct history *history, const char *given, struct redact *redact, char **out,
		struct err *err)
{
	struct labels labels = { .redact = redact, .given = given };
	int ret;

	ret = history_servers(history, take_label, &labels, err);
	if (!ret && !labels.count)
		ret = err_set(err, -ENOENT, "the history is empty: nothing has been watched yet");
	if (!ret && given && !labels.meant)
		ret = err_set(err, -ENOENT,
			      "history: nothing is kept of a server '%s'; `redmem history` names "
			      "those there are",
			      given);
	if (labels.left_out)
		buf_printf(&labels.list, " and %zu more, which `redmem history` names",
			   labels.left_out);
	if (!ret && !given && labels.count > 1)
		ret = err_set(err, -EINVAL, "which server? say --server; there are %s",
			      buf_str(&labels.list));
	if (!ret)
		*out = xstrdup(given ? labels.meant : labels.first);
	free(labels.first);
	free(labels.meant);
	buf_free(&labels.list);
	return ret;
}

/* --- which times -------------------------------------------------------------------------- */

int past_two_times(int64_t *from_ms, int64_t *to_ms, const char *before, const char *after,
		   struct err *err)
{
	int64_t now_ms = clock_wall_ms();
	int ret = when_parse(from_ms, before, now_ms, err);

	if (!ret)
		ret = when_parse(to_ms, after, now_ms, err);
	if (!ret && *from_ms >= *to_ms)
		ret = err_set(err, -EINVAL, "%s is not before %s: name the earlier time first",
			      before, after);
	return ret;
}

/* --- what changed --------------------------------------------------------------------------- */

static char *shown_name(struct redact *redact, const struct history_growth *growth)
{
	struct buf name = { 0 };
	char *shown;

	if (!redact)
		return xstrdup(growth->name);
	redact_words(redact_names_of(redact), &name, growth->prefix ? SAYS_NAME : SAYS_COMMAND,
		     growth->name);
	shown = xstrdup(buf_str(&name));
	buf_free(&name);
	return shown;
}

static void take_growth(void *ctx, const struct history_growth *growth)
{
	struct past_changes *changes = ctx;
	struct report_changes *said = &changes->said;
	struct report_growth **rows = growth->prefix ? &said->prefixes : &said->commands;
	size_t *count = growth->prefix ? &said->prefixes_count : &said->commands_count;

	*rows = array_grow(*rows, *count, sizeof(**rows));
	(*rows)[(*count)++] = (struct report_growth){ shown_name(changes->redact, growth),
						      growth->alloc_bytes, growth->free_bytes };
}

/* The minute before; where nothing is kept of it, the one after. */
static int model_at(struct history *history, const char *server, int64_t at_ms, int64_t each_ms,
		    struct model **out, struct err *err)
{
	int ret = history_model(history, server, at_ms - each_ms, at_ms, out, NULL, err);

	if (ret == -ENOENT)
		ret = history_model(history, server, at_ms, at_ms + each_ms, out, NULL, err);
	return ret;
}

int past_changes_read(struct past_changes *changes, struct history *history, struct redact *redact,
		      const char *server, int64_t from_ms, int64_t to_ms, int64_t each_ms,
		      size_t top, struct err *err)
{
	int ret;

	*changes = (struct past_changes){ .redact = redact, .label = redact_text(redact, server) };
	changes->said.server = changes->label;
	changes->said.top = top;
	ret = model_at(history, server, from_ms, each_ms, &changes->before, err);
	if (!ret)
		ret = model_at(history, server, to_ms, each_ms, &changes->after, err);
	if (!ret)
		ret = history_growth(history, server, from_ms, to_ms, GROWTHS, take_growth, changes,
				     err);
	changes->said.before = changes->before;
	changes->said.after = changes->after;
	return ret;
}

static void growth_free(struct report_growth *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(rows[i].name);
	free(rows);
}

void past_changes_free(struct past_changes *changes)
{
	growth_free(changes->said.prefixes, changes->said.prefixes_count);
	growth_free(changes->said.commands, changes->said.commands_count);
	model_free(changes->before);
	model_free(changes->after);
	free(changes->label);
}

/* --- `redmem diff` of two times -------------------------------------------------------------- */

bool past_is_asked(const struct options *o)
{
	int64_t now_ms = clock_wall_ms(), ms;

	for (size_t i = 0; i < o->rdb.count; i++)
		if (!access(o->rdb.inputs[i].name, F_OK) ||
		    when_parse(&ms, o->rdb.inputs[i].name, now_ms, NULL))
			return false;
	return o->rdb.count == 2;
}

static int print_changes(const struct options *o, const struct report_changes *changes)
{
	struct report_style style = print_style(o);
	struct print_said said = {};

	if (print_wants_text(o))
		report_changes_text(&said.text, changes, &style);
	if (print_wants_document(o))
		report_changes_json(&said.document, changes);
	return print_said(o, &said);
}

static int compare(const struct options *o, struct history *history, struct redact *redact,
		   struct err *err)
{
	int64_t from_ms = 0, to_ms = 0;
	struct past_changes changes = {};
	char *server = NULL;
	int ret =
		past_two_times(&from_ms, &to_ms, o->rdb.inputs[0].name, o->rdb.inputs[1].name, err);

	if (!ret)
		ret = past_server(history, o->past.server, redact, &server, err);
	if (!ret)
		ret = past_changes_read(&changes, history, redact, server, from_ms, to_ms,
					PAST_EACH_MS, DIFF_ROWS, err);
	if (!ret)
		ret = print_changes(o, &changes.said);
	past_changes_free(&changes);
	free(server);
	return ret;
}

int past_diff(const struct options *o)
{
	struct redact *redact = redact_new_of(o);
	struct history *history;
	struct err err = {};
	int ret = past_open(&history, o, redact, &err);

	if (!ret) {
		ret = compare(o, history, redact, &err);
		history_close(history);
	}
	redact_free(redact);
	return ret < 0 ? print_failure(&err) : ret;
}
