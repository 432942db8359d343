/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of sensors and what is common to them: one BPF object, its loading,
 * the ring, the two profile maps, cost and drops. Adding a sensor: its programs
 * in bpf/, its row's functions in a file of this room, one row here.
 */
#define _GNU_SOURCE 1 /* vasprintf() */
#include "sensor/internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "host/kernel.h"
#include "host/uprobe.h"

static const struct sensor *const table[SENSOR_COUNT] = {
	&sensor_cpu, &sensor_fault,   &sensor_loop, &sensor_offcpu, &sensor_rss,
	&sensor_vm,  &sensor_reclaim, &sensor_life, &sensor_flow,   &sensor_burst,
};

static const char *const drop_names[DROP_KINDS] = {
	[DROP_PROFILE_FULL] = "profile_full",	  [DROP_THREADS_FULL] = "threads_full",
	[DROP_RING_FULL] = "ring_full",		  [DROP_CLIENT_UNREADABLE] = "client_unreadable",
	[DROP_KEY_UNREADABLE] = "key_unreadable",
};

/* The verifier's log comes as one message of many lines; its end says what is wrong. */
#define MESSAGE_LINES 40

static int libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	enum log_level own = level == LIBBPF_DEBUG ? LOG_DEBUG : LOG_INFO;
	char *text, *line, *end, *rest;
	int lines = 0;

	if (vasprintf(&text, format, args) < 0)
		return 0;
	end = text + strlen(text);
	for (line = end; line > text && lines <= MESSAGE_LINES; line--)
		lines += line[-1] == '\n' && line != end;
	for (line = strtok_r(line, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		log_msg(own, "%s", line);
	free(text);
	return 0;
}

static void state_off(struct sensor_state *state, const char *reason)
{
	state->on = false;
	snprintf(state->reason, sizeof(state->reason), "%s", reason);
}

/* Why the kernel refused: the youngest thing the programs cannot do without is
 * bpf_task_pt_regs() (5.15, dd6e10fbd9fb); asked only now, since asking costs a load. */
static int load_refused(int code, struct err *err)
{
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_task_pt_regs, NULL) == 0)
		return err_set(err, -EOPNOTSUPP,
			       "bpf: this kernel has no bpf_task_pt_regs(); use one of 5.15 or "
			       "later");
	return err_set(err, code, "bpf: the kernel refused redmem's programs: %s; -vv shows why",
		       strerror(-code));
}

/* Rows that are not wanted are left out of everything. */
static bool is_wanted(const struct sensors *s, const struct sensor *row)
{
	const char *name = s->config.wanted;
	size_t len;

	for (; name && *name; name += len + strspn(name + len, " ")) {
		len = strcspn(name, " ");
		if (len == strlen(row->id) && !strncmp(name, row->id, len))
			return true;
	}
	return !s->config.wanted;
}

/* Programs are named after their sensor; those of rows that are off cost the verifier's
 * time for nothing. */
static void leave_out(struct sensors *s, const struct sensor *row)
{
	struct bpf_program *program;
	size_t len = strlen(row->id);

	bpf_object__for_each_program(program, s->bpf->obj) {
		const char *name = bpf_program__name(program);

		if (!strncmp(name, row->id, len) && name[len] == '_')
			bpf_program__set_autoload(program, false);
	}
}

/* Open, let each row switch off what this kernel has not, load. */
static int load_bpf(struct sensors *s, struct err *err)
{
	struct err why = {};
	int ret;

	s->bpf = redmem_bpf__open();
	if (!s->bpf)
		return err_set(err, -errno, "bpf: cannot open the built-in object: %s",
			       strerror(errno));
	targets_size(s->bpf, 1);
	uprobe_prepare(s->bpf->progs.calibrate_look);
	sensor_tracepoint(s->bpf->progs.forget_thread, "sched_process_exit");
	for (size_t i = 0; i < SENSOR_COUNT; i++) {
		if (s->state[i].on && table[i]->probe && table[i]->probe(s, &why) < 0)
			state_off(&s->state[i], why.text);
		if (!s->state[i].on)
			leave_out(s, table[i]);
	}
	kernel_btf_free(); /* its questions are asked */
	ret = redmem_bpf__load(s->bpf);
	if (ret)
		return load_refused(ret, err);
	s->ring = ring_buffer__new(bpf_map__fd(s->bpf->maps.records), records_take, s, NULL);
	if (!s->ring)
		return err_set(err, -errno, "bpf: ring buffer: %s", strerror(errno));
	ret = targets_open(&s->targets, s->bpf, err);
	if (ret)
		return ret;
	s->target = &s->targets.slots[0];
	return targets_add(&s->targets, 0, s->config.pid, err);
}

