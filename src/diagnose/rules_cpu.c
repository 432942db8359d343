/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for a CPU: because the quota of a cgroup was used up, because others ran, or
 * because the hypervisor ran somebody else's machine.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/stall_owner.h"
#include "diagnose/waits.h"

#define NEIGHBOURS 3

/* --- the quota -------------------------------------------------------------------- */

/* The kernel counts how long the cgroup was held back, on each of its CPUs; the server
 * waited at most as long as it waited for a CPU at all. */
static double held_back(const struct model *m)
{
	const struct charge *main_thread = measure_main_thread(m);
	double seconds = measure_throttled(m, NULL);

	if (isnan(seconds))
		return NAN;
	seconds = fmin(seconds, m->duration_seconds);
	if (model_sensor_on(m, "offcpu") && main_thread)
		seconds = fmin(seconds, main_thread->cpu_wait_seconds);
	return seconds;
}

static int64_t count_between(int64_t start, int64_t end)
{
	return start == RECORD_UNKNOWN || end < start ? RECORD_UNKNOWN : sum_less(end, start);
}

static void quota_evidence(struct finding *f, const struct cpu_limit_row *limit)
{
	const struct record_cpu_limit *start = &limit->start, *end = &limit->end;

	finding_evidence_text(f, "cgroup", say_key(end->cgroup, strlen(end->cgroup)).s,
			      BASIS_EXACT);
	finding_evidence_text(f, "quota_of", end->own ? "its own cgroup" : "a parent cgroup",
			      BASIS_EXACT);
	finding_evidence(f, "quota_cores", end->quota_cores, "cores", BASIS_EXACT);
	finding_evidence_count(f, "periods_total",
			       count_between(start->periods_total, end->periods_total), "periods",
			       BASIS_EXACT);
	finding_evidence_count(
		f, "throttled_periods_total",
		count_between(start->throttled_periods_total, end->throttled_periods_total),
		"periods", BASIS_EXACT);
	finding_evidence(f, "throttled_seconds",
			 end->throttled_seconds_total - start->throttled_seconds_total, "seconds",
			 BASIS_EXACT);
}

static void throttled_by(const struct cpu_limit_row *limit, struct finding *f)
{
	quota_evidence(f, limit);
	finding_cause(f,
		      "%s has used up its CPU time before the period is over, and nothing in "
		      "it runs until the next one: every client waits, whatever it asked for.",
		      limit->end.own ? "The server's cgroup" : "A cgroup above the server's");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Raise the quota of %s (cpu.max; cpu.cfs_quota_us in version 1; CPUQuota= "
		       "of a unit; resources.limits.cpu in Kubernetes) to at least one core more "
		       "than its other threads and a saving child need, or take it away and give "
		       "weights instead.",
		       say_key(limit->end.cgroup, strlen(limit->end.cgroup)).s);
}

static void throttled_by_nobody_seen(struct finding *f)
{
	f->weak = true;
	finding_cause(f, "No quota can be seen from here: one of a cgroup above may have been used "
			 "up, or the hypervisor ran the CPU late.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look for a quota on the host (cpu.max of the cgroups above, CPUQuota=, "
		       "resources.limits.cpu); without one, ask for a less crowded host.");
}

bool rule_cpu_throttled(const struct model *m, struct finding *f)
{
	const struct cpu_limit_row *limit = NULL;
	struct waits w = waits_of(m, f->id);

	measure_throttled(m, &limit);
	waits_include(&w, held_back(m));
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	if (limit) {
		finding_title(f, "A CPU quota of %.2f cores held the server back for %s of %s",
			      limit->end.quota_cores, say_seconds(w.seconds).s,
			      say_seconds(m->duration_seconds).s);
		throttled_by(limit, f);
	} else {
		finding_title(f, "The server was not let on a free CPU for %s of %s",
			      say_seconds(w.seconds).s, say_seconds(m->duration_seconds).s);
		throttled_by_nobody_seen(f);
	}
	return true;
}

/* --- neighbours ------------------------------------------------------------------- */

