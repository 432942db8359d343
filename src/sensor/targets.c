/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers as the BPF programs know them; see targets.h. */
#include "sensor/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"

#define PROCESSES_AT_ONCE 256

/* --- room ----------------------------------------------------------------------------- */

#define RING_HEAD 8 /* of each record: BPF_RINGBUF_HDR_SZ, include/uapi/linux/bpf.h */
/* Stalls and RSS moves of one server: a second of nothing but stalls of 5 ms, twice over. */
#define RARE_BYTES (256 << 10)
/* Copies of stacks, of 2 or 3 KiB each: some 1,500 of them, where the ring is emptied ten times a
 * second. A row whose stack has no room is told without. */
#define STACKS_BYTES (4 << 20)
/* Between two turns of the engine a profile map may fill by half (engine.c); for one server
 * that works all the time. */
#define ROWS_BUSY  16384
#define ROWS_QUIET 512 /* for each that is watched besides */
#define TIMES_MAX  4 /* with more at work at once the budgets are what counts */

/* Of a frugal engine: rows of a tenth of a second, twice over, for a few servers that spend their
 * budgets (of 1 % of a core each); and of the ring, for each CPU, the samples of most
 * of a second. What is over is lost and counted. */
#define ROWS_FRUGAL	4096
#define RING_FRUGAL	(256 << 10)
#define RING_FRUGAL_MIN (512 << 10)
#define RING_FRUGAL_MAX (2 << 20)

/* As many main threads as have a CPU can be at work at once. */
static size_t busy_servers(const struct room *room)
{
	return room->servers < room->cpus ? room->servers : room->cpus;
}

static size_t frugal_ring_bytes(const struct room *room, size_t wanted)
{
	size_t most = busy_servers(room) * RING_FRUGAL;

	most = most < RING_FRUGAL_MIN ? RING_FRUGAL_MIN : most;
	most = most > RING_FRUGAL_MAX ? RING_FRUGAL_MAX : most;
	return wanted < most ? wanted : most;
}

size_t room_ring_bytes(const struct room *room)
{
	size_t hz = room->fine_samples ? CPU_FINE_HZ : CPU_HZ, power = 1;
	size_t bytes = room->servers * RARE_BYTES;

	if (room->samples)
		bytes += busy_servers(room) * hz * (RING_HEAD + sizeof(struct redmem_sample));
	if (room->stacks)
		bytes += STACKS_BYTES;
	if (room->calls)
		bytes += room->servers * BURST_CALLS_HZ * (RING_HEAD + RING_BYTES(call));
	if (room->frugal)
		bytes = frugal_ring_bytes(room, bytes);
	while (power < bytes)
		power *= 2;
	return power;
}

size_t room_profile_rows(const struct room *room)
{
	size_t busy = busy_servers(room);

	if (room->frugal)
		return ROWS_FRUGAL;
	return ROWS_BUSY * (busy < TIMES_MAX ? busy : TIMES_MAX) + ROWS_QUIET * (room->servers - 1);
}

size_t room_keyed_rows(const struct room *room)
{
	return room_profile_rows(room) * 15 / 16;
}

size_t room_calibrations(size_t servers, bool frugal)
{
	return frugal && servers > CALIBRATIONS_FRUGAL ? CALIBRATIONS_FRUGAL : servers;
}

/* Make room for @servers, but for @most at most, as often as for one. */
static void enlarge(struct bpf_map *map, size_t servers, size_t most)
{
	bpf_map__set_max_entries(map,
				 (servers < most ? servers : most) * bpf_map__max_entries(map));
}

/* Threads of several servers want more room than those of one, too. Of a frugal engine: a server
 * has five to ten, of which few are in a call of the allocator at a time. */
void targets_size(struct redmem_bpf *bpf, const struct room *room)
{
	size_t servers = room->servers;

	bpf_map__set_max_entries(bpf->maps.targets, servers + 1);
	bpf_map__set_max_entries(bpf->maps.calibration,
				 room_calibrations(servers, room->frugal) * CALIBRATION_SLOTS);
	bpf_map__set_max_entries(bpf->maps.records, room_ring_bytes(room));
	bpf_map__set_max_entries(bpf->maps.profile_0, room_profile_rows(room));
	bpf_map__set_max_entries(bpf->maps.profile_1, room_profile_rows(room));
	bpf->bss->profile_keyed_rows = room_keyed_rows(room);
	enlarge(bpf->maps.threads, servers, room->frugal ? 2 : 16);
	enlarge(bpf->maps.flow_threads, servers, room->frugal ? 2 : 16);
	enlarge(bpf->maps.open_calls, servers, room->frugal ? 1 : 16);
	enlarge(bpf->maps.key_rules, servers, room->frugal ? 4 : 16);
}

