/* SPDX-License-Identifier: BSD-2-Clause */
/* Harm that the tables of a report show and that no finding concludes. Pure. */
#pragma once

#include "diagnose/harm.h"

struct harm_left {
	enum harm harm;
	const char *finding; /* the id that was to conclude it; static */
	double amount; /* in the unit of the table */
};

#define HARM_LEFT_MAX 8

/* What the tables of @m show as harm and no finding of @f concludes; returns how many. */
size_t harm_left(const struct model *m, const struct findings *f,
		 struct harm_left out[HARM_LEFT_MAX]);
