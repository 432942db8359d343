/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The budget: what all sensors together take from the server stays below a part of one
 * core. A closed loop: once a tick it adds up what was spent (time in redmem's programs,
 * traps at their measured cost, pauses while probes were put in and taken out) and says
 * what may be spent in the next one: how much of the time the flow probe stands, how many
 * minor faults are looked at, and when the next burst comes.
 */
#include "sensor/internal.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "host/proc.h"
#include "host/uprobe.h"

/* Parts of the budget. The rest is for samples and switches. */
#define FLOW_PART	    0.35
#define FLOW_PART_ASIDE	    0.15 /* where allocation is one subject of many */
#define BURST_PART	    0.35
#define FAULT_PART	    0.25
#define FAULT_SECONDS	    1.25e-6 /* a minor fault looked at, way in and out included */
#define FAULTS_MAX	    20000
#define PROGRAM_SECONDS	    5e-6 /* the flow sensor's, before it is known */
#define BURST_CALLS_MAX	    400
#define BURST_CALLS_MIN	    40
#define BURST_PAUSE_SECONDS 0.006 /* what one burst may take from the server */
#define BURST_GAP_NS	    250000000LL /* bursts of an idle server cost nothing but our time */
#define BUSY_RATIO	    0.9 /* of a core: the server has no time to give away */
/* Each coming and going of the probe holds the server up a little, so it does that rarely:
 * it goes when it has overdrawn this many seconds of the budget, and stays away at least
 * as long as it takes to be forgotten. A watch of one second is within the budget, too. */
#define FLOW_CREDIT_SECONDS 1.0
#define FLOW_REST_NS	    1500000000LL
#define UNLIMITED_RATIO	    1.0

static double known(double value)
{
	return isfinite(value) ? value : 0;
}

/* Pauses of putting one probe in or out; @count of both. */
void budget_pause(struct sensors *s, unsigned int count)
{
	s->budget.attach_seconds += count * known(s->probe_cost.pause_seconds);
}

static double trap_seconds(const struct sensors *s)
{
	return (double)s->target->totals[TOTAL_FLOW_HITS] * known(s->probe_cost.trap_seconds) +
	       s->budget.burst_seconds;
}

static double spent(const struct sensors *s)
{
	return known(sensors_bpf_seconds(s)) + trap_seconds(s) + s->budget.attach_seconds -
	       s->budget.base_seconds;
}

void budget_start(struct sensors *s)
{
	struct proc_stat stat;

	memset(&s->budget, 0, sizeof(s->budget));
	s->budget.start_ns = s->budget.tick_ns = s->budget.purse_ns = clock_mono_ns();
	s->budget.base_seconds = spent(s);
	s->budget.flow_on_ns = s->budget.start_ns;
	s->budget.flow_hits = s->target->totals[TOTAL_FLOW_HITS];
	if (!proc_stat_read(&stat, s->config.pid, NULL))
		s->budget.server_cpu = stat.user_seconds + stat.system_seconds;
}

double budget_fault_rate(const struct sensors *s)
{
	double rate = FAULT_PART * s->config.budget_ratio / FAULT_SECONDS;

	return fmin(s->budget.busy ? rate / 2 : rate, FAULTS_MAX);
}

/* Is the server out of CPU? Of the last tick. */
static bool is_busy(struct sensors *s, double seconds)
{
	struct proc_stat stat;
	double cpu;

	if (proc_stat_read(&stat, s->config.pid, NULL))
		return false;
	cpu = stat.user_seconds + stat.system_seconds - s->budget.server_cpu;
	s->budget.server_cpu += cpu;
	return cpu / seconds > BUSY_RATIO;
}

/* What a hit of the flow probe takes, its program included. */
static double hit_seconds(const struct sensors *s)
{
	double program = s->budget.flow_program_seconds;

	return known(s->probe_cost.trap_seconds) + (program > 0 ? program : PROGRAM_SECONDS);
}

static void emit(struct sensors *s, double elapsed, const struct fact_sink *sink)
{
	struct fact fact = { .kind = FACT_BUDGET };
	struct fact_budget *b = &fact.budget;

	b->t_seconds = sensor_seconds(s, clock_mono_ns());
	b->budget_ratio = s->config.budget_ratio;
	b->spent_ratio = spent(s) / elapsed;
	b->bpf_seconds = sensors_bpf_seconds(s);
	b->trap_seconds = trap_seconds(s);
	b->attach_seconds = s->budget.attach_seconds;
	b->trap_cost_seconds = s->probe_cost.trap_seconds;
	b->flow_duty_ratio = s->flow ? (double)flow_on_ns(s) / 1e9 / elapsed : NAN;
	b->fault_period = sensor_on(s, "fault") ? (int64_t)s->minor_period : FACT_UNKNOWN;
	b->bursts_total = s->budget.bursts;
	if (b->flow_duty_ratio > 1)
		b->flow_duty_ratio = 1;
	fact_emit(sink, &fact);
}

