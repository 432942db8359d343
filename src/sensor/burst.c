/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burst: every call of the allocator for some forty calls at a time: how much was asked
 * for, how long it took, for whom. The probes stand on the allocator's public functions,
 * at entry and return; when and how long they may stand, the budget says (budget.c).
 *
 * While they do, a server does little but run into them: a command that takes 4 us takes
 * 60. What a look holds it up is known from the hits themselves, as the time between one
 * and the next. A look ends when that adds up to what it may take and the calls that began
 * in it have returned (a call that takes long runs into no probe meanwhile), and is made and
 * ended by a thread of its own (prober.h): the loop goes on, and the end is not late.
 */
#include "sensor/internal.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sort.h"
#include "host/kernel.h"
#include "host/proc.h"
#include "host/uprobe.h"
#include "record/schema.h"
#include "target/allocator.h"

#define LOOK_MS_MAX  20 /* a server that hardly allocates gets no longer one */
#define END_MS_MAX   200 /* nor does a call that takes longer than that to end */
#define LOOK_STEP_NS 100000
#define IDLE_STEP_NS 1000000 /* at most, while no call has come */

/* --- the two links ------------------------------------------------------------------ */

int burst_probes_on(struct sensors *s, struct burst_probes *probes, pid_t pid, const char *file,
		    const unsigned long *offsets, const uint64_t *cookies, size_t count)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, entry, .offsets = offsets,
		    .cookies = (const __u64 *)cookies, .cnt = count);
	LIBBPF_OPTS(bpf_uprobe_multi_opts, ret, .offsets = offsets,
		    .cookies = (const __u64 *)cookies, .cnt = count, .retprobe = true);

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

/* Both at once: the kernel takes a probe away first and then waits some 45 ms until
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

/* --- the sensor ----------------------------------------------------------------------- */

static int burst_can(const struct allocator *a, struct err *err)
{
	if (!a)
		return err_set(err, -ENODATA, "the server's program cannot be looked at");
	return a->entries ? 0 : err_set(err, -ENOENT, "the allocator's functions were not found");
}

static int burst_probe(struct engine *e, struct err *err)
{
	const struct allocator *a = e->config.allocator;
	bool multi = kernel_has_uprobe_multi(), any = e->config.servers > 1;
	bool can = multi && (any || (a && a->entries));

	bpf_program__set_autoload(e->bpf->progs.burst_entry, can);
	bpf_program__set_autoload(e->bpf->progs.burst_return, can);
	if (!multi)
		return err_set(err, -EOPNOTSUPP,
			       "this kernel has no uprobe_multi links for a whole process (6.10)");
	return any ? 0 : burst_can(a, err);
}

static int burst_begin(struct sensors *s, struct err *err)
{
	int ret = burst_can(s->config.allocator, err);

	if (ret)
		return ret;
	if (isnan(s->probe_cost.pair[true].seconds))
		return err_set(err, -ENODATA, "the cost of its probes could not be measured");
	s->burst_prober = prober_new(s->engine->config.thread_begins);
	return 0;
}

static void burst_stop(struct sensors *s)
{
	prober_free(s->burst_prober);
	s->burst_prober = NULL;
}

/* --- a look --------------------------------------------------------------------------- */

static struct redmem_burst *burst_of(const struct sensors *s)
{
	return &s->target->burst;
}

static int64_t commands_done(const struct sensors *s)
{
	uint64_t address = s->target->settings.at.commands_done, done;

	if (!address || memory_read(s->config.pid, address, &done, sizeof(done)))
		return RECORD_UNKNOWN;
	return (int64_t)done;
}

