/* SPDX-License-Identifier: BSD-2-Clause */
/* What one server has of the sensors; see sensor.h. */
#include "sensor/internal.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/kernel.h"

/* How long the engine's thread may take to hand out what is left. */
#define FLUSH_SECONDS 5

static const char *const drop_names[DROP_KINDS] = {
	[DROP_PROFILE_FULL] = "profile_full",	  [DROP_THREADS_FULL] = "threads_full",
	[DROP_RING_FULL] = "ring_full",		  [DROP_CLIENT_UNREADABLE] = "client_unreadable",
	[DROP_KEY_UNREADABLE] = "key_unreadable", [DROP_CACHE_UNREADABLE] = "cache_unreadable",
};

/* --- coming ---------------------------------------------------------------------- */

int sensors_open(struct sensors **out, struct engine *engine, const struct sensor_config *config,
		 struct err *err)
{
	struct sensors *s = xcalloc(1, sizeof(*s));
	int ret;

	s->config = *config;
	s->sink = &s->config.sink;
	s->engine = engine;
	s->inbox = inbox_new();
	s->waited_fd = -1;
	memcpy(s->state, engine->state, sizeof(s->state));
	ret = engine_add(engine, s, err);
	if (ret) {
		inbox_free(s->inbox);
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

struct redmem_settings *sensors_settings(struct sensors *s)
{
	return s->target ? &s->target->settings : NULL;
}

int sensors_probe_slots(struct sensors *s, struct probe_slots *slots)
{
	struct engine *e = s->engine;
	size_t pair = 0, pairs = room_calibrations(e->config.servers, e->config.frugal);

	if (!s->bpf)
		return -ENODATA;
	pthread_mutex_lock(&e->lock);
	while (pair < pairs && e->calibrating[pair])
		pair++;
	if (pair < pairs)
		e->calibrating[pair] = true;
	pthread_mutex_unlock(&e->lock);
	*slots = (struct probe_slots){ s->bpf, &s->target->settings,
				       (uint32_t)(CALIBRATION_SLOTS * pair) };
	return pair < pairs ? 0 : -EBUSY;
}

void sensors_probe_slots_end(struct sensors *s, const struct probe_slots *slots)
{
	pthread_mutex_lock(&s->engine->lock);
	s->engine->calibrating[slots->first / CALIBRATION_SLOTS] = false;
	pthread_mutex_unlock(&s->engine->lock);
}

void sensors_set_attribution(struct sensors *s, const struct redmem_offsets *at,
			     uint64_t own_client)
{
	struct redmem_settings *settings = sensors_settings(s);

	if (!settings)
		return;
	settings->attribution = 0; /* while the words change */
	settings->at = *at;
	settings->own_client = own_client;
	__atomic_store_n(&settings->attribution, 1, __ATOMIC_RELEASE);
}

int sensors_key_rules_fd(const struct sensors *s)
{
	return s->bpf ? bpf_map__fd(s->bpf->maps.key_rules) : -1;
}

void sensors_set_start(struct sensors *s, int64_t start_ns)
{
	s->config.start_ns = start_ns;
	engine_align(s->engine, s, start_ns);
}

void sensors_set_names(struct sensors *s, const struct sensor_names *names)
{
	s->names = *names;
}

/* What all servers share was switched on with the first of them. */
static void begin_shared(struct sensors *s)
{
	struct engine *e = s->engine;

	pthread_mutex_lock(&e->setup);
	engine_start(e);
	memcpy(s->state, e->state, sizeof(s->state));
	if (s->bpf)
		probe_cost_measure(s, &s->probe_cost);
	pthread_mutex_unlock(&e->setup);
}

void sensors_begin(struct sensors *s)
{
	struct err why = {};

	begin_shared(s);
	if (s->bpf && sensor_on(s, "loop"))
		s->target->settings.stall_ns = s->config.stall_threshold_seconds * 1e9;
	s->attach_ns = s->last_tick_ns = clock_mono_ns();
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (s->state[i].on && sensor_table[i]->begin && sensor_table[i]->begin(s, &why) < 0)
			state_off(&s->state[i], why.text);
	if (!s->bpf)
		return;
	stacks_begin(s);
	budget_start(s);
	__atomic_store_n(&s->target->settings.watched, 1, __ATOMIC_RELEASE);
}

/* --- taking -------------------------------------------------------------------------- */

static void take(void *ctx, enum inbox_kind kind, const void *data, size_t bytes)
{
	struct sensors *s = ctx;
	const struct inbox_map *map = data;
	const struct inbox_row *row = data;

	switch (kind) {
	case INBOX_RECORD:
		ring_take(s, data, bytes);
		break;
	case INBOX_MAP:
		s->draining = map->map;
		s->drained_until_ns = map->until_ns;
		stacks_emit(s, map->map);
		break;
	case INBOX_ROW:
		profile_row(s, &row->key, &row->value, "");
		break;
	case INBOX_LEFT:
		s->switched_ns = map->until_ns;
		if (!s->detach_ns) /* else sensors_finish() has, before the probe went */
			flow_scale_tick(s, map->map);
		break;
	case INBOX_TICK:
		s->ticks++;
		break;
	case INBOX_FLUSHED:
		s->flushed = true;
		break;
	}
}

int sensors_fd(const struct sensors *s)
{
	return inbox_fd(s->inbox);
}

size_t sensors_poll(struct sensors *s)
{
	size_t ticks;

	inbox_take(s->inbox, take, s);
	ticks = s->ticks;
	s->ticks = 0;
	return ticks;
}

static void tick_rows(struct sensors *s)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (s->state[i].on && sensor_table[i]->tick)
			sensor_table[i]->tick(s, s->sink);
}

static void emit_totals(struct sensors *s, int64_t until_ns)
{
	const __u64 *totals = s->bpf ? s->target->totals : NULL;
	bool faults = sensor_on(s, "fault");
	struct record record = { .kind = RECORD_TOTALS };
	struct record_totals *t = &record.totals;

	t->window_seconds = (until_ns - s->attach_ns) / 1e9;
	t->minor_faults = faults ? s->minor_total - s->minor_base : RECORD_UNKNOWN;
	t->major_faults = faults ? s->major_total - s->major_base : RECORD_UNKNOWN;
	t->minor_fault_period = faults ? (int64_t)s->engine->minor_period : RECORD_UNKNOWN;
	t->major_fault_period = faults ? (int64_t)s->engine->major_period : RECORD_UNKNOWN;
	t->cow_faults = fault_timed(s) ? (int64_t)totals[TOTAL_COW_FAULTS] : RECORD_UNKNOWN;
	t->context_switches =
		sensor_on(s, "offcpu") ? (int64_t)totals[TOTAL_SWITCHES] : RECORD_UNKNOWN;
	t->cpu_samples = sensor_on(s, "cpu") ? (int64_t)totals[TOTAL_CPU_SAMPLES] : RECORD_UNKNOWN;
	t->huge_collapses =
		sensor_on(s, "reclaim") ? (int64_t)totals[TOTAL_COLLAPSES] : RECORD_UNKNOWN;
	t->reclaim_entries =
		sensor_on(s, "reclaim") ? (int64_t)totals[TOTAL_RECLAIMS] : RECORD_UNKNOWN;
	record_emit(s->sink, &record);
}

/* Where the programs began to write another map, and up to where all was handed over. */
static void emit_mark(const struct sensors *s)
{
	struct record record = { .kind = RECORD_MARK };
	int64_t drained = s->bpf ? s->drained_until_ns : s->last_tick_ns;

	record.mark.t_seconds = sensor_seconds(s, s->bpf ? s->switched_ns : s->last_tick_ns);
	record.mark.drained_seconds = sensor_seconds(s, drained);
	record_emit(s->sink, &record);
}

void sensors_tick(struct sensors *s)
{
	tick_rows(s);
	budget_tick(s, s->sink);
	s->last_tick_ns = clock_mono_ns();
	emit_totals(s, s->last_tick_ns);
	emit_mark(s);
}

void sensors_window_ends(struct sensors *s)
{
	flow_emit_unseen(s, s->switched_ns, s->sink);
}

void sensors_control(struct sensors *s)
{
	budget_poll(s, s->sink);
}

double sensors_rest_seconds(const struct sensors *s)
{
	return s->budget.rest_seconds - (double)(clock_mono_ns() - s->budget.poll_ns) / 1e9;
}

/* --- going ---------------------------------------------------------------------------- */

/* Wait for all that was seen of the server, and take it. */
static void take_the_rest(struct sensors *s)
{
	struct engine *e = s->engine;
	struct pollfd fd = { .fd = sensors_fd(s), .events = POLLIN };
	int64_t end = clock_mono_ns() + FLUSH_SECONDS * 1000000000LL;

	if (!e->running)
		return;
	pthread_mutex_lock(&e->lock);
	s->flush_wanted = true;
	pthread_mutex_unlock(&e->lock);
	engine_wake(e);
	while (!s->flushed && clock_mono_ns() < end) {
		poll(&fd, 1, 100);
		sensors_poll(s);
	}
}

void sensors_finish(struct sensors *s)
{
	struct record record = { .kind = RECORD_STALL };
	struct sensor_stall stall;

	sensors_poll(s);
	if (s->bpf) {
		__atomic_store_n(&s->target->settings.watched, 0, __ATOMIC_RELEASE);
		flow_scale_tick(s, s->bpf->bss->profile_active);
	}
	s->detach_ns = clock_mono_ns();
	budget_tick(s, s->sink);
	tick_rows(s);
	if (!s->target_exited && sensors_stall_now(s, &stall)) {
		record.stall = stall.record;
		record_emit(s->sink, &record);
	}
	for (size_t i = SENSOR_COUNT; i-- > 0;)
		if (sensor_table[i]->end)
			sensor_table[i]->end(s);
	take_the_rest(s);
	stacks_emit(s, 0); /* what came behind the last row of its map */
	stacks_emit(s, 1);
	flow_emit_unseen(s, s->detach_ns, s->sink);
	emit_totals(s, s->detach_ns);
}

/* Without any BPF it is not the row that needs mending. */
static const char *fix_of(const struct sensors *s, const struct sensor *row)
{
	if (s->engine->config.away)
		return AWAY_FIX;
	if (s->bpf || row == &sensor_vm)
		return row->fix;
	return s->engine->config.disabled ?
		       "leave out --no-bpf" :
		       "run redmem as root on a kernel with BTF (see `redmem check`)";
}

void sensors_emit_states(const struct sensors *s)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++) {
		const struct sensor *row = sensor_table[i];
		const struct sensor_state *state = &s->state[i];
		struct record record = { .kind = RECORD_SENSOR };
		bool blind = row->needs_attribution && s->bpf && !s->target->settings.attribution;

		if (!engine_wants(s->engine, row))
			continue;
		record.sensor.id = row->id;
		record.sensor.on = state->on && !blind;
		record.sensor.reason =
			state->on && blind ? "needs attribution, which is off" : state->reason;
		record.sensor.fix = record.sensor.on ? "" : fix_of(s, row);
		record_emit(s->sink, &record);
	}
}

