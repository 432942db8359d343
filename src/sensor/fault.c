/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault: page faults by command and key. Totals are the process's own counters, exact
 * whatever is sampled. As many are looked at as the budget has room for: the period of
 * major faults, which are rare unless a server lives in swap, follows the servers' own
 * rate, that of minor faults the rate of the machine.
 *
 * The events are on the CPUs and not on the server's threads: events on a task are
 * taken off and put on again at each of its context switches, some 3 us each time on
 * the reference machine. So they count other processes' faults too, which the programs
 * leave at once.
 */
#include "sensor/internal.h"

#include <linux/perf_event.h>
#include <math.h>

#include "base/clock.h"
#include "host/proc.h"

#define MINOR_PERIOD_START 4
#define PERIOD_MAX	   (1 << 16)
#define MAJOR_PART	   0.75 /* of the looks; minor faults have what these leave */
#define SHORTEST_SECONDS   0.05 /* no rate is told from less */

static int fault_probe(struct engine *e, struct err *err)
{
	(void)err;
	/* Without the start tracepoints (x86's only) faults are counted but not timed, nor are
	 * copies told from first touches. */
	sensor_tracepoint(e->bpf->progs.fault_user, "page_fault_user");
	sensor_tracepoint(e->bpf->progs.fault_kernel, "page_fault_kernel");
	return 0;
}

bool fault_timed(const struct sensors *s)
{
	return sensor_on(s, "fault") && bpf_program__autoload(s->engine->bpf->progs.fault_user);
}

/* What the server's counters say now; what they said last when it has gone. */
static void read_totals(struct sensors *s)
{
	struct proc_stat stat;

	if (proc_stat_read(&stat, s->config.pid, NULL))
		return;
	s->minor_total = stat.minor_faults;
	s->major_total = stat.major_faults;
}

static int fault_attach(struct engine *e, struct err *err)
{
	const struct perf_spec minor = { .config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
					 .period = MINOR_PERIOD_START };
	const struct perf_spec major = { .config = PERF_COUNT_SW_PAGE_FAULTS_MAJ, .period = 1 };
	int ret;

	ret = sensor_attach_link(e, e->bpf->progs.fault_user, err);
	if (!ret)
		ret = sensor_attach_link(e, e->bpf->progs.fault_kernel, err);
	if (!ret)
		ret = perf_events_open(&e->fault_minor, &minor, e->bpf->progs.fault_minor, err);
	if (!ret)
		ret = perf_events_open(&e->fault_major, &major, e->bpf->progs.fault_major, err);
	e->minor_period = MINOR_PERIOD_START;
	e->major_period = 1;
	e->minor_last = perf_events_count(e->fault_minor);
	e->faults_ns = clock_mono_ns();
	return ret;
}

/* How many faults a second may be looked at, for the engine. */
static void say_rate(struct sensors *s)
{
	if (s->bpf)
		__atomic_store_n(&s->fault_rate, (uint32_t)budget_fault_rate(s) + 1,
				 __ATOMIC_RELAXED);
}

static int fault_begin(struct sensors *s, struct err *err)
{
	(void)err;
	read_totals(s);
	s->minor_base = s->minor_total;
	s->major_base = s->major_total;
	say_rate(s);
	return 0;
}

/* The period that gives the wanted rate of samples, a power of two so that small
 * changes of load do not change it. */
static uint64_t period_for(double faults_per_second, double samples_per_second)
{
	uint64_t period = 1;

	while (period < PERIOD_MAX && faults_per_second / period > samples_per_second)
		period *= 2;
	return period;
}

struct fault_periods fault_periods(const struct fault_load *servers, size_t count,
				   double machine_minor_rate)
{
	struct fault_periods periods = { 1, 1 };
	double left, least = INFINITY;
	uint64_t period;

	for (size_t i = 0; i < count; i++) {
		if (!(servers[i].allowed > 0))
			continue;
		period = period_for(servers[i].major_rate, MAJOR_PART * servers[i].allowed);
		periods.major = period > periods.major ? period : periods.major;
	}
	for (size_t i = 0; i < count; i++) {
		left = servers[i].allowed - servers[i].major_rate / (double)periods.major;
		if (servers[i].allowed > 0 && left < least)
			least = left;
	}
	periods.minor = isinf(least) ? 0 : period_for(machine_minor_rate, least);
	return periods;
}

/* What the servers had of major faults since the last tick, and may have of looks. */
static size_t read_loads(const struct engine *e, double seconds, struct fault_load *loads)
{
	size_t count = 0;

	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++) {
		const struct sensors *s = e->server[i];

		if (s)
			loads[count++] = (struct fault_load){
				.allowed = __atomic_load_n(&s->fault_rate, __ATOMIC_RELAXED),
				.major_rate = (double)(s->target->totals[TOTAL_MAJOR_FAULTS] -
						       s->major_seen) /
					      seconds,
			};
	}
	return count;
}

static void set_period(struct perf_events *events, uint64_t *period, uint64_t wanted)
{
	if (wanted && wanted != *period)
		perf_events_set_period(events, *period = wanted);
}

/* The events are the machine's: as many looks as the server with the smallest allowance
 * may have, should all minor faults be its. */
void fault_adapt(struct engine *e)
{
	struct fault_load loads[REDMEM_TARGETS_MAX];
	double seconds = (double)(clock_mono_ns() - e->faults_ns) / 1e9;
	struct fault_periods wanted;
	int64_t count;

	if (!e->fault_minor || seconds < SHORTEST_SECONDS)
		return;
	perf_events_follow_cpus(e->fault_minor);
	perf_events_follow_cpus(e->fault_major);
	count = perf_events_count(e->fault_minor);
	wanted = fault_periods(loads, read_loads(e, seconds, loads),
			       (double)(count - e->minor_last) / seconds);
	e->minor_last = count;
	e->faults_ns = clock_mono_ns();
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++)
		if (e->server[i])
			e->server[i]->major_seen = e->server[i]->target->totals[TOTAL_MAJOR_FAULTS];
	set_period(e->fault_minor, &e->minor_period, wanted.minor);
	set_period(e->fault_major, &e->major_period, wanted.major);
}

void fault_curb(struct engine *e)
{
	struct fault_load loads[REDMEM_TARGETS_MAX];
	double seconds = (double)(clock_mono_ns() - e->faults_ns) / 1e9;
	struct fault_periods wanted;

	if (!e->fault_major || seconds < SHORTEST_SECONDS)
		return;
	wanted = fault_periods(loads, read_loads(e, seconds, loads), 0);
	if (wanted.major > e->major_period)
		set_period(e->fault_major, &e->major_period, wanted.major);
}

static void fault_tick(struct sensors *s, const struct record_sink *sink)
{
	(void)sink;
	read_totals(s);
	say_rate(s);
}

static void fault_detach(struct engine *e)
{
	perf_events_close(e->fault_minor);
	perf_events_close(e->fault_major);
	e->fault_minor = e->fault_major = NULL;
}

const struct sensor sensor_fault = {
	.id = "fault",
	.probe = fault_probe,
	.attach = fault_attach,
	.detach = fault_detach,
	.begin = fault_begin,
	.tick = fault_tick,
	.fix = "run as root, or with CAP_PERFMON and CAP_BPF",
};
