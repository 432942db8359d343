/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow: bytes allocated and freed, by whoever runs when a thread has moved another
 * 64 KiB (jemalloc 5.3), or when its cache is filled or flushed (before). The probe may stand
 * only part of the time (budget.c); what its rows stand for then is flow_scale.c's.
 */
#include "sensor/flow_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/uprobe.h"
#include "target/allocator.h"

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
	flow_clocks_start(s);
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
	flow_clocks_stop(s);
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
	return s->flow && flow_in_place(s->flow);
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
	flow_clocks_begin(s);
	flow_switch(s,
		    true); /* no thread yet: at once, so that what is moved is known from now on */
	if (flow_settle(s)) {
		*err = s->flow->why;
		return s->flow->ret;
	}
	s->flow->prober = prober_new(s->engine->config.thread_begins);
	return 0;
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
