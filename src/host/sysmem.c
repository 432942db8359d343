/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's memory, its settings and what it costs; see sysmem.h. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/version.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/maps.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "record/schema.h"

static int meminfo_line(void *ctx, char *line, size_t len)
{
	struct meminfo *m = ctx;
	const struct {
		const char *name;
		int64_t *bytes;
	} fields[] = {
		{ "MemTotal", &m->total_bytes },	 { "MemFree", &m->free_bytes },
		{ "MemAvailable", &m->available_bytes }, { "SwapTotal", &m->swap_total_bytes },
		{ "SwapFree", &m->swap_free_bytes },	 { "CommitLimit", &m->commit_limit_bytes },
		{ "Committed_AS", &m->committed_bytes },
	};
	const char *value;

	(void)len;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if ((value = text_field(line, fields[i].name)))
			*fields[i].bytes = text_kb(value);
	return 0;
}

static void meminfo_clear(struct meminfo *m)
{
	const int64_t unknown = RECORD_UNKNOWN;

	*m = (struct meminfo){ unknown, unknown, unknown, unknown, unknown, unknown, unknown };
}

void meminfo_parse(struct meminfo *out, const char *text, size_t len)
{
	meminfo_clear(out);
	text_lines(text, len, meminfo_line, out);
}

const char *thp_choice(const char *text)
{
	static const char *const words[] = { "always", "madvise",	"never",
					     "defer",  "defer+madvise", "within_size",
					     "advise", "deny",		"force" };
	const char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;

	if (!close)
		return "";
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == (size_t)(close - open) - 1 &&
		    !strncmp(open + 1, words[i], strlen(words[i])))
			return words[i];
	return "";
}

static int read_lines(const char *root, const char *name, line_fn fn, void *ctx)
{
	struct buf path = { 0 };
	int ret;

	buf_printf(&path, "%s%s", root, name);
	ret = file_lines(path.data, fn, ctx, NULL);
	buf_free(&path);
	return ret;
}

int meminfo_read(struct meminfo *out, const char *root)
{
	meminfo_clear(out);
	return read_lines(root, "/proc/meminfo", meminfo_line, out);
}

/* @file: "enabled", "defrag" or "shmem_enabled". */
static const char *thp_read(const char *root, const char *file)
{
	struct buf path = { 0 }, text = { 0 };
	const char *choice;

	buf_printf(&path, "%s/sys/kernel/mm/transparent_hugepage/%s", root, file);
	file_read(path.data, 4096, &text, NULL);
	choice = thp_choice(buf_str(&text));
	buf_free(&path);
	buf_free(&text);
	return choice;
}

int64_t sysctl_read(const char *root, const char *name)
{
	struct buf path = { 0 };
	int64_t value;

	buf_printf(&path, "%s/proc/sys/%s", root, name);
	file_int64(path.data, &value);
	buf_free(&path);
	return value;
}

/* "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST GUEST_NICE" in clock ticks
 * (proc(5)); what guests use is in USER and NICE, too. */
static int cpu_line(void *ctx, char *line, size_t len)
{
	struct record_host *out = ctx;
	double ticks[8], hz = (double)sysconf(_SC_CLK_TCK);
	char *at = line + 4;

	(void)len;
	if (strncmp(line, "cpu ", 4) != 0)
		return 1;
	for (size_t i = 0; i < 8; i++)
		ticks[i] = strtod(at, &at);
	out->cpu_busy_seconds_total = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / hz;
	out->cpu_steal_seconds_total = ticks[7] / hz;
	return 1;
}

static void fill_cpu(struct record_host *out, const char *root)
{
	out->cpu_busy_seconds_total = out->cpu_steal_seconds_total = NAN;
	read_lines(root, "/proc/stat", cpu_line, out);
}

