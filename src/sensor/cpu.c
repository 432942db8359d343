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

/* Programs take what is under way for as long as that where they see no more of it. */
static void tell_period(struct engine *e, uint64_t period)
{
	for (size_t i = 0; i < e->targets.count; i++)
		e->targets.slots[i].settings.sample_ns = period;
}

static int cpu_attach(struct engine *e, struct err *err)
{
	int hz = engine_on(e, "loop") ? CPU_HZ : CPU_HZ_SHARES;
	/* The clock counts nanoseconds. */
	const struct perf_spec spec = { .config = PERF_COUNT_SW_CPU_CLOCK,
					.period = 1000000000 / hz };

	e->cpu_period = spec.period;
	return perf_events_open(&e->cpu, &spec, e->bpf->progs.cpu_sample, err);
}

static int cpu_begin(struct sensors *s, struct err *err)
{
	(void)err;
	s->target->settings.sample_ns = s->engine->cpu_period;
	return 0;
}

/* The clock is the machine's: it is fine when all would have it so. */
void cpu_adapt(struct engine *e)
{
	size_t servers = 0, fine = 0;
	uint64_t period;

	if (!e->cpu)
		return;
	perf_events_follow_cpus(e->cpu);
	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++) {
		if (!e->server[i])
			continue;
		servers++;
		fine += __atomic_load_n(&e->server[i]->fine_samples, __ATOMIC_RELAXED);
	}
	if (!engine_on(e, "loop") || !servers)
		return;
	period = 1000000000 / (fine == servers ? CPU_FINE_HZ : CPU_HZ);
	if (period == e->cpu_period)
		return;
	log_msg(LOG_INFO, "cpu: %llu samples a second", (unsigned long long)(1000000000 / period));
	perf_events_set_period(e->cpu, period);
	tell_period(e, period);
	e->cpu_period = period;
}

static void cpu_tick(struct sensors *s, const struct record_sink *sink)
{
	/* The budget's first look is still to come at the first tick. */
	bool looked = s->budget.tick_ns != s->budget.start_ns;

	(void)sink;
	__atomic_store_n(&s->fine_samples, s->config.fine_samples && looked && !s->budget.busy,
			 __ATOMIC_RELAXED);
}

static void cpu_detach(struct engine *e)
{
	perf_events_close(e->cpu);
	e->cpu = NULL;
}

const struct sensor sensor_cpu = {
	.id = "cpu",
	.attach = cpu_attach,
	.detach = cpu_detach,
	.begin = cpu_begin,
	.tick = cpu_tick,
	.fix = "run as root, or with CAP_PERFMON and CAP_BPF",
};
