/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The five patterns of the users' guide (14.2, "Patterns de problèmes mémoire
 * classiques") and their two relatives, found in a census.
 */
#pragma once

#include "model/census.h"

#define PATTERNS 7

struct pattern {
	const char *id; /* static: "big_string" */
	const char *title, *title_one; /* a few words, of many and of one; static */
	const char *type; /* of the keys; NULL: of any */
	const char *advice; /* the solution in one line, static */
	int64_t keys_total; /* 0 = not seen */
	int64_t very_big_total;
	int64_t bytes;
	const struct census_top *top; /* where its keys are, among others; NULL */
};

/* Fill @out with all patterns, seen or not, in the guide's order. */
void patterns_find(const struct census *census, struct pattern out[PATTERNS]);
/* Does @key of pattern->top belong to it? */
bool pattern_has(const struct pattern *pattern, const struct census_key *key);
/* The first key of it, NULL when none is listed. */
const struct census_key *pattern_first(const struct pattern *pattern);
/* Growth of a key between two looks, in bytes a second; NAN without a second look. */
double pattern_growth(const struct census_key *key);
