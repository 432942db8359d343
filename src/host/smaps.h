/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of a process by what it is for: each mapping falls into exactly one
 * class, so the classes add up to all of smaps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "record/record.h"
#include "host/maps.h"

/* In the order of the names in struct record_mapping. Not MAP_*, which is sys/mman.h. */
enum map_class {
	CLASS_ALLOCATOR,
	CLASS_BINARY,
	CLASS_STACKS,
	CLASS_HEAP,
	CLASS_FILE,
	CLASS_SHARED,
	CLASS_KERNEL,
	CLASS_COUNT
};

/* What the mappings alone do not tell. */
struct map_hints {
	const uint64_t *stack_pointers; /* of the threads, any order */
	size_t stack_pointers_count;
	size_t threads_running; /* threads whose stack pointer could not be read */
	uint64_t stack_limit; /* RLIMIT_STACK, 0 when unlimited or not known */
	bool jemalloc_present; /* then glibc's arenas are "heap", not "allocator" */
};

/* The class of each mapping; @out holds maps->count values of enum map_class. */
void maps_classify(const struct maps *maps, const struct map_hints *hints, unsigned char *out);

struct smaps_class {
	int64_t mappings;
	struct map_use use;
};

struct smaps {
	struct smaps_class class[CLASS_COUNT];
	int64_t mappings;
	int64_t rss_bytes; /* sum of the classes, and of all Rss lines */
	int64_t swap_bytes;
	double read_seconds; /* reading smaps: while it lasts the target may wait for its mm lock */
};

void smaps_add_up(struct smaps *out, const struct maps *maps, const struct map_hints *hints);
int smaps_read(struct smaps *out, pid_t pid, bool jemalloc_present, struct err *err);

/* The addresses of the mappings of a class, where jemalloc is the allocator. free() @out. */
int maps_of_class(pid_t pid, enum map_class class, struct map_range **out, size_t *count,
		  struct err *err);

/* Stack pointer in a line of /proc/PID/task/TID/syscall (proc(5): the last field
 * but one), 0 when it holds none: "running". */
uint64_t smaps_stack_pointer(const char *line);

/* A RECORD_MAPPING for each class that has mappings. */
void smaps_emit(const struct smaps *smaps, pid_t pid, double t_seconds, const char *phase,
		const struct record_sink *sink);