static int probes_on(struct sensors *s, struct burst_probes *probes)
{
	const struct allocator *a = s->config.allocator;
	unsigned long offsets[ENTRY_SITES_MAX];
	uint64_t cookies[ENTRY_SITES_MAX];

	for (size_t i = 0; i < a->entries; i++) {
		uint32_t function = CALL_MALLOC;

		while (function < CALL_FREE &&
		       strcmp(call_names.name(function), a->entry[i].function))
			function++;
		if (uprobe_is_stepped(a->file, a->entry[i].offset)) {
			function |= CALL_STEPPED;
			s->look.stepped = true;
		}
		offsets[i] = a->entry[i].offset;
		cookies[i] = PROBE_COOKIE(s->index, function);
	}
	return burst_probes_on(s, probes, s->config.pid, a->file, offsets, cookies, a->entries);
}

/* Wait until the server was held up for as long as it may be: false when @until_ns came first.
 * The ring is no help: it has other records too, and is readable from the first call on. */
static bool wait_until_full(const volatile struct redmem_burst *burst, uint64_t held_ns,
			    int64_t until_ns)
{
	struct timespec step = { .tv_nsec = LOOK_STEP_NS };

	while (burst->begun < burst->limit && burst->held_ns < held_ns) {
		if (clock_mono_ns() >= until_ns)
			return false;
		nanosleep(&step, NULL);
		if (burst->begun)
			step.tv_nsec = LOOK_STEP_NS;
		else if (step.tv_nsec < IDLE_STEP_NS)
			step.tv_nsec *= 2;
	}
	return true;
}

/* Then until each call that began has returned, unless other threads run into the probes for
 * too long meanwhile. */
static void wait_until_ended(const volatile struct redmem_burst *burst, uint64_t held_ns,
			     int64_t until_ns)
{
	const struct timespec step = { .tv_nsec = LOOK_STEP_NS };

	while (burst->calls < burst->begun && burst->held_ns < held_ns &&
	       clock_mono_ns() < until_ns)
		nanosleep(&step, NULL);
}

/* In the prober's thread. */
static void look(void *ctx)
{
	struct sensors *s = ctx;
	struct look *look = &s->look;
	struct redmem_burst *burst = burst_of(s);
	struct burst_probes probes = {};
	uint64_t held_ns = (uint64_t)(look->hold_seconds * 1e9);
	int64_t start = clock_mono_ns();

	look->ret = probes_on(s, &probes);
	log_pause("probe-in", start);
	look->opened_ns = clock_mono_ns();
	if (!look->ret) {
		look->commands_before = commands_done(s);
		__atomic_store_n(&burst->open, 1, __ATOMIC_RELEASE);
		look->idle =
			!wait_until_full(burst, held_ns, look->opened_ns + LOOK_MS_MAX * 1000000LL);
		__atomic_store_n(&burst->open, 0, __ATOMIC_RELEASE);
		wait_until_ended(burst, 2 * held_ns, look->opened_ns + END_MS_MAX * 1000000LL);
		look->commands_after = commands_done(s);
	}
	look->closed_ns = clock_mono_ns();
	log_pause("look", look->opened_ns);
	burst_probes_off(&probes);
	log_pause("probe-out", look->closed_ns);
	look->attach_seconds = (double)(look->opened_ns - start) / 1e9;
	if (s->engine->config.at_ticks) /* the calls come before the look is told */
		engine_wake(s->engine);
}

bool burst_start(struct sensors *s, double hold_seconds)
{
	struct redmem_burst *burst = burst_of(s);

	if (!prober_is_idle(s->burst_prober))
		return false;
	*burst = (struct redmem_burst){ .limit = BURST_CALLS,
					.since_ns = (uint64_t)clock_mono_ns() };
	s->look = (struct look){ .hold_seconds = hold_seconds, .under_way = true };
	prober_run(s->burst_prober, look, s);
	return true;
}

