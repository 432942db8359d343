/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server says of itself at both ends of the window: INFO, its settings, and what
 * it counted for each command and each kind of error, without what redmem itself asked; its
 * replicas; which sensors were on.
 * A command's count is the exact number beside the sampled ones. Lines are
 * cmdstat_NAME:calls=N,usec=N,...; a subcommand's name is "config|get" (Redis src/server.c,
 * genRedisInfoString).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "model/private.h"

/* --- INFO, settings, sensors ------------------------------------------------- */

const char *model_config(const struct model *m, const char *name)
{
	return info_get(m->config, name);
}

int64_t model_info_end(const struct model *m, const char *field)
{
	return info_int(m->info_end, field);
}

int64_t model_info_start(const struct model *m, const char *field)
{
	return info_int(m->info_start, field);
}

int64_t model_info_delta(const struct model *m, const char *field)
{
	int64_t start = model_info_start(m, field), end = model_info_end(m, field);

	/* One reply is no window. */
	if (m->priv->info_replies < 2 || start < 0 || end < start)
		return RECORD_UNKNOWN;
	return end - start;
}

const struct record_held *model_held(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->held_count; i++)
		if (!strcmp(m->held[i].held.name, name))
			return &m->held[i].held;
	return NULL;
}

bool model_sensor_on(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->sensors_count; i++)
		if (!strcmp(m->sensors[i].sensor.id, id))
			return m->sensors[i].sensor.on;
	return false;
}

/* --- counters of commands ---------------------------------------------------- */

#define CMDSTAT "cmdstat_"

/* NULL when @field is no cmdstat line. */
static const char *command_of(const char *field)
{
	size_t len = strlen(CMDSTAT);

	return strncmp(field, CMDSTAT, len) ? NULL : field + len;
}

static int64_t stat_int(const struct info *info, const char *field, const char *key)
{
	const char *value = info_get(info, field);

	return value ? info_sub_int(value, key) : RECORD_UNKNOWN;
}

/* A command, or an error, has no line before its first time. */
static int64_t delta_from(const struct info *before, const struct model *m, const char *field,
			  const char *key)
{
	int64_t end = stat_int(m->info_end, field, key);
	int64_t start = info_get(before, field) ? stat_int(before, field, key) : 0;

	return end < start || start < 0 ? RECORD_UNKNOWN : end - start;
}

static int64_t delta(const struct model *m, const char *field, const char *key)
{
	return delta_from(m->priv->stats_start, m, field, key);
}

/* CONFIG RESETSTAT or a restart in the window: a line went back or is gone. Then
 * no difference means anything, also where it happens to be positive. */
static bool was_reset(const struct model *m)
{
	const struct info *before = m->priv->stats_start;

	for (size_t i = 0; i < info_count(before); i++) {
		const char *field = info_name_at(before, i);

		if (command_of(field) && delta(m, field, "calls") == RECORD_UNKNOWN)
			return true;
	}
	return false;
}

void commandstats_check(struct model *m)
{
	struct model_private *p = m->priv;

	p->commandstats_usable = p->stats_start && p->info_replies > 1 && !was_reset(m);
}

/* @name as in record_own_calls. */
static int64_t own_calls(const struct model *m, const char *name)
{
	int64_t calls = info_int(m->priv->own_calls, name);

	return calls > 0 ? calls : 0;
}

/* What is left of @n without redmem's @own. */
static int64_t without(int64_t n, int64_t own)
{
	return n > own ? n - own : 0;
}

static struct commandstat read_stat(const struct model *m, const char *command)
{
	struct commandstat stat = { command, RECORD_UNKNOWN, NAN };
	int64_t own = own_calls(m, command), usec;
	struct buf field = { 0 };

