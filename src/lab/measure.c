/* SPDX-License-Identifier: BSD-2-Clause */
/* What is measured of a server; see measure.h. */
#include "lab/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"
#include "host/proc.h"
#include "record/record.h"
#include "redis/conn.h"

#define ANSWER_MS 10000

/* --- slices --------------------------------------------------------------- */

struct reading {
	int64_t cpu_ns, minor_faults, major_faults;
};

/* /proc/PID/task/TID/schedstat: ns on a CPU, ns waited for one, turns. Its threads are there all
 * the time. */
static int64_t read_cpu(pid_t pid)
{
	pid_t *tids;
	size_t count;
	int64_t sum = 0;

	proc_threads(pid, &tids, &count, NULL);
	for (size_t i = 0; i < count; i++) {
		char path[64];
		struct buf text = {};

		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tids[i]);
		if (!file_read(path, 256, &text, NULL))
			sum += text_int64(buf_str(&text));
		buf_free(&text);
	}
	free(tids);
	return sum;
}

static int read_now(const struct lab_instance *one, struct reading *now, struct err *err)
{
	struct proc_stat stat;
	int ret = proc_stat_read(&stat, one->server.pid, err);

	if (ret)
		return ret;
	now->minor_faults = stat.minor_faults;
	now->major_faults = stat.major_faults;
	now->cpu_ns = read_cpu(one->server.pid);
	return 0;
}

int lab_measure_turn(const struct lab_instance *one, double seconds, struct lab_turns *turns,
		     struct err *err)
{
	const struct lab_order order = { .loop = LAB_FULL, .seconds = seconds };
	struct lab_load_counts *counts = xcalloc(1, sizeof(*counts));
	struct reading before = {}, after = {};
	int ret = read_now(one, &before, err);

	if (!ret)
		ret = lab_load_slice(one->load, &order, counts, err);
	if (!ret)
		ret = read_now(one, &after, err);
	if (!ret) {
		turns->replies += counts->replies;
		turns->refused += counts->refused;
		turns->wall_ns += counts->end_ns - counts->start_ns;
		turns->cpu_ns += after.cpu_ns - before.cpu_ns;
		turns->load_ns += counts->cpu_ns;
		turns->minor_faults += after.minor_faults - before.minor_faults;
		turns->major_faults += after.major_faults - before.major_faults;
	}
	free(counts);
	return ret;
}

static double part(double of, double by)
{
	return by > 0 ? of / by : NAN;
}

double lab_turns_work(const struct lab_turns *turns)
{
	return turns->cpu_ns > 0 ? (double)turns->replies / ((double)turns->cpu_ns / 1e9) : 0;
}

void lab_measure_turns(double value[LAB_METRICS], const struct lab_turns *turns)
{
	double replies = (double)turns->replies, cpu = (double)turns->cpu_ns / 1e9;

	value[LAB_OPS_PER_CPU] = part(replies, cpu);
	value[LAB_OPS] = part(replies, (double)turns->wall_ns / 1e9);
	value[LAB_CPU_PER_OP] = part(cpu, replies);
	value[LAB_MINOR_FAULTS_PER_OP] = part((double)turns->minor_faults, replies);
	value[LAB_MAJOR_FAULTS_PER_OP] = part((double)turns->major_faults, replies);
}

static double known(int64_t n)
{
	return n == RECORD_UNKNOWN ? NAN : (double)n;
}

void lab_measure_latency(double value[LAB_METRICS], const struct lab_load_counts *counts)
{
	static const struct {
		enum lab_metric_id id;
		double fraction;
	} wanted[] = {
		{ LAB_LATENCY_P50, 0.5 },
		{ LAB_LATENCY_P90, 0.9 },
		{ LAB_LATENCY_P99, 0.99 },
		{ LAB_LATENCY_P999, 0.999 },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted) && counts->replies; i++)
		value[wanted[i].id] =
			hist_quantile_between(&counts->latency, wanted[i].fraction) / 1e9;
}

/* --- a watch -------------------------------------------------------------- */