bool burst_end(struct sensors *s, struct look_result *out, const struct record_sink *sink)
{
	const struct probe_pair *dearest = &s->probe_cost.pair[s->look.stepped];
	struct record record = { .kind = RECORD_BURST };
	const struct redmem_burst *burst = burst_of(s);
	const struct look *look = &s->look;

	if (!look->under_way || !prober_is_idle(s->burst_prober))
		return false;
	s->look.under_way = false;
	*out = (struct look_result){ .seconds = (double)burst->held_ns / 1e9, .idle = look->idle };
	if (look->ret) {
		sensor_off(s, "burst", "its probes could not be put in");
		return true;
	}
	record.burst.t_seconds = sensor_seconds(s, look->opened_ns);
	record.burst.duration_seconds = (double)(look->closed_ns - look->opened_ns) / 1e9;
	record.burst.calls_total = (int64_t)burst->calls;
	record.burst.commands_total = look->commands_after;
	if (look->commands_before == RECORD_UNKNOWN || look->commands_after == RECORD_UNKNOWN)
		record.burst.commands_total = RECORD_UNKNOWN;
	else
		record.burst.commands_total -= look->commands_before;
	record.burst.probe_seconds = dearest->seconds;
	record.burst.probe_error_seconds = dearest->error_seconds;
	record.burst.attach_seconds = look->attach_seconds;
	record_emit(sink, &record);
	return true;
}

/* --- calls as records ---------------------------------------------------------------------- */

/* The smallest size class that holds @bytes; RECORD_UNKNOWN. */
static int64_t class_of(const struct size_classes *classes, uint64_t bytes)
{
	for (size_t i = 0; bytes && i < classes->count; i++)
		if (classes->bytes[i] >= bytes)
			return (int64_t)classes->bytes[i];
	return RECORD_UNKNOWN;
}

/*
 * The pair's cost among the server's own calls, to which @ns is added. A step costs more while
 * other CPUs are busy than it did at the start, half as much again was seen, and less when they
 * are not any more. Most calls come out of the thread's cache, in some 20 ns, so what the middle
 * one takes is the probes'; up to twice what was measured, for a server whose calls are all slow.
 */
static struct probe_pair pair_now(const struct probe_pair *measured, struct pairs_seen *seen,
				  bool stepped, uint64_t ns)
{
	struct probe_pair pair = *measured;
	uint64_t sorted[PAIRS_SEEN];

	seen->ns[stepped][seen->count[stepped]++ % PAIRS_SEEN] = ns;
	if (seen->count[stepped] < PAIRS_SEEN)
		return pair;
	memcpy(sorted, seen->ns[stepped], sizeof(sorted));
	qsort(sorted, PAIRS_SEEN, sizeof(*sorted), sort_rising_u64);
	pair.seconds = fmin((double)sorted[PAIRS_SEEN / 2] / 1e9, 2 * measured->seconds);
	return pair;
}

void burst_call(struct sensors *s, const struct redmem_ring_record *raw)
{
	struct record record = { .kind = RECORD_CALL };
	struct record_call *call = &record.call;
	struct context_names names;
	struct probe_pair pair;
	bool sized = raw->call.function < CALL_FREE;

	if (raw->call.function >= CALL_FUNCTIONS || raw->call.stepped > 1 ||
	    !context_resolve(s, &raw->call.context, &names))
		return;
	pair = pair_now(&s->probe_cost.pair[raw->call.stepped], &s->pairs_seen, raw->call.stepped,
			raw->call.ns);
	call->t_seconds = sensor_seconds(s, (int64_t)raw->ns);
	call->function = raw->call.function;
	call->thread = names.thread;
	call->command = names.command;
	call->inner = names.inner;
	call->key = names.key;
	call->requested_bytes = sized ? (int64_t)raw->call.requested : RECORD_UNKNOWN;
	call->class_bytes = sized ? class_of(&s->config.allocator->classes, raw->call.requested) :
				    RECORD_UNKNOWN;
	call->ns = (int64_t)raw->call.ns;
	call->waited_ns = (int64_t)raw->call.waited_ns;
	call->probe_seconds = pair.seconds;
	call->probe_error_seconds = pair.error_seconds;
	call->faults = (int64_t)raw->call.faults;
	record_emit(s->sink, &record);
}

const struct sensor sensor_burst = {
	.id = "burst",
	.probe = burst_probe,
	.begin = burst_begin,
	.end = burst_stop,
	.fix = "a kernel of 6.10 or later, redmem as root",
};