void sensors_cost(struct sensors *s, struct record_self *self)
{
	char *text = s->drops_text;
	size_t len = 0, size = sizeof(s->drops_text);

	self->bpf_seconds = s->bpf ? sensors_bpf_seconds(s) : 0;
	self->other_bpf_seconds = s->bpf ? sensors_other_seconds(s) : 0;
	self->bpf_scaled = s->bpf && s->engine->config.frugal;
	self->events_total = s->bpf ? (int64_t)s->target->totals[TOTAL_EVENTS] : 0;
	self->keys_gone_total = s->bpf ? (int64_t)s->target->totals[TOTAL_KEYS_GONE] : 0;
	self->drops_total = 0;
	self->target_pause_seconds += s->own_pause_seconds;
	text[0] = '\0';
	for (size_t i = 0; s->bpf && i < DROP_KINDS; i++) {
		uint64_t count = s->target->drops[i];

		self->drops_total += count;
		if (count && len < size)
			len += snprintf(text + len, size - len, "%s%s=%llu", len ? " " : "",
					drop_names[i], (unsigned long long)count);
	}
	self->drops = text;
}

void sensors_close(struct sensors *s)
{
	if (!s)
		return;
	for (size_t i = SENSOR_COUNT; i-- > 0;)
		if (sensor_table[i]->end)
			sensor_table[i]->end(s);
	engine_remove(s->engine, s);
	if (s->waited_fd >= 0)
		close(s->waited_fd);
	flow_free(s);
	stacks_free(s);
	inbox_free(s->inbox);
	free(s);
}

bool sensors_target_exited(const struct sensors *s)
{
	return s->target_exited;
}
