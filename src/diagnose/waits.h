/* SPDX-License-Identifier: BSD-2-Clause */
/* How long clients waited for one trouble, and how bad that is by the table of harms. Pure. */
#pragma once

#include "diagnose/finding.h"

/* Findings that were met in a walk over stalls: each is summed once, not with every stall. */
struct met_findings {
	const char *ids[64];
	size_t count;
};
/* Is it the first time? */
bool finding_met_first(struct met_findings *met, const char *id);
/* Does it count in the sum of all? Clients that send many commands at once wait for their
 * own: only a turn that is long enough to hold up the others is harm; and nobody waits for a
 * replica that takes its first data. @id: its finding. */
bool stall_adds_up(const struct model *m, const char *id, const struct stall *stall);

/* What clients waited for by one trouble. */
struct waits {
	int64_t stalls_total;
	double seconds; /* of those stalls, and of what was too short to be one where known */
	double longest_seconds;
	const struct stall *longest; /* NULL without any */
};

/* Of a stall that another finding concludes: waiting for a CPU that is harm by itself and most of
 * it, which cpu.contended tells; 0. */
double stall_waited_apart(const struct stall *stall);

/* The stalls that finding @id concludes, without what is told apart. */
struct waits waits_of(const struct model *m, const char *id);
/*
 * The same, with what @cause took in the stalls of other findings: on a busy machine most of a
 * stall is waiting for a CPU, which is told apart, and what is left would be one by itself.
 */
struct waits waits_of_work(const struct model *m, const char *id, enum redmem_cause cause);
/* The same, with the own work of stalls that were mostly waiting for a CPU. */
struct waits waits_with_own_work(const struct model *m, const char *id);
/* @seconds is all that was waited, short ones included: more than the stalls have. */
void waits_include(struct waits *w, double seconds);
/* Those for the AOF's disk, short ones included. */
struct waits waits_for_aof(const struct model *m);
/* Is it harm by the table, and how bad? SEVERITY_INFO when it is none. */
enum severity waits_severity(const struct model *m, const struct waits *w);

/* How bad the finding is and what it costs by @w, and the numbers as evidence. */
void waits_tell(const struct model *m, struct finding *f, const struct waits *w);

/* What the server counted between the two ticks around a stall: with all else that happened
 * between them. RECORD_UNKNOWN. */
struct around {
	int64_t expired_keys, expired_fields, evicted_keys;
	int64_t freed_bytes; /* of used_memory; less what was written meanwhile */
};
struct around stall_around(const struct model *m, const struct stall *stall);
