/* SPDX-License-Identifier: BSD-2-Clause */
/* Perf software events on all CPUs; see perf.h. */
#include "sensor/perf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"

#define ONLINE_PATH "/sys/devices/system/cpu/online" /* "0-3,5" */

struct perf_events {
	struct perf_spec spec; /* with the period it has now */
	struct bpf_program *program;
	struct event {
		int fd; /* owned by the link */
		struct bpf_link *link; /* NULL = none on this CPU */
	} * event; /* one a CPU there may ever be */
	size_t cpus;
	int64_t gone; /* counted by events that were taken away */
	char online[256]; /* what ONLINE_PATH said last */
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

/* -ENODEV when the CPU is offline. */
static int add_event(struct perf_events *events, size_t cpu, struct err *err)
{
	struct event *event = &events->event[cpu];
	int code;

	event->fd = event_open(&events->spec, (int)cpu);
	if (event->fd < 0) {
		code = -errno;
		return err_set(err, code, "perf: software event %llu on CPU %zu: %s",
			       (unsigned long long)events->spec.config, cpu, strerror(-code));
	}
	event->link = bpf_program__attach_perf_event(events->program, event->fd);
	if (event->link)
		return 0;
	code = -errno;
	close(event->fd);
	return err_set(err, code, "perf: program %s: %s", bpf_program__name(events->program),
		       strerror(-code));
}

static int64_t count_of(const struct event *event)
{
	uint64_t count;

	return event->link && read(event->fd, &count, sizeof(count)) == sizeof(count) ?
		       (int64_t)count :
		       0;
}

static void remove_event(struct perf_events *events, size_t cpu)
{
	struct event *event = &events->event[cpu];

	events->gone += count_of(event);
	bpf_link__destroy(event->link);
	event->link = NULL;
}

/* True when others are online than the last time. */
static bool online_changed(struct perf_events *events)
{
	char online[sizeof(events->online)] = {};
	int fd = open(ONLINE_PATH, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, online, sizeof(online) - 1);

	if (fd >= 0)
		close(fd);
	if (bytes <= 0 || !strcmp(online, events->online))
		return false;
	memcpy(events->online, online, sizeof(online));
	return true;
}

static bool is_online(const char *list, unsigned long cpu)
{
	unsigned long first, last;
	char *end;

	while (*list >= '0' && *list <= '9') {
		first = last = strtoul(list, &end, 10);
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (cpu >= first && cpu <= last)
			return true;
		list = end + (*end == ',');
	}
	return false;
}

int perf_events_open(struct perf_events **out, const struct perf_spec *spec,
		     struct bpf_program *program, struct err *err)
{
	struct perf_events *events = xcalloc(1, sizeof(*events));
	int cpus = libbpf_num_possible_cpus(), ret = 0;
	size_t count = 0;

	events->spec = *spec;
	events->program = program;
	events->cpus = cpus > 0 ? (size_t)cpus : 0;
	events->event = xcalloc(events->cpus, sizeof(*events->event));
	online_changed(events);
	for (size_t cpu = 0; cpu < events->cpus && !ret; cpu++) {
		ret = add_event(events, cpu, err);
		if (ret == -ENODEV)
			ret = 0;
		else if (!ret)
			count++;
	}
	if (!ret && !count)
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
	int64_t sum = events ? events->gone : 0;

	for (size_t i = 0; events && i < events->cpus; i++)
		sum += count_of(&events->event[i]);
	return sum;
}

void perf_events_set_period(struct perf_events *events, uint64_t period)
{
	if (!events)
		return;
	events->spec.period = period;
	for (size_t i = 0; i < events->cpus; i++)
		if (events->event[i].link)
			ioctl(events->event[i].fd, PERF_EVENT_IOC_PERIOD, &period);
}

void perf_events_follow_cpus(struct perf_events *events)
{
	if (!events || !online_changed(events))
		return;
	/* An event whose CPU has gone does not count again when it comes back. */
	for (size_t cpu = 0; cpu < events->cpus; cpu++) {
		bool online = is_online(events->online, cpu);

		if (!online && events->event[cpu].link)
			remove_event(events, cpu);
		else if (online && !events->event[cpu].link)
			add_event(events, cpu, NULL);
	}
}

void perf_events_close(struct perf_events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < events->cpus; i++)
		bpf_link__destroy(events->event[i].link);
	free(events->event);
	free(events);
}
