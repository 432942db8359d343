/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sensors that are little more than their programs: cpu, loop, offcpu, rss and reclaim. What
 * they see becomes records elsewhere (profile.c, stall.c, ring.c).
 */
#include "sensor/internal.h"

#include <errno.h>
#include <linux/perf_event.h>

#include "base/err.h"
#include "host/proc.h"

/* --- cpu --------------------------------------------------------------------- */

/*
 * cpu: who is on the CPU, 199 or 61 times a second. One clock on each CPU, not one on each
 * thread: a thread's clock is stopped and started at each of its context switches,
 * which costs a server that sleeps between requests far more than the samples do.
 *
 * Rates are primes, so that the samples do not march in step with a timer of the server.
 * Where a timer's interrupt is dear (some 40 us in a nested virtual machine) 199 takes 1 %
 * of a CPU, and 997 took 5 % of a server with one request at a time: so there are no more
 * than a part of the budget pays for.
 */
#define SAMPLES_PART 0.4
static const int rates[] = { 19, 31, CPU_HZ_SHARES, 97, 139, CPU_HZ };

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

/* Samples a second: those that are wanted, as far as the budgets have room for them. */
static int choose_hz(struct engine *e)
{
	int wanted = engine_on(e, "loop") ? CPU_HZ : CPU_HZ_SHARES, room;
	size_t servers = 0, fine = 0;

	for (size_t i = 0; i < REDMEM_TARGETS_MAX; i++) {
		if (!e->server[i])
			continue;
		servers++;
		fine += __atomic_load_n(&e->server[i]->fine_samples, __ATOMIC_RELAXED);
		room = __atomic_load_n(&e->server[i]->affordable_hz, __ATOMIC_RELAXED);
		if (room && room < wanted)
			wanted = room;
	}
	/* The clock is the machine's: it is fine when all would have it so. */
	return servers && fine == servers && engine_on(e, "loop") ? CPU_FINE_HZ : wanted;
}

void cpu_adapt(struct engine *e)
{
	uint64_t period;

	if (!e->cpu)
		return;
	perf_events_follow_cpus(e->cpu);
	period = 1000000000 / (uint64_t)choose_hz(e);
	if (period == e->cpu_period)
		return;
	log_msg(LOG_INFO, "cpu: %llu samples a second", (unsigned long long)(1000000000 / period));
	/* Never told shorter than it is: where a tick is missing the CPU stood still. */
	if (period > e->cpu_period)
		tell_period(e, period);
	perf_events_set_period(e->cpu, period);
	tell_period(e, period);
	e->cpu_period = period;
}

static int affordable_hz(const struct sensors *s)
{
	double room = SAMPLES_PART * s->config.budget_ratio / s->probe_cost.sample_seconds;
	size_t i = sizeof(rates) / sizeof(rates[0]) - 1;

	while (i > 0 && rates[i] > room) /* nothing is above a room that is not known */
		i--;
	return rates[i];
}

