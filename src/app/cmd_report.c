/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem report: the diagnosis of a time that is over, out of the history of `redmem serve`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/past.h"
#include "app/print.h"
#include "app/profile_file.h"
#include "app/when.h"
#include "base/clock.h"
#include "base/escape.h"
#include "history/history.h"

#define LENGTH "10m"

/* --- the report --------------------------------------------------------------------------- */

static void say_what_is_missing(const struct history_span *span)
{
	if (span->more_sessions)
		log_msg(LOG_WARN,
			"it was restarted in that time, the server or redmem: this is of the "
			"longest part without");
}

static int print_past(const struct options *o, struct history *history, struct redact *redact,
		      struct err *err)
{
	struct history_span span;
	int64_t from_ms = 0, to_ms = 0;
	struct model *m = NULL;
	char *server = NULL, *label;
	int ret = when_stretch(&from_ms, &to_ms, o->past.at,
			       o->past.length ? o->past.length : LENGTH, clock_wall_ms(), err);

	if (!ret)
		ret = past_server(history, o->past.server, redact, &server, err);
	if (!ret)
		ret = history_model(history, server, from_ms, to_ms, &m, &span, err);
	if (ret) {
		free(server);
		return ret;
	}
	say_what_is_missing(&span);
	ret = print_report(o, &print_doctor, m);
	label = redact_text(redact, server);
	if (profile_file_of(o, m, label))
		ret = 1;
	model_free(m);
	free(label);
	free(server);
	return ret;
}

/* --- the last minutes before a death ------------------------------------------------------ */

#define WINDOW_MS    10000
#define LAST_MS	     600000LL
#define CHANGES_ROWS 10

struct found_death {
	struct history_death death; /* strings owned */
	char *server, *cause, *detail;
};

static void take_death(void *ctx, const struct history_death *death)
{
	struct found_death *found = ctx;

	found->death = *death;
	found->death.server = found->server = xstrdup(death->server);
	found->death.cause = found->cause = xstrdup(death->cause);
	found->death.detail = found->detail = xstrdup(death->detail);
}

static int print_death(const struct options *o, const struct report_death *death)
{
	struct report_style style = print_style(o);
	struct print_said said = {};

	if (print_wants_text(o))
		report_death_text(&said.text, death, &style);
	if (print_wants_document(o))
		report_death_json(&said.document, death);
	return print_said(o, &said);
}

static int report_death(const struct options *o, struct history *history, struct redact *redact,
			const struct history_death *death, struct err *err)
{
	struct history_death shown = *death;
	struct past_changes changes = {};
	struct history_span span;
	struct findings *f = NULL;
	struct model *m;
	int ret =
		history_model_until(history, death->server, death->at_ms, LAST_MS, &m, &span, err);

	if (ret)
		return ret;
	/* From the first window to the one before that in which it died: of that one nobody was
	 * asked at the end. */
	ret = past_changes_read(&changes, history, redact, death->server, span.start_ms + 1,
				death->at_ms - WINDOW_MS, 1, CHANGES_ROWS, err);
	if (!ret) {
		f = diagnose(m);
		shown.server = changes.label;
		ret = print_death(o, &(struct report_death){ &shown, &changes.said, m, f });
	}
	findings_free(f);
	past_changes_free(&changes);
	model_free(m);
	return ret;
}

static int print_last_death(const struct options *o, struct history *history, struct redact *redact,
			    struct err *err)
{
	struct found_death found = {};
	char *server = NULL;
	int ret = o->past.server ? past_server(history, o->past.server, redact, &server, err) : 0;

	if (!ret)
		ret = history_last_death(history, server, take_death, &found, err);
	if (!ret)
		ret = report_death(o, history, redact, &found.death, err);
	free(server);
	free(found.server);
	free(found.cause);
	free(found.detail);
	return ret;
}

int cmd_report(const struct options *o)
{
	struct redact *redact = redact_new_of(o);
	struct history *history;
	struct err err = {};
	int ret = past_open(&history, o, redact, &err);

	if (!ret) {
		ret = o->past.last_death ? print_last_death(o, history, redact, &err) :
					   print_past(o, history, redact, &err);
		history_close(history);
	}
	redact_free(redact);
	return ret < 0 ? print_failure(&err) : ret;
}
