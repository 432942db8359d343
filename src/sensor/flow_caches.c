/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many times its bytes a row of the flow sensor stands for with jemalloc before 5.3, when the
 * probes were away part of the time (flow_scale.c).
 *
 * A hit tells of what goes between a thread's cache and the rest, and nobody counts
 * that. A row stands for as many times its bytes as the server went farther than it did while
 * the probes stood, by what jemalloc counts of the main thread: bytes allocated, and bytes freed
 * (thread_allocated and thread_deallocated of tsd_t). The difference of the two is what its
 * memory grew by, so that of the rows is brought to it. Where all was seen, what it differs by
 * has come out of the cache or stays in it, and is nobody's. The time would not do: the probes
 * slow the server down, and what it allocates at once, such as a table of keys, would stand for
 * as much again in each of the times that nobody looked. It is taken for other threads, and
 * where jemalloc was built without those counters.
 */
#include "sensor/flow_internal.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "host/proc.h"

/* When hits have told of so many bytes and not where they are counted, the probes wait no more. */
#define UNCOUNTED_BYTES (1 << 20)
#define SCALE_LEAST	0.01 /* a row that is brought to nothing */

/* How far the clocks are; false when the server cannot be read any more. */
static bool read_clocks(const struct sensors *s, double now[CLOCKS])
{
	uint64_t bytes[FLOW_SIDES];

	now[CLOCK_TIME] = now[CLOCK_ALLOC] = now[CLOCK_FREE] = (double)clock_mono_ns();
	if (!s->flow->counters)
		return true;
	if (memory_read(s->config.pid, s->flow->counters, bytes, sizeof(bytes)))
		return false;
	now[CLOCK_ALLOC] = (double)bytes[FLOW_ALLOC];
	now[CLOCK_FREE] = (double)bytes[FLOW_FREE];
	return true;
}

void flow_clocks_begin(struct sensors *s)
{
	double now[CLOCKS];

	if (read_clocks(s, now))
		for (int i = 0; i < CLOCKS; i++)
			s->flow->clock[i].first = now[i];
}

void flow_clocks_start(struct sensors *s)
{
	double now[CLOCKS];

	if (read_clocks(s, now))
		for (int i = 0; i < CLOCKS; i++)
			s->flow->clock[i].since = now[i];
}

void flow_clocks_stop(struct sensors *s)
{
	double now[CLOCKS];

	if (read_clocks(s, now))
		for (int i = 0; i < CLOCKS; i++)
			s->flow->clock[i].on += now[i] - s->flow->clock[i].since;
}

/* The main thread as the hits have it, and as rows told of it. */
static struct flow_thread *main_thread_of(struct sensors *s, struct redmem_flow_thread *hits)
{
	uint32_t tid = s->target->settings.tgid;
	struct flow_thread *thread = flow_thread_of(s->flow, tid);

	memset(hits, 0, sizeof(*hits));
	bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.flow_threads), &tid, hits);
	return thread ? thread : flow_thread_add(s->flow, tid);
}

/* A hit tells where the main thread's bytes are counted, and the first of those how far it was:
 * they go on in the place of the time. */
static void find_counters(struct sensors *s)
{
	struct redmem_flow_thread hits;
	struct flow *flow = s->flow;
	bool late = flow->known; /* and the probes may have been away since that hit */
	double now[CLOCKS], first;

	main_thread_of(s, &hits);
	flow->counters = hits.counter[FLOW_ALLOC];
	flow->known = flow->counters || hits.seen_bytes[0][FLOW_ALLOC] > UNCOUNTED_BYTES ||
		      hits.seen_bytes[0][FLOW_FREE] > UNCOUNTED_BYTES;
	if (!flow->counters)
		return;
	if (!read_clocks(s, now) || now[CLOCK_ALLOC] <= 0 || now[CLOCK_FREE] <= 0) {
		flow->uncounted = true; /* jemalloc was built without, or the server is gone */
		flow->counters = 0;
		return;
	}
	for (int side = 0; side < FLOW_SIDES; side++) {
		first = late ? now[side] : (double)hits.first[side];
		flow->clock[side] =
			(struct flow_clock){ .first = first, .since = first, .scale = { 1, 1 } };
	}
}

bool flow_caches_are_known(struct sensors *s)
{
	if (!s->flow->counters && !s->flow->uncounted && flow_in_place(s->flow))
		find_counters(s);
	return s->flow->known;
}

/* While the probes stood, of which no row has told yet. */
static double seen_lately(const struct sensors *s, const struct flow_clock *clock, double now)
{
	return clock->on + (flow_in_place(s->flow) ? now - clock->since : 0) - clock->seen_on;
}

