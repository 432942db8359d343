/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault: page faults by command and key. Totals are the process's own counters, exact
 * whatever is sampled; the period of minor faults follows their rate.
 *
 * The events are on the CPUs and not on the server's threads: events on a task are
 * taken off and put on again at each of its context switches, some 3 us each time on
 * the reference machine. So they count other processes' faults too, which the programs
 * leave at once, and the period follows the rate of the machine.
 */
#include "sensor/internal.h"

#include <linux/perf_event.h>

#include "base/clock.h"
#include "host/proc.h"

#define MINOR_PERIOD_START 4
#define MINOR_PERIOD_MAX   (1 << 16)

static int fault_probe(struct engine *e, struct err *err)
{
	(void)err;
	/* Without the start tracepoints faults are counted but not timed. */
	sensor_tracepoint(e->bpf->progs.fault_user, "page_fault_user");
	sensor_tracepoint(e->bpf->progs.fault_kernel, "page_fault_kernel");
	return 0;
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
	e->minor_last = perf_events_count(e->fault_minor);
	e->minor_last_ns = clock_mono_ns();
	return ret;
}

static int fault_begin(struct sensors *s, struct err *err)
{
	(void)err;
	read_totals(s);
	s->minor_base = s->minor_total;
	s->major_base = s->major_total;
	return 0;
}

/* The period that gives the wanted rate of samples, a power of two so that small
 * changes of load do not change it. */
static uint64_t period_for(double faults_per_second, double samples_per_second)
{
	uint64_t period = 1;

	while (period < MINOR_PERIOD_MAX && faults_per_second / period > samples_per_second)
		period *= 2;
	return period;
}

/* The events are the machine's: as many samples as the server with the smallest allowance
 * may have, should all of them be its. */
void fault_adapt(struct engine *e)
{
	double seconds = (double)(clock_mono_ns() - e->minor_last_ns) / 1e9;
	uint32_t allowed = UINT32_MAX, rate;
	uint64_t period;
	int64_t count;

	if (!e->fault_minor || seconds < 0.05)
		return;
	perf_events_follow_cpus(e->fault_minor);
	perf_events_follow_cpus(e->fault_major);
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++) {
		rate = e->server[i] ? __atomic_load_n(&e->server[i]->fault_rate, __ATOMIC_RELAXED) :
				      0;
		if (rate && rate < allowed)
			allowed = rate;
	}
	count = perf_events_count(e->fault_minor);
	period = period_for((double)(count - e->minor_last) / seconds, allowed);
	e->minor_last = count;
	e->minor_last_ns = clock_mono_ns();
	if (allowed == UINT32_MAX || period == e->minor_period)
		return;
	perf_events_set_period(e->fault_minor, period);
	e->minor_period = period;
}

static void fault_tick(struct sensors *s, const struct record_sink *sink)
{
	(void)sink;
	read_totals(s);
	if (s->bpf)
		__atomic_store_n(&s->fault_rate, (uint32_t)budget_fault_rate(s) + 1,
				 __ATOMIC_RELAXED);
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
