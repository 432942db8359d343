/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What redmem itself has the server count: commands by name, errors by their prefix,
 * lookups of keys. It is taken out of what INFO tells, so that redmem does not find
 * itself. One counter serves all of a run's connections, also those of reconnects.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

#include "record/record.h"

struct own_calls;

struct own_calls *own_calls_new(void);
void own_calls_free(struct own_calls *calls);

/*
 * Write the name commandstats has for this command line into @name, cut at
 * @size: lower case, containers with their subcommand ("config|get").
 */
void own_calls_name(char *name, size_t size, int argc, const char **argv);

/* Where INFO tells it, and as which field names own_calls_emit() gives it. */
enum own_kind {
	OWN_COMMANDS, /* commandstats; "config|get" for cmdstat_config|get */
	OWN_ERRORS, /* errorstats; "errorstat_NOPERM" */
	OWN_LOOKUPS, /* stats; "keyspace_hits", "keyspace_misses" */
	OWN_KINDS,
};

/* Count one executed command, and the lookup its reply shows it to have made. */
void own_calls_add(struct own_calls *calls, const char *name);
void own_calls_lookup(struct own_calls *calls, const char *name, const redisReply *reply);
/* Count a refused one by its error, "NOPERM this user has no permissions...", and among
 * the commands as "refused NAME". */
void own_calls_error(struct own_calls *calls, const char *name, const char *error);

/* Does this part of INFO have what is counted as @kind? */
bool own_calls_told(enum own_kind kind, const char *info);
/* What own_calls_emit() counts begins here. */
void own_calls_mark(struct own_calls *calls, enum own_kind kind);
/*
 * A RECORD_OWN_CALLS like @like (its time and phase) for each name counted since the mark.
 * @subcommands: the server's commandstats tell them apart ("config|get", from 7.0 on),
 * else they are added up under their container ("config").
 */
void own_calls_emit(const struct own_calls *calls, enum own_kind kind, bool subcommands,
		    const struct record_own_calls *like, const struct record_sink *sink);