/* What the main thread's memory grew by since its counters are known, less what rows tell of. */
static double rows_lack(const struct flow *flow, const double now[CLOCKS])
{
	double grown = (now[CLOCK_ALLOC] - flow->clock[CLOCK_ALLOC].first) -
		       (now[CLOCK_FREE] - flow->clock[CLOCK_FREE].first);

	return grown - (flow->rows[FLOW_ALLOC] - flow->rows[FLOW_FREE]);
}

void flow_balance(double bytes[FLOW_SIDES], double net)
{
	double alloc = bytes[FLOW_ALLOC], freed = bytes[FLOW_FREE];
	double off = net - (alloc - freed);

	if (!(alloc + freed > 0))
		return;
	off /= alloc + freed;
	bytes[FLOW_ALLOC] = alloc * fmin(fmax(1 + off, SCALE_LEAST), SCALE_MOST);
	bytes[FLOW_FREE] = freed * fmin(fmax(1 - off, SCALE_LEAST), SCALE_MOST);
}

/* The rows of @map, of which hits have @seen, are to tell of what the memory grew by. */
static void balance_rows(struct flow *flow, const double seen[FLOW_SIDES], uint32_t map,
			 const double now[CLOCKS])
{
	double bytes[FLOW_SIDES];

	for (int side = 0; side < FLOW_SIDES; side++)
		bytes[side] = seen[side] * flow->clock[side].scale[map];
	flow_balance(bytes, rows_lack(flow, now) - flow->cached);
	for (int side = 0; side < FLOW_SIDES; side++) {
		if (seen[side] > 0)
			flow->clock[side].scale[map] = bytes[side] / seen[side];
		flow->rows[side] += bytes[side];
	}
}

static void take_rows(struct flow *flow, const double seen[FLOW_SIDES], const double now[CLOCKS])
{
	for (int side = 0; side < FLOW_SIDES; side++)
		flow->rows[side] += seen[side];
	flow->cached += rows_lack(flow, now) - flow->lack;
}

/* Did the probes stand all the time that the next rows are of? */
static bool all_seen(const struct sensors *s)
{
	return !s->flow_partly && !s->flow->clock[CLOCK_ALLOC].side.owes &&
	       !s->flow->clock[CLOCK_FREE].side.owes;
}

void flow_caches_scale(struct sensors *s, uint32_t map)
{
	struct redmem_flow_thread main_thread;
	struct flow *flow = s->flow;
	struct flow_thread *thread = main_thread_of(s, &main_thread);
	double now[CLOCKS], seen[FLOW_SIDES];
	bool all = all_seen(s);

	if (!read_clocks(s, now))
		return;
	for (int i = 0; i < CLOCKS; i++) {
		struct flow_clock *clock = &flow->clock[i];
		double stood = seen_lately(s, clock, now[i]), moved = now[i] - clock->first;

		flow_side_meet(&clock->side, stood, moved);
		clock->scale[map] = flow_side_scale(&clock->side, stood, moved, s->flow_partly,
						    flow_side_most(&clock->side));
		clock->seen_on += stood;
	}
	for (int side = 0; side < FLOW_SIDES; side++) {
		seen[side] = (double)(main_thread.seen_bytes[map][side] - thread->seen[map][side]);
		thread->seen[map][side] = main_thread.seen_bytes[map][side];
	}
	if (flow->counters && all)
		take_rows(flow, seen, now);
	else if (flow->counters)
		balance_rows(flow, seen, map, now);
	flow->lack = rows_lack(flow, now);
}

/* What is not told, and no row to come will: by how far the clocks went, of which at most all goes
 * into caches or out of them, and so that in the end all together is what the memory grew by. */
void flow_caches_untold(struct sensors *s, double untold[FLOW_SIDES])
{
	struct flow *flow = s->flow;
	struct redmem_flow_thread main_thread;
	struct flow_thread *thread = main_thread_of(s, &main_thread);
	double now[CLOCKS], net;

	untold[FLOW_ALLOC] = untold[FLOW_FREE] = 0;
	if (!flow->counters || !read_clocks(s, now))
		return;
	net = rows_lack(flow, now) - flow->cached;
	for (int side = 0; side < FLOW_SIDES; side++) {
		struct flow_clock *clock = &flow->clock[side];
		double way = now[side] - clock->first - clock->side.told -
			     seen_lately(s, clock, now[side]);
		double coming = (double)(main_thread.seen_bytes[0][side] - thread->seen[0][side] +
					 main_thread.seen_bytes[1][side] - thread->seen[1][side]);

		if (way > 0) {
			if (clock->side.told > 0)
				untold[side] = way * fmin(flow->rows[side] / clock->side.told, 1);
			clock->side.told += way;
		}
		net -= side == FLOW_ALLOC ? coming : -coming;
	}
	flow_balance(untold, net);
	net -= untold[FLOW_ALLOC] - untold[FLOW_FREE];
	untold[net > 0 ? FLOW_ALLOC : FLOW_FREE] += fabs(net);
	for (int side = 0; side < FLOW_SIDES; side++)
		flow->rows[side] += untold[side];
}