void budget_tick(struct sensors *s, const struct fact_sink *sink)
{
	int64_t now = clock_mono_ns();
	double seconds = (double)(now - s->budget.tick_ns) / 1e9;

	if (!s->bpf || seconds < 0.05)
		return;
	s->budget.busy = is_busy(s, seconds);
	s->budget.flow_program_seconds = sensors_flow_program_seconds(s);
	s->budget.tick_ns = now;
	emit(s, (double)(now - s->budget.start_ns) / 1e9, sink);
}

/* Calls of the next burst: as many as the pause it may make has room for. */
static uint64_t burst_calls(const struct sensors *s)
{
	double pair = known(s->probe_cost.pair_trap_seconds);
	double calls = pair > 0 ? BURST_PAUSE_SECONDS / pair / 2 : BURST_CALLS_MAX;

	return (uint64_t)fmax(fmin(calls, BURST_CALLS_MAX), BURST_CALLS_MIN);
}

/* Bursts have a purse: they come when they are paid for. */
static void fill_purse(struct sensors *s)
{
	int64_t now = clock_mono_ns();
	double seconds = (double)(now - s->budget.purse_ns) / 1e9;

	s->budget.purse_ns = now;
	s->budget.burst_purse +=
		s->config.budget_ratio * BURST_PART * seconds * (s->budget.busy ? 0.5 : 1);
	s->budget.burst_purse = fmin(s->budget.burst_purse, 3 * BURST_PAUSE_SECONDS);
}

static void run_burst(struct sensors *s, const struct fact_sink *sink)
{
	double price = s->budget.burst_price > 0 ?
			       s->budget.burst_price :
			       (double)burst_calls(s) * known(s->probe_cost.pair_trap_seconds);

	fill_purse(s);
	if (!sensor_on(s, "burst") || s->budget.burst_purse < price ||
	    (s->budget.burst_idle && clock_mono_ns() - s->budget.burst_ns < BURST_GAP_NS))
		return;
	price = burst_run(s, burst_calls(s), sink);
	budget_pause(s, 4);
	s->budget.burst_price = (3 * s->budget.burst_price + price) / 4;
	s->budget.burst_seconds += price;
	s->budget.burst_purse -= price;
	s->budget.bursts++;
	s->budget.burst_ns = clock_mono_ns();
	s->budget.burst_idle = s->target->burst.calls < s->target->burst.limit;
}

/* The flow probe's part of the budget: most where bursts are wanted, too. */
static double flow_ratio(const struct sensors *s)
{
	return s->config.budget_ratio * (sensor_on(s, "burst") ? FLOW_PART : FLOW_PART_ASIDE);
}

/* May the flow probe stand now? While it does, its hits are held against its part of the
 * budget since it came; when it has gone it comes back once everything is paid for. */
static bool flow_may_stand(const struct sensors *s)
{
	const struct budget *b = &s->budget;
	double ratio = s->config.budget_ratio;
	int64_t now = clock_mono_ns();
	double used;

	if (ratio >= UNLIMITED_RATIO)
		return true;
	if (!flow_is_on(s))
		return now - b->flow_off_ns >= FLOW_REST_NS &&
		       spent(s) <= ratio * (double)(now - b->start_ns) / 1e9;
	used = (double)(s->target->totals[TOTAL_FLOW_HITS] - b->flow_hits) * hit_seconds(s);
	return used <= flow_ratio(s) * (FLOW_CREDIT_SECONDS + (double)(now - b->flow_on_ns) / 1e9);
}

static void switch_flow(struct sensors *s)
{
	bool may = flow_may_stand(s);

	if (may == flow_is_on(s))
		return;
	budget_pause(s, 1);
	s->flow_partly = true;
	if (!may) {
		flow_switch_off(s);
		s->budget.attach_seconds += uprobe_removal_seconds();
		s->budget.flow_off_ns = clock_mono_ns();
		return;
	}
	if (flow_switch_on(s, NULL))
		sensor_off(s, "flow", "its probe could not be put in again");
	s->budget.flow_on_ns = clock_mono_ns();
	s->budget.flow_hits = s->target->totals[TOTAL_FLOW_HITS];
}

/* At each turn of the watch's loop. */
void budget_poll(struct sensors *s, const struct fact_sink *sink)
{
	if (!s->bpf || !s->budget.start_ns)
		return;
	if (s->flow && sensor_on(s, "flow"))
		switch_flow(s);
	run_burst(s, sink);
}
