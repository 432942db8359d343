/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burst: every call of the allocator for a few hundred calls at a time: how much was
 * asked for, how long it took, for whom. The probes stand on the allocator's public
 * functions, at entry and return; when they may stand, the budget says (budget.c).
 */
#include "sensor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fact/tables.h"
#include "host/kernel.h"
#include "host/memory.h"
#include "target/allocator.h"

#define BURST_MS_MAX 20 /* a server that hardly allocates gets no longer one */

/* --- the two links ------------------------------------------------------------------ */

int burst_probes_on(struct sensors *s, struct burst_probes *probes, pid_t pid, const char *file,
		    const unsigned long *offsets, const uint64_t *cookies, size_t count)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, entry, .offsets = offsets,
		    .cookies = (const __u64 *)cookies, .cnt = count);
	LIBBPF_OPTS(bpf_uprobe_multi_opts, ret, .offsets = offsets, .cnt = count, .retprobe = true);

	/* The return probe first: alone it looks at nothing. */
	probes->ret =
		bpf_program__attach_uprobe_multi(s->bpf->progs.burst_return, pid, file, NULL, &ret);
	if (!probes->ret)
		return -errno;
	probes->entry = bpf_program__attach_uprobe_multi(s->bpf->progs.burst_entry, pid, file, NULL,
							 &entry);
	return probes->entry ? 0 : -errno;
}

static void *destroy(void *link)
{
	bpf_link__destroy(link);
	return NULL;
}

/* Both at once: the kernel takes a probe away first and then waits some 40 ms until
 * nobody can be in it, and meanwhile the other one would stand. */
void burst_probes_off(struct burst_probes *probes)
{
	pthread_t thread;
	bool beside = probes->ret && !pthread_create(&thread, NULL, destroy, probes->ret);

	bpf_link__destroy(probes->entry);
	if (beside)
		pthread_join(thread, NULL);
	else
		bpf_link__destroy(probes->ret);
	*probes = (struct burst_probes){};
}

/* --- a burst -------------------------------------------------------------------------- */

/* Does the first function the server calls begin with an instruction that must be
 * stepped over? */
