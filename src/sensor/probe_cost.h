/* SPDX-License-Identifier: BSD-2-Clause */
/* What a uprobe costs whoever runs into it, measured on this process at the start. */
#pragma once

#include <stdbool.h>

struct sensors;

struct probe_cost {
	double trap_seconds; /* one hit on an instruction the kernel emulates */
	double pair_seconds; /* what entry and return add to the time burst programs see */
	double pair_error_seconds; /* half the interval that holds 95 % of it */
	double pair_trap_seconds; /* what entry and return take from the caller in all */
	double pause_seconds; /* of a thread while one probe is put in or taken out */
};

/*
 * Measure, with a function that begins with an instruction of the same kind as the
 * allocator's functions (@stepped: the kernel must step over it out of line, a second
 * trap). What cannot be measured is NAN. Call before any sensor is attached; takes some
 * 0.1 s, most of it waiting for the kernel to forget the probes.
 */
void probe_cost_measure(struct sensors *s, bool stepped, struct probe_cost *out);
/* Must an instruction that begins with these bytes be stepped over? */
bool probe_is_stepped(const unsigned char first[2]);
