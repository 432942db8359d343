/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many times its bytes a row of the flow sensor stands for when the probe was away part of the
 * time (flow.c).
 *
 * From jemalloc 5.3 on what a thread moved meanwhile is still known exactly: its counters are in
 * the server's memory, and the hits told where. So totals stay exact and only the shares are
 * sampled: each row stands for as many times its bytes as the thread moved more than was seen.
 * Hits in redmem's own commands have no row and stand for nothing but themselves: what was moved
 * before them is not theirs.
 *
 * Before 5.3 a hit tells of what goes between a thread's cache and the rest, and nobody counts
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
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/proc.h"

/* A thread tells of its bytes in steps of this many (jemalloc, opt.tcache_gc_incr_bytes). */
#define STEP_BYTES 65536
/* When hits have told of so many bytes and not where they are counted, the probes wait no more. */
#define UNCOUNTED_BYTES (1 << 20)
/* How many times the mean of late a hit may stand for: in a map with few of them one would
 * stand for all that was moved while the probe was away, and its key be told what others had.
 * From 5.3 on the rest goes to all who are seen before and after it (model/unseen.c), before
 * that to the next rows. */
#define SCALE_MOST  3
#define SCALE_LEAST 0.01 /* a row that is brought to nothing */
/* The command of bytes that are nobody's in particular: the model shares them out. */
#define UNSEEN "(unseen)"

/* --- what was moved while nobody looked --------------------------------------------- */

static struct flow_thread *thread_of(struct flow *flow, uint32_t tid)
{
	for (size_t i = 0; i < flow->count; i++)
		if (flow->threads[i].tid == tid)
			return &flow->threads[i];
	return NULL;
}

static struct flow_thread *thread_add(struct flow *flow, uint32_t tid)
{
	struct flow_thread *thread;

	flow->threads = xrealloc(flow->threads, (flow->count + 1) * sizeof(*flow->threads));
	thread = &flow->threads[flow->count++];
	*thread = (struct flow_thread){ .tid = tid, .scale = { { 1, 1 }, { 1, 1 } } };
	return thread;
}

/* The programs forget a thread when it ends, and its number may come again. */
static void forget_dead(struct flow *flow)
{
	size_t kept = 0;

	for (size_t i = 0; i < flow->count; i++)
		if (flow->threads[i].lives)
			flow->threads[kept++] = flow->threads[i];
	flow->count = kept;
}

void flow_side_meet(struct flow_side *side, double seen, double moved)
{
	if (seen <= 0)
		return;
	side->moved_lately = side->moved_lately / 2 + fmax(moved - side->moved, 0);
	side->seen_lately = side->seen_lately / 2 + seen;
	side->moved = fmax(moved, side->moved);
}

double flow_side_most(const struct flow_side *side)
{
	if (side->seen_lately <= 0)
		return INFINITY;
	return fmax(SCALE_MOST * side->moved_lately / side->seen_lately, 1);
}

double flow_side_scale(struct flow_side *side, double seen, double moved, bool partly, double most)
{
	double untold = moved - side->told, scale = 1;

	if (seen <= 0)
		return 1;
	if (untold > seen && (partly || side->owes))
		scale = untold / seen;
	side->owes = scale > most;
	scale = fmin(scale, most);
	side->told += seen * scale;
	return scale;
}

static void scale_side(struct sensors *s, struct flow_thread *thread,
		       const struct redmem_flow_thread *now, int side, uint32_t map)
{
	bool shared = thread->tid == s->target->settings.tgid;
	struct flow_side *told = &thread->side[side];
	double seen = (double)(now->seen_bytes[map][side] - thread->seen[map][side]);
	double moved =
		(double)(now->last[map][side] - now->first[side]) - (double)now->own_bytes[side];

	thread->scale[map][side] = flow_side_scale(told, seen, moved, s->flow_partly,
						   shared ? flow_side_most(told) : INFINITY);
	flow_side_meet(told, seen, moved);
	thread->seen[map][side] = now->seen_bytes[map][side];
	if (told->owes) {
		thread->late[map][side] = moved - told->told;
		told->told = moved;
		told->owes = false;
	}
}

