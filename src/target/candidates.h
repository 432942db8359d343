/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From candidates of live commands to offsets, for a server that cannot be asked.
 * Pure; the candidates are taken by calibrate_passive.c. offsets.c does the same from
 * commands that redmem sent: there it knows what to find, here the server's own name
 * for the command must agree with what the client sent.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "redmem/events.h"

#define CANDIDATES_MAX 8
#define CANDIDATES_MIN 3 /* fewer could agree by chance */
/* The most arguments a command may have (networking.c, processMultibulkBuffer()). */
#define ARGUMENTS_MAX (1024 * 1024)

/*
 * Work out @at from @count candidates (at most SIGHTINGS_MAX), each of a command that
 * a client sent, taken where the server begins to execute it. Returns how many of
 * them could be used. executing_client is for sightings_find_executing(); what only
 * asking can tell stays 0: commands_done, and script_caller with script_client. -ENOENT
 * with a reason when fewer than SIGHTINGS_MIN can be used or they do not agree.
 */
int candidates_solve(struct redmem_offsets *at, const struct redmem_calibration *seen, size_t count,
		     __u64 server_address, struct err *err);

/*
 * executing_client (7.2 and later, Valkey) holds the client, a script's too, while its
 * command is executed. @inside is a sighting taken then, of a function that gets this
 * client; nothing is found when it was not (done is 0) or the server has no such word.
 */
void candidates_find_executing(struct redmem_offsets *at, const struct redmem_calibration *inside,
			       __u64 server_address);
