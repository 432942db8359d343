/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's allocator as sensors see it: where in which file its functions are, and
 * its size classes. What cannot be found for sure is left out, with the reason.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "target/image.h"
#include "target/experiment.h"

struct elf_file;

/* Functions of jemalloc 5.0 to 5.2 that move memory into and out of threads' caches. */
enum cache_site {
	CACHE_FILL,
	CACHE_FLUSH_SMALL,
	CACHE_FLUSH_LARGE,
	CACHE_LARGE_ALLOC,
	CACHE_LARGE_FREE,
	CACHE_SITES
};

/* A function the server calls. */
struct entry_site {
	const char *function; /* "malloc", "calloc", "realloc", "free"; what it does */
	unsigned long offset;
};

#define ENTRY_SITES_MAX 16

/* Offsets are in the file, as uprobes want them; 0 = not found. */
struct allocator {
	char file[64]; /* by which it can be opened: /proc/self/fd/N */
	struct elf_file *code; /* the same, opened: the image's */
	pid_t pid;
	uint64_t bias; /* where the process has that file's addresses */
	unsigned long event_trigger; /* jemalloc 5.3 */
	unsigned long cache[CACHE_SITES]; /* before 5.3; all or none */
	uint64_t class_table, bin_info; /* addresses in the process; go with cache[] */
	uint32_t small_classes; /* likewise */
	const char *found_by; /* "symbol", "debug file", "experiment", "cache"; "" = not */
	char reason[480]; /* why bytes cannot be followed, "" when they can */
	struct entry_site entry[ENTRY_SITES_MAX];
	size_t entries;
	struct size_classes classes;
};

/* Never fails; see reason. Lives no longer than @image. The experiment's result is kept
 * by the content of what took part, in /var/cache/redmem when root runs redmem. */
void allocator_find(struct allocator *out, const struct image *image);
