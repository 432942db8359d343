/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers as the BPF programs know them: a slot each in the map `targets`, found by
 * process and by memory. Programs see the ids of the kernel's first pid namespace, the rest
 * of redmem those of its own /proc; the two meet here only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "redmem/events.h"

struct redmem_bpf;

struct targets {
	struct redmem_bpf *bpf;
	struct redmem_target *slots; /* mapped; the last is redmem's own */
	size_t count; /* with that one */
};

/* What there may be, at the highest rates in use. */
struct room {
	size_t servers, cpus;
	bool samples; /* go to the ring... */
	bool fine_samples; /* ...and five times as many */
	bool calls; /* of the allocator do */
	bool stacks; /* rows of profiles come with their stacks */
	bool frugal; /* enough for a few servers at work, however many there are */
};

/* Bytes of the ring, a power of two: all that comes in a second in which nobody takes it. */
size_t room_ring_bytes(const struct room *room);
/* Servers that can be calibrated at once: a pair of slots in the map `calibration` each, 53 KB. Of
 * a frugal engine they take turns. */
#define CALIBRATIONS_FRUGAL 8
size_t room_calibrations(size_t servers, bool frugal);
/* Rows of a profile map, and those of them that may have a key. */
size_t room_profile_rows(const struct room *room);
size_t room_keyed_rows(const struct room *room);
/* Before the object is loaded: give its maps their sizes. */
void targets_size(struct redmem_bpf *bpf, const struct room *room);
/* After it was loaded. */
int targets_open(struct targets *targets, struct redmem_bpf *bpf, struct err *err);
void targets_close(struct targets *targets);
/* From now on events of process @pid, an id of redmem's /proc, go to the slot @index, which
 * is emptied first. -ESRCH when there is no such process. */
int targets_add(struct targets *targets, size_t index, pid_t pid, struct err *err);
/* No more of them. What the slot holds stays until it is used again. */
void targets_remove(struct targets *targets, size_t index);
/* The server has other memory than before: it called exec. */
void targets_find_memory(struct targets *targets, size_t index, pid_t pid);
/* Children of the server that are there already: their end is told, as that of new ones. */
void targets_adopt(struct targets *targets, size_t index, const pid_t *children, size_t count);
/* See engine_each_process(). */
int targets_each_process(struct redmem_bpf *bpf,
			 void (*take)(void *ctx, pid_t pid, uint64_t memory), void *ctx);