/* Processes of one name are one neighbour: whoever moves it moves them all. */
struct neighbour {
	const char *name;
	int64_t pid;
	bool several;
	double seconds;
};

static const char io_threads[] = "its own I/O threads";

/* Each thread has a name of its own there, and together they are one. */
static const char *neighbour_name(const struct model *m, const struct stall *stall)
{
	return measure_io_thread(m, stall->preemptor) ? io_threads : stall->preemptor;
}

static void neighbour_add(struct neighbour all[], size_t *count, size_t max,
			  const struct stall *stall, const char *name)
{
	size_t i = 0;

	while (i < *count && strcmp(all[i].name, name) != 0)
		i++;
	if (i == max)
		return;
	if (i == *count)
		all[(*count)++] = (struct neighbour){ .name = name, .pid = stall->preemptor_pid };
	all[i].several |= all[i].pid != stall->preemptor_pid;
	all[i].seconds += stall->seconds[CAUSE_CPU_WAIT];
	for (; i > 0 && all[i].seconds > all[i - 1].seconds; i--) {
		struct neighbour less = all[i - 1];

		all[i - 1] = all[i];
		all[i] = less;
	}
}

/* Who had the CPU, by time, falling. */
static size_t neighbours(const struct model *m, const char *id, struct neighbour all[], size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (*stall->preemptor && !strcmp(stall_finding(m, stall), id))
			neighbour_add(all, &count, max, stall, neighbour_name(m, stall));
	}
	return count;
}

/* What redmem takes is its own to tell (self), and no neighbour anybody could move. */
static bool is_redmem(const struct neighbour *n)
{
	return strcmp(n->name, "redmem") == 0;
}

/* The one with most of the time but for redmem; NULL without one. */
static const struct neighbour *worst_neighbour(const struct neighbour all[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_redmem(&all[i]))
			return &all[i];
	return NULL;
}

static struct phrase say_neighbour(const struct neighbour *n)
{
	struct phrase t = say_process(n->name, n->name == io_threads ? RECORD_UNKNOWN : n->pid);

	if (n->several && n->name != io_threads) {
		t = say_key(n->name, strlen(n->name));
		snprintf(t.s + strlen(t.s), sizeof(t.s) - strlen(t.s), " (several processes)");
	}
	return t;
}

/* What was waited in the stalls of other findings. */
static double waited_beside(const struct model *m, const char *id)
{
	double seconds = 0;

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (strcmp(stall_finding(m, stall), id) != 0)
			seconds += stall_waited_apart(stall);
	}
	return seconds;
}

static void neighbours_evidence(struct finding *f, const struct neighbour all[], size_t count)
{
	size_t told = 0;
	double own_seconds = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_redmem(&all[i])) {
			own_seconds += all[i].seconds;
		} else if (told < NEIGHBOURS) {
			told++;
			finding_evidence_text(f, "neighbour", say_neighbour(&all[i]).s,
					      BASIS_EXACT);
			finding_evidence(f, "neighbour_stall_seconds", all[i].seconds, "seconds",
					 BASIS_DERIVED);
		}
	}
	if (own_seconds > 0)
		finding_evidence(f, "redmem_stall_seconds", own_seconds, "seconds", BASIS_DERIVED);
}

