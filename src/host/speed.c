/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory costs on this host; see speed.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/speed.h"

#define PLACES (4 * 1024 * 1024) /* of 4 bytes: 16 MiB, beyond most second-level caches */
#define STEPS  100000
#define ROUNDS 4

/* One cycle through all places, by a linear congruential generator of full period (Hull
 * and Dobell, 1962): each step depends on the one before, and no prefetcher knows the next. */
static void make_cycle(uint32_t *next)
{
	for (uint32_t i = 0; i < PLACES; i++)
		next[i] = (i * 1664525u + 1013904223u) % PLACES;
}

/* By CPU time: whoever else runs meanwhile does not count. */
void host_speed_measure(struct host_speed *speed)
{
	uint32_t *next = xcalloc(PLACES, sizeof(*next));
	size_t half = PLACES / 2 * sizeof(*next);
	uint32_t at = 0;
	int64_t start, end;

	make_cycle(next);
	start = clock_cpu_ns();
	for (int i = 0; i < STEPS; i++)
		at = next[at];
	end = clock_cpu_ns();
	speed->access_seconds = (double)(end - start) / 1e9 / STEPS;
	next[0] = at; /* the walk has a result, so the compiler must do it */
	start = clock_cpu_ns();
	for (int i = 0; i < ROUNDS; i++)
		memcpy((char *)next + (i % 2 ? half : 0), (char *)next + (i % 2 ? 0 : half), half);
	end = clock_cpu_ns();
	speed->copy_byte_seconds = (double)(end - start) / 1e9 / ROUNDS / (double)half;
	free(next);
}
