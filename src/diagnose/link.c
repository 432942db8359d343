/* SPDX-License-Identifier: BSD-2-Clause */
#include "diagnose/link.h"

#include <string.h>

#include "diagnose/measure.h"

/* --- a replica's own ------------------------------------------------------------------- */

/* repl-ping-replica-period, by default; a ping may be late by so much on a busy machine. */
#define PING_SECONDS 10
#define PING_LATE    5

int64_t link_ping_seconds(const struct model *m)
{
	int64_t period = measure_config(m, "repl-ping-replica-period");

	return period > 0 ? period : PING_SECONDS;
}

static bool is_up(const struct info *info)
{
	const char *status = info_get(info, "master_link_status");

	return status && !strcmp(status, "up");
}

/* On a replica that has its master again: how often a tick found it without, having had it before;
 * the longest in seconds. One that came back within a second may not have been seen. */
static void count_losses(const struct model *m, struct link *link)
{
	bool was_up = true;

	for (size_t i = 0; i < m->timeline_count; i++) {
		const struct timeline_row *row = &m->timeline[i];
		bool down = row->link_down_seconds != RECORD_UNKNOWN;

		if (row->used_memory_bytes == RECORD_UNKNOWN)
			continue; /* it did not answer */
		link->losses += down && was_up;
		was_up = !down;
		if (down && row->link_down_seconds > link->longest_loss_seconds)
			link->longest_loss_seconds = row->link_down_seconds;
	}
}

/* The master pings its replicas, also when nothing is written. */
static int64_t silence(const struct model *m)
{
	int64_t seconds = model_info_end(m, "master_last_io_seconds_ago");

	return seconds > link_ping_seconds(m) + PING_LATE ? seconds : 0;
}

struct link link_of(const struct model *m)
{
	struct link link = { .down_seconds = RECORD_UNKNOWN };
	const char *end = measure_info_text(m, "master_link_status");

	if (!end || !info_get(m->info_start, "master_link_status"))
		return link;
	link.was_up = is_up(m->info_start);
	link.down = !strcmp(end, "down");
	link.syncing = model_info_end(m, "master_sync_in_progress") == 1;
	link.down_seconds = model_info_end(m, "master_link_down_since_seconds");
	if (link.was_up && !link.down)
		count_losses(m, &link);
	if (!link.down)
		link.silent_seconds = silence(m);
	return link;
}

bool link_tells_nothing(const struct link *link)
{
	return link->down || link->silent_seconds > 0;
}

bool link_synced(const struct model *m)
{
	const char *role = info_get(m->info_start, "role");
	struct link link = link_of(m);

	if (!measure_is_replica(m))
		return false;
	return (role && strcmp(role, "slave") != 0) || !link.was_up || link.down || link.losses > 0;
}

bool link_fills(const struct model *m)
{
	int64_t keys, expires;

	if (!measure_is_replica(m)) /* asked of each stall: what is cheap comes first */
		return false;
	info_keyspace(m->info_start, &keys, &expires);
	return keys == 0 && link_synced(m);
}

/* --- of its replicas --------------------------------------------------------------------- */

/* A replica acknowledges every second (replicationCron()). */
#define LAG_MISSED_SECONDS 2

const struct replica_row *link_worst_replica(const struct model *m)
{
	const struct replica_row *worst = NULL;

	for (size_t i = 0; i < m->replicas_count; i++) {
		const struct replica_row *row = &m->replicas[i];
		bool online = strcmp(row->state, "online") == 0;

		if (worst == NULL || (!online && !strcmp(worst->state, "online")) ||
		    row->lag_seconds > worst->lag_seconds)
			worst = row;
	}
	return worst;
}

const struct replica_row *link_silent_replica(const struct model *m)
{
	const struct replica_row *worst = link_worst_replica(m);

	return worst && worst->lag_seconds >= LAG_MISSED_SECONDS ? worst : NULL;
}
