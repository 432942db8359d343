/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who runs on which CPU: the servers, of which one works at a time, on the first ones, the load and
 * all else of redmem's on others. One is enough for a server that works in one thread, and says
 * most of it; one with threads for its clients needs as many, or they only stand in each other's
 * way.
 */
#pragma once

#include "base/buf.h"
#include "lab/scenario.h"
#include "lab/side.h"

#define LAB_CPUS_MOST 64

struct lab_cpus {
	int server[LAB_CPUS_MOST];
	size_t servers; /* 0 = any */
	int load; /* -1 = any */
};

/* How many CPUs the servers ask for: their io-threads, at least one. */
size_t lab_cpus_wanted(const struct lab_side side[LAB_SIDES], const struct lab_scenario *scenario);
/*
 * Of the @count CPUs @all, in rising order, @wanted for the servers as far as one is left for the
 * load. Of one alone there is nothing to choose.
 */
void lab_cpus_choose(struct lab_cpus *cpus, const int *all, size_t count, size_t wanted);
/* What a reader of the result must know of that; nothing where a server has the one it wants. */
void lab_cpus_note(struct buf *out, const struct lab_cpus *cpus, size_t wanted);
