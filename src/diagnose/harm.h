/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Harm: what clients or their data suffer in a window, and from where on it is called so.
 * One table of bounds with their reasons; rules compare with these, findings are ranked by
 * them, and what a report's tables show as harm must be concluded by a finding.
 *
 * One trouble is one finding, cause first: each stall belongs to one finding, by what it was
 * spent on most. Pure.
 */
#pragma once

#include "diagnose/finding.h"

/*
 * X(ID, bound, unit, words, the reason of the bound). Time is in seconds unless it says
 * otherwise.
 */
#define HARMS(X)                                                                                \
	X(REFUSED, 1, "errors", "writes were refused",                                          \
	  "a client was told no: one is one too many")                                          \
	X(CUT_OFF, 1, "clients", "clients were cut off",                                        \
	  "what it had asked for or subscribed to is lost to it")                               \
	X(UNSAVED, 1, "failures", "a save failed",                                              \
	  "what was written since the last good one is lost with the process")                  \
	X(THROWN_OUT, 1, "keys", "keys were thrown out",                                        \
	  "a reader finds nothing where something was stored")                                  \
	X(SILENCE, 1.0, "seconds", "the server did not answer",                                 \
	  "clients commonly give up after a second")                                            \
	X(STALL, 0.05, "seconds", "the event loop stood still",                                 \
	  "a client's request takes a fraction of a millisecond: fifty of them are noticed by " \
	  "people, and pools of connections fill")                                              \
	X(STALLS, 0.01, "of the window", "stalls add up",                                       \
	  "with one request in a hundred held up, it is the 99th percentile that users see")    \
	X(LIMIT, 86400, "seconds", "a limit will be met",                                       \
	  "within a day there is no time left to order memory or to move data")                 \
	X(KEPT, 64 * 1024 * 1024, "bytes", "memory will not come back",                         \
	  "below it MEMORY DOCTOR and active defragmentation do not look either")

#define HARM_ENUM(id, bound, unit, words, reason) HARM_##id,
enum harm { HARMS(HARM_ENUM) HARM_KINDS };
#undef HARM_ENUM

struct harm_row {
	double bound;
	const char *unit, *words, *reason;
};
extern const struct harm_row harm_table[HARM_KINDS];

/* A stall this long is an outage for whoever waited. */
#define STALL_CRITICAL_SECONDS 1.0
/* And so are stalls that leave the server less than half of its time. */
#define STALLS_CRITICAL_RATIO 0.5

/* --- stalls -------------------------------------------------------------------- */

/* Id of the finding that concludes @stall: by its main cause. Static, never NULL. */
const char *stall_finding(const struct model *m, const struct stall *stall);

/* Id of the @n-th finding that speaks of the same trouble as @id and knows more of its cause;
 * NULL beyond the last. */
const char *finding_said_by(const char *id, size_t n);
/* Findings that were met in a walk over stalls: each is summed once, not with every stall. */
struct met_findings {
	const char *ids[64];
	size_t count;
};
/* Is it the first time? */
bool finding_met_first(struct met_findings *met, const char *id);
/* Does it count in the sum of all? Clients that send many commands at once wait for their
 * own: only a turn that is long enough to hold up the others is harm. @id: its finding. */
bool stall_adds_up(const char *id, const struct stall *stall);
/* Did it do nothing so much as free memory? */
bool stall_frees(const struct stall *stall);
/* Did it wait for the AOF's disk? */
bool stall_waits_for_aof(const struct stall *stall);

/* What it took itself: without waiting for a CPU or a disk, and without the kernel's part. */
double stall_own_seconds(const struct stall *stall);
/* Is it of finding @id, or its own work beside a longer wait for a CPU? */
bool stall_works_for(const struct model *m, const struct stall *stall, const char *id);

/* What clients waited for by one trouble. */
struct waits {
	int64_t stalls_total;
	double seconds; /* of those stalls, and of what was too short to be one where known */
	double longest_seconds;
	const struct stall *longest; /* NULL without any */
};

/* The stalls that finding @id concludes. */
struct waits waits_of(const struct model *m, const char *id);
/*
 * The same, with what @cause took in the stalls of other findings: on a busy machine most of a
 * stall is waiting for a CPU, which is told apart, and what is left would be one by itself.
 */
#define STALL_SECONDS 0.005 /* the shortest (redmem stalls --threshold) */
struct waits waits_of_work(const struct model *m, const char *id, enum redmem_cause cause);
/* The same, with the own work of stalls that were mostly waiting for a CPU. */
struct waits waits_with_own_work(const struct model *m, const char *id);
/* @seconds is all that was waited, short ones included: more than the stalls have. */
void waits_include(struct waits *w, double seconds);
/* Is it harm by the table, and how bad? SEVERITY_INFO when it is none. */
enum severity waits_severity(const struct model *m, const struct waits *w);

/* How bad the finding is and what it costs by @w, and the numbers as evidence. */
void waits_tell(const struct model *m, struct finding *f, const struct waits *w);

/* What the server counted between the two ticks around a stall: with all else that happened
 * between them. RECORD_UNKNOWN. */
struct around {
	int64_t expired_keys, evicted_keys;
	int64_t freed_bytes; /* of used_memory; less what was written meanwhile */
};
struct around stall_around(const struct model *m, const struct stall *stall);

/* --- what no finding concludes ------------------------------------------------------ */

struct harm_left {
	enum harm harm;
	const char *finding; /* the id that was to conclude it; static */
	double amount; /* in the unit of the table */
};

#define HARM_LEFT_MAX 8

/* What the tables of @m show as harm and no finding of @f concludes; returns how many. */
size_t harm_left(const struct model *m, const struct findings *f,
		 struct harm_left out[HARM_LEFT_MAX]);
