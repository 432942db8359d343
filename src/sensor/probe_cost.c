/* SPDX-License-Identifier: BSD-2-Clause */
/* The cost of probes; see probe_cost.h. */
#include "sensor/probe_cost.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/maps.h"
#include "host/uprobe.h"
#include "sensor/internal.h"

#define ROUNDS REDMEM_BURST_COSTS
/* A gap this long between two looks at the clock is a pause. */
#define GAP_NS 2000

/*
 * Functions whose first instruction is of either kind (arch/x86/kernel/uprobes.c:
 * push is emulated, cmp is stepped over). arm64 simulates only branches and the like,
 * so there all that matters here are stepped over.
 */
void redmem_probed_emulated(void);
void redmem_probed_stepped(void);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl redmem_probed_emulated\n.type redmem_probed_emulated, @function\n"
	"redmem_probed_emulated:\n\tpush %rbp\n\tpop %rbp\n\tret\n"
	".globl redmem_probed_stepped\n.type redmem_probed_stepped, @function\n"
	"redmem_probed_stepped:\n\tcmp $0x1000, %rdi\n\tret\n");

bool probe_is_stepped(const unsigned char first[2])
{
	bool rex = first[0] == 0x41;
	unsigned char opcode = rex ? first[1] : first[0];

	if (opcode >= 0x50 && opcode <= 0x57)
		return false; /* push */
	return rex || !(opcode == 0x90 || opcode == 0xe8 || opcode == 0xe9 || opcode == 0xeb);
}
#else
__attribute__((noinline)) void redmem_probed_emulated(void)
{
	__asm__ volatile("");
}

__attribute__((noinline)) void redmem_probed_stepped(void)
{
	__asm__ volatile("");
}

bool probe_is_stepped(const unsigned char first[2])
{
	(void)first;
	return true;
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

static double call_seconds(probed_fn *volatile function)
{
	int64_t start = clock_mono_ns();

	for (int i = 0; i < ROUNDS; i++)
		function();
	return (double)(clock_mono_ns() - start) / 1e9 / ROUNDS;
}

/* --- pauses ------------------------------------------------------------------------- */

struct spinner {
	volatile bool stop;
	int64_t from_ns, longest_ns;
};

/* The longest gap seen since from_ns, by a thread that does nothing but look. */
static void *spin(void *ctx)
{
	struct spinner *spinner = ctx;
	int64_t last = clock_mono_ns();

	while (!spinner->stop) {
		int64_t now = clock_mono_ns(),
			from = __atomic_load_n(&spinner->from_ns, __ATOMIC_RELAXED);

		if (from && last >= from && now - last > GAP_NS && now - last > spinner->longest_ns)
			spinner->longest_ns = now - last;
		last = now;
	}
	return NULL;
}

/* --- the measurements ----------------------------------------------------------------- */

/* One probe, with a program that leaves at once, while a thread of ours spins. */
static void measure_trap(struct bpf_program *program, struct probe_cost *out)
{
	struct spinner spinner = {};
	struct bpf_link *link = NULL;
	unsigned long offset;
	pthread_t thread;
	double without = call_seconds(redmem_probed_emulated);

	if (!own_offset(redmem_probed_emulated, &offset) ||
	    pthread_create(&thread, NULL, spin, &spinner))
		return;
	__atomic_store_n(&spinner.from_ns, clock_mono_ns(), __ATOMIC_RELAXED);
	uprobe_attach(program, getpid(), "/proc/self/exe", &offset, 1, &link);
	spinner.stop = true;
	pthread_join(thread, NULL);
	if (!link)
		return;
	out->trap_seconds = fmax(call_seconds(redmem_probed_emulated) - without, 0);
	out->pause_seconds = (double)spinner.longest_ns / 1e9;
	bpf_link__destroy(link);
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* redmem's own among the servers. */
static struct redmem_target *own_slot(const struct sensors *s)
{
	return &s->targets.slots[s->targets.count - 1];
}

/* The pair of burst programs on a function that does nothing: what they see is theirs. */
static void measure_pair(struct sensors *s, probed_fn *function, struct probe_cost *out)
{
	struct redmem_burst *burst = &own_slot(s)->burst;
	struct burst_probes probes = {};
	double without = call_seconds(function);
	uint64_t cost[ROUNDS];
	unsigned long offset;
	uint64_t cookie = CALL_FREE;

	if (!own_offset(function, &offset))
		return;
	*burst = (struct redmem_burst){ .measuring = 1, .limit = ROUNDS };
	if (!burst_probes_on(s, &probes, getpid(), "/proc/self/exe", &offset, &cookie, 1)) {
		burst->open = 1;
		out->pair_trap_seconds = fmax(call_seconds(function) - without, 0);
		burst->open = 0;
		if (burst->calls >= ROUNDS) {
			memcpy(cost, s->bpf->bss->burst_cost_ns, sizeof(cost));
			qsort(cost, ROUNDS, sizeof(cost[0]), compare_ns);
			out->pair_seconds = (double)cost[ROUNDS / 2] / 1e9;
			out->pair_error_seconds =
				(double)(cost[ROUNDS * 975 / 1000] - cost[ROUNDS * 25 / 1000]) /
				2e9;
		}
	}
	burst_probes_off(&probes);
	burst->measuring = 0;
}

void probe_cost_measure(struct sensors *s, bool stepped, struct probe_cost *out)
{
	struct redmem_bpf *bpf = s->bpf;
	struct bpf_program *plain = bpf_program__autoload(bpf->progs.flow_event) ?
					    bpf->progs.flow_event :
					    bpf->progs.flow_flush_small;
	size_t own = s->targets.count - 1;

	*out = (struct probe_cost){ NAN, NAN, NAN, NAN, NAN };
	if (targets_add(&s->targets, own, getpid(), NULL))
		return;
	if (bpf_program__autoload(plain))
		measure_trap(plain, out);
	if (bpf_program__autoload(bpf->progs.burst_entry))
		measure_pair(s, stepped ? redmem_probed_stepped : redmem_probed_emulated, out);
	targets_remove(&s->targets, own);
}