static void measure_stalls(double value[LAB_METRICS], const struct model *m)
{
	for (enum redmem_cause cause = 0; cause < CAUSES; cause++) {
		double sum = 0;

		for (size_t i = 0; i < m->stalls_count; i++)
			sum += m->stalls[i].stall.seconds[cause];
		value[LAB_STALL_BY(cause)] = part(sum, m->duration_seconds);
	}
}

void lab_measure_watch(double value[LAB_METRICS], const struct model *m, double operations)
{
	double allocator = 0, cow = 0;

	for (size_t i = 0; i < m->threads_count; i++) {
		allocator += m->threads[i].charge.allocator_seconds;
		cow += m->threads[i].charge.cow_faults;
	}
	if (model_sensor_on(m, "cpu"))
		value[LAB_ALLOCATOR_PER_OP] = part(allocator, operations);
	if (model_sensor_on(m, "fault"))
		value[LAB_COW_FAULTS_PER_OP] = part(cow, operations);
	if (model_sensor_on(m, "loop"))
		measure_stalls(value, m);
	/* Followed for a part of the time only, bytes are those of that part of the operations. */
	value[LAB_ALLOC_BYTES_PER_OP] =
		part(m->alloc.alloc_bytes,
		     operations * (m->alloc.partly ? m->alloc.flow_duty_ratio : 1));
	if (m->alloc.latency.calls_total > 0) {
		value[LAB_ALLOC_CALL_P50] = m->alloc.latency.p50_seconds;
		value[LAB_ALLOC_CALL_P99] = m->alloc.latency.p99_seconds;
	}
}

/* --- once a run ----------------------------------------------------------- */

void lab_measure_filled(double value[LAB_METRICS], const struct info *info, int64_t empty_bytes)
{
	int64_t keys;

	info_keyspace(info, &keys, NULL);
	value[LAB_BYTES_PER_KEY] =
		part(known(lab_instance_used(info)) - known(empty_bytes), known(keys));
}

static double fragmentation(const struct info *info)
{
	return part(known(info_int(info, "used_memory_rss")), known(info_int(info, "used_memory")));
}

static double size_class_waste(const struct lab_instance *one)
{
	struct malloc_stats *stats;
	char *text = NULL;
	double sum = 0;

	if (conn_call_text(one->conn, ANSWER_MS, &text, "MEMORY MALLOC-STATS", NULL))
		return NAN;
	if (malloc_stats_parse(&stats, text, NULL)) {
		sum = NAN;
	} else {
		for (size_t i = 0; i < stats->classes_count; i++)
			sum += (double)stats->classes[i].holes_bytes;
		malloc_stats_free(stats);
	}
	free(text);
	return sum;
}

void lab_measure_end(double value[LAB_METRICS], const struct lab_instance *one,
		     const struct info *info)
{
	value[LAB_USED] = known(info_int(info, "used_memory"));
	value[LAB_RSS] = known(info_int(info, "used_memory_rss"));
	value[LAB_FRAGMENTATION_END] = fragmentation(info);
	value[LAB_SIZE_CLASS_WASTE] = size_class_waste(one);
}

static double grown(const struct info *before, const struct info *after, const char *counter)
{
	return known(info_int(after, counter)) - known(info_int(before, counter));
}

void lab_measure_evicted(double value[LAB_METRICS], const struct info *before,
			 const struct info *after)
{
	value[LAB_EVICTIONS_PER_OP] = part(grown(before, after, "evicted_keys"),
					   grown(before, after, "total_commands_processed"));
}

void lab_measure_idle(double value[LAB_METRICS], const struct info *info)
{
	value[LAB_FRAGMENTATION_IDLE] = fragmentation(info);
}

/* -1 and 0: there was none. */
void lab_measure_save(double value[LAB_METRICS], const struct info *info)
{
	int64_t forked = info_int(info, "latest_fork_usec");

	if (forked == RECORD_UNKNOWN || forked <= 0)
		return;
	value[LAB_FORK_SECONDS] = (double)forked / 1e6;
	value[LAB_SAVE_COPIED] = known(info_int(info, "rdb_last_cow_size"));
}
