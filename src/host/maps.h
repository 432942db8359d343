/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /proc/PID/maps and smaps: the mappings of a process, and what stands behind
 * each in memory and swap.
 *
 * The kernel hands these files out a page at a time and lets the process change
 * its mappings in between, so a list is exact for each mapping and may be a
 * little out of date as a whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct map {
	uint64_t start;
	uint64_t end; /* first byte behind it */
	uint64_t offset; /* in the file */
	uint64_t inode; /* 0: no file */
	uint32_t dev_major;
	uint32_t dev_minor;
	char perms[5]; /* "rw-p" */
	const char *path; /* or "[heap]"; "" when anonymous. Newlines stand as \012 */
};

/* What smaps says of a mapping, in bytes; 0 for lines this kernel does not have. */
struct map_use {
	int64_t size;
	int64_t rss;
	int64_t pss;
	int64_t private_dirty;
	int64_t anon_huge;
	int64_t lazy_free; /* given back with MADV_FREE, not taken yet */
	int64_t swap;
};

struct maps {
	struct map *map; /* ascending addresses */
	struct map_use *use; /* one for each map; NULL when read from maps */
	size_t count;
	char **paths; /* owned; what map[].path point at */
	size_t paths_count;
};

/* Parse the text of maps or, with @with_use, of smaps. Lines that are neither a
 * mapping nor a known field are passed over, as a newer kernel may have more. */
int maps_parse(struct maps **out, const char *text, size_t len, bool with_use);
/* -ESRCH when the process has no memory: it ended, or is a kernel thread. */
int maps_read(struct maps **out, pid_t pid, struct err *err);
int maps_read_use(struct maps **out, pid_t pid, struct err *err);
void maps_free(struct maps *maps);

/* Number of mappings, as vm.max_map_count counts them; RECORD_UNKNOWN. */
int64_t maps_count(pid_t pid);
int64_t maps_count_file(const char *path);

/* The mapping @address lies in, or NULL. */
const struct map *maps_find(const struct maps *maps, uint64_t address);

/* A mapping of no file: anonymous, or one the kernel or prctl() named "[...]". */
bool map_is_anonymous(const struct map *map);
/* Two mappings of one file: an inode number is only one on its device. */
bool map_same_file(const struct map *a, const struct map *b);
/* PROT_NONE. */
bool map_is_guard(const struct map *map);

/*
 * One flag for each mapping: it belongs to an ELF module, that is, it maps a file
 * that is mapped executable somewhere in the process, or it is the anonymous rest
 * (.bss) directly behind such a mapping. @out holds maps->count flags.
 */
void maps_mark_modules(const struct maps *maps, bool *out);

struct map_range {
	uint64_t start;
	uint64_t end;
};

/*
 * Address ranges backed by files, from the first to the last mapping of each
 * module with its .bss, neighbours joined; so that a fault's address alone tells
 * a file fault from an anonymous one. Shared memory counts as no file. Returns
 * how many were written to @out; when there are more than @max, the largest ones.
 */
size_t maps_file_ranges(const struct maps *maps, struct map_range *out, size_t max);

/* /proc/PID/smaps_rollup: all mappings in one; smaps where the kernel (before
 * 4.14) has none. RECORD_UNKNOWN for lines it does not have. */
struct smaps_rollup {
	int64_t rss_bytes;
	int64_t pss_bytes;
	int64_t private_clean_bytes;
	int64_t private_dirty_bytes;
	int64_t anon_huge_bytes;
	int64_t lazy_free_bytes;
	int64_t swap_bytes;
};

void smaps_rollup_parse(struct smaps_rollup *out, const char *text, size_t len);
int smaps_rollup_read(pid_t pid, struct smaps_rollup *out, struct err *err);
