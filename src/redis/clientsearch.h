/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients with most memory among very many. CLIENT LIST of all would hold the server for as
 * long as there are clients, so they are asked for by id, some at a time: CLIENT LIST ID (6.2 and
 * later) looks each id up in a tree (src/networking.c, lookupClientByID()) and costs by the ids
 * asked and the clients found, which are bounded, and not by the clients there are.
 *
 * Ids are given out in order and never again. A search goes from both ends of them, the newest
 * and the oldest, as what leaks memory has been there for long or has just come. It is made only
 * where the server's own count says that its clients have more than clients need.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/record.h"
#include "redis/conn.h"
#include "redis/info.h"

/* As few as these are listed at once. A line of CLIENT LIST has some 260 bytes, up to twice that
 * with names. */
#define CLIENTS_LISTED 64

struct clientsearch;

/*
 * Queue the first request; the rest follow as replies come. @sink is copied; @info is an INFO
 * with all its sections; @connections: so many have come since redmem's own. NULL when there is
 * nothing to search for.
 */
struct clientsearch *clientsearch_start(struct conn *conn, const struct record_sink *sink,
					const struct info *info, int64_t connections);
/*
 * Hand over what was found so far: a RECORD_CLIENT for each of those with most memory and for
 * each in MONITOR, but for redmem's own, and a RECORD_HELD "clients" of how many were looked at.
 * Replies that come later change nothing. NULL is harmless.
 */
void clientsearch_emit(struct clientsearch *search, double t_seconds);
/* Were some clients not looked at, and the one at @address is none of those handed over? */
bool clientsearch_missed(const struct clientsearch *search, const char *address);
/* After the connection is closed: its requests point here. NULL is harmless. */
void clientsearch_free(struct clientsearch *search);
