/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings: what is wrong, how sure that is, why, and what to do. Each comes
 * from one row of the rule table in diagnose.c. Pure: reads the model only.
 */
#pragma once

#include "base/buf.h"
#include "diagnose/finding.h"
#include "model/model.h"

/* Run every rule. */
struct findings *diagnose(const struct model *m);
/* Run the rules whose id begins with @ids ("keys."). */
struct findings *diagnose_some(const struct model *m, const char *ids);
void findings_free(struct findings *f);

/* Did neither the kernel nor the server tell anything? */
bool diagnose_unknown(const struct model *m);
/* Is anything in the verdict as bad as @severity, or worse? Harm for which nothing was found is
 * as bad as a warning. */
bool diagnose_reaches(const struct model *m, const struct findings *f, enum severity severity);
/* Is nothing worse than a note found, and no harm seen for which nothing was found? */
bool diagnose_healthy(const struct model *m, const struct findings *f);
/* The verdict of a report in one sentence. */
void diagnose_verdict(struct buf *out, const struct model *m, const struct findings *f);