bool rule_cpu_contended(const struct model *m, struct finding *f)
{
	const struct charge *main_thread = measure_main_thread(m);
	struct neighbour all[64];
	size_t count = neighbours(m, f->id, all, sizeof(all) / sizeof(all[0]));
	const struct neighbour *worst = worst_neighbour(all, count);
	struct waits w = waits_of(m, f->id);
	double waited;

	waits_include(&w, w.seconds + waited_beside(m, f->id));
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	/* It is harm by the stalls; how much it is, the many short waits between them say, too. */
	waited = main_thread ? fmax(w.seconds, main_thread->cpu_wait_seconds) : w.seconds;
	finding_title(f, "The server waited %s for a CPU%s%s%s", say_seconds(waited).s,
		      count == 0			       ? "" :
		      worst && worst->seconds >= w.seconds / 2 ? ", most of it behind " :
								 ", behind ",
		      worst	? say_neighbour(worst).s :
		      count > 0 ? "redmem itself" :
				  "",
		      worst && worst->seconds < w.seconds / 2 && count > 1 ? " and others" : "");
	neighbours_evidence(f, all, count);
	finding_evidence(f, "cpu_wait_seconds", main_thread ? main_thread->cpu_wait_seconds : NAN,
			 "seconds", BASIS_EXACT);
	finding_evidence_count(f, "cpus_total",
			       m->have_host ? m->host_end.cpus_total : RECORD_UNKNOWN, "cpus",
			       BASIS_EXACT);
	finding_cause(f, "Other work ran on the CPUs the server may use while it had commands to "
			 "run; the event loop is one thread, and all clients wait with it.");
	if (worst && worst->name == io_threads)
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET io-threads").s,
			       "Have fewer I/O threads: with the event loop's own thread not more "
			       "than the server has CPUs (a restart, before Valkey 9). They wait "
			       "for work by looking for it all the time.");
	if (worst == NULL && count > 0)
		finding_action(f, RECORD_UNKNOWN, "",
			       "Let redmem run on other CPUs (taskset), or look with a smaller "
			       "--budget; without a look the server does not wait so.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Give the server a CPU of its own (a cpuset, or taskset for both sides), a "
		       "higher CPU weight (cpu.weight, CPUWeight=), or move the neighbours.");
	return true;
}

/* --- the hypervisor ----------------------------------------------------------------- */

/* CPU time of the server in the window; NAN. */
static double server_cpu(const struct model *m)
{
	if (m->timeline_count < 2)
		return NAN;
	return m->timeline[m->timeline_count - 1].host.cpu_seconds -
	       m->timeline[0].host.cpu_seconds;
}

/* Of the server's CPU time, which comes in hundredths of a second: less than this tells nothing. */
#define STEAL_CPU_SECONDS 0.1

/* Who waits for the hypervisor is not told; all that run are hit alike. 0 where it is not known. */
static double stolen_of_server(const struct model *m, double stolen, double busy)
{
	if (!m->have_host || !(stolen > 0) || !(busy > 0) || !(server_cpu(m) >= STEAL_CPU_SECONDS))
		return 0;
	return server_cpu(m) * stolen / busy;
}

/* The kernel counts what its hypervisor tells. Where that tells nothing, and where the machine was
 * held as a whole, only the CPU's own clock has it: in stalls. */
bool rule_cpu_steal(const struct model *m, struct finding *f)
{
	const struct record_host *start = &m->host_start, *end = &m->host_end;
	double stolen = end->cpu_steal_seconds_total - start->cpu_steal_seconds_total;
	double busy = end->cpu_busy_seconds_total - start->cpu_busy_seconds_total;
	double counted = stolen_of_server(m, stolen, busy);
	struct waits w = waits_of(m, f->id);
	bool in_stalls = w.seconds > counted;

	waits_include(&w, counted);
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	if (in_stalls)
		finding_title(f, "The machine's CPU stood still for %s while the server ran on it",
			      say_seconds(w.seconds).s);
	else
		finding_title(f,
			      "The hypervisor took %s of the CPU time (steal): some %s of the "
			      "server's",
			      say_percent(stolen / (stolen + busy)).s, say_seconds(w.seconds).s);
	if (counted > 0) {
		finding_evidence(f, "steal_seconds", stolen, "seconds", BASIS_EXACT);
		finding_evidence(f, "steal_ratio", stolen / (stolen + busy), "ratio",
				 BASIS_DERIVED);
	}
	finding_cause(f, "The machine is virtual, and its host ran another one while this wanted "
			 "to run, or held it as a whole (a migration, a snapshot); inside it looks "
			 "as if commands were slow.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Nothing on this machine helps: ask for a less crowded host, dedicated "
		       "CPUs, or an instance type without CPU credits.");
	return true;
}
