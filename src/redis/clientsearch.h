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

/* What INFO says of clients; RECORD_UNKNOWN each. */
struct client_counts {
	int64_t connected; /* connected_clients */
	int64_t bytes; /* mem_clients_normal */
	int64_t connections; /* total_connections_received */
};

/* What @info has of them, which may be a section of INFO, is the newest. */
void client_counts_take(struct client_counts *counts, const struct info *info);
/* Have they more memory than so many need? Few or many. */
bool client_counts_suspicious(const struct client_counts *counts);

struct clientsearch;

/*
 * Queue the first request; the rest follow as replies come. @sink is copied; @connections: so many
 * have come since redmem's own. NULL when there is nothing to search for.
 */
struct clientsearch *clientsearch_start(struct conn *conn, const struct record_sink *sink,
					const struct client_counts *counts, int64_t connections);
/* Nothing more comes of it. */
bool clientsearch_done(const struct clientsearch *search);
/*
 * Hand over what was found so far: a RECORD_CLIENT for each of those with most memory and for
 * each in MONITOR, but for redmem's own, and a RECORD_HELD "clients" of how many were looked at.
 * Replies that come later change nothing. NULL is harmless.
 */
void clientsearch_emit(struct clientsearch *search, double t_seconds);
/* Were some clients not looked at, and the one at @address is none of those handed over? */
bool clientsearch_missed(const struct clientsearch *search, const char *address);
/* When it was done before it handed over, or after the connection is closed: its requests point
 * here. NULL is harmless. */
void clientsearch_free(struct clientsearch *search);
