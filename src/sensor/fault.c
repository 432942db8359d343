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

static int fault_probe(struct sensors *s, struct err *err)
{
	(void)err;
	/* Without the start tracepoints faults are counted but not timed. */
	sensor_tracepoint(s->bpf->progs.fault_user, "page_fault_user");
	sensor_tracepoint(s->bpf->progs.fault_kernel, "page_fault_kernel");
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

static int fault_attach(struct sensors *s, struct err *err)
{
	const struct perf_spec minor = { .config = PERF_COUNT_SW_PAGE_FAULTS_MIN,
					 .period = MINOR_PERIOD_START };
	const struct perf_spec major = { .config = PERF_COUNT_SW_PAGE_FAULTS_MAJ, .period = 1 };
	int ret;

	ret = sensor_attach_link(s, s->bpf->progs.fault_user, err);
	if (!ret)
		ret = sensor_attach_link(s, s->bpf->progs.fault_kernel, err);
	if (!ret)
		ret = perf_events_open(&s->fault_minor, &minor, s->bpf->progs.fault_minor, err);
	if (!ret)
		ret = perf_events_open(&s->fault_major, &major, s->bpf->progs.fault_major, err);
	s->minor_period = MINOR_PERIOD_START;
	s->minor_last = perf_events_count(s->fault_minor);
	read_totals(s);
	s->minor_base = s->minor_total;
	s->major_base = s->major_total;
	return ret;
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

static void fault_tick(struct sensors *s, const struct fact_sink *sink)
{
	double seconds = (clock_mono_ns() - s->last_tick_ns) / 1e9;
	int64_t count = perf_events_count(s->fault_minor);
	uint64_t period;

	(void)sink;
	read_totals(s);
	if (seconds < 0.05)
		return;
	period = period_for((count - s->minor_last) / seconds, budget_fault_rate(s));
	s->minor_last = count;
	if (period == s->minor_period)
		return;
	perf_events_set_period(s->fault_minor, period);
	s->minor_period = period;
}

static void fault_detach(struct sensors *s)
{
	if (s->fault_minor)
		read_totals(s);
	perf_events_close(s->fault_minor);
	perf_events_close(s->fault_major);
	s->fault_minor = s->fault_major = NULL;
}

const struct sensor sensor_fault = {
	.id = "fault",
	.probe = fault_probe,
	.attach = fault_attach,
	.tick = fault_tick,
	.detach = fault_detach,
	.fix = "run as root, or with CAP_PERFMON and CAP_BPF",
};