static void fill_cgroup(struct record_host *out, const char *root, pid_t pid)
{
	static _Thread_local char near_path[PATH_MAX];
	struct cgroup_memory cg;

	cgroup_memory_read(&cg, root, pid, NULL);
	out->cgroup_version = cg.version;
	out->cgroup_limit_bytes = cg.limit_bytes;
	/* Beside a limit stands what counts against that limit. */
	out->cgroup_usage_bytes =
		cg.limit_bytes == RECORD_UNKNOWN ? cg.usage_bytes : cg.limit_usage_bytes;
	out->cgroup_high_bytes = cg.high_bytes;
	out->cgroup_high_usage_bytes = cg.high_usage_bytes;
	out->cgroup_high_events_total = cg.high_events_total;
	out->cgroup_high_kept_bytes = cg.high_kept_bytes;
	snprintf(near_path, sizeof(near_path), "%s", cg.near_path);
	out->cgroup_near_path = near_path;
	out->cgroup_near_own = cg.near_own;
	out->cgroup_near_limit_bytes = cg.near_limit_bytes;
	out->cgroup_near_usage_bytes = cg.near_usage_bytes;
	out->cgroup_near_anon_bytes = cg.near.anon_bytes;
	out->cgroup_near_shmem_bytes = cg.near.shmem_bytes;
	out->cgroup_near_kernel_bytes = cg.near.kernel_bytes;
	out->cgroup_near_sock_bytes = cg.near.sock_bytes;
	out->cgroup_near_hits_total = cg.near_hits_total;
	out->cgroup_own_kept_bytes = cgroup_kept_bytes(&cg.own);
	out->cgroup_oom_kills_total = cg.oom_kills_total;
	out->cgroup_swap_bytes = cg.swap_usage_bytes;
	if (cg.swappiness != RECORD_UNKNOWN)
		out->swappiness = cg.swappiness;
}

static int fill_process(struct record_host *out, const char *root, pid_t pid)
{
	struct proc_status status;
	struct buf path = { 0 }, text = { 0 };
	int ret;

	buf_printf(&path, "%s/proc/%d/status", root, pid);
	ret = file_read(path.data, 1 << 20, &text, NULL);
	proc_status_parse(&status, buf_str(&text), text.len);
	/* A kernel without huge pages says 0 too, for every process. */
	out->thp_disabled_for_target = status.thp_enabled == 0 && out->thp_enabled[0];
	buf_clear(&path);
	buf_printf(&path, "%s/proc/%d/maps", root, pid);
	out->maps_total = maps_count_file(path.data);
	buf_free(&path);
	buf_free(&text);
	return ret;
}

int host_record_fill_from(struct record_host *out, const char *root, pid_t pid)
{
	struct meminfo mem;

	meminfo_read(&mem, root);
	*out = (struct record_host){
		.mem_total_bytes = mem.total_bytes,
		.mem_available_bytes = mem.available_bytes,
		.swap_total_bytes = mem.swap_total_bytes,
		.swap_free_bytes = mem.swap_free_bytes,
		.commit_limit_bytes = mem.commit_limit_bytes,
		.committed_bytes = mem.committed_bytes,
		.overcommit_memory = sysctl_read(root, "vm/overcommit_memory"),
		.swappiness = sysctl_read(root, "vm/swappiness"),
		.thp_enabled = thp_read(root, "enabled"),
		.max_map_count = sysctl_read(root, "vm/max_map_count"),
		.cpus_total = sysconf(_SC_NPROCESSORS_ONLN),
		.page_size_bytes = sysconf(_SC_PAGESIZE),
	};
	fill_cpu(out, root);
	fill_cgroup(out, root, pid);
	return fill_process(out, root, pid);
}

int host_record_fill(struct record_host *out, pid_t pid)
{
	return host_record_fill_from(out, "", pid);
}

/* --- the host as a watch tells it ------------------------------------------ */