	buf_printf(&field, CMDSTAT "%s", command);
	stat.calls_total = delta(m, buf_str(&field), "calls");
	usec = delta(m, buf_str(&field), "usec");
	buf_free(&field);
	if (stat.calls_total == RECORD_UNKNOWN)
		return stat;
	stat.calls_total = without(stat.calls_total, own);
	/* The server does not say which part of the time was for our calls. */
	if (usec != RECORD_UNKNOWN && (!own || !stat.calls_total))
		stat.usec_total = stat.calls_total ? (double)usec : 0;
	return stat;
}

struct commandstat commandstats_of(const struct model *m, const char *command)
{
	if (*command && m->priv->commandstats_usable)
		return read_stat(m, command);
	return (struct commandstat){ command, RECORD_UNKNOWN, NAN };
}

void commandstats_each(const struct model *m, void (*each)(void *ctx, const char *command),
		       void *ctx)
{
	if (!m->priv->commandstats_usable)
		return;
	for (size_t i = 0; i < info_count(m->info_end); i++) {
		const char *command = command_of(info_name_at(m->info_end, i));

		if (command && *command && read_stat(m, command).calls_total > 0)
			each(ctx, command);
	}
}

/* --- errors ------------------------------------------------------------------ */

#define ERRORSTAT "errorstat_"

static int errors_compare(const void *a, const void *b)
{
	const struct error_row *x = a, *y = b;

	if (x->replies_total != y->replies_total)
		return x->replies_total > y->replies_total ? -1 : 1;
	return strcmp(x->error, y->error);
}

static int refusals_compare(const void *a, const void *b)
{
	const struct refusal_row *x = a, *y = b;
	int64_t of_x = sum_of(x->rejected_total, x->failed_total);
	int64_t of_y = sum_of(y->rejected_total, y->failed_total);

	if (of_x != of_y)
		return of_x > of_y ? -1 : 1;
	return strcmp(x->command, y->command);
}

/* Ticks have them, too: a window that was told nothing where it ended counted up to its last. */
static int64_t errors_delta(const struct model *m, const char *field)
{
	return delta_from(m->info_start, m, field, "count");
}

static bool is_errorstat(const char *field)
{
	return !strncmp(field, ERRORSTAT, strlen(ERRORSTAT));
}

/* Both ends have the section, and no line went back: CONFIG RESETSTAT, a restart. */
static bool errors_usable(const struct model *m)
{
	if (!m->priv->errors_at_start || !m->priv->errors_at_end || m->priv->info_replies < 2)
		return false;
	for (size_t i = 0; i < info_count(m->info_start); i++) {
		const char *field = info_name_at(m->info_start, i);

		if (is_errorstat(field) && errors_delta(m, field) == RECORD_UNKNOWN)
			return false;
	}
	return true;
}

static void add_error(struct model *m, const char *field)
{
	int64_t replies = errors_delta(m, field);
	struct error_row *row;

	replies = replies == RECORD_UNKNOWN ? 0 : without(replies, own_calls(m, field));
	if (!replies)
		return;
	m->errors = array_grow(m->errors, m->errors_count, sizeof(*m->errors));
	row = &m->errors[m->errors_count++];
	row->error = intern_string(m->priv->keep, field + strlen(ERRORSTAT));
	row->replies_total = replies;
}

/* Servers count what redmem asked in vain as rejected or as failed, by its reason. */
static void add_refusal(struct model *m, const char *field)
{
	int64_t rejected = delta(m, field, "rejected_calls");
	int64_t failed = delta(m, field, "failed_calls");
	struct refusal_row *row;
	struct buf name = { 0 };
	int64_t own;

	if (rejected == RECORD_UNKNOWN || failed == RECORD_UNKNOWN)
		return;
	buf_printf(&name, "refused %s", command_of(field));
	own = own_calls(m, buf_str(&name));
	buf_free(&name);
	failed = without(failed, without(own, rejected));
	rejected = without(rejected, own);
	if (!rejected && !failed)
		return;
	m->refusals = array_grow(m->refusals, m->refusals_count, sizeof(*m->refusals));
	row = &m->refusals[m->refusals_count++];
	row->command = intern_string(m->priv->keep, command_of(field));
	row->rejected_total = rejected;
	row->failed_total = failed;
}