/* --- the map -------------------------------------------------------------------------- */

static size_t mapped_bytes(const struct targets *targets)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (targets->count * sizeof(struct redmem_target) + page - 1) & ~(page - 1);
}

int targets_open(struct targets *targets, struct redmem_bpf *bpf, struct err *err)
{
	void *slots;

	targets->bpf = bpf;
	targets->count = bpf_map__max_entries(bpf->maps.targets);
	slots = mmap(NULL, mapped_bytes(targets), PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(bpf->maps.targets), 0);
	if (slots == MAP_FAILED)
		return err_set(err, -errno, "bpf: cannot map the servers' slots: %s",
			       strerror(errno));
	targets->slots = slots;
	return 0;
}

void targets_close(struct targets *targets)
{
	if (targets->slots)
		munmap(targets->slots, mapped_bytes(targets));
	targets->slots = NULL;
}

/* --- what the kernel calls them ------------------------------------------------------ */

/* Hand each process in redmem's pid namespace to @take. */
static int each_process(struct redmem_bpf *bpf,
			void (*take)(void *ctx, const struct redmem_process *process), void *ctx)
{
	struct redmem_process *batch = xcalloc(PROCESSES_AT_ONCE, sizeof(*batch));
	struct bpf_link *link = bpf_program__attach_iter(bpf->progs.list_processes, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -errno;
	ssize_t bytes = fd;

	/* The kernel hands out whole ones only (bpf_seq_read()). */
	while (fd >= 0 && (bytes = read(fd, batch, PROCESSES_AT_ONCE * sizeof(*batch))) > 0)
		for (size_t i = 0; i < bytes / sizeof(*batch); i++)
			take(ctx, &batch[i]);
	if (fd >= 0 && bytes < 0)
		bytes = -errno;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	free(batch);
	return bytes;
}

struct processes {
	void (*take)(void *ctx, pid_t pid, uint64_t memory);
	void *ctx;
};

static void take_process(void *ctx, const struct redmem_process *process)
{
	const struct processes *all = ctx;

	all->take(all->ctx, (pid_t)process->tgid, process->mm);
}

int targets_each_process(struct redmem_bpf *bpf,
			 void (*take)(void *ctx, pid_t pid, uint64_t memory), void *ctx)
{
	struct processes all = { take, ctx };

	return each_process(bpf, take_process, &all);
}

static void take_one(void *ctx, const struct redmem_process *process)
{
	struct redmem_process *wanted = ctx;

	if (process->tgid == wanted->tgid)
		*wanted = *process;
}

static int find_process(struct redmem_bpf *bpf, pid_t pid, struct redmem_process *process,
			struct err *err)
{
	int ret;

	*process = (struct redmem_process){ .tgid = pid };
	ret = each_process(bpf, take_one, process);
	if (ret < 0)
		return err_set(err, ret, "bpf: cannot list processes: %s", strerror(-ret));
	if (!process->kernel_tgid)
		return err_set(err, -ESRCH, "target: process %d has ended", pid);
	return 0;
}

/* --- the filter ---------------------------------------------------------------------- */

/* Of those that are left: a bit may have stood for two. */
static void filter_make(struct targets *targets)
{
	enum { WORDS = sizeof(targets->bpf->bss->process_filter) / sizeof(uint64_t) };
	uint64_t words[WORDS] = {};

	for (size_t i = 0; i < targets->count; i++) {
		uint32_t id = targets->slots[i].settings.tgid;

		if (id)
			words[(id >> 6) % WORDS] |= 1ULL << (id & 63);
	}
	for (size_t i = 0; i < WORDS; i++)
		__atomic_store_n(&targets->bpf->bss->process_filter[i], words[i], __ATOMIC_RELAXED);
}

/* --- coming and going ------------------------------------------------------------------ */

int targets_add(struct targets *targets, size_t index, pid_t pid, struct err *err)
{
	struct redmem_target *slot = &targets->slots[index];
	struct redmem_bpf *bpf = targets->bpf;
	struct redmem_process process;
	uint32_t value = index;
	int ret = find_process(bpf, pid, &process, err);

	if (ret)
		return ret;
	memset(slot, 0, sizeof(*slot));
	slot->settings.tgid = process.kernel_tgid;
	slot->settings.index = index;
	slot->settings.page_bytes = sysconf(_SC_PAGESIZE);
	slot->mm = process.mm;
	if (bpf_map_update_elem(bpf_map__fd(bpf->maps.watched_processes), &process.kernel_tgid,
				&value, BPF_ANY) ||
	    bpf_map_update_elem(bpf_map__fd(bpf->maps.watched_memory), &process.mm, &value,
				BPF_ANY)) {
		ret = err_set(err, -errno, "bpf: cannot watch process %d: %s", pid,
			      strerror(errno));
		targets_remove(targets, index);
		return ret;
	}
	filter_make(targets);
	return 0;
}

/* Delete the entries of the map that are of server @index: with it a value has its number
 * at @at, or the key has. */
static void forget_in(struct bpf_map *map, size_t index, size_t at, bool in_key)
{
	size_t key_bytes = bpf_map__key_size(map);
	char *value = xcalloc(1, bpf_map__value_size(map));
	char *key = xcalloc(2, key_bytes), *next = key + key_bytes;
	uint32_t target;
	bool more = !bpf_map_get_next_key(bpf_map__fd(map), NULL, key);

	while (more) {
		more = !bpf_map_get_next_key(bpf_map__fd(map), key, next);
		if (in_key || !bpf_map_lookup_elem(bpf_map__fd(map), key, value)) {
			memcpy(&target, (in_key ? key : value) + at, sizeof(target));
			if (target == index)
				bpf_map_delete_elem(bpf_map__fd(map), key);
		}
		memcpy(key, next, key_bytes);
	}
	free(key);
	free(value);
}

/* The next server in the slot, or with these ids, is another one. */
static void forget(struct redmem_bpf *bpf, size_t index)
{
	forget_in(bpf->maps.threads, index, offsetof(struct redmem_thread, target), false);
	forget_in(bpf->maps.flow_threads, index, offsetof(struct redmem_flow_thread, target),
		  false);
	forget_in(bpf->maps.open_calls, index, offsetof(struct redmem_open_call, target), false);
	forget_in(bpf->maps.children, index, offsetof(struct redmem_child, target), false);
	forget_in(bpf->maps.key_rules, index, offsetof(struct redmem_command, target), true);
}

void targets_remove(struct targets *targets, size_t index)
{
	struct redmem_target *slot = &targets->slots[index];
	struct redmem_bpf *bpf = targets->bpf;

	if (!slot->settings.tgid)
		return;
	bpf_map_delete_elem(bpf_map__fd(bpf->maps.watched_processes), &slot->settings.tgid);
	bpf_map_delete_elem(bpf_map__fd(bpf->maps.watched_memory), &slot->mm);
	slot->settings.tgid = 0;
	slot->settings.watched = 0;
	slot->mm = 0;
	filter_make(targets);
	forget(bpf, index);
}

void targets_find_memory(struct targets *targets, size_t index, pid_t pid)
{
	struct redmem_target *slot = &targets->slots[index];
	int fd = bpf_map__fd(targets->bpf->maps.watched_memory);
	struct redmem_process process;
	uint32_t value = index;

	if (find_process(targets->bpf, pid, &process, NULL))
		return;
	bpf_map_delete_elem(fd, &slot->mm);
	slot->mm = process.mm;
	bpf_map_update_elem(fd, &slot->mm, &value, BPF_ANY);
}

struct adoption {
	struct targets *targets;
	size_t index;
	const pid_t *children;
	size_t count;
};

static void take_child(void *ctx, const struct redmem_process *process)
{
	const struct adoption *a = ctx;
	struct redmem_child child = { .target = a->index, .pid = process->tgid };

	for (size_t i = 0; i < a->count; i++)
		if (a->children[i] == (pid_t)process->tgid)
			bpf_map_update_elem(bpf_map__fd(a->targets->bpf->maps.children),
					    &process->kernel_tgid, &child, BPF_ANY);
}

void targets_adopt(struct targets *targets, size_t index, const pid_t *children, size_t count)
{
	struct adoption adoption = { targets, index, children, count };

	if (count)
		each_process(targets->bpf, take_child, &adoption);
}