void host_session_emit(const struct record_sink *sink, pid_t pid, int64_t start_ns)
{
	struct record record = { .kind = RECORD_SESSION };
	struct utsname name;

	uname(&name);
	record.session.wall_start_ns = clock_wall_at_ns(start_ns);
	record.session.redmem_version = redmem_version;
	record.session.kernel = pid ? name.release : "";
	record.session.machine = pid ? name.machine : "";
	record_emit(sink, &record);
}

static void emit_cpu_limit(void *ctx, const struct cgroup_cpu *cpu)
{
	struct record record = { .kind = RECORD_CPU_LIMIT };

	record.cpu_limit = (struct record_cpu_limit){
		.cgroup = cpu->path,
		.own = cpu->own,
		.quota_cores = cpu->quota_cores,
		.periods_total = cpu->periods_total,
		.throttled_periods_total = cpu->throttled_periods_total,
		.throttled_seconds_total = cpu->throttled_seconds_total,
	};
	record_emit(ctx, &record);
}

void host_emit(const struct record_sink *sink, pid_t pid)
{
	struct record record = { .kind = RECORD_HOST };

	if (!pid)
		return;
	host_record_fill(&record.host, pid);
	record_emit(sink, &record);
	cgroup_cpu_read("", pid, emit_cpu_limit, (void *)sink, NULL);
}

static int tick_unknown(struct record_tick *out)
{
	struct record unknown;

	record_clear(&unknown, RECORD_TICK);
	*out = unknown.tick;
	out->state = '?';
	return 0;
}

int host_tick_fill(struct record_tick *out, pid_t pid, uint64_t starttime)
{
	struct proc_status status;
	struct proc_stat stat;

	if (!pid)
		return tick_unknown(out);
	if (proc_stat_read(&stat, pid, NULL) || stat.starttime_ticks != starttime ||
	    stat.state == 'Z' || proc_status_read(&status, pid, NULL))
		return -ESRCH;
	out->rss_bytes = status.rss_bytes;
	out->rss_anon_bytes = status.rss_anon_bytes;
	out->rss_file_bytes = status.rss_file_bytes;
	out->rss_shmem_bytes = status.rss_shmem_bytes;
	out->swap_bytes = status.swap_bytes;
	out->vm_size_bytes = status.vm_size_bytes;
	out->minor_faults_total = stat.minor_faults;
	out->major_faults_total = stat.major_faults;
	out->cpu_seconds = stat.user_seconds + stat.system_seconds;
	out->threads_total = stat.threads;
	out->state = stat.state;
	return 0;
}

/* --- what memory costs --------------------------------------------------- */

#define PLACES (4 * 1024 * 1024) /* of 4 bytes: 16 MiB, beyond most second-level caches */
#define STEPS  100000
#define ROUNDS 4

/* One cycle through all places, by a linear congruential generator of full period (Hull
 * and Dobell, 1962): each step depends on the one before, and no prefetcher knows the next. */
static void make_cycle(uint32_t *next)
{
	for (uint32_t i = 0; i < PLACES; i++)
		next[i] = (i * 1664525u + 1013904223u) % PLACES;
}

/* By CPU time: whoever else runs meanwhile does not count. */
void host_speed_measure(struct host_speed *speed)
{
	uint32_t *next = xcalloc(PLACES, sizeof(*next));
	size_t half = PLACES / 2 * sizeof(*next);
	uint32_t at = 0;
	int64_t start, end;

	make_cycle(next);
	start = clock_cpu_ns();
	for (int i = 0; i < STEPS; i++)
		at = next[at];
	end = clock_cpu_ns();
	speed->access_seconds = (double)(end - start) / 1e9 / STEPS;
	next[0] = at; /* the walk has a result, so the compiler must do it */
	start = clock_cpu_ns();
	for (int i = 0; i < ROUNDS; i++)
		memcpy((char *)next + (i % 2 ? half : 0), (char *)next + (i % 2 ? 0 : half), half);
	end = clock_cpu_ns();
	speed->copy_byte_seconds = (double)(end - start) / 1e9 / ROUNDS / (double)half;
	free(next);
}