static void close_bpf(struct sensors *s)
{
	ring_buffer__free(s->ring);
	s->ring = NULL;
	targets_close(&s->targets);
	s->target = NULL;
	redmem_bpf__destroy(s->bpf);
	s->bpf = NULL;
}

int sensors_open(struct sensors **out, const struct sensor_config *config, struct err *err)
{
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct err why = {};

	(void)err;
	s->config = *config;
	s->stats_fd = -1;
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		s->state[i].on = is_wanted(s, table[i]);
	libbpf_set_print(libbpf_print);
	if (config->disabled)
		err_set(&why, -ECANCELED, "switched off by --no-bpf");
	else if (!kernel_bpf_usable(&why))
		load_bpf(s, &why);
	if (why.code) {
		close_bpf(s);
		snprintf(s->no_bpf_reason, sizeof(s->no_bpf_reason), "%s", why.text);
		for (size_t i = 0; i < SENSOR_COUNT; i++)
			if (table[i] != &sensor_vm)
				state_off(&s->state[i], s->no_bpf_reason);
	}
	*out = s;
	return 0;
}

struct redmem_bpf *sensors_bpf(struct sensors *s)
{
	return s->bpf;
}

struct redmem_settings *sensors_settings(struct sensors *s)
{
	return s->target ? &s->target->settings : NULL;
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
}

void sensors_set_names(struct sensors *s, const struct sensor_names *names)
{
	s->names = *names;
}

void sensors_attach(struct sensors *s)
{
	struct err why = {};

	if (s->bpf) {
		struct redmem_settings *settings = &s->target->settings;

		s->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
		settings->stall_ns = s->config.stall_threshold_seconds * 1e9;
		probe_cost_measure(s, burst_is_stepped(s), &s->probe_cost);
	}
	s->attach_ns = clock_mono_ns();
	s->last_tick_ns = s->switched_ns = s->attach_ns;
	if (s->bpf)
		sensor_attach_link(s, s->bpf->progs.forget_thread, &why);
	for (size_t i = 0; i < SENSOR_COUNT; i++) {
		if (s->state[i].on && table[i]->attach && table[i]->attach(s, &why) < 0)
			state_off(&s->state[i], why.text);
	}
	if (s->bpf)
		budget_start(s);
}

int sensors_fd(const struct sensors *s)
{
	return s->ring ? ring_buffer__epoll_fd(s->ring) : -1;
}

void sensors_poll(struct sensors *s, const struct fact_sink *sink)
{
	if (!s->ring)
		return;
	s->sink = sink;
	ring_buffer__consume(s->ring);
	s->sink = NULL;
}

/* The programs write one map while the other is read: switch, then read the one
 * they left at the tick before, so that none is still at work in it. */
static void drain_profile(struct sensors *s, const struct fact_sink *sink, bool both)
{
	struct redmem_bpf *bpf = s->bpf;
	uint32_t active = bpf->bss->profile_active;
	int fds[2] = { bpf_map__fd(bpf->maps.profile_0), bpf_map__fd(bpf->maps.profile_1) };

	if (!both) /* else sensors_finish() has, before the probe went */
		flow_scale_tick(s, active);
	s->draining = !active;
	s->drained_until_ns = s->switched_ns;
	profile_drain(s, fds[!active], sink);
	bpf->bss->profile_rows[!active] = 0;
	bpf->bss->profile_active = !active;
	s->switched_ns = clock_mono_ns();
	if (!both)
		return;
	s->draining = active;
	s->drained_until_ns = s->switched_ns;
	profile_drain(s, fds[active], sink);
}