static void scale_threads(struct sensors *s, uint32_t map)
{
	struct redmem_flow_thread now;
	uint32_t tid, *previous = NULL;
	int fd = bpf_map__fd(s->bpf->maps.flow_threads);

	for (size_t i = 0; i < s->flow->count; i++)
		s->flow->threads[i].lives = false;
	while (!bpf_map_get_next_key(fd, previous, &tid)) {
		struct flow_thread *thread = thread_of(s->flow, tid);

		previous = &tid;
		if (bpf_map_lookup_elem(fd, &tid, &now) || now.target != s->index)
			continue;
		if (!thread)
			thread = thread_add(s->flow, tid);
		snprintf(thread->name, sizeof(thread->name), "%.15s", now.name);
		thread->lives = true;
		for (int side = 0; side < FLOW_SIDES; side++)
			scale_side(s, thread, &now, side, map);
	}
	forget_dead(s->flow);
}

/* --- before 5.3 --------------------------------------------------------------------- */

static bool stands(const struct flow *flow)
{
	return flow->state == FLOW_STANDS;
}

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
	struct flow_thread *thread = thread_of(s->flow, tid);

	memset(hits, 0, sizeof(*hits));
	bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.flow_threads), &tid, hits);
	return thread ? thread : thread_add(s->flow, tid);
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

bool flow_is_known(struct sensors *s)
{
	struct flow *flow = s->flow;
	struct redmem_flow_thread hits;

	if (!flow)
		return true;
	if (!s->config.allocator->event_trigger) {
		if (!flow->counters && !flow->uncounted && stands(flow))
			find_counters(s);
		return flow->known;
	}
	flow->known = flow->known || (!bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.flow_threads),
							   &s->target->settings.tgid, &hits) &&
				      hits.counter[FLOW_ALLOC] && hits.counter[FLOW_FREE]);
	return flow->known;
}

/* While the probes stood, of which no row has told yet. */
static double seen_lately(const struct sensors *s, const struct flow_clock *clock, double now)
{
	return clock->on + (stands(s->flow) ? now - clock->since : 0) - clock->seen_on;
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

static void scale_caches(struct sensors *s, uint32_t map)
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
static void take_untold_of_caches(struct sensors *s, double untold[FLOW_SIDES])
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

/* --- what no row tells of -------------------------------------------------------------- */

/* What a thread moved, by its own count, that no row told of and no hit will, which is
 * yet to be drained. */
static double untold_bytes(const struct sensors *s, const struct flow_thread *thread, int side)
{
	int fd = bpf_map__fd(s->bpf->maps.flow_threads);
	struct redmem_flow_thread now;
	uint64_t counter, coming;

	/* Still there behind the read, or the counter's memory may have been another's. */
	if (bpf_map_lookup_elem(fd, &thread->tid, &now) || !now.counter[side] ||
	    memory_read(s->config.pid, now.counter[side], &counter, sizeof(counter)) ||
	    bpf_map_lookup_elem(fd, &thread->tid, &now) || counter < now.first[side])
		return 0;
	coming = now.seen_bytes[0][side] - thread->seen[0][side] + now.seen_bytes[1][side] -
		 thread->seen[1][side];
	return (double)(counter - now.first[side]) - (double)now.own_bytes[side] -
	       thread->side[side].told - (double)coming;
}

static double take_late(struct flow_thread *thread, uint32_t map, int side)
{
	double late = thread->late[map][side];

	thread->late[map][side] = 0;
	return late;
}

/* What @thread moved that is not told; from now on it is. */
static void take_untold(struct sensors *s, struct flow_thread *thread, double untold[FLOW_SIDES])
{
	if (!s->config.allocator->event_trigger) {
		take_untold_of_caches(s, untold);
		return;
	}
	for (int side = 0; side < FLOW_SIDES; side++) {
		untold[side] = untold_bytes(s, thread, side);
		if (untold[side] < STEP_BYTES)
			untold[side] = 0;
		thread->side[side].told += untold[side];
		untold[side] += take_late(thread, 0, side) + take_late(thread, 1, side);
	}
}

/* Of no key and no call: of the main thread's @command, or of @thread. */
static void emit_bytes(const char *thread, const char *command, double t_seconds, int side,
		       double bytes, const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_PROFILE };
	struct record_profile *p = &record.profile;

	p->thread = thread;
	p->command = command;
	p->inner = p->symbol = "";
	p->db = p->class_bytes = RECORD_UNKNOWN;
	p->seconds = p->scale = NAN;
	p->t_seconds = t_seconds;
	p->event = side == FLOW_ALLOC ? EVENT_ALLOC : EVENT_FREE;
	p->events = bytes;
	if (bytes > 0)
		record_emit(sink, &record);
}

