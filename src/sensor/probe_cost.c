/* SPDX-License-Identifier: BSD-2-Clause */
/* The cost of probes; see probe_cost.h. */
#include "sensor/probe_cost.h"

#include <linux/perf_event.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/sort.h"
#include "host/maps.h"
#include "host/uprobe.h"
#include "sensor/internal.h"
#include "target/allocator.h"

#define ROUNDS	   (REDMEM_BURST_COSTS / 2) /* of each kind of pair */
#define COLD	   33 /* times a cold call is measured */
#define COLD_BYTES (1 << 20) /* written in between: more than the caches next to a core hold */
#define LINE_BYTES 64
#define OWN_FILE   "/proc/self/exe"
/* Of the timer whose interrupts are measured, and how many there are to be. */
#define TIMER_HZ	 10000
#define TIMER_INTERRUPTS 24
/* A gap this long between two looks at the clock is an interrupt; a longer one is more. */
#define GAP_NS	   400
#define GAP_NS_MAX 100000

/*
 * Functions whose first instruction is of either kind (host/uprobe.h: push is emulated, cmp is
 * stepped over; on arm64 both are). On x86-64 they have a page for themselves:
 * other code in it would be met first, and pay for a probe that came or went.
 */
void redmem_probed_emulated(void);
void redmem_probed_stepped(void);

#if defined(__x86_64__)
__asm__(".text\n"
	".balign 4096\n"
	".globl redmem_probed_emulated\n.type redmem_probed_emulated, @function\n"
	"redmem_probed_emulated:\n\tpush %rbp\n\tpop %rbp\n\tret\n"
	".globl redmem_probed_stepped\n.type redmem_probed_stepped, @function\n"
	"redmem_probed_stepped:\n\tcmp $0x1000, %rdi\n\tret\n"
	".balign 4096\n");

#else
__attribute__((noinline)) void redmem_probed_emulated(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) void redmem_probed_stepped(void)
{
	__asm__ volatile("");
}

#endif

typedef void probed_fn(void);

/* Where the function is in our own file. */
static bool own_offset(probed_fn *function, unsigned long *offset)
{
	uint64_t address = (uintptr_t)function;
	const struct map *map;
	struct maps *maps;

	if (maps_read(&maps, getpid(), NULL))
		return false;
	map = maps_find(maps, address);
	if (map)
		*offset = address - map->start + map->offset;
	maps_free(maps);
	return map;
}

/* Sorts @ns. */
static double median_seconds(uint64_t *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), sort_rising_u64);
	return (double)ns[count / 2] / 1e9;
}

/* redmem's own among the servers. */
static struct redmem_target *own_slot(const struct sensors *s)
{
	return &s->engine->targets.slots[s->engine->targets.count - 1];
}

static uint64_t own_cookie(const struct sensors *s, uint32_t what)
{
	return PROBE_COOKIE(own_slot(s)->settings.index, what);
}

/* --- a trap and a pause ----------------------------------------------------------------- */

static uint64_t one_call(probed_fn *volatile function)
{
	int64_t start = clock_mono_ns();

	function();
	return (uint64_t)(clock_mono_ns() - start);
}

/* A call after other work. */
static double cold_seconds(probed_fn *function, volatile char *work)
{
	uint64_t ns[COLD];

	for (size_t i = 0; i < COLD; i++) {
		for (size_t at = 0; at < COLD_BYTES; at += LINE_BYTES)
			work[at]++;
		ns[i] = one_call(function);
	}
	return median_seconds(ns, COLD);
}

/*
 * One probe on @function, with a program that leaves at once. Putting it in and taking it out
 * replaces the page under a running process: what that is to it is seen at the next call of
 * another function in the page, @beside.
 */
static void measure_trap(const struct sensors *s, probed_fn *function, probed_fn *beside,
			 struct bpf_program *program, struct probe_cost *out)
{
	const struct uprobe_place place = { getpid(), OWN_FILE, own_cookie(s, 0) };
	char *work = xcalloc(1, COLD_BYTES);
	struct bpf_link *link = NULL;
	uint64_t after_in, after_out, usual;
	unsigned long offset;
	double without = cold_seconds(function, work);

	if (own_offset(function, &offset)) {
		one_call(beside);
		usual = one_call(beside);
		uprobe_attach(program, &place, &offset, 1, &link);
		after_in = one_call(beside);
		if (link) {
			out->trap_seconds = fmax(cold_seconds(function, work) - without, 0);
			uprobe_detach(&link, 1);
			after_out = one_call(beside);
			if (after_out < after_in)
				after_out = after_in;
			out->pause_seconds = fmax((double)after_out - (double)usual, 0) / 1e9;
		}
	}
	free(work);
}

