/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of harms, and which finding says what another one says; see harm.h. */
#include "diagnose/harm.h"

#include <string.h>

#define HARM_ROW(id, bound, unit, words, reason) [HARM_##id] = { bound, unit, words, reason },
const struct harm_row harm_table[HARM_KINDS] = { HARMS(HARM_ROW) };

/* --- one trouble is one finding ------------------------------------------------------ */

/* What the first of a pair says is said by the second, which knows more. */
static const struct {
	const char *id, *by;
} said_by[] = {
	{ "evict.active", "evict.blocks" }, /* the evictions held the loop, too */
	{ "aof.buffer", "aof.disk" }, /* what waits to be written, and for what */
	{ "config.thp", "thp.cow" }, /* the setting, and the harm it does */
	{ "cpu.contended", "cpu.throttled" }, /* whoever ran while the quota was used up */
	{ "mem.near_max", "writes.refused" }, /* the limit is met */
	{ "mem.near_max", "evict.nothing_to_evict" }, /* or will be, and eviction cannot help */
	{ "writes.refused", "evict.nothing_to_evict" }, /* and why nothing could be evicted */
	{ "evict.active", "evict.pushed_by" }, /* and by whom */
	{ "hotkey.cpu", "bigkey.blocks" }, /* its time is that of what held the loop */
	{ "hotkey.cpu", "command.blocks" }, /* the same, where it is the same command */
	{ "reclaim.blocks", "swap.in_path" }, /* both are what is paid for too little memory */
	{ "reclaim.blocks", "mem.high" }, /* and what the limit is */
	{ "memory.in_no_key", "bigkey.uncertain" }, /* and in which keys it may be */
	{ "memory.in_no_key", "expired.resident" }, /* or in those that a replica hides */
	{ "mem.cgroup", "killed.limit" }, /* the limit was met */
	{ "mem.forecast", "killed.limit" },
	{ "reclaim.blocks", "killed.limit" }, /* before it was met the kernel looked for more */
	{ "mem.no_max", "killed.limit" }, /* and nothing kept the server below it */
	{ "fork.cow", "killed.limit" }, /* nor its child */
	{ "fork.no_room", "killed.limit" }, /* it did not fit */
	{ "server.loading", "repl.resync" }, /* a replica loads what its master sent */
	{ "loop.blocks", "clients.churn" }, /* that is what the loop did */
	{ "fork.no_room", "fork.cow" }, /* nor did the one before, which is told with it */
};

const char *finding_said_by(const char *id, size_t n)
{
	for (size_t i = 0; i < sizeof(said_by) / sizeof(said_by[0]); i++)
		if (!strcmp(said_by[i].id, id) && n-- == 0)
			return said_by[i].by;
	return NULL;
}
