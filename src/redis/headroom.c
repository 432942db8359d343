/* SPDX-License-Identifier: BSD-2-Clause */
/* Sparing a server near its maxmemory; see headroom.h. */
#include "redis/headroom.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "redis/info.h"

void headroom_clear(struct headroom *room)
{
	info_free(room->used);
	buf_free(&room->withheld);
	*room = (struct headroom){ 0 };
}

/* What was used once stays so: CONFIG RESETSTAT gives a histogram's memory back, and the
 * next use takes no more than that. */
static void remember(struct headroom *room, const char *field)
{
	if (!room->used)
		room->used = info_parse("");
	if (!info_get(room->used, field))
		info_set(room->used, field, "");
}

static void learn_memory(struct headroom *room, const struct info *info)
{
	int64_t used = info_int(info, "used_memory"), max = info_int(info, "maxmemory");
	int64_t aside = info_int(info, "mem_not_counted_for_evict");

	if (used < 0 || max < 0)
		return;
	room->known = true;
	room->near = max > 0 && used > max - HEADROOM_BYTES;
	room->above = max > 0 && used - (aside > 0 ? aside : 0) > max;
	room->max_bytes = max;
}

/* A replica leaves it to its master, unless it was told otherwise (replica-ignore-maxmemory): one
 * that is above its limit and has thrown out nothing yet does so, and is asked all. */
static bool ignores_limit(const struct headroom *room)
{
	return room->above && room->replica && room->keeps;
}

void headroom_learn(struct headroom *room, const struct info *info)
{
	const char *role = info_get(info, "role");
	int64_t evicted = info_int(info, "evicted_keys");

	learn_memory(room, info);
	if (role)
		room->replica = !strcmp(role, "slave");
	if (evicted >= 0)
		room->keeps = evicted == 0;
	room->tight = !room->off && room->near && !ignores_limit(room);
	for (size_t i = 0; i < info_count(info); i++)
		if (!strncmp(info_name_at(info, i), "cmdstat_", strlen("cmdstat_")))
			remember(room, info_name_at(info, i));
}

/* Its field in commandstats. */
static void field_of(char field[64], const char *name)
{
	snprintf(field, 64, "cmdstat_%s", name);
	for (; *field; field++)
		*field = (char)tolower((unsigned char)*field);
}

void headroom_sent(struct headroom *room, const char *name)
{
	char field[64];

	field_of(field, name);
	if (*name)
		remember(room, field);
}

static bool is_used(const struct headroom *room, const char *name)
{
	char field[64];

	field_of(field, name);
	if (info_get(room->used, field))
		return true;
	field[strcspn(field, "|")] = 0; /* before 7.0 subcommands are not told apart */
	return info_get(room->used, field);
}

static void withhold(struct headroom *room, const char *command)
{
	const char *had = buf_str(&room->withheld), *name;
	char field[64];

	field_of(field, command);
	name = field + strlen("cmdstat_");
	if (!strstr(had, name))
		buf_printf(&room->withheld, "%s%s", *had ? ", " : "", name);
}

bool headroom_may(struct headroom *room, const char *name)
{
	bool big = !strcmp(name, "memory|malloc-stats");

	if (!room->tight || !strcmp(name, "info") || !strcmp(name, "memory|purge") ||
	    (!big && room->used && is_used(room, name)))
		return true;
	withhold(room, name);
	return false;
}

const char *headroom_withheld(const struct headroom *room)
{
	return buf_str(&room->withheld);
}

int headroom_error(const struct headroom *room, const char *what, struct err *err)
{
	return err_set(err, -EDQUOT,
		       "%s: not asked: the server is within 4 MB of its maxmemory and has not used "
		       "%s before, which would take 24 KB each; give it room meanwhile: CONFIG SET "
		       "maxmemory %lld",
		       what, headroom_withheld(room),
		       (long long)room->max_bytes + 2 * HEADROOM_BYTES);
}
