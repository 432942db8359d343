/* SPDX-License-Identifier: BSD-2-Clause */
/* How long commands on a whole key will hold the server: predictions. */
#pragma once

#include "model/census.h"

#define KEY_COSTS_MAX 4

struct key_cost {
	const char *command; /* "DEL", "HGETALL", ...: static */
	double seconds;
};

/*
 * The commands that matter for the type of @key, longest first; returns how many, 0
 * where the host's speed or the key's size is not known. Derived: elements (from the
 * bytes where they are not known) times what each costs in memory accesses and copied
 * bytes; key_cost.c has the table. Right within a factor of three or so.
 */
size_t key_costs(const struct census *census, const struct fact_key *key,
		 struct key_cost out[KEY_COSTS_MAX]);
