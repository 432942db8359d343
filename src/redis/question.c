/* SPDX-License-Identifier: BSD-2-Clause */
#include "redis/question.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define REASON_COLUMNS 200

/* --- reasons ------------------------------------------------------------- */

/* Forget the reason of @label: it has answered, or has a newer reason. */
static void reason_drop(struct snapshot *snapshot, const char *label)
{
	size_t len = strlen(label);

	for (size_t i = 0; i < snapshot->reasons_count; i++) {
		char *reason = snapshot->reasons[i];

		if (strncmp(reason, label, len) != 0 || reason[len] != ':')
			continue;
		free(reason);
		snapshot->reasons[i] = snapshot->reasons[--snapshot->reasons_count];
		return;
	}
}

static void reason_keep(struct snapshot *snapshot, const char *label, const char *text)
{
	struct buf reason = { 0 };

	reason_drop(snapshot, label);
	if (snapshot->reasons_count == REASONS_MAX)
		return;
	buf_printf(&reason, "%s: ", label);
	escape_terminal(&reason, text, strlen(text), REASON_COLUMNS);
	snapshot->reasons[snapshot->reasons_count++] = xstrdup(buf_str(&reason));
	buf_free(&reason);
}

/* --- asking -------------------------------------------------------------- */

void sections_free(struct sections *sections)
{
	if (!sections)
		return;
	buf_free(&sections->text);
	free(sections);
}

bool question_is_info_alone(const struct question *q)
{
	return !strcmp(q->phase, "tick") || !strcmp(q->phase, "event");
}

/* Is it (a part of) the INFO of a tick? */
static bool is_tick(const struct question *q)
{
	return !strcmp(q->phase, "tick") || (!strcmp(q->phase, "window") && q->sections);
}

/* The last part of what a tick asks is in, or lost. */
static void tick_done(struct snapshot *snapshot, bool answered, double seconds)
{
	snapshot->tick_pending = false;
	snapshot->tick_seconds = answered ? seconds : NAN;
}

static void replied(void *ctx, redisReply *reply, double seconds)
{
	struct question *q = ctx;
	struct snapshot *snapshot = q->snapshot;

	if (is_tick(q) &&
	    (!reply || reply->type == REDIS_REPLY_ERROR || !q->sections || !*q->sections->next))
		tick_done(snapshot, reply, seconds);
	q->t_seconds += seconds;
	q->reply_seconds = seconds;
	if (reply && reply->type == REDIS_REPLY_ERROR)
		reason_keep(snapshot, q->label, reply->str);
	else if (reply && !q->take(q, reply))
		reason_keep(snapshot, q->label, "the reply was not understood");
	else if (reply)
		reason_drop(snapshot, q->label);
	if (reply && q->next)
		q->next(q, reply);
	sections_free(q->sections);
	snapshot->pending--;
	freeReplyObject(reply);
	free(q);
}

int question_ask(const struct question *like, const char *line)
{
	struct question *q = xcalloc(1, sizeof(*q));
	int rc;

	*q = *like;
	rc = conn_send_line(q->conn, replied, q, line);
	if (!rc)
		like->snapshot->pending++;
	else if (rc == CONN_WITHHELD && q->next)
		q->next(q, NULL);
	if (rc)
		free(q);
	return rc == CONN_WITHHELD ? 0 : rc;
}