void errors_finish(struct model *m)
{
	m->have_errors = errors_usable(m);
	for (size_t i = 0; i < info_count(m->info_end); i++) {
		const char *field = info_name_at(m->info_end, i);

		if (m->have_errors && is_errorstat(field))
			add_error(m, field);
		else if (m->priv->commandstats_usable && command_of(field))
			add_refusal(m, field);
	}
	if (m->errors_count)
		qsort(m->errors, m->errors_count, sizeof(*m->errors), errors_compare);
	if (m->refusals_count)
		qsort(m->refusals, m->refusals_count, sizeof(*m->refusals), refusals_compare);
}

int64_t model_errors(const struct model *m, const char *error)
{
	for (size_t i = 0; i < m->errors_count; i++)
		if (!strcmp(m->errors[i].error, error))
			return m->errors[i].replies_total;
	return m->have_errors ? 0 : RECORD_UNKNOWN;
}

/* --- replicas ---------------------------------------------------------------- */

/* A line of INFO for each; nobody has a thousand. */
#define REPLICAS_MAX 1000

/* @seconds of writes that @bytes are; NAN. */
static double seconds_of(const struct model *m, int64_t bytes)
{
	double rate = m->replication.write_bytes_per_second;

	return bytes != RECORD_UNKNOWN && rate > 0 ? (double)bytes / rate : NAN;
}

static char *part(struct model *m, const char *line, const char *key)
{
	size_t len = 0;
	const char *text = info_sub_text(line, key, &len);
	char *copy = xmemdup(text ? text : "", text ? len : 0), *kept;

	kept = intern_string(m->priv->keep, copy);
	free(copy);
	return kept;
}

/* "ip=10.0.0.2,port=6379,state=online,offset=1200,lag=1" (Redis src/server.c). */
static void add_replica(struct model *m, const char *line)
{
	int64_t offset = info_sub_int(line, "offset"), port = info_sub_int(line, "port");
	int64_t master = model_info_end(m, "master_repl_offset");
	struct buf address = { 0 };
	struct replica_row *row;

	m->replicas = array_grow(m->replicas, m->replicas_count, sizeof(*m->replicas));
	row = &m->replicas[m->replicas_count++];
	buf_printf(&address, "%s:%lld", part(m, line, "ip"),
		   port != RECORD_UNKNOWN ? (long long)port : 0);
	row->address = intern_string(m->priv->keep, buf_str(&address));
	buf_free(&address);
	row->state = part(m, line, "state");
	row->lag_seconds = info_sub_int(line, "lag");
	row->behind_bytes = RECORD_UNKNOWN;
	/* Until it is online it has acknowledged nothing. */
	if (!strcmp(row->state, "online") && offset >= 0 && master >= offset)
		row->behind_bytes = master - offset;
	row->behind_seconds = seconds_of(m, row->behind_bytes);
}

void replication_finish(struct model *m)
{
	int64_t written = model_info_delta(m, "master_repl_offset");
	struct replication *r = &m->replication;

	r->write_bytes_per_second = written != RECORD_UNKNOWN && m->duration_seconds > 0 ?
					    (double)written / m->duration_seconds :
					    NAN;
	r->backlog_bytes = model_info_end(m, "repl_backlog_active") == 1 ?
				   model_info_end(m, "repl_backlog_size") :
				   RECORD_UNKNOWN;
	r->backlog_seconds = seconds_of(m, r->backlog_bytes);
	for (int i = 0; i < REPLICAS_MAX; i++) {
		char name[32];
		const char *line;

		snprintf(name, sizeof(name), "slave%d", i);
		line = info_get(m->info_end, name);
		if (line && strchr(line, '='))
			add_replica(m, line);
		else if (i >= model_info_end(m, "connected_slaves"))
			break;
	}
}
