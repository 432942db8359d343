/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The causes of a stall: their names, words for people, and the usual remedy. One
 * table for every output, so that text and JSON cannot disagree.
 */
#pragma once

#include <stddef.h>

#include "fact/fact.h"

struct cause {
	const char *id; /* DESIGN.md "Causes and findings" */
	const char *words; /* "page faults from swap" */
	const char *advice; /* one sentence, NULL when the cause has no remedy of its own */
};

/* Seconds of a stall by one cause. */
struct blame {
	const struct cause *cause;
	double seconds;
};

#define CAUSE_MAX 16

/* The causes of @stall that took time, largest first; returns how many. A part that is
 * not known is left out, as is one of 0. */
size_t cause_split(const struct fact_stall *stall, struct blame out[CAUSE_MAX]);
