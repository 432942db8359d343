/* SPDX-License-Identifier: BSD-2-Clause */
/* Which command a stall comes from that met none; see stall_command.h. */
#include "diagnose/stall_command.h"

#include <math.h>
#include <string.h>

#include "diagnose/harm.h"
#include "diagnose/stall_work.h"
#include "redis/knowledge_commands.h"

/* A request of fewer keys is read in less than a stall takes, at some 0.1 us and more a key. */
#define REQUEST_KEYS 10000

/* Was no command met in it, nor anything but what @frames tell, and was it not for the most part to
 * free? */
static bool does_only(const struct stall *stall, const enum redmem_frame frames[], size_t count)
{
	if (*stall->command || stall->commands_total > 0 ||
	    (stall_frees(stall) && stall->activity[0].seconds >= stall_own_seconds(stall) / 2))
		return false;
	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		if (!activity_is_of(stall->activity[i].words, frames, count))
			return false;
	return true;
}

/* A turn of the loop is no later behind the one before than this. */
#define NEXT_TURN_SECONDS 0.01

/* From the end of the one to the beginning of the other. */
static double seconds_between(const struct stall *stall, const struct stall *next)
{
	return next->t_seconds - stall->t_seconds - stall->duration_seconds;
}

/* --- requests ------------------------------------------------------------------------ */

/* The first turns that read of a request, which are stalls, are no longer before its command: each
 * reads twice as much as the one before. */
#define READ_SECONDS 0.25

/*
 * Of a request with very many arguments each is allocated as it is read, the more in one turn of
 * the loop the larger the query buffer has become, which is moved when it has no room
 * (sdsMakeRoomFor); the command runs when the last one has come.
 */
const struct stall *stall_request(const struct model *m, const struct stall *stall)
{
	static const enum redmem_frame reads[] = {
		FRAME_NONE,	  FRAME_ALLOCATE, FRAME_ALLOCATOR, FRAME_GET_PAGES,
		FRAME_GIVE_PAGES, FRAME_FREE,	  FRAME_REHASH, /* that of a tick between */
	};
	const struct stall *first = NULL;

	if (!does_only(stall, reads, sizeof(reads) / sizeof(reads[0])))
		return NULL;
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *other = &m->stalls[i].stall;
		double between = seconds_between(stall, other);

		if (other->keys_total >= REQUEST_KEYS && between <= READ_SECONDS &&
		    between >= -NEXT_TURN_SECONDS &&
		    (!first || between < seconds_between(stall, first)))
			first = other;
	}
	return first;
}

/* --- messages to subscribers ----------------------------------------------------------- */

/* Nothing in it that writing to clients, and the memory of what is written, does not do. */
static bool may_write(const struct stall *stall)
{
	static const enum redmem_frame writes[] = {
		FRAME_NONE,	 FRAME_SEND, FRAME_REPLY,      FRAME_CLIENTS_CRON, FRAME_ALLOCATE,
		FRAME_ALLOCATOR, FRAME_FREE, FRAME_GIVE_PAGES, FRAME_GET_PAGES,
	};

	return does_only(stall, writes, sizeof(writes) / sizeof(writes[0]));
}

/* The PUBLISH that was a stall, too, and ended as this one began; NULL. */
static const char *publish_before(const struct model *m, const struct stall *stall)
{
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *other = &m->stalls[i].stall;

		if (command_publishes(other->command) &&
		    fabs(seconds_between(other, stall)) <= NEXT_TURN_SECONDS)
			return other->command;
	}
	return NULL;
}

/* To write a small message takes some microseconds: to fewer it is no stall. */
#define SUBSCRIBERS_MANY (STALL_SECONDS / 5e-6)

static int64_t subscribers(const struct model *m)
{
	int64_t told = model_info_end(m, "pubsub_clients"), seen = 0; /* since 7.4 */

	for (size_t i = 0; i < m->clients_count; i++)
		seen += strchr(m->clients[i].client.flags, 'P') != NULL;
	return told > seen ? told : seen;
}

/* The PUBLISH that so many subscribe to that it may be in any turn of the loop, and that was called
 * for each of them; NULL. */
static const char *publish_to_many(const struct model *m)
{
	int64_t turns = 0, most = 0;
	const char *found = NULL;

	if ((double)subscribers(m) < SUBSCRIBERS_MANY)
		return NULL;
	for (size_t i = 0; i < m->commands_count; i++) {
		const struct command_row *row = &m->commands[i];

		if (!command_publishes(row->command) || row->calls_total <= most)
			continue;
		most = row->calls_total;
		found = row->command;
	}
	for (size_t i = 0; i < m->stalls_count; i++)
		turns += may_write(&m->stalls[i].stall) &&
			 stall_own_seconds(&m->stalls[i].stall) >= STALL_SECONDS;
	return turns <= most ? found : NULL;
}

const char *stall_command(const struct model *m, const struct stall *stall)
{
	const struct stall *request = stall_request(m, stall);
	const char *publish = NULL;

	if (request)
		return request->command;
	if (may_write(stall))
		publish = publish_before(m, stall);
	if (may_write(stall) && !publish)
		publish = publish_to_many(m);
	return publish ? publish : stall->command;
}
