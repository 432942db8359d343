/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server says of itself at both ends of the window: INFO, its settings, and what
 * it counted for each command, without what redmem itself asked; which sensors were on.
 * A command's count is the exact number beside the sampled ones. Lines are
 * cmdstat_NAME:calls=N,usec=N,...; a subcommand's name is "config|get" (Redis src/server.c,
 * genRedisInfoString).
 */
#include <math.h>
#include <string.h>

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

/* A command has no line before its first call. */
static int64_t delta(const struct model *m, const char *field, const char *key)
{
	int64_t end = stat_int(m->info_end, field, key);
	int64_t start = info_get(m->info_start, field) ? stat_int(m->info_start, field, key) : 0;

	return end < start || start < 0 ? RECORD_UNKNOWN : end - start;
}

/* CONFIG RESETSTAT or a restart in the window: a line went back or is gone. Then
 * no difference means anything, also where it happens to be positive. */
static bool was_reset(const struct model *m)
{
	for (size_t i = 0; i < info_count(m->info_start); i++) {
		const char *field = info_name_at(m->info_start, i);

		if (command_of(field) && delta(m, field, "calls") == RECORD_UNKNOWN)
			return true;
	}
	return false;
}

void commandstats_check(struct model *m)
{
	struct model_private *p = m->priv;

	p->commandstats_usable = p->info_start_full && p->info_replies > 1 && !was_reset(m);
}

static int64_t own_calls(const struct model *m, const char *command)
{
	int64_t calls = info_int(m->priv->own_calls, command);

	return calls > 0 ? calls : 0;
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
	stat.calls_total = stat.calls_total > own ? stat.calls_total - own : 0;
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
