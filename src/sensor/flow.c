/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow: bytes allocated and freed, by whoever runs when a thread has moved another
 * 64 KiB (jemalloc 5.3), or when its cache is filled or flushed (before).
 *
 * The probe may stand only part of the time (budget.c). What a thread moved meanwhile is
 * still known exactly: its counters are in the server's memory, and the hits told where.
 * So totals stay exact and only the shares are sampled: each row stands for as many times
 * its bytes as the thread moved more than was seen. Hits in redmem's own commands have no
 * row and stand for nothing but themselves: what was moved before them is not theirs.
 *
 * Before 5.3 nobody counts, and a row stands for as many times its bytes as the probes stood
 * less than all the time.
 */
#include "sensor/internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/proc.h"
#include "host/uprobe.h"
#include "target/allocator.h"

/* A thread tells of its bytes in steps of this many (jemalloc, opt.tcache_gc_incr_bytes). */
#define STEP_BYTES 65536
/* How many times the mean of late a hit may stand for: in a map with few of them one would
 * stand for all that was moved while the probe was away, and its key be told what others had. */
#define SCALE_MOST 3

struct flow_thread {
	uint32_t tid;
	bool lives; /* met at the last tick */
	struct flow_side side[FLOW_SIDES];
	char name[16];
	uint64_t seen[2][FLOW_SIDES]; /* what the hits of each profile map have added up to */
	double scale[2][FLOW_SIDES]; /* for the rows of each profile map */
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
	int64_t scaled_ns, scaled_on_ns; /* at the last tick: when, and on_ns then */
	double time_scale[2]; /* for the rows of each profile map, before 5.3 */
};

static int attach_one(struct sensors *s, size_t slot, struct bpf_program *program,
		      unsigned long offset, struct err *err)
{
	const struct uprobe_place place = { s->config.pid, s->config.allocator->file,
					    PROBE_COOKIE(s->index, 0) };
	int ret = uprobe_attach(program, &place, &offset, 1, &s->flow->links[slot]);

	if (ret)
		return err_set(err, ret,
			       "uprobe on the allocator of process %d: %s; needs CAP_SYS_ADMIN",
			       s->config.pid, strerror(-ret));
	return 0;
}

static void cache_programs(const struct redmem_bpf *bpf, struct bpf_program *out[CACHE_SITES])
{
	out[CACHE_FILL] = bpf->progs.flow_fill;
	out[CACHE_FLUSH_SMALL] = bpf->progs.flow_flush_small;
	out[CACHE_FLUSH_LARGE] = bpf->progs.flow_flush_large;
	out[CACHE_LARGE_ALLOC] = bpf->progs.flow_large_alloc;
	out[CACHE_LARGE_FREE] = bpf->progs.flow_large_free;
}

static int attach_cache(struct sensors *s, struct err *err)
{
	struct bpf_program *programs[CACHE_SITES];
	int ret = 0;

	cache_programs(s->bpf, programs);
	for (size_t i = 0; i < CACHE_SITES && !ret; i++)
		ret = attach_one(s, i, programs[i], s->config.allocator->cache[i], err);
	return ret;
}

/* In the prober's thread, like the next one. */
static void come(void *ctx)
{
	struct sensors *s = ctx;
	unsigned long site = s->config.allocator->event_trigger;
	struct flow *flow = s->flow;

	flow->ret = site ? attach_one(s, 0, s->bpf->progs.flow_event, site, &flow->why) :
			   attach_cache(s, &flow->why);
	flow->since_ns = clock_mono_ns();
	__atomic_store_n(&s->target->flow_open, 1, __ATOMIC_RELEASE);
	if (flow->ret)
		uprobe_detach(flow->links, CACHE_SITES);
}

static void go(void *ctx)
{
	struct sensors *s = ctx;

	uprobe_detach(s->flow->links, CACHE_SITES);
}

void flow_switch(struct sensors *s, bool on)
{
	struct flow *flow = s->flow;

	if (on && flow->state == FLOW_OUT && prober_run(flow->prober, come, s))
		flow->state = FLOW_COMING;
	if (on || flow->state != FLOW_STANDS || !prober_is_idle(flow->prober))
		return;
	__atomic_store_n(&s->target->flow_open, 0, __ATOMIC_RELEASE);
	flow->on_ns += clock_mono_ns() - flow->since_ns;
	prober_run(flow->prober, go, s);
	flow->state = FLOW_GOING;
}