static void emit_totals(struct sensors *s, const struct fact_sink *sink, int64_t until_ns)
{
	const __u64 *totals = s->bpf ? s->target->totals : NULL;
	bool faults = sensor_on(s, "fault");
	struct fact fact = { .kind = FACT_TOTALS };
	struct fact_totals *t = &fact.totals;

	t->window_seconds = (until_ns - s->attach_ns) / 1e9;
	t->minor_faults = faults ? s->minor_total - s->minor_base : FACT_UNKNOWN;
	t->major_faults = faults ? s->major_total - s->major_base : FACT_UNKNOWN;
	t->minor_fault_period = faults ? (int64_t)s->minor_period : FACT_UNKNOWN;
	t->cow_faults = faults ? (int64_t)totals[TOTAL_COW_FAULTS] : FACT_UNKNOWN;
	t->context_switches =
		sensor_on(s, "offcpu") ? (int64_t)totals[TOTAL_SWITCHES] : FACT_UNKNOWN;
	t->cpu_samples = sensor_on(s, "cpu") ? (int64_t)totals[TOTAL_CPU_SAMPLES] : FACT_UNKNOWN;
	t->huge_collapses =
		sensor_on(s, "reclaim") ? (int64_t)totals[TOTAL_COLLAPSES] : FACT_UNKNOWN;
	t->reclaim_entries =
		sensor_on(s, "reclaim") ? (int64_t)totals[TOTAL_RECLAIMS] : FACT_UNKNOWN;
	fact_emit(sink, &fact);
}

/* Where the programs began to write another map, and up to where it is empty. */
static void emit_mark(const struct sensors *s, const struct fact_sink *sink)
{
	struct fact fact = { .kind = FACT_MARK };
	int64_t drained = s->bpf ? s->drained_until_ns : s->last_tick_ns;

	fact.mark.t_seconds = sensor_seconds(s, s->bpf ? s->switched_ns : s->last_tick_ns);
	fact.mark.drained_seconds = sensor_seconds(s, drained);
	fact_emit(sink, &fact);
}

void sensors_tick(struct sensors *s, const struct fact_sink *sink)
{
	sensors_poll(s, sink);
	if (s->bpf)
		drain_profile(s, sink, false);
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (s->state[i].on && table[i]->tick)
			table[i]->tick(s, sink);
	budget_tick(s, sink);
	s->last_tick_ns = clock_mono_ns();
	emit_totals(s, sink, s->last_tick_ns);
	emit_mark(s, sink);
}

/* Of many different keys a profile map may be full before the tick; events would lose
 * theirs then. */
static bool profile_fills(const struct sensors *s)
{
	uint32_t active = s->bpf->bss->profile_active;

	return s->bpf->bss->profile_rows[active] > bpf_map__max_entries(s->bpf->maps.profile_0) / 2;
}

void sensors_control(struct sensors *s, const struct fact_sink *sink)
{
	if (s->bpf && profile_fills(s))
		drain_profile(s, sink, false);
	budget_poll(s, sink);
}

void sensors_finish(struct sensors *s, const struct fact_sink *sink)
{
	struct fact fact = { .kind = FACT_STALL };
	struct sensor_stall stall;

	s->detach_ns = clock_mono_ns();
	if (s->bpf)
		flow_scale_tick(s, s->bpf->bss->profile_active);
	budget_tick(s, sink);
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (s->state[i].on && table[i]->tick)
			table[i]->tick(s, sink);
	if (!s->target_exited && sensors_stall_now(s, &stall)) {
		fact.stall = stall.fact;
		fact_emit(sink, &fact);
	}
	for (size_t i = SENSOR_COUNT; i-- > 0;)
		if (table[i]->detach)
			table[i]->detach(s);
	for (size_t i = 0; i < s->link_count; i++)
		bpf_link__destroy(s->links[i]);
	s->link_count = 0;
	sensors_poll(s, sink);
	if (s->bpf)
		drain_profile(s, sink, true);
	flow_emit_unseen(s, sink);
	emit_totals(s, sink, s->detach_ns);
}

