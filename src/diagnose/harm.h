/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Harm: what clients or their data suffer in a window, and from where on it is called so.
 * One table of bounds with their reasons; rules compare with these, findings are ranked by
 * them, and what a report's tables show as harm must be concluded by a finding.
 *
 * One trouble is one finding, cause first; whose a stall is says stall_owner.h. Pure.
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
/* The shortest stall (redmem stalls --threshold). */
#define STALL_SECONDS 0.005

/* Id of the @n-th finding that speaks of the same trouble as @id and knows more of its cause;
 * NULL beyond the last. */
const char *finding_said_by(const char *id, size_t n);