static bool entry_is_stepped(const struct allocator *a)
{
	unsigned char first[2] = {};
	int fd = open(a->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true;
	if (pread(fd, first, sizeof(first), (off_t)a->entry[0].offset) != sizeof(first))
		first[0] = 0;
	close(fd);
	return probe_is_stepped(first);
}

static int burst_probe(struct sensors *s, struct err *err)
{
	const struct allocator *a = s->config.allocator;
	bool multi = kernel_has_uprobe_multi(), can = multi && a && a->entries;

	bpf_program__set_autoload(s->bpf->progs.burst_entry, can);
	bpf_program__set_autoload(s->bpf->progs.burst_return, can);
	if (!multi)
		return err_set(err, -EOPNOTSUPP,
			       "this kernel has no uprobe_multi links for a whole process (6.10)");
	if (!a)
		return err_set(err, -ENODATA, "the server's program cannot be looked at");
	return can ? 0 : err_set(err, -ENOENT, "the allocator's functions were not found");
}

static int burst_attach(struct sensors *s, struct err *err)
{
	if (isnan(s->probe_cost.pair_seconds))
		return err_set(err, -ENODATA, "the cost of its probes could not be measured");
	return 0;
}

static int64_t commands_done(const struct sensors *s)
{
	uint64_t address = s->target->settings.at.commands_done, done;

	if (!address || memory_read(s->config.pid, address, &done, sizeof(done)))
		return FACT_UNKNOWN;
	return (int64_t)done;
}

static int probes_on(struct sensors *s, struct burst_probes *probes)
{
	const struct allocator *a = s->config.allocator;
	unsigned long offsets[ENTRY_SITES_MAX];
	uint64_t cookies[ENTRY_SITES_MAX];

	for (size_t i = 0; i < a->entries; i++) {
		offsets[i] = a->entry[i].offset;
		cookies[i] = CALL_MALLOC;
		while (cookies[i] < CALL_FREE &&
		       strcmp(call_names.name(cookies[i]), a->entry[i].function))
			cookies[i]++;
	}
	return burst_probes_on(s, probes, s->config.pid, a->file, offsets, cookies, a->entries);
}

/* Wait until enough has been seen, or long enough. The ring is no help: it has other
 * records too, and is readable from the first call on. */
static void wait_until_full(const volatile struct redmem_burst *burst, int64_t until_ns)
{
	const struct timespec step = { .tv_nsec = 200000 };

	while (burst->calls < burst->limit && clock_mono_ns() < until_ns)
		nanosleep(&step, NULL);
}

double burst_run(struct sensors *s, uint64_t calls, const struct fact_sink *sink)
{
	struct redmem_burst *burst = &s->target->burst;
	struct fact fact = { .kind = FACT_BURST };
	struct burst_probes probes = {};
	int64_t start, opened, closed, before;
	double cost;

	burst->calls = burst->hits = 0;
	burst->limit = calls;
	start = clock_mono_ns();
	if (probes_on(s, &probes)) {
		burst_probes_off(&probes);
		sensor_off(s, "burst", "its probes could not be put in");
		return 0;
	}
	before = commands_done(s);
	opened = clock_mono_ns();
	__atomic_store_n(&burst->open, 1, __ATOMIC_RELEASE);
	wait_until_full(burst, opened + BURST_MS_MAX * 1000000LL);
	__atomic_store_n(&burst->open, 0, __ATOMIC_RELEASE);
	closed = clock_mono_ns();
	fact.burst.commands_total = commands_done(s);
	burst_probes_off(&probes);
	cost = (double)burst->hits * s->probe_cost.pair_trap_seconds / 2;
	fact.burst.t_seconds = sensor_seconds(s, opened);
	fact.burst.duration_seconds = (double)(closed - opened) / 1e9;
	fact.burst.calls_total = (int64_t)burst->calls;
	if (before == FACT_UNKNOWN || fact.burst.commands_total == FACT_UNKNOWN)
		fact.burst.commands_total = FACT_UNKNOWN;
	else
		fact.burst.commands_total -= before;
	fact.burst.probe_seconds = s->probe_cost.pair_seconds;
	fact.burst.probe_error_seconds = s->probe_cost.pair_error_seconds;
	fact.burst.attach_seconds = (double)(opened - start) / 1e9;
	fact_emit(sink, &fact);
	sensors_poll(s, sink);
	return cost;
}

/* --- calls as facts ---------------------------------------------------------------------- */

/* The smallest size class that holds @bytes; FACT_UNKNOWN. */
static int64_t class_of(const struct size_classes *classes, uint64_t bytes)
{
	for (size_t i = 0; bytes && i < classes->count; i++)
		if (classes->bytes[i] >= bytes)
			return (int64_t)classes->bytes[i];
	return FACT_UNKNOWN;
}

void burst_call(struct sensors *s, const struct redmem_record *record)
{
	struct fact fact = { .kind = FACT_CALL };
	struct fact_call *call = &fact.call;
	struct who_names names;
	bool sized = record->call.function < CALL_FREE;

	if (record->call.function >= CALL_FUNCTIONS || !who_resolve(s, &record->call.who, &names))
		return;
	call->t_seconds = sensor_seconds(s, (int64_t)record->ns);
	call->function = record->call.function;
	call->thread = names.thread;
	call->command = names.command;
	call->inner = names.inner;
	call->key = names.key;
	call->requested_bytes = sized ? (int64_t)record->call.requested : FACT_UNKNOWN;
	call->class_bytes =
		sized ? class_of(&s->config.allocator->classes, record->call.requested) :
			FACT_UNKNOWN;
	call->ns = (int64_t)record->call.ns;
	call->probe_seconds = s->probe_cost.pair_seconds;
	call->probe_error_seconds = s->probe_cost.pair_error_seconds;
	call->faults = (int64_t)record->call.faults;
	fact_emit(s->sink, &fact);
}

bool burst_is_stepped(const struct sensors *s)
{
	const struct allocator *a = s->config.allocator;

	return !a || !a->entries || entry_is_stepped(a);
}

const struct sensor sensor_burst = {
	.id = "burst",
	.probe = burst_probe,
	.attach = burst_attach,
	.fix = "a kernel of 6.10 or later, redmem as root",
};
