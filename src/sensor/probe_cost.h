/* SPDX-License-Identifier: BSD-2-Clause */
/* What a uprobe costs whoever runs into it, measured on this process at the start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sensors;

/* What entry and return of the burst programs add to the time that they see. */
struct probe_pair {
	double seconds;
	double error_seconds; /* half the interval that holds 95 % of it */
};

struct probe_cost {
	/* One hit of the kind that the flow probe meets, by a caller that has used its caches
	 * for other things since the last one, as a server has. */
	double trap_seconds;
	struct probe_pair pair[2]; /* by uprobe_is_stepped() */
	double pause_seconds; /* of a thread after one probe was put in or taken out */
	double sample_seconds; /* the interrupt of a CPU sample, without its program */
};

#define PAIRS_SEEN 64

/* What the last calls took while both probes stood, by uprobe_is_stepped(). */
struct pairs_seen {
	uint64_t ns[2][PAIRS_SEEN];
	size_t count[2]; /* so far */
};

/*
 * Measure, with functions that begin with an instruction of either kind (host/uprobe.h). What
 * cannot be measured is NAN. Call before any sensor is attached; takes some 0.15 s, nearly all of
 * it waiting for the kernel to put probes in and to forget them. All are medians, so that a
 * machine whose CPUs are busy tells the same as one that is idle.
 */
void probe_cost_measure(struct sensors *s, struct probe_cost *out);