/* Does the flow probe meet one that is stepped over? Of several places the dearest counts. */
static bool flow_is_stepped(const struct allocator *a)
{
	bool stepped = !a;

	if (a && a->event_trigger)
		return uprobe_is_stepped(a->file, a->event_trigger);
	for (size_t i = 0; a && i < CACHE_SITES; i++)
		stepped |= a->cache[i] && uprobe_is_stepped(a->file, a->cache[i]);
	return stepped;
}

/* --- a sample -------------------------------------------------------------------------- */

/* A timer on this thread, as the cpu sensor has one on each CPU. */
static int timer_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000 / TIMER_HZ,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Who had the CPU meanwhile leaves too few of them. */
#define TIMER_TRIES 4

/* Gaps of a thread that does nothing but look at the clock; false when there were too few. */
static bool measure_sample(struct probe_cost *out)
{
	uint64_t gaps[TIMER_INTERRUPTS];
	int64_t last, end;
	size_t count = 0;
	int fd = timer_open();

	if (fd < 0)
		return false;
	last = clock_mono_ns();
	end = last + 4LL * TIMER_INTERRUPTS * 1000000000 / TIMER_HZ;
	while (count < TIMER_INTERRUPTS && last < end) {
		int64_t now = clock_mono_ns();

		if (now - last > GAP_NS && now - last < GAP_NS_MAX)
			gaps[count++] = (uint64_t)(now - last);
		last = now;
	}
	close(fd);
	if (count < TIMER_INTERRUPTS / 2)
		return false;
	out->sample_seconds = median_seconds(gaps, count);
	return true;
}

/* --- pairs ------------------------------------------------------------------------------- */

/* What the probes see of a function that does nothing is theirs. */
static void measure_pair(struct sensors *s, probed_fn *function, struct probe_pair *out)
{
	probed_fn *volatile call = function;
	struct redmem_burst *burst = &own_slot(s)->burst;
	uint64_t cost[ROUNDS];

	*burst = (struct redmem_burst){
		.measuring = 1, .limit = ROUNDS, .since_ns = (uint64_t)clock_mono_ns(), .open = 1
	};
	for (int i = 0; i < ROUNDS; i++)
		call();
	burst->open = 0;
	if (burst->calls < ROUNDS)
		return;
	memcpy(cost, s->bpf->bss->burst_cost_ns, sizeof(cost));
	out->seconds = median_seconds(cost, ROUNDS);
	out->error_seconds = (double)(cost[ROUNDS * 975 / 1000] - cost[ROUNDS * 25 / 1000]) / 2e9;
}

/* The burst programs on a function of either kind. */
static void measure_pairs(struct sensors *s, struct probe_cost *out)
{
	probed_fn *const functions[2] = { redmem_probed_emulated, redmem_probed_stepped };
	const uint64_t cookies[2] = { own_cookie(s, CALL_FREE), own_cookie(s, CALL_FREE) };
	struct burst_probes probes = {};
	unsigned long offsets[2];

	if (!own_offset(functions[0], &offsets[0]) || !own_offset(functions[1], &offsets[1]))
		return;
	if (!burst_probes_on(s, &probes, getpid(), OWN_FILE, offsets, cookies, 2))
		for (size_t i = 0; i < 2; i++)
			measure_pair(s, functions[i], &out->pair[i]);
	burst_probes_off(&probes);
	own_slot(s)->burst.measuring = 0;
}

void probe_cost_measure(struct sensors *s, struct probe_cost *out)
{
	static const struct probe_pair not_known = { NAN, NAN };
	struct redmem_bpf *bpf = s->bpf;
	struct bpf_program *plain = bpf_program__autoload(bpf->progs.flow_event) ?
					    bpf->progs.flow_event :
					    bpf->progs.flow_flush_small;
	bool stepped = flow_is_stepped(s->config.allocator);
	size_t own = s->engine->targets.count - 1;

	*out = (struct probe_cost){ NAN, { not_known, not_known }, NAN, NAN };
	for (int tries = 0; tries < TIMER_TRIES && !measure_sample(out); tries++)
		;
	if (targets_add(&s->engine->targets, own, getpid(), NULL))
		return;
	own_slot(s)->settings.watched = 1;
	if (bpf_program__autoload(plain))
		measure_trap(s, stepped ? redmem_probed_stepped : redmem_probed_emulated,
			     stepped ? redmem_probed_emulated : redmem_probed_stepped, plain, out);
	if (bpf_program__autoload(bpf->progs.burst_entry))
		measure_pairs(s, out);
	targets_remove(&s->engine->targets, own);
}
