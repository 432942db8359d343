/* SPDX-License-Identifier: BSD-2-Clause */
#include "diagnose/stall_work.h"

#include <string.h>

bool activity_is_of(const char *words, const enum redmem_frame frames[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words, frame_table[frames[i]].words))
			return true;
	return false;
}

bool stall_does(const struct stall *stall, enum redmem_frame frame)
{
	return !strcmp(stall->activity[0].words, frame_table[frame].words);
}

bool stall_does_also(const struct stall *stall, enum redmem_frame frame)
{
	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		if (!strcmp(stall->activity[i].words, frame_table[frame].words))
			return true;
	return false;
}

bool stall_frees(const struct stall *stall)
{
	return stall_does(stall, FRAME_FREE);
}

/* Causes of a command's own work, or of the loop's: what it would take on a machine of its own. */
static const bool own_cause[CAUSES] = {
	[CAUSE_COMMAND] = true,
	[CAUSE_ALLOCATOR] = true,
	[CAUSE_FAULT_MINOR] = true,
	[CAUSE_OTHER] = true, /* asleep on no disk (DEBUG SLEEP, a lock) */
};

bool cause_is_own(enum redmem_cause cause)
{
	return own_cause[cause];
}

double stall_own_seconds(const struct stall *stall)
{
	double seconds = 0;

	for (int cause = 0; cause < CAUSES; cause++)
		if (own_cause[cause])
			seconds += stall->seconds[cause];
	return seconds;
}