/* What rows of the map before the last one do not stand for, now that the next ones are emitted,
 * too: those who moved it may be in either. */
static void emit_late(struct sensors *s, uint32_t map)
{
	struct flow_thread *thread = thread_of(s->flow, s->target->settings.tgid);

	for (int side = 0; thread && side < FLOW_SIDES; side++)
		emit_bytes("", UNSEEN, sensor_seconds(s, s->drained_until_ns), side,
			   take_late(thread, map, side), s->sink);
}

/* What @thread moved that no row told of: the main thread's is nobody's in particular, as the
 * model shares it out; another one's is its own. */
static void emit_untold(struct sensors *s, struct flow_thread *thread, double t_seconds,
			const struct record_sink *sink)
{
	bool is_main = thread->tid == s->target->settings.tgid;
	double untold[FLOW_SIDES], cached;

	take_untold(s, thread, untold);
	for (int side = 0; side < FLOW_SIDES; side++)
		emit_bytes(is_main ? "" : thread->name, is_main ? UNSEEN : "", t_seconds, side,
			   untold[side], sink);
	if (!is_main)
		return;
	cached = s->flow->cached - s->flow->cached_told;
	s->flow->cached_told = s->flow->cached;
	emit_bytes("", "", t_seconds, cached > 0 ? FLOW_ALLOC : FLOW_FREE, fabs(cached), sink);
}

/* What was moved by the end of the window that ends at @mono_ns, or at the very end, when the
 * probe did not stand: a later hit, if there is one, is of another window. By whom it was
 * nobody knows, but the totals stay exact. */
void flow_emit_unseen(struct sensors *s, int64_t mono_ns, const struct record_sink *sink)
{
	for (size_t i = 0; s->flow && i < s->flow->count; i++)
		emit_untold(s, &s->flow->threads[i], sensor_seconds(s, mono_ns), sink);
}

/* --- both ---------------------------------------------------------------------------- */

void flow_scale_tick(struct sensors *s, uint32_t map)
{
	if (s->flow && s->config.allocator->event_trigger) {
		emit_late(s, map);
		scale_threads(s, map);
	}
	if (s->flow && !s->config.allocator->event_trigger)
		scale_caches(s, map);
	s->flow_partly = s->flow && !stands(s->flow);
}

double flow_scale(struct sensors *s, const struct redmem_profile_key *key)
{
	const struct redmem_context *context = &key->context;
	bool freed = key->event == EVENT_FREE || key->event == EVENT_FREE_CLASS;
	bool others = context->state == CONTEXT_THREAD;
	int side = freed ? FLOW_FREE : FLOW_ALLOC;
	const struct flow_thread *thread;

	if (!s->flow)
		return 1;
	if (!s->config.allocator->event_trigger)
		return s->flow->clock[others ? CLOCK_TIME : side].scale[s->draining];
	thread = thread_of(s->flow, others ? context->tid : s->target->settings.tgid);
	return thread ? thread->scale[s->draining][side] : 1;
}
