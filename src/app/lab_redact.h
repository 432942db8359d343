/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of labs without what is in them of people: --redact. */
#pragma once

#include "lab/result.h"

struct redact;

/*
 * Paths, labels, what the environment held, and settings that are neither numbers nor plain words
 * become keyed hashes (redact.h); so does every value whose name says that it is a secret. Notes
 * and the reason of the end, which may name files, are left out. With a NULL @r nothing is hidden.
 */
void lab_redact(struct redact *r, struct lab_result *result);
