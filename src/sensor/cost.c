/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs take: of the kernel's memory, and of the servers' time. What they may
 * take is budget.c's.
 */
#include "sensor/internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/file.h"

static int64_t memory_of(int fd)
{
	struct buf text = {};
	char path[64];
	const char *line;
	int64_t bytes = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (!file_read(path, 4096, &text, NULL)) {
		line = strstr(buf_str(&text), "memlock:");
		if (!line || sscanf(line, "memlock: %" SCNd64, &bytes) != 1)
			bytes = 0;
	}
	buf_free(&text);
	return bytes;
}

#define SMAPS_MAX (4 << 20)

/* What of the maps is in redmem's own resident memory, as it has them mapped (the ring's data
 * twice, one behind the other). */
static int64_t mapped_bytes(void)
{
	struct buf text = {};
	char *line, *rest = NULL;
	int64_t bytes = 0, kib;
	bool is_map = false;

	if (!file_read("/proc/self/smaps", SMAPS_MAX, &text, NULL) && text.len)
		for (line = strtok_r(text.data, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest)) {
			if (*line < 'A' || *line > 'Z') /* addresses, and what is there */
				is_map = strstr(line, "anon_inode:bpf-map") != NULL;
			else if (is_map && sscanf(line, "Rss: %" SCNd64, &kib) == 1)
				bytes += kib << 10;
		}
	buf_free(&text);
	return bytes;
}

void cost_of_memory(struct engine *e)
{
	struct bpf_program *program;
	struct bpf_map *map;
	int64_t bytes = 0;

	bpf_object__for_each_map(map, e->bpf->obj)
		bytes += memory_of(bpf_map__fd(map));
	bpf_object__for_each_program(program, e->bpf->obj)
		if (bpf_program__fd(program) >= 0)
			bytes += memory_of(bpf_program__fd(program));
	e->memory_bytes = bytes - mapped_bytes();
}

int64_t engine_memory_bytes(const struct engine *e)
{
	return e->bpf ? e->memory_bytes : 0;
}

/* bpf_prog_info tells it (since 5.8, with BPF_ENABLE_STATS); it leaves out the way into the
 * programs. */
static struct program_time program_time(const struct engine *e)
{
	struct program_time time = {};
	struct bpf_program *program;

	bpf_object__for_each_program(program, e->bpf->obj) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (bpf_program__fd(program) < 0 ||
		    bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size))
			continue;
		if (info.type == BPF_PROG_TYPE_KPROBE) { /* uprobes are of this type, too */
			time.probe_ns += info.run_time_ns;
			continue;
		}
		time.ns += info.run_time_ns;
		time.runs += info.run_cnt;
	}
	return time;
}

/* What one server's programs counted since the last time. */
static struct program_share take_fresh(struct sensors *s)
{
	const __u64 *totals = s->target->totals;
	struct program_share fresh = { .runs = totals[TOTAL_RUNS] - s->shared_runs,
				       .run_ns = totals[TOTAL_RUN_NS] - s->shared_run_ns,
				       .hits = totals[TOTAL_FLOW_HITS] - s->shared_hits };

	s->shared_runs += fresh.runs;
	s->shared_run_ns += fresh.run_ns;
	s->shared_hits += fresh.hits;
	return fresh;
}

/*
 * The kernel tells times by program, not by process. What programs did for a server they
 * have measured from behind their filter on. All the rest is the filter and the way to it,
 * the same for whoever comes there: it is shared by the number of runs, and those that are
 * no server's are other processes'. Nobody but a server comes to a probe on its functions.
 *
 * A run that is counted here may not have ended for the kernel, so the rest of a short time
 * may be below 0; the next time makes up for it.
 */
static void share_out(struct engine *e)
{
	struct program_time now = program_time(e);
	double probes = (double)(now.probe_ns - e->shared.probe_ns);
	double rest = (double)(now.ns - e->shared.ns);
	double runs = (double)(now.runs - e->shared.runs), others = runs, hits = 0;
	struct program_share fresh[REDMEM_TARGETS_MAX] = {};
	size_t servers = 0;

	for (size_t i = 0; i < e->config.servers; i++) {
		if (!e->server[i])
			continue;
		fresh[i] = take_fresh(e->server[i]);
		rest -= (double)fresh[i].run_ns;
		others -= (double)fresh[i].runs;
		hits += (double)fresh[i].hits;
		servers++;
	}
	e->shared = now;
	for (size_t i = 0; i < e->config.servers; i++) {
		double part = hits > 0 ? (double)fresh[i].hits / hits : 1.0 / (double)servers;

		if (e->server[i])
			e->server[i]->bpf_seconds +=
				((double)fresh[i].run_ns + probes * part +
				 (runs > 0 ? rest * (double)fresh[i].runs / runs : 0)) /
				1e9;
	}
	e->others_seconds += (runs > 0 ? rest * others / runs : rest) / 1e9;
}

