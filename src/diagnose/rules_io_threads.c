/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O threads, which read requests and write replies for the event loop: whether they have enough
 * to do, or not enough time for it. What the loop waits for because of them is cpu.contended's to
 * tell.
 */
#include <math.h>
#include <string.h>

#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* One that had less of a CPU was not at work. */
#define AT_WORK_RATIO 0.05
/* Reading and writing is done in the kernel; who spins is not there. Half of a CPU in vain is worth
 * a word. */
#define SPIN_KERNEL_RATIO 0.10
#define SPIN_CPU_RATIO	  0.50
/* It has no time left. */
#define FULL_RATIO 0.90

struct io_threads {
	int at_work;
	double seconds, kernel_seconds;
	double least_ratio; /* of a CPU, of those at work */
};

static struct io_threads io_threads_of(const struct model *m)
{
	struct io_threads t = { .least_ratio = INFINITY };

	for (size_t i = 0; i < m->threads_count; i++) {
		const struct charge *c = measure_io_thread(m, m->threads[i].thread);
		double ratio = c ? c->cpu_seconds / m->duration_seconds : NAN;

		if (!(ratio >= AT_WORK_RATIO))
			continue;
		t.at_work++;
		t.seconds += c->cpu_seconds;
		t.kernel_seconds += isnan(c->kernel_seconds) ? 0 : c->kernel_seconds;
		t.least_ratio = fmin(t.least_ratio, ratio);
	}
	return t;
}

/* With TLS they work outside of the kernel, too. */
static bool spins(const struct model *m, const struct io_threads *t)
{
	return !(m->inside[INSIDE_TLS].objects_total > 0) &&
	       t->kernel_seconds < SPIN_KERNEL_RATIO * t->seconds &&
	       t->seconds >= SPIN_CPU_RATIO * t->at_work * m->duration_seconds;
}

/* Only since Redis 8 do they sleep while there is nothing: before, and in Valkey, one at work
 * always has all of a CPU. */
static bool full(const struct model *m, const struct io_threads *t)
{
	return !strcmp(m->target.server, "redis") && version_at_least(m->target.version, 8, 0) &&
	       t->least_ratio >= FULL_RATIO;
}

bool rule_io_threads(const struct model *m, struct finding *f)
{
	const struct charge *main_thread = measure_main_thread(m);
	struct io_threads t = io_threads_of(m);
	bool spin;

	if (!t.at_work || !(m->duration_seconds > 0))
		return false;
	spin = spins(m, &t);
	if (!spin && !full(m, &t))
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = t.seconds;
	if (spin)
		finding_title(
			f, "I/O threads took %s of CPU time, %s of it for reading and writing",
			say_seconds(t.seconds).s, say_percent(t.kernel_seconds / t.seconds).s);
	else
		finding_title(f, "I/O threads have no time left: each of %d had %s of a CPU",
			      t.at_work, say_percent(t.least_ratio).s);
	finding_evidence_count(f, "io_threads_at_work", t.at_work, "threads", BASIS_SAMPLED);
	finding_evidence_count(f, "io-threads", measure_config(m, "io-threads"), "threads",
			       BASIS_EXACT);
	finding_evidence(f, "io_threads_cpu_seconds", t.seconds, "seconds", BASIS_SAMPLED);
	finding_evidence(f, "io_threads_kernel_seconds", t.kernel_seconds, "seconds",
			 BASIS_SAMPLED);
	finding_evidence(f, "main_thread_cpu_seconds", main_thread ? main_thread->cpu_seconds : NAN,
			 "seconds", BASIS_SAMPLED);
	finding_evidence_count(f, "cpus_total",
			       m->have_host ? m->host_end.cpus_total : RECORD_UNKNOWN, "cpus",
			       BASIS_EXACT);
	if (spin)
		finding_cause(f,
			      "An I/O thread waits for work by looking for it all the time; here "
			      "there is little for it.");
	else
		finding_cause(f, "What they cannot read and write the clients wait for, while the "
				 "event loop may have time.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET io-threads").s,
		       spin ? "Have fewer of them (a restart, before Valkey 9), or none: the event "
			      "loop reads and writes by itself." :
			      "Have more of them where there are CPUs for them (a restart, before "
			      "Valkey 9).");
	return true;
}
