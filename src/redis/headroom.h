/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server near its maxmemory is asked: nothing that would push it to evict or refuse.
 *
 * A command's first use since the server's start costs it 24 KB for good (7.0 and later: the
 * histogram of its latencies, src/server.c, updateCommandLatencyHistogram()), and MALLOC-STATS
 * has a reply as long. So a server within HEADROOM_BYTES of its limit is asked only by small
 * commands that it has executed before, by INFO, which tells that, and by MEMORY PURGE, which
 * gives memory back. conn.c asks headroom_may() of all that goes out.
 *
 * A replica does not evict for its own limit, so that one above it has nothing to lose.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HEADROOM_BYTES (4 << 20)

struct info;

struct headroom {
	bool off; /* all may be asked, and it is never tight: conn_options.ours */
	bool known; /* an INFO memory was seen */
	bool near,
		above; /* used_memory is, of maxmemory, by the newest; above: what counts of it */
	bool replica, keeps; /* it is one, and has evicted no key, as far as INFO told */
	bool tight; /* near, and what it is asked would be paid for with keys or writes */
	int64_t max_bytes; /* maxmemory; 0 = no limit */
	struct info *used; /* "cmdstat_..." of commands the server has executed; NULL = not known */
	struct buf withheld; /* names of what was not asked */
};

void headroom_clear(struct headroom *room);
/* What an INFO tells: memory, commandstats, or both. */
void headroom_learn(struct headroom *room, const struct info *info);
/* @name, as in commandstats but in any case ("memory|usage"), is on its way: it costs nothing
 * more. */
void headroom_sent(struct headroom *room, const char *name);
/* May it be asked? A no is remembered, and counts for headroom_withheld(). */
bool headroom_may(struct headroom *room, const char *name);
/* "memory|stats, slowlog|get"; "" = all was asked. */
const char *headroom_withheld(const struct headroom *room);
/* The error of what was not asked, with what to do: always -EDQUOT. @what as in "keys: SCAN". */
int headroom_error(const struct headroom *room, const char *what, struct err *err);