/* Without any BPF it is not the row that needs mending. */
static const char *fix_of(const struct sensors *s, const struct sensor *row)
{
	if (s->bpf || row == &sensor_vm)
		return row->fix;
	return s->config.disabled ? "leave out --no-bpf" :
				    "run redmem as root on a kernel with BTF (see `redmem check`)";
}

void sensors_emit_states(const struct sensors *s, const struct fact_sink *sink)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++) {
		const struct sensor_state *state = &s->state[i];
		struct fact fact = { .kind = FACT_SENSOR };
		bool blind =
			table[i]->needs_attribution && s->bpf && !s->target->settings.attribution;

		if (!is_wanted(s, table[i]))
			continue;
		fact.sensor.id = table[i]->id;
		fact.sensor.on = state->on && !blind;
		fact.sensor.reason =
			state->on && blind ? "needs attribution, which is off" : state->reason;
		fact.sensor.fix = fact.sensor.on ? "" : fix_of(s, table[i]);
		fact_emit(sink, &fact);
	}
}

/* Time the kernel spent in redmem's programs (bpf_prog_info, since 5.8 with
 * BPF_ENABLE_STATS; it leaves out the way into them). */
double sensors_bpf_seconds(const struct sensors *s)
{
	struct bpf_program *program;
	uint64_t ns = 0;

	if (s->stats_fd < 0)
		return NAN;
	bpf_object__for_each_program(program, s->bpf->obj) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (bpf_program__fd(program) >= 0 &&
		    !bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size))
			ns += info.run_time_ns;
	}
	return ns / 1e9;
}

double sensors_flow_program_seconds(const struct sensors *s)
{
	struct bpf_program *const programs[] = { s->bpf->progs.flow_event, s->bpf->progs.flow_fill,
						 s->bpf->progs.flow_flush_small };
	uint64_t ns = 0, runs = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (bpf_program__fd(programs[i]) < 0 ||
		    bpf_prog_get_info_by_fd(bpf_program__fd(programs[i]), &info, &size))
			continue;
		ns += info.run_time_ns;
		runs += info.run_cnt;
	}
	return runs ? (double)ns / 1e9 / (double)runs : 0;
}

void sensors_cost(struct sensors *s, struct fact_self *self)
{
	char *text = s->drops_text;
	size_t len = 0, size = sizeof(s->drops_text);

	self->bpf_seconds = s->bpf ? sensors_bpf_seconds(s) : 0;
	self->events_total = s->bpf ? (int64_t)s->target->totals[TOTAL_EVENTS] : 0;
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
		if (table[i]->detach)
			table[i]->detach(s);
	for (size_t i = 0; i < s->link_count; i++)
		bpf_link__destroy(s->links[i]);
	flow_free(s);
	close_bpf(s);
	if (s->stats_fd >= 0)
		close(s->stats_fd);
	free(s);
}

bool sensors_target_exited(const struct sensors *s)
{
	return s->target_exited;
}

/* --- for the rows ---------------------------------------------------------- */

bool sensor_tracepoint(struct bpf_program *program, const char *name)
{
	bool has = kernel_has_tracepoint(name);

	bpf_program__set_autoload(program, has);
	return has;
}

int sensor_attach_link(struct sensors *s, struct bpf_program *program, struct err *err)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(program))
		return 0;
	link = bpf_program__attach(program);
	if (!link)
		return err_set(err, -errno, "bpf: attach %s: %s", bpf_program__name(program),
			       strerror(errno));
	s->links[s->link_count++] = link;
	return 0;
}

bool sensor_on(const struct sensors *s, const char *id)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (!strcmp(table[i]->id, id))
			return s->state[i].on;
	return false;
}

void sensor_off(struct sensors *s, const char *id, const char *reason)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (!strcmp(table[i]->id, id))
			state_off(&s->state[i], reason);
}

double sensor_seconds(const struct sensors *s, int64_t mono_ns)
{
	return (mono_ns - s->config.start_ns) / 1e9;
}
