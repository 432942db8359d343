/* SPDX-License-Identifier: BSD-2-Clause */
/* What a uprobe costs whoever runs into it, measured on this process at the start. */
#pragma once

#include <stdbool.h>

struct sensors;

struct probe_cost {
	/* One hit on an instruction the kernel emulates, by a caller that has used its caches
	 * for other things since the last one, as a server has. */
	double trap_seconds;
	double pair_seconds; /* what entry and return add to the time burst programs see */
	double pair_error_seconds; /* half the interval that holds 95 % of it */
	double pause_seconds; /* of a thread after one probe was put in or taken out */
	double sample_seconds; /* the interrupt of a CPU sample, without its program */
};

/*
 * Measure, with a function that begins with an instruction of the same kind as the
 * allocator's functions (@stepped: the kernel must step over it out of line, a second
 * trap). What cannot be measured is NAN. Call before any sensor is attached; takes some
 * 0.15 s, nearly all of it waiting for the kernel to put probes in and to forget them. All are
 * medians, so that a machine whose CPUs are busy tells the same as one that is idle.
 */
void probe_cost_measure(struct sensors *s, bool stepped, struct probe_cost *out);