static void cpu_tick(struct sensors *s, const struct record_sink *sink)
{
	/* The budget's first look is still to come at the first tick. */
	bool looked = s->budget.tick_ns != s->budget.start_ns;

	(void)sink;
	__atomic_store_n(&s->affordable_hz, affordable_hz(s), __ATOMIC_RELAXED);
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

/* --- loop -------------------------------------------------------------------- */

/*
 * loop: does the event loop move on? It has no programs of its own: the cpu and
 * offcpu programs look at the server's progress words at each of their events
 * (bpf/loop.bpf.h); what they tell becomes records in stall.c. Without offcpu nobody
 * sees it go to sleep, and what it did last would seem to go on.
 */

static int loop_attach(struct engine *e, struct err *err)
{
	static const char *const needs[] = { "cpu", "offcpu" };

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (!engine_on(e, needs[i]))
			return err_set(err, -ENODATA, "needs the %s sensor, which is off",
				       needs[i]);
	return 0;
}

const struct sensor sensor_loop = {
	.id = "loop",
	.attach = loop_attach,
	.needs_attribution = true,
	.fix = "see the row `attribution`",
};

/* --- offcpu ------------------------------------------------------------------ */

/* offcpu: waiting for a CPU or for I/O, from the scheduler's switches. */

static int offcpu_probe(struct engine *e, struct err *err)
{
	if (!sensor_tracepoint(e->bpf->progs.offcpu_switch, "sched_switch"))
		return err_set(err, -ENOENT, "this kernel has no tracepoint sched:sched_switch");
	return 0;
}

static int offcpu_attach(struct engine *e, struct err *err)
{
	return sensor_attach_link(e, e->bpf->progs.offcpu_switch, err);
}

const struct sensor sensor_offcpu = {
	.id = "offcpu",
	.probe = offcpu_probe,
	.attach = offcpu_attach,
	.fix = "a kernel with sched tracepoints and BTF",
};

/* --- rss --------------------------------------------------------------------- */

/* rss: resident and swapped memory as they move, in steps worth a record. */

/* A record for each 1/64 of the resident memory, but not for less than 4 MiB:
 * a server that doubles gives some hundred records. */
#define RSS_STEP_FRACTION 64
#define RSS_STEP_MIN	  (4 << 20)

static int rss_probe(struct engine *e, struct err *err)
{
	if (!sensor_tracepoint(e->bpf->progs.rss_changed, "rss_stat"))
		return err_set(err, -ENOENT, "this kernel has no tracepoint kmem:rss_stat");
	return 0;
}

static int rss_attach(struct engine *e, struct err *err)
{
	return sensor_attach_link(e, e->bpf->progs.rss_changed, err);
}

static int rss_begin(struct sensors *s, struct err *err)
{
	struct proc_status status;
	uint64_t step = RSS_STEP_MIN;

	(void)err;
	if (!proc_status_read(&status, s->config.pid, NULL) &&
	    status.rss_bytes / RSS_STEP_FRACTION > RSS_STEP_MIN)
		step = status.rss_bytes / RSS_STEP_FRACTION;
	s->target->settings.rss_step_bytes = step;
	return 0;
}

const struct sensor sensor_rss = {
	.id = "rss",
	.probe = rss_probe,
	.attach = rss_attach,
	.begin = rss_begin,
	.fix = "a kernel of 5.5 or later; RSS is read once a tick instead",
};

/* --- reclaim ----------------------------------------------------------------- */

/* reclaim: stalls the kernel imposes to find memory. */

static int reclaim_probe(struct engine *e, struct err *err)
{
	struct {
		struct bpf_program *program;
		const char *tracepoint;
	} rows[] = {
		{ e->bpf->progs.direct_reclaim_begin, "mm_vmscan_direct_reclaim_begin" },
		{ e->bpf->progs.direct_reclaim_end, "mm_vmscan_direct_reclaim_end" },
		{ e->bpf->progs.memcg_reclaim_begin, "mm_vmscan_memcg_reclaim_begin" },
		{ e->bpf->progs.memcg_reclaim_end, "mm_vmscan_memcg_reclaim_end" },
		{ e->bpf->progs.compaction_begin, "mm_compaction_begin" },
		{ e->bpf->progs.compaction_end, "mm_compaction_end" },
		{ e->bpf->progs.huge_collapse, "mm_collapse_huge_page" },
	};
	size_t found = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		found += sensor_tracepoint(rows[i].program, rows[i].tracepoint);
	if (!found)
		return err_set(err, -ENOENT, "this kernel has no reclaim tracepoints");
	return 0;
}

static int reclaim_attach(struct engine *e, struct err *err)
{
	struct bpf_program *programs[] = {
		e->bpf->progs.direct_reclaim_begin, e->bpf->progs.direct_reclaim_end,
		e->bpf->progs.memcg_reclaim_begin,  e->bpf->progs.memcg_reclaim_end,
		e->bpf->progs.compaction_begin,	    e->bpf->progs.compaction_end,
		e->bpf->progs.huge_collapse,
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		int ret = sensor_attach_link(e, programs[i], err);

		if (ret)
			return ret;
	}
	return 0;
}

const struct sensor sensor_reclaim = {
	.id = "reclaim",
	.probe = reclaim_probe,
	.attach = reclaim_attach,
	.fix = "a kernel with vmscan tracepoints and BTF",
};
