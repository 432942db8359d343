/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu: who is on the CPU, 199 or 61 times a second. One clock on each CPU, not one on each
 * thread: a thread's clock is stopped and started at each of its context switches,
 * which costs a server that sleeps between requests far more than the samples do.
 */
#include "sensor/internal.h"

#include <linux/perf_event.h>

#include "base/log.h"

/*
 * A prime, so that the samples do not march in step with a timer of the server. Where a
 * timer's interrupt is dear (some 40 us in a nested virtual machine) this rate takes 1 %
 * of a CPU, and 997 took 5 % of a server with one request at a time.
 */
#define CPU_HZ 199
/* Enough for shares of commands, where nobody asks how long a stall has lasted. */
#define CPU_HZ_SHARES 61
/* A server that has CPU left loses nothing by more of them, and short stalls are seen
 * better. */
#define CPU_FINE_HZ 997

static int cpu_attach(struct sensors *s, struct err *err)
{
	int hz = sensor_on(s, "loop") ? CPU_HZ : CPU_HZ_SHARES;
	/* The clock counts nanoseconds. */
	const struct perf_spec spec = { .config = PERF_COUNT_SW_CPU_CLOCK,
					.period = 1000000000 / hz };

	s->target->settings.sample_ns = spec.period;
	return perf_events_open(&s->cpu, &spec, s->bpf->progs.cpu_sample, err);
}

static void set_rate(struct sensors *s, uint64_t hz)
{
	uint64_t period = 1000000000 / hz;

	if (s->target->settings.sample_ns == period)
		return;
	log_msg(LOG_INFO, "cpu: %llu samples a second", (unsigned long long)hz);
	perf_events_set_period(s->cpu, period);
	s->target->settings.sample_ns = period;
}

static void cpu_tick(struct sensors *s, const struct fact_sink *sink)
{
	(void)sink;
	/* The budget's first look is still to come at the first tick. */
	if (s->config.fine_samples && s->budget.tick_ns != s->budget.start_ns)
		set_rate(s, s->budget.busy ? CPU_HZ : CPU_FINE_HZ);
}

static void cpu_detach(struct sensors *s)
{
	perf_events_close(s->cpu);
	s->cpu = NULL;
}

const struct sensor sensor_cpu = {
	.id = "cpu",
	.attach = cpu_attach,
	.tick = cpu_tick,
	.detach = cpu_detach,
	.fix = "run as root, or with CAP_PERFMON and CAP_BPF",
};
