/* SPDX-License-Identifier: BSD-2-Clause */
/* The flow sensor's own: what its probe (flow.c) and the scale of its rows (flow_scale.c, before
 * jemalloc 5.3 flow_caches.c; of either flow_side.c) share. */
#pragma once

#include "sensor/internal.h"

#include "target/allocator.h"

/* How many times the mean of late a hit may stand for: in a map with few of them one would
 * stand for all that was moved while the probe was away, and its key be told what others had.
 * From 5.3 on the rest goes to all who are seen before and after it (model/unseen.c), before
 * that to the next rows. */
#define SCALE_MOST 3

struct flow_thread {
	uint32_t tid;
	bool lives; /* met at the last tick */
	struct flow_side side[FLOW_SIDES];
	char name[16];
	uint64_t seen[2][FLOW_SIDES]; /* what the hits of each profile map have added up to */
	double scale[2][FLOW_SIDES]; /* for the rows of each profile map */
	/* Of what was moved by the end of each: more than these stand for, and not emitted yet. */
	double late[2][FLOW_SIDES];
};

/* What jemalloc counts of the main thread, in bytes, and the time, in nanoseconds. */
enum flow_clock_id { CLOCK_ALLOC = FLOW_ALLOC, CLOCK_FREE = FLOW_FREE, CLOCK_TIME, CLOCKS };

/* Before 5.3: how far the server went, and how far of it while the probes stood. */
struct flow_clock {
	double first; /* when it began to count */
	double since; /* when the probes came last */
	double on; /* how far it went while they stood, until they went last */
	double seen_on; /* of that, up to the last tick */
	struct flow_side side; /* in its units */
	double scale[2]; /* for the rows of each profile map */
};

/* Coming and going take the kernel a while; a thread waits for it (prober.h). */
enum flow_state { FLOW_OUT, FLOW_COMING, FLOW_STANDS, FLOW_GOING };

struct flow {
	enum flow_state state;
	bool known; /* the main thread was met on both sides */
	struct prober *prober;
	struct bpf_link *links[CACHE_SITES];
	int ret; /* of coming */
	struct err why;
	struct flow_thread *threads;
	size_t count;
	int64_t on_ns, since_ns; /* time it stood until it went last; when it came last */
	uint64_t counters; /* before 5.3: where jemalloc counts for the main thread; 0 = by time */
	bool uncounted; /* it does not */
	struct flow_clock clock[CLOCKS];
	/* since that is known, in bytes: */
	double rows[FLOW_SIDES]; /* what the main thread's rows stand for */
	double lack; /* its memory grew by that more, at the last tick */
	double cached; /* of that, while all was seen */
	double cached_told;
};

/* The probe stands now. */
static inline bool flow_in_place(const struct flow *flow)
{
	return flow->state == FLOW_STANDS;
}

/* --- flow_caches.c --- */
/* The watch begins. */
void flow_clocks_begin(struct sensors *s);
/* The probes have come, as the prober's thread knows first; they are about to go. */
void flow_clocks_start(struct sensors *s);
void flow_clocks_stop(struct sensors *s);
/* Is it known where the main thread's bytes are counted, or that they are not? */
bool flow_caches_are_known(struct sensors *s);
/* What the rows of profile @map stand for, which was just left. */
void flow_caches_scale(struct sensors *s, uint32_t map);
/* What the main thread moved that no row tells of, nor one to come; from now on it is told. */
void flow_caches_untold(struct sensors *s, double untold[FLOW_SIDES]);

/* --- flow_side.c; its other functions are in internal.h --- */
/* NULL when it was not met yet. */
struct flow_thread *flow_thread_of(struct flow *flow, uint32_t tid);
struct flow_thread *flow_thread_add(struct flow *flow, uint32_t tid);
