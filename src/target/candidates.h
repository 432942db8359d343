/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that cannot be asked: from candidates, looks that calibrate_passive.c took at
 * commands of clients, to offsets. The server's own name for a command must agree with what the
 * client sent; offsets.h knows what to find, for redmem sent it. Pure.
 */
#pragma once

#include "target/offsets.h"

#define CANDIDATES_MAX 8
#define CANDIDATES_MIN 3 /* fewer could agree by chance */

/*
 * Work out @at from @count candidates (at most CANDIDATES_MAX), each of a command that
 * a client sent, taken where the server begins to execute it. Returns how many of
 * them could be used. executing_client is for candidates_find_executing(); what only
 * asking can tell stays 0: commands_done, and script_caller with script_client. -ENOENT
 * with a reason when fewer than CANDIDATES_MIN can be used or they do not agree.
 */
int candidates_solve(struct redmem_offsets *at, const struct redmem_calibration *seen, size_t count,
		     __u64 server_address, struct err *err);

/*
 * executing_client (7.2 and later, Valkey) holds the client, a script's too, while its
 * command is executed. @inside is a look taken then, of a function that gets this
 * client; nothing is found when it was not (done is 0) or the server has no such word.
 */
void candidates_find_executing(struct redmem_offsets *at, const struct redmem_calibration *inside,
			       __u64 server_address);
