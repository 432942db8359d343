/* SPDX-License-Identifier: BSD-2-Clause */
/* Recorded stalls that come out with the blame a test wants. */
#pragma once

#include "record/schema.h"

/* Have @stall measured, or met by samples, so that @cause has @seconds of it. Those of all
 * causes must sum to its duration. */
static inline void record_blame(struct record_stall *stall, enum redmem_cause cause, double seconds)
{
	int64_t ns = (int64_t)(seconds * 1e9 + 0.5);

	stall->faults_timed = true;
	for (int event = 0; event < EVENT_KINDS; event++) {
		if (!event_table[event].order || event_table[event].cause != cause)
			continue;
		stall->event_ns[event] = ns;
		if (event == EVENT_IO_WAIT)
			stall->wait_call = WAIT_FDATASYNC;
		return;
	}
	for (int frame = 0; frame < FRAMES; frame++) {
		if (frame_table[frame].cause != cause)
			continue;
		stall->frame_ns[frame] = ns;
		return;
	}
	stall->event_ns[EVENT_IO_WAIT] = ns;
	stall->wait_call = WAIT_OTHER;
}
