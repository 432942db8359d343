/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of the host; see host_records.h. */
#include "app/host_records.h"

#include <errno.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "host/cgroup.h"
#include "host/proc.h"
#include "host/sysmem.h"

void host_session_emit(const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_SESSION };
	struct utsname name;

	uname(&name);
	record.session.wall_start_ns = clock_wall_ns();
	record.session.redmem_version = REDMEM_VERSION;
	record.session.kernel = name.release;
	record.session.machine = name.machine;
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

	host_record_fill(&record.host, pid);
	record_emit(sink, &record);
	cgroup_cpu_read("", pid, emit_cpu_limit, (void *)sink, NULL);
}

int host_tick_fill(struct record_tick *out, pid_t pid, uint64_t starttime)
{
	struct proc_status status;
	struct proc_stat stat;

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
