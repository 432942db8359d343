/* SPDX-License-Identifier: BSD-2-Clause */
/* Perf software events on all CPUs; see perf.h. */
#include "sensor/perf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"

struct perf_events {
	int *fds; /* owned by the links */
	struct bpf_link **links;
	size_t count;
};

static int event_open(const struct perf_spec *spec, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = spec->config,
		.sample_period = spec->period,
		.disabled = 1,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Hand the open event @fd to a link that runs @program. Takes @fd. */
static int add_event(struct perf_events *events, int fd, struct bpf_program *program,
		     struct err *err)
{
	struct bpf_link *link = bpf_program__attach_perf_event(program, fd);

	if (!link) {
		int code = -errno;

		close(fd);
		return err_set(err, code, "perf: program %s: %s", bpf_program__name(program),
			       strerror(-code));
	}
	events->fds[events->count] = fd;
	events->links[events->count] = link;
	events->count++;
	return 0;
}

int perf_events_open(struct perf_events **out, const struct perf_spec *spec,
		     struct bpf_program *program, struct err *err)
{
	struct perf_events *events = xcalloc(1, sizeof(*events));
	int cpus = libbpf_num_possible_cpus(), ret = 0;

	events->fds = xcalloc(cpus > 0 ? cpus : 0, sizeof(*events->fds));
	events->links = xcalloc(cpus > 0 ? cpus : 0, sizeof(struct bpf_link *));
	for (int cpu = 0; cpu < cpus && !ret; cpu++) {
		int fd = event_open(spec, cpu);

		if (fd < 0 && errno == ENODEV)
			continue; /* offline */
		if (fd < 0)
			ret = err_set(err, -errno, "perf: software event %llu on CPU %d: %s",
				      (unsigned long long)spec->config, cpu, strerror(errno));
		else
			ret = add_event(events, fd, program, err);
	}
	if (!ret && !events->count)
		ret = err_set(err, -ENODEV, "perf: no CPU is online that can be seen");
	if (ret) {
		perf_events_close(events);
		return ret;
	}
	*out = events;
	return 0;
}

int64_t perf_events_count(const struct perf_events *events)
{
	int64_t sum = 0;

	for (size_t i = 0; events && i < events->count; i++) {
		uint64_t count;

		if (read(events->fds[i], &count, sizeof(count)) == sizeof(count))
			sum += count;
	}
	return sum;
}

void perf_events_set_period(struct perf_events *events, uint64_t period)
{
	for (size_t i = 0; events && i < events->count; i++)
		ioctl(events->fds[i], PERF_EVENT_IOC_PERIOD, &period);
}

void perf_events_close(struct perf_events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < events->count; i++)
		bpf_link__destroy(events->links[i]);
	free(events->fds);
	free(events->links);
	free(events);
}
