/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings into classes; see smaps.h. */
#include "host/smaps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/file.h"
#include "host/proc.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

/* HEAP_MAX_SIZE of glibc's malloc/arena.c on 64 bits: 2 * DEFAULT_MMAP_THRESHOLD_MAX.
 * An arena begins on a multiple of it; what it does not use yet is PROT_NONE. */
#define GLIBC_ARENA_SIZE (64 * MIB)

/* A program may give its threads more than RLIMIT_STACK, within reason. */
#define THREAD_STACK_MAX   (64 * MIB)
#define THREAD_STACK_FLOOR (8 * MIB)
/* A guard is one page by default, 64 KiB on some arm64 kernels. */
#define THREAD_GUARD_MAX (64 * KIB)

static const char *const class_names[CLASS_COUNT] = {
	[CLASS_ALLOCATOR] = "allocator", [CLASS_BINARY] = "binary", [CLASS_STACKS] = "stacks",
	[CLASS_HEAP] = "heap",		 [CLASS_FILE] = "file",	    [CLASS_SHARED] = "shared",
	[CLASS_KERNEL] = "kernel",
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static uint64_t map_size(const struct map *map)
{
	return map->end - map->start;
}

/* The class of a mapping that has a name in brackets. */
static enum map_class class_of_name(const char *name, bool jemalloc_present)
{
	if (begins(name, "[heap"))
		return CLASS_HEAP;
	if (begins(name, "[stack")) /* "[stack:TID]" before Linux 4.5 */
		return CLASS_STACKS;
	if (begins(name, "[anon_shmem:"))
		return CLASS_SHARED;
	if (begins(name, "[anon:")) {
		if (strstr(name, "stack"))
			return CLASS_STACKS;
		/* glibc 2.39 and later, with the tunable glibc.mem.decorate_maps */
		if (jemalloc_present &&
		    (strstr(name, "glibc: malloc") || strstr(name, "glibc: loader malloc")))
			return CLASS_HEAP;
		return CLASS_ALLOCATOR;
	}
	return CLASS_KERNEL; /* [vdso], [vvar], [vvar_vclock], [vsyscall], [uprobes] */
}

/* A file of tmpfs that is the memory of a program, shared and writable. */
static bool is_shared_memory(const struct map *map)
{
	return map->perms[3] == 's' && map->perms[1] == 'w' &&
	       (begins(map->path, "/dev/zero") || begins(map->path, "/memfd:") ||
		begins(map->path, "/SYSV") || begins(map->path, "/dev/shm/") ||
		begins(map->path, "/anon_hugepage"));
}

static bool is_plain_anonymous(const struct map *map)
{
	return map_is_anonymous(map) && !map->path[0];
}

static bool is_glibc_arena(const struct maps *maps, size_t i)
{
	const struct map *map = &maps->map[i], *rest = map + 1;

	return map->start % GLIBC_ARENA_SIZE == 0 && i + 1 < maps->count &&
	       !strcmp(map->perms, "rw-p") && rest->start == map->end && is_plain_anonymous(rest) &&
	       map_is_guard(rest) && rest->end == map->start + GLIBC_ARENA_SIZE;
}

/*
 * Whether the mapping can be a thread's stack: glibc maps guard and stack as one
 * PROT_NONE piece and opens all but the guard. Before Linux 6.7 (c4608d1bf7c6,
 * which made MAP_STACK mean no huge pages) a stack merges with an allocator's
 * mapping right above it; then it is larger than any stack, and what it holds is
 * nearly all the allocator's.
 */
static bool stack_shaped(const struct maps *maps, size_t i, const struct map_hints *hints,
			 uint64_t guard_max)
{
	const struct map *map = &maps->map[i], *guard = map - 1;
	uint64_t max = THREAD_STACK_MAX;

	if (hints->stack_limit && hints->stack_limit < max)
		max = hints->stack_limit > THREAD_STACK_FLOOR ? hints->stack_limit :
								THREAD_STACK_FLOOR;
	return i && is_plain_anonymous(map) && !strcmp(map->perms, "rw-p") &&
	       map_size(map) <= max && guard->end == map->start && is_plain_anonymous(guard) &&
	       map_is_guard(guard) && map_size(guard) <= guard_max;
}

static void classify_stacks(const struct maps *maps, const struct map_hints *hints,
			    unsigned char *out)
{
	size_t unseen = hints->threads_running;

	for (size_t i = 0; i < hints->stack_pointers_count; i++) {
		const struct map *map = maps_find(maps, hints->stack_pointers[i]);
		size_t at = map ? (size_t)(map - maps->map) : 0;

		if (map && out[at] == CLASS_ALLOCATOR && stack_shaped(maps, at, hints, UINT64_MAX))
			out[at] = CLASS_STACKS;
	}
	/* The kernel does not tell where a thread that runs has its stack (an I/O
	 * thread may spin for ever): as many mappings as there are such threads, if
	 * they look like one and have a guard of the usual size. */
	for (size_t i = 0; i < maps->count && unseen; i++) {
		if (out[i] != CLASS_ALLOCATOR || !stack_shaped(maps, i, hints, THREAD_GUARD_MAX))
			continue;
		out[i] = CLASS_STACKS;
		unseen--;
	}
}

void maps_classify(const struct maps *maps, const struct map_hints *hints, unsigned char *out)
{
	bool *module = xcalloc(maps->count, sizeof(*module));

	maps_mark_modules(maps, module);
	for (size_t i = 0; i < maps->count; i++) {
		const struct map *map = &maps->map[i];

		if (module[i])
			out[i] = CLASS_BINARY;
		else if (map->path[0] == '[')
			out[i] = class_of_name(map->path, hints->jemalloc_present);
		else if (!map_is_anonymous(map))
			out[i] = is_shared_memory(map) ? CLASS_SHARED : CLASS_FILE;
		else if (hints->jemalloc_present && is_glibc_arena(maps, i))
			out[i] = CLASS_HEAP;
		else if (hints->jemalloc_present && i && map_is_guard(map) &&
			 out[i - 1] == CLASS_HEAP && is_glibc_arena(maps, i - 1))
			out[i] = CLASS_HEAP; /* the part it does not use yet */
		else
			out[i] = CLASS_ALLOCATOR;
	}
	classify_stacks(maps, hints, out);
	free(module);
}

static void use_add(struct map_use *sum, const struct map_use *use)
{
	sum->size += use->size;
	sum->rss += use->rss;
	sum->pss += use->pss;
	sum->private_dirty += use->private_dirty;
	sum->anon_huge += use->anon_huge;
	sum->lazy_free += use->lazy_free;
	sum->swap += use->swap;
}

void smaps_add_up(struct smaps *out, const struct maps *maps, const struct map_hints *hints)
{
	unsigned char *class = xcalloc(maps->count, 1);

	*out = (struct smaps){ .mappings = (int64_t)maps->count };
	maps_classify(maps, hints, class);
	for (size_t i = 0; i < maps->count; i++) {
		out->class[class[i]].mappings++;
		use_add(&out->class[class[i]].use, &maps->use[i]);
		out->rss_bytes += maps->use[i].rss;
		out->swap_bytes += maps->use[i].swap;
	}
	free(class);
}

uint64_t smaps_stack_pointer(const char *line)
{
	const char *last = strrchr(line, ' '), *before = last;

	if (!last || last == line)
		return 0;
	do
		before--;
	while (before > line && *before != ' ');
	if (*before != ' ' || strncmp(before, " 0x", 3))
		return 0;
	return strtoull(before + 1, NULL, 16);
}

/* The stack pointers of all threads. The hints own them; free() them. */
static void read_hints(struct map_hints *hints, pid_t pid)
{
	uint64_t *pointers;
	int64_t limit;
	pid_t *tids;
	size_t count;

	proc_stack_limit(pid, &limit);
	hints->stack_limit = limit > 0 ? (uint64_t)limit : 0;
	if (proc_threads(pid, &tids, &count, NULL))
		return;
	pointers = xcalloc(count, sizeof(*pointers));
	for (size_t i = 0; i < count; i++) {
		struct buf text = { 0 };
		char path[64];
		uint64_t sp = 0;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tids[i]);
		if (!file_read(path, 4096, &text, NULL))
			sp = smaps_stack_pointer(buf_str(&text));
		if (sp)
			pointers[hints->stack_pointers_count++] = sp;
		else if (tids[i] != pid) /* the main thread's is "[stack]" */
			hints->threads_running++;
		buf_free(&text);
	}
	free(tids);
	hints->stack_pointers = pointers;
}