int flow_settle(struct sensors *s)
{
	struct flow *flow = s->flow;

	if (!prober_is_idle(flow->prober))
		return 0;
	if (flow->state == FLOW_GOING)
		flow->state = FLOW_OUT;
	if (flow->state != FLOW_COMING)
		return 0;
	flow->state = flow->ret ? FLOW_OUT : FLOW_STANDS;
	return flow->ret;
}

bool flow_is_out(const struct sensors *s)
{
	return !s->flow || s->flow->state == FLOW_OUT;
}

bool flow_stands(const struct sensors *s)
{
	return s->flow && s->flow->state == FLOW_STANDS;
}

size_t flow_places(const struct sensors *s)
{
	return s->config.allocator->event_trigger ? 1 : CACHE_SITES;
}

int64_t flow_on_ns(const struct sensors *s)
{
	if (!s->flow)
		return 0;
	return s->flow->on_ns + (flow_stands(s) ? clock_mono_ns() - s->flow->since_ns : 0);
}

static int flow_can(const struct allocator *a, struct err *err)
{
	if (!a)
		return err_set(err, -ENODATA, "the server's program cannot be looked at");
	return *a->found_by ? 0 : err_set(err, -ENOENT, "%s", a->reason);
}

bool flow_is_known(const struct sensors *s)
{
	struct redmem_flow_thread main_thread;

	if (!s->flow || s->flow->known || !s->config.allocator->event_trigger)
		return true;
	s->flow->known = !bpf_map_lookup_elem(bpf_map__fd(s->bpf->maps.flow_threads),
					      &s->target->settings.tgid, &main_thread) &&
			 main_thread.counter[FLOW_ALLOC] && main_thread.counter[FLOW_FREE];
	return s->flow->known;
}

/* Load only what the only server's allocator needs. */
static int flow_probe(struct engine *e, struct err *err)
{
	const struct allocator *a = e->config.allocator;
	bool any = e->config.servers > 1;
	struct bpf_program *cache[CACHE_SITES];

	cache_programs(e->bpf, cache);
	uprobe_prepare(e->bpf->progs.flow_event);
	bpf_program__set_autoload(e->bpf->progs.flow_event, any || (a && a->event_trigger));
	for (size_t i = 0; i < CACHE_SITES; i++) {
		uprobe_prepare(cache[i]);
		bpf_program__set_autoload(cache[i], any || (a && !a->event_trigger && a->cache[i]));
	}
	return any ? 0 : flow_can(a, err);
}

static int flow_begin(struct sensors *s, struct err *err)
{
	struct redmem_settings *settings = &s->target->settings;
	int ret = flow_can(s->config.allocator, err);

	if (ret)
		return ret;
	settings->class_table = s->config.allocator->class_table;
	settings->bin_info = s->config.allocator->bin_info;
	settings->small_classes = s->config.allocator->small_classes;
	s->flow = xcalloc(1, sizeof(*s->flow));
	s->flow->scaled_ns = clock_mono_ns();
	flow_switch(s,
		    true); /* no thread yet: at once, so that what is moved is known from now on */
	if (flow_settle(s)) {
		*err = s->flow->why;
		return s->flow->ret;
	}
	s->flow->prober = prober_new(s->engine->config.thread_begins);
	return 0;
}

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

double flow_side_scale(struct flow_side *side, double seen, double moved, bool partly, bool shared)
{
	double untold = moved - side->told, scale = 1, most;

	if (seen <= 0)
		return 1;
	side->moved_lately = side->moved_lately / 2 + fmax(moved - side->moved, 0);
	side->seen_lately = side->seen_lately / 2 + seen;
	side->moved = fmax(moved, side->moved);
	if (untold > seen && (partly || side->owes))
		scale = untold / seen;
	most = shared ? fmax(SCALE_MOST * side->moved_lately / side->seen_lately, 1) : scale;
	side->owes = scale > most;
	scale = fmin(scale, most);
	side->told += seen * scale;
	return scale;
}