/* --- a second in a minute --------------------------------------------------------- */

#define SLICE_EVERY 60 /* ticks */

/* By what the last slice has said: programs count their runs, and what those take behind the
 * filter, also while the kernel does not. */
static void share_scaled(struct engine *e)
{
	struct cost_slice *slice = &e->slice;
	int64_t now = clock_mono_ns();

	for (size_t i = 0; i < e->config.servers; i++) {
		struct program_share fresh;

		if (!e->server[i])
			continue;
		fresh = take_fresh(e->server[i]);
		e->own.runs += fresh.runs;
		e->own.run_ns += fresh.run_ns;
		e->own.hits += fresh.hits;
		e->server[i]->bpf_seconds += (double)fresh.run_ns / 1e9 +
					     (double)fresh.runs * slice->run_seconds +
					     (double)fresh.hits * slice->hit_seconds;
	}
	e->others_seconds += slice->others_ratio * (double)(now - slice->others_ns) / 1e9;
	slice->others_ns = now;
}

static void slice_begin(struct engine *e)
{
	struct cost_slice *slice = &e->slice;

	e->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	e->stats |= e->stats_fd >= 0;
	slice->ticks = SLICE_EVERY;
	slice->start_ns = clock_mono_ns();
	slice->before = program_time(e);
	slice->own_before = e->own;
}

static void slice_end(struct engine *e)
{
	struct cost_slice *slice = &e->slice;
	struct program_time now = program_time(e);
	double seconds = (double)(clock_mono_ns() - slice->start_ns) / 1e9;
	double runs = (double)(now.runs - slice->before.runs);
	double hits = (double)(e->own.hits - slice->own_before.hits);
	double rest = (double)(now.ns - slice->before.ns) -
		      (double)(e->own.run_ns - slice->own_before.run_ns);
	double others = runs - (double)(e->own.runs - slice->own_before.runs);

	close(e->stats_fd);
	e->stats_fd = -1;
	if (runs > 0)
		slice->run_seconds = fmax(rest / runs, 0) / 1e9;
	if (hits > 0)
		slice->hit_seconds = (double)(now.probe_ns - slice->before.probe_ns) / hits / 1e9;
	slice->others_ratio = fmax(others, 0) * slice->run_seconds / seconds;
}

void cost_begin(struct engine *e)
{
	e->slice.others_ns = clock_mono_ns();
	slice_begin(e);
}

void cost_tick(struct engine *e)
{
	if (!e->config.frugal)
		return;
	share_scaled(e);
	if (e->stats_fd >= 0)
		slice_end(e);
	else if (--e->slice.ticks <= 0)
		slice_begin(e);
}

void cost_end(struct engine *e)
{
	if (e->stats_fd >= 0)
		close(e->stats_fd);
	e->stats_fd = -1;
}

void cost_take(struct engine *e)
{
	if (e->config.frugal)
		share_scaled(e);
	else
		share_out(e);
}

/* --- told ------------------------------------------------------------------------- */

double engine_others_seconds(struct engine *e)
{
	double seconds;

	if (!e->bpf || !e->stats)
		return NAN;
	pthread_mutex_lock(&e->lock);
	cost_take(e);
	seconds = e->others_seconds;
	pthread_mutex_unlock(&e->lock);
	return seconds;
}

/* What is shared out is written under the lock only. */
static double shared_part(const struct sensors *s, const double *part)
{
	struct engine *e = s->engine;
	double seconds;

	if (!e->stats)
		return NAN;
	pthread_mutex_lock(&e->lock);
	cost_take(e);
	seconds = *part;
	pthread_mutex_unlock(&e->lock);
	return seconds;
}

double sensors_bpf_seconds(const struct sensors *s)
{
	return shared_part(s, &s->bpf_seconds);
}

double sensors_other_seconds(const struct sensors *s)
{
	return shared_part(s, &s->engine->others_seconds);
}

double sensors_flow_program_seconds(const struct sensors *s)
{
	struct bpf_program *const programs[] = { s->bpf->progs.flow_event, s->bpf->progs.flow_fill,
						 s->bpf->progs.flow_flush_small };
	uint64_t ns = 0, runs = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (bpf_program__fd(programs[i]) < 0 ||
		    bpf_prog_get_info_by_fd(bpf_program__fd(programs[i]), &info, &size))
			continue;
		ns += info.run_time_ns;
		runs += info.run_cnt;
	}
	return runs ? (double)ns / 1e9 / (double)runs : 0;
}
