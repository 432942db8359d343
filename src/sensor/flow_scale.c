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
 * Before 5.3 that is flow_caches.c's.
 */
#include "sensor/flow_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "host/proc.h"

/* A thread tells of its bytes in steps of this many (jemalloc, opt.tcache_gc_incr_bytes). */
#define STEP_BYTES 65536

/* --- what was moved while nobody looked --------------------------------------------- */

/* The programs forget a thread when it ends, and its number may come again. */
static void forget_dead(struct flow *flow)
{
	size_t kept = 0;

	for (size_t i = 0; i < flow->count; i++)
		if (flow->threads[i].lives)
			flow->threads[kept++] = flow->threads[i];
	flow->count = kept;
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
		struct flow_thread *thread = flow_thread_of(s->flow, tid);

		previous = &tid;
		if (bpf_map_lookup_elem(fd, &tid, &now) || now.target != s->index)
			continue;
		if (!thread)
			thread = flow_thread_add(s->flow, tid);
		snprintf(thread->name, sizeof(thread->name), "%.15s", now.name);
		thread->lives = true;
		for (int side = 0; side < FLOW_SIDES; side++)
			scale_side(s, thread, &now, side, map);
	}
	forget_dead(s->flow);
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
		flow_caches_untold(s, untold);
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
	struct flow_thread *thread = flow_thread_of(s->flow, s->target->settings.tgid);

	for (int side = 0; thread && side < FLOW_SIDES; side++)
		emit_bytes("", RECORD_UNSEEN, sensor_seconds(s, s->drained_until_ns), side,
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
		emit_bytes(is_main ? "" : thread->name, is_main ? RECORD_UNSEEN : "", t_seconds,
			   side, untold[side], sink);
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

bool flow_is_known(struct sensors *s)
{
	struct flow *flow = s->flow;
	struct redmem_flow_thread hits;

	if (!flow)
		return true;
	if (!s->config.allocator->event_trigger)
		return flow_caches_are_known(s);
	flow->known = flow->known || (!bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.flow_threads),
							   &s->target->settings.tgid, &hits) &&
				      hits.counter[FLOW_ALLOC] && hits.counter[FLOW_FREE]);
	return flow->known;
}

void flow_scale_tick(struct sensors *s, uint32_t map)
{
	if (!s->flow)
		return;
	if (s->config.allocator->event_trigger) {
		emit_late(s, map);
		scale_threads(s, map);
	} else {
		flow_caches_scale(s, map);
	}
	s->flow_partly = !flow_in_place(s->flow);
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
	thread = flow_thread_of(s->flow, others ? context->tid : s->target->settings.tgid);
	return thread ? thread->scale[s->draining][side] : 1;
}