static void scale_side(struct sensors *s, struct flow_thread *thread,
		       const struct redmem_flow_thread *now, int side, uint32_t map)
{
	double seen = (double)(now->seen_bytes[map][side] - thread->seen[map][side]);
	double moved =
		(double)(now->last[map][side] - now->first[side]) - (double)now->own_bytes[side];

	thread->scale[map][side] = flow_side_scale(&thread->side[side], seen, moved, s->flow_partly,
						   thread->tid == s->target->settings.tgid);
	thread->seen[map][side] = now->seen_bytes[map][side];
}

/* Before 5.3: the time that passed since the last tick over the time the probes stood. */
static void scale_time(struct sensors *s, uint32_t map)
{
	struct flow *flow = s->flow;
	int64_t now = clock_mono_ns(), on = flow_on_ns(s);
	double stood = (double)(on - flow->scaled_on_ns), passed = (double)(now - flow->scaled_ns);

	flow->time_scale[map] = s->flow_partly && stood > 0 && passed > stood ? passed / stood : 1;
	flow->scaled_ns = now;
	flow->scaled_on_ns = on;
}

void flow_scale_tick(struct sensors *s, uint32_t map)
{
	struct redmem_flow_thread now;
	uint32_t tid, *previous = NULL;
	int fd = s->flow ? bpf_map__fd(s->bpf->maps.flow_threads) : -1;

	if (s->flow)
		scale_time(s, map);
	for (size_t i = 0; s->flow && i < s->flow->count; i++)
		s->flow->threads[i].lives = false;
	while (fd >= 0 && !bpf_map_get_next_key(fd, previous, &tid)) {
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
	if (s->flow)
		forget_dead(s->flow);
	s->flow_partly = s->flow && !flow_stands(s);
}

double flow_scale(struct sensors *s, const struct redmem_profile_key *key)
{
	const struct redmem_context *context = &key->context;
	bool freed = key->event == EVENT_FREE;
	uint32_t tid = context->state == CONTEXT_THREAD ? context->tid : s->target->settings.tgid;
	const struct flow_thread *thread = s->flow ? thread_of(s->flow, tid) : NULL;

	if (s->flow && !s->config.allocator->event_trigger)
		return s->flow->time_scale[s->draining];
	return thread ? thread->scale[s->draining][freed ? FLOW_FREE : FLOW_ALLOC] : 1;
}

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

/* What @thread moved that no row told of: the main thread's is nobody's in particular, as the
 * model shares it out; another one's is its own. */
static void emit_untold(struct sensors *s, struct flow_thread *thread, double t_seconds,
			const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_PROFILE };
	struct record_profile *p = &record.profile;
	bool is_main = thread->tid == s->target->settings.tgid;

	p->thread = is_main ? "" : thread->name;
	p->command = is_main ? "(unseen)" : "";
	p->inner = p->symbol = "";
	p->db = RECORD_UNKNOWN;
	p->seconds = p->scale = NAN;
	p->t_seconds = t_seconds;
	p->class_bytes = RECORD_UNKNOWN;
	for (int side = 0; side < FLOW_SIDES; side++) {
		p->event = side == FLOW_ALLOC ? EVENT_ALLOC : EVENT_FREE;
		p->events = untold_bytes(s, thread, side);
		if (p->events < STEP_BYTES)
			continue;
		thread->side[side].told += p->events;
		record_emit(sink, &record);
	}
}

/* What was moved by the end of the window that ends at @mono_ns, or at the very end, when the
 * probe did not stand: a later hit, if there is one, is of another window. By whom it was
 * nobody knows, but the totals stay exact. */
void flow_emit_unseen(struct sensors *s, int64_t mono_ns, const struct record_sink *sink)
{
	for (size_t i = 0; s->flow && i < s->flow->count; i++)
		emit_untold(s, &s->flow->threads[i], sensor_seconds(s, mono_ns), sink);
}

static void flow_end(struct sensors *s)
{
	if (!s->flow)
		return;
	prober_wait(s->flow->prober);
	flow_settle(s);
	prober_free(s->flow->prober);
	s->flow->prober = NULL;
	flow_switch(s, false); /* now at once */
	flow_settle(s);
}

void flow_free(struct sensors *s)
{
	if (s->flow)
		free(s->flow->threads);
	free(s->flow);
	s->flow = NULL;
}

const struct sensor sensor_flow = {
	.id = "flow",
	.probe = flow_probe,
	.begin = flow_begin,
	.end = flow_end,
	.fix = "a server with jemalloc, redmem as root",
};
