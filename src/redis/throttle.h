/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast a pass over the keyspace may go: how many commands the server is handed
 * at once, and how long to rest before the next chunk of them. It knows only what it
 * is told of the chunks' times, and has no clock.
 *
 * The server works through what it reads in one go while its other clients wait.
 * Where there are none, a chunk may take a good part of the bound: each trip costs
 * the server a wake-up, a read and a write, worth some thirty commands. Where there
 * are others, it is as small as is any use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define THROTTLE_MAX_SECONDS 0.001 /* default bound */

struct throttle {
	double max_seconds; /* a chunk's reply is to take no longer, beyond the way to and fro */
	double trip_seconds; /* the fastest reply so far: the way alone */
	double command_seconds; /* of the server, smoothed */
	double late_seconds; /* for how long all chunks have come back too late */
	double rest_seconds; /* before the next chunk */
	size_t window; /* commands in the next chunk */
	bool shared; /* other clients are active */
};

void throttle_init(struct throttle *t, double max_seconds);
/* Other clients have sent so many commands a second lately. */
void throttle_others(struct throttle *t, double commands_per_second);
/* A chunk of @commands came back @seconds after it was sent, and @busy_seconds after
 * the server was done with the one before (the smaller of the two). */
void throttle_chunk(struct throttle *t, size_t commands, double seconds, double busy_seconds);
/* Chunks under way at the same time: two keep the server busy while redmem reads. */
size_t throttle_depth(const struct throttle *t);
/* All chunks have been late for so long that going on does harm. */
bool throttle_hopeless(const struct throttle *t);
