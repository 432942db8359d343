/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings: what is wrong, how sure that is, why, and what to do. Each comes
 * from one row of the rule table in diagnose.c. Pure: reads the model only.
 */
#pragma once

#include "base/buf.h"
#include "model/model.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
const char *severity_name(enum severity severity);

/* What harm a finding speaks of; of two as severe the one further up comes first. */
enum rank {
	RANK_LOST, /* writes refused, data lost or thrown out */
	RANK_WAITED, /* time clients waited */
	RANK_LIMIT, /* a limit that will be met */
	RANK_BYTES, /* memory */
};

struct evidence {
	char *name; /* as in INFO, the ledger or the JSON */
	double value;
	char *text; /* instead of value when not NULL ("madvise") */
	const char *unit; /* "bytes", "faults", "ratio", "seconds", "keys", ... static */
	enum basis basis;
};

struct action {
	char *text; /* one sentence */
	char *command; /* what to type, "" when nothing */
	int64_t expected_gain_bytes; /* RECORD_UNKNOWN when it frees no memory or is not known */
};

struct finding {
	const char *id; /* static: "swap.in_path" */
	enum severity severity;
	char *title; /* one line with the number that matters */
	char *cause; /* one sentence */
	struct evidence *evidence;
	size_t evidence_count;
	struct action *actions;
	size_t actions_count;
	bool weak; /* evidence is thin: said in the report */
	enum rank rank; /* by the rule table: ranking inside a severity */
	double cost; /* and inside a rank: bytes at stake, or seconds x 1 GiB */
};

struct findings {
	struct finding *items; /* critical first, then by rank and cost */
	size_t count;
};

/* Run every rule. */
struct findings *diagnose(const struct model *m);
/* Run the rules whose id begins with @ids ("keys."). */
struct findings *diagnose_some(const struct model *m, const char *ids);
void findings_free(struct findings *f);

/* Is nothing worse than a note found, and no harm seen for which nothing was found? */
bool diagnose_healthy(const struct model *m, const struct findings *f);
/* The verdict of a report in one sentence. */
void diagnose_verdict(struct buf *out, const struct model *m, const struct findings *f);
