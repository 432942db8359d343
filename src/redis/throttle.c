/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast a pass may go; see throttle.h. */
#include <math.h>
#include <string.h>

#include "redis/throttle.h"

#define WINDOW_MIN	 16.0
#define WINDOW_MAX	 2048.0
#define SHARE_ALONE	 0.4 /* of the bound: what a chunk may hold the server */
#define SHARE_SHARED	 0.016
#define COMMAND_SECONDS	 1e-6 /* until it is known */
#define TRIP_SECONDS	 25e-6 /* of a chunk's time, whatever is in it */
#define REMOTE_SECONDS	 200e-6 /* a fastest reply above this came over a network */
#define COMMAND_MIN	 0.1e-6 /* no command takes less */
#define SMOOTHING	 0.1
#define OTHERS_MIN	 20.0 /* commands a second: a probe or two is nobody */
#define REST_MAX	 0.1
#define HOPELESS_SECONDS 10.0

static void set_window(struct throttle *t)
{
	double share = t->shared || t->rest_seconds > 0 ? SHARE_SHARED : SHARE_ALONE;
	double commands = t->max_seconds * share / t->command_seconds;

	t->window = (size_t)fmin(fmax(commands, WINDOW_MIN), WINDOW_MAX);
}

void throttle_init(struct throttle *t, double max_seconds)
{
	memset(t, 0, sizeof(*t));
	t->max_seconds = max_seconds;
	t->trip_seconds = INFINITY;
	t->command_seconds = COMMAND_SECONDS;
	t->shared = true; /* until it is known */
	set_window(t);
}

void throttle_others(struct throttle *t, double commands_per_second)
{
	t->shared = commands_per_second > OTHERS_MIN;
	set_window(t);
}

void throttle_chunk(struct throttle *t, size_t commands, double seconds, double busy_seconds)
{
	double own, late;

	t->trip_seconds = fmin(t->trip_seconds, seconds);
	late = seconds - t->max_seconds;
	own = fmax(busy_seconds - TRIP_SECONDS, busy_seconds * 0.2);
	if (t->trip_seconds > REMOTE_SECONDS) {
		late -= t->trip_seconds;
		own = fmax(busy_seconds - t->trip_seconds, COMMAND_MIN * (double)commands);
	}
	t->command_seconds += SMOOTHING * (own / (double)commands - t->command_seconds);
	/* A late chunk earns the others as much time as it was late by. */
	t->rest_seconds = fmin(fmax(late, 0), REST_MAX);
	t->late_seconds = late > 0 ? t->late_seconds + seconds + t->rest_seconds : 0;
	set_window(t);
}

size_t throttle_depth(const struct throttle *t)
{
	return t->rest_seconds > 0 ? 1 : 2;
}

bool throttle_hopeless(const struct throttle *t)
{
	return t->late_seconds > HOPELESS_SECONDS;
}