int smaps_read(struct smaps *out, pid_t pid, bool jemalloc_present, struct err *err)
{
	struct map_hints hints = { .jemalloc_present = jemalloc_present };
	int64_t start = clock_mono_ns();
	struct maps *maps;
	double seconds;
	int ret = maps_read_use(&maps, pid, err);

	if (ret)
		return ret;
	seconds = (double)(clock_mono_ns() - start) / 1e9;
	read_hints(&hints, pid);
	smaps_add_up(out, maps, &hints);
	out->read_seconds = seconds;
	free((void *)hints.stack_pointers);
	maps_free(maps);
	return 0;
}

int maps_of_class(pid_t pid, enum map_class class, struct map_range **out, size_t *count,
		  struct err *err)
{
	struct map_hints hints = { .jemalloc_present = true };
	unsigned char *classes;
	struct maps *maps;
	int ret = maps_read(&maps, pid, err);

	if (ret)
		return ret;
	read_hints(&hints, pid);
	classes = xcalloc(maps->count + 1, 1);
	*out = xcalloc(maps->count + 1, sizeof(**out));
	*count = 0;
	maps_classify(maps, &hints, classes);
	for (size_t i = 0; i < maps->count; i++)
		if (classes[i] == class && !map_is_guard(&maps->map[i]))
			(*out)[(*count)++] =
				(struct map_range){ maps->map[i].start, maps->map[i].end };
	free(classes);
	free((void *)hints.stack_pointers);
	maps_free(maps);
	return 0;
}

void smaps_emit(const struct smaps *smaps, pid_t pid, double t_seconds, const char *phase,
		const struct record_sink *sink)
{
	for (unsigned int i = 0; i < CLASS_COUNT; i++) {
		const struct smaps_class *class = &smaps->class[i];
		struct record record = { .kind = RECORD_MAPPING };

		if (!class->mappings)
			continue;
		record.mapping = (struct record_mapping){
			.t_seconds = t_seconds,
			.phase = phase,
			.pid = pid,
			.class_name = class_names[i],
			.mappings_total = class->mappings,
			.size_bytes = class->use.size,
			.rss_bytes = class->use.rss,
			.pss_bytes = class->use.pss,
			.private_dirty_bytes = class->use.private_dirty,
			.anon_huge_bytes = class->use.anon_huge,
			.lazy_free_bytes = class->use.lazy_free,
			.swap_bytes = class->use.swap,
			.read_seconds = smaps->read_seconds,
		};
		record_emit(sink, &record);
	}
}
