/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands about the history have in common. */
#pragma once

#include "app/options.h"
#include "app/redact.h"
#include "history/history.h"
#include "report/changes.h"

/* Open it for reading, without names in its records where there is a @redact, as of all below:
 * NULL = names are shown. */
int past_open(struct history **history, const struct options *o, struct redact *redact,
	      struct err *err);

/* The label of the server that is meant: @given (also as it is shown), or the only one there is;
 * *out is the caller's. -ENOENT when it is none of them, -EINVAL with
 * the names when there are several. */
int past_server(struct history *history, const char *given, struct redact *redact, char **out,
		struct err *err);

/* The times of when_parse(), in milliseconds since 1970, that changes are between. -EINVAL with a
 * line when one is none, or @before is not before @after. */
int past_two_times(int64_t *from_ms, int64_t *to_ms, const char *before, const char *after,
		   struct err *err);

/* Of what happened no names, which are in its text: of a finding that becomes what it means. The
 * label is written to @label, which must outlive @event. */
void past_hide_event(struct redact *redact, struct history_event *event, struct buf *label);

/* The changes from a minute or so before @from_ms to one before @to_ms, to be reported. */
struct past_changes {
	struct report_changes said;
	struct model *before, *after; /* the caller may give them away */
	struct redact *redact;
	char *label; /* of the server, as it is shown */
};

/* How long each of two times is: what the server is asked at its end, and how busy it was. */
#define PAST_EACH_MS 60000

/* @each_ms: how long the time before each is that is compared; 1 = the very window. */
int past_changes_read(struct past_changes *changes, struct history *history, struct redact *redact,
		      const char *server, int64_t from_ms, int64_t to_ms, int64_t each_ms,
		      size_t top, struct err *err);
void past_changes_free(struct past_changes *changes);
/* `redmem diff` of two times. */
int past_diff(const struct options *o);
/* Are the two things to be compared times of the history, and no files? */
bool past_is_asked(const struct options *o);
