/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command that keeps the server busy for a while: a loop in EVAL. Scripts
 * have no clock that every version agrees on, so a short run tells how many turns
 * fill a second here. How long it took then, in seconds, is printed.
 */
#include <stdio.h>

#include "load.h"

#define TRIAL_TURNS 2000000

static const char script[] = "local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end "
			     "return 'done'";

void load_hold(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	double start = load_now();
	long turns;

	load_do(c, "EVAL %s 1 %s %d", script, o->key, TRIAL_TURNS);
	turns = (long)(o->seconds / (load_now() - start) * TRIAL_TURNS);
	start = load_now();
	load_do(c, "EVAL %s 1 %s %ld", script, o->key, turns);
	printf("%.3f\n", load_now() - start);
	redisFree(c);
}
