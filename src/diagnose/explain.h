/* SPDX-License-Identifier: BSD-2-Clause */
/* What the id of a finding means, whatever server it is found on. */
#pragma once

#include <stddef.h>

struct explanation {
	const char *id; /* of the rule table (rules.h), each once */
	const char *meaning; /* sentences for people */
};

extern const struct explanation explanations[];
extern const size_t explanations_count;

/* The meaning of @id, or NULL when no rule has that id. */
const char *explain(const char *id);
