/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command that keeps the server busy for a while, at least: a loop in EVAL. Scripts have no
 * clock that every version has, so short runs tell how many turns fill a second here. The
 * fastest of them counts, as the others were disturbed; a command that was too short all the
 * same is followed by a longer one. How long the last took, in seconds, is printed.
 */
#include <stdio.h>

#include "load.h"

#define TRIALS	    5
#define TRIAL_TURNS 1000000
#define MORE	    1.1

static const char script[] = "local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end "
			     "return 'done'";

/* How long a command of that many turns took. */
static double run_turns(redisContext *c, const char *key, double turns)
{
	double start = load_now();

	load_do(c, "EVAL %s 1 %s %.0f", script, key, turns);
	return load_now() - start;
}

void load_hold(const struct load_options *o)
{
	redisContext *c = load_connect(o);
	double trial = run_turns(c, o->key, TRIAL_TURNS), turns, held;

	for (int i = 1; i < TRIALS; i++) {
		held = run_turns(c, o->key, TRIAL_TURNS);
		trial = held < trial ? held : trial;
	}
	turns = o->seconds / trial * TRIAL_TURNS;
	while ((held = run_turns(c, o->key, turns * MORE)) < o->seconds)
		turns *= o->seconds / held;
	printf("%.3f\n", held);
	redisFree(c);
}
