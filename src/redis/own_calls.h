/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands redmem itself has the server execute, by name, so that they can
 * be taken out of the server's commandstats: redmem must not find itself. One
 * counter serves all of a run's connections, also those of reconnects.
 */
#pragma once

#include <stdbool.h>

#include "fact/fact.h"

struct own_calls;

struct own_calls *own_calls_new(void);
void own_calls_free(struct own_calls *calls);

/*
 * Write the name commandstats has for this command line into @name, cut at
 * @size: lower case, containers with their subcommand ("config|get").
 */
void own_calls_name(char *name, size_t size, int argc, const char **argv);
/* Count one executed command. */
void own_calls_add(struct own_calls *calls, const char *name);
/* What own_calls_emit() counts begins here. */
void own_calls_mark(struct own_calls *calls);
/*
 * A FACT_OWN_CALLS for each name called since the mark. @subcommands: the
 * server's commandstats tell them apart ("config|get", from 7.0 on), else they
 * are added up under their container ("config").
 */
void own_calls_emit(const struct own_calls *calls, bool subcommands, const struct fact_sink *sink);
